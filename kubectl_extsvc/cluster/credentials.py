"""How we log in: a kubeconfig user, turned into what kubernetes_asyncio's KubeConfigLoader does right.

The loader keeps client certificates, basic auth and OIDC. Tokens in files are read here because they change on disk,
and credential plugins run here because the user must see what they say (client-go plugin/pkg/client/auth/exec).
"""

import asyncio
import base64
import json
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from kubectl_extsvc.cluster import plugin_policy
from kubectl_extsvc.cluster.kubeconfig import EXEC_EXTENSION
from kubectl_extsvc.errors import ConfigurationError
from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.resources import Json

API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
TOKEN_FILE_SECONDS = 60.0
"""How long the content of a token file is trusted (client-go transport/token_source.go)."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a plugin or a token file gave."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    """PEM, as is key."""
    key: str = field(default="", repr=False)
    expires_at: float = math.inf
    """Seconds since the epoch."""

    def expired(self, now: float) -> bool:
        return now >= self.expires_at


class Login:
    """The credentials of one user, renewed when they expire. One plugin runs at a time."""

    def __init__(self, user: Json, cluster: Json, environ: Mapping[str, str]) -> None:
        self._user = user
        self._cluster = cluster
        self._environ = environ
        self._lock = asyncio.Lock()
        self._credential: Credential | None = None
        self._has_token_file = "tokenFile" in user
        # client-go runs no plugin for a user who has a token, a password or a certificate (exec.go).
        known = ("token", "tokenFile", "username", "password", "client-certificate", "client-certificate-data")
        self._has_plugin = "exec" in user and not any(key in user for key in known)

    @property
    def renewable(self) -> bool:
        return self._has_plugin or self._has_token_file

    async def credential(self) -> Credential:
        """The credential of now. Runs the plugin or reads the file if the last one is none or has expired.

        Raises ConfigurationError.
        """
        async with self._lock:
            if self._credential is None or self._credential.expired(time.time()):
                self._credential = await self._fresh()
            return self._credential

    async def replace(self, refused: Credential) -> Credential:
        """Another credential than one that the server refused, unless it was replaced meanwhile."""
        async with self._lock:
            if self._credential is refused:
                self._credential = await self._fresh()
            return self._credential or refused

    async def loader_user(self) -> Json:
        """The user as KubeConfigLoader shall see it: one way to log in, and nothing that it gets wrong."""
        kept = {key: value for key, value in self._user.items() if key.startswith(("client-certificate", "client-key"))}
        if self._has_plugin:
            credential = await self.credential()
            if credential.certificate:
                kept["client-certificate-data"] = base64.b64encode(credential.certificate.encode()).decode()
                kept["client-key-data"] = base64.b64encode(credential.key.encode()).decode()
            return kept | ({"token": credential.token} if credential.token else {})
        if self._has_token_file:
            return kept | {"token": (await self.credential()).token}
        if "token" in self._user:
            return kept | {"token": self._user["token"]}
        if "username" in self._user or "password" in self._user:
            return kept | {key: self._user.get(key, "") for key in ("username", "password")}
        if "auth-provider" in self._user:
            return kept | {"auth-provider": self._user["auth-provider"]}
        return kept

    async def _fresh(self) -> Credential:
        if not self._has_plugin:
            return self._from_file()
        plugin = self._user["exec"]
        if reason := plugin_policy.refusal(plugin["command"], self._environ):
            raise ConfigurationError(f"getting credentials: {reason}")
        return await run_plugin(plugin, self._cluster, self._environ)

    def _from_file(self) -> Credential:
        path = Path(self._user["tokenFile"])
        try:
            token = path.read_text().strip()
        except OSError as error:
            if "token" not in self._user:
                raise ConfigurationError(f"open {path}: {(error.strerror or str(error)).lower()}") from error
            token = self._user["token"]
        if not token:
            raise ConfigurationError(f"read empty token from file {path}")
        return Credential(token=token, expires_at=time.time() + TOKEN_FILE_SECONDS)


async def run_plugin(plugin: Json, cluster: Json, environ: Mapping[str, str]) -> Credential:
    """What a credential plugin prints, with its stderr and, if it may ask, our stdin left to it.

    plugin is the exec block of a kubeconfig user; cluster the kubeconfig cluster, told to plugins that want it.
    Raises ConfigurationError.
    """
    command = plugin["command"]
    if plugin["apiVersion"] not in API_VERSIONS:
        raise ConfigurationError(f'exec plugin: invalid apiVersion "{plugin["apiVersion"]}"')
    interactive = _interactive(plugin.get("interactiveMode", "IfAvailable"))
    spec: Json = {"interactive": interactive}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = cluster_info(cluster)
    info = {"kind": "ExecCredential", "apiVersion": plugin["apiVersion"], "spec": spec}
    added = {variable["name"]: variable.get("value", "") for variable in plugin.get("env", [])}
    try:
        process = await asyncio.create_subprocess_exec(
            command,
            *plugin.get("args", []),
            env={**environ, **added, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            stdin=None if interactive else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=None,
        )
    except FileNotFoundError as error:
        hint = one_line(plugin.get("installHint", ""), 1000)
        raise ConfigurationError(
            f"getting credentials: exec: executable {command} not found" + (f"; {hint}" if hint else "")
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"getting credentials: exec: {command}: {(error.strerror or str(error)).lower()}"
        ) from error
    try:
        stdout, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise ConfigurationError(
            f"getting credentials: exec: executable {command} failed with exit code {process.returncode}"
        )
    try:
        return read_credential(stdout, plugin["apiVersion"])
    except ValueError as error:
        raise ConfigurationError(f"getting credentials: exec plugin {command}: {error}") from error


def _interactive(mode: str) -> bool:
    """Whether the plugin may talk with the user. Raises ConfigurationError if it must and cannot."""
    terminal = sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
    if mode == "Always" and not terminal:
        raise ConfigurationError(
            "getting credentials: exec plugin cannot support interactive mode: standard input is not a terminal"
        )
    return terminal and mode != "Never"


def cluster_info(cluster: Json) -> Json:
    """spec.cluster of an ExecCredential, from a kubeconfig cluster: files read, extension under config."""
    keys = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
    info = {key: cluster[key] for key in keys if key in cluster}
    if "certificate-authority" in cluster and "certificate-authority-data" not in cluster:
        authority = Path(cluster["certificate-authority"]).read_bytes()
        info["certificate-authority-data"] = base64.b64encode(authority).decode()
    for extension in cluster.get("extensions", []):
        if extension.get("name") == EXEC_EXTENSION:
            info["config"] = extension.get("extension")
    return info


def read_credential(stdout: bytes, api_version: str) -> Credential:
    """The credential in an ExecCredential. Raises ValueError with a line that says what is wrong with it."""
    try:
        answer = json.loads(stdout)
    except ValueError as error:
        raise ValueError("decoding stdout: it is not JSON") from error
    if not isinstance(answer, dict) or answer.get("kind") != "ExecCredential":
        raise ValueError("decoding stdout: it is not an ExecCredential")
    if answer.get("apiVersion") != api_version:
        returned = one_line(str(answer.get("apiVersion")))
        raise ValueError(f"it is configured to use API version {api_version}, plugin returned version {returned}")
    status = answer.get("status")
    if not isinstance(status, dict):
        raise ValueError("it didn't return a status field")
    token, certificate, key = (
        str(status.get(name) or "") for name in ("token", "clientCertificateData", "clientKeyData")
    )
    if bool(certificate) != bool(key):
        raise ValueError("it returned only certificate or key, not both")
    if not token and not certificate:
        raise ValueError("it didn't return a token or cert/key pair")
    return Credential(token, certificate, key, _expiry(status.get("expirationTimestamp")))


def _expiry(timestamp: object) -> float:
    if not timestamp:
        return math.inf
    try:
        return datetime.fromisoformat(str(timestamp)).timestamp()
    except ValueError as error:
        raise ValueError("its expirationTimestamp is not RFC 3339") from error
