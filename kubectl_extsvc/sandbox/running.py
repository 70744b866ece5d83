"""The sandbox as a whole: its parts made, started and ended together."""

import json
import os
import secrets
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit
from tempfile import TemporaryDirectory

import yaml
from aiohttp import web

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.model.resources import Json, Resource
from kubectl_extsvc.sandbox.api.controllers import time_now
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE, KINDS, ServedKind
from kubectl_extsvc.sandbox.api.requests import application
from kubectl_extsvc.sandbox.api.rights import Rights, Rule
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.api.writes import WriteOptions, Writes
from kubectl_extsvc.sandbox.outside import pki
from kubectl_extsvc.sandbox.outside.network import Network
from kubectl_extsvc.sandbox.outside.servers import Outside, outside
from kubectl_extsvc.sandbox.pods.programs import SandboxPods, SidecarUnavailable
from kubectl_extsvc.sandbox.scenarios import Scenario, mesh_objects, scenario
from kubectl_extsvc.sandbox.sidecar.envoy import envoy_binary
from kubectl_extsvc.sandbox.sidecar.sidecars import Sidecars

MANAGER = "sandbox"
"""Field manager of what a scenario starts with."""
MOST_FILES = 10_240 if sys.platform == "darwin" else 65_536
"""macOS refuses more than its OPEN_MAX, whatever the hard limit says (getrlimit(2))."""
NAME = "extsvc-sandbox"
"""Of cluster, user and context in the kubeconfig."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    scenario: Scenario
    url: str
    token: str = field(repr=False)
    kubeconfig: Path
    store: Store
    writes: Writes
    rights: Rights
    network: Network
    outside: Outside
    sidecars: Sidecars
    no_sidecars: str
    """Why pods in default are plain, and how to get sidecars; "" if they have one."""

    def patch(self, resource: Resource, namespace: str, name: str, patch: Json) -> None:
        """A merge patch, as of somebody who uses kubectl. Raises Refused."""
        kind, body = BY_RESOURCE[resource.qualified_plural], json.dumps(patch).encode()
        options = WriteOptions(field_manager="kubectl-patch")
        self.writes.patch(kind, namespace, name, "application/merge-patch+json", body, options)


@asynccontextmanager
async def running(name: str = "healthy", *, port: int = 0) -> AsyncIterator[Sandbox]:
    """A running sandbox in a scenario, on a port of 127.0.0.1 (0: any); with the block it is gone without a trace.

    Raises UsageError if there is no such scenario, or the port cannot be used.
    """
    chosen = scenario(name)
    raise_file_limit()
    no_sidecars = why_no_sidecars()
    store, token = Store(), secrets.token_urlsafe(16)
    writes, rights = Writes(store), Rights(denied=tuple(map(_rule, chosen.forbidden)))
    with TemporaryDirectory(prefix="kubectl-extsvc-") as folder, closing(Network()) as network:
        for obj in (*mesh_objects(), *chosen.objects):
            _put(writes, _without_injection(obj) if no_sidecars else obj)
        _let_all_be_old(store)
        async with (
            outside(network, secrets.token_hex(4)) as servers,
            Sidecars(store, network, Path(folder)) as sidecars,
            _serving(application(store, writes, rights, SandboxPods(store, network, sidecars), token), port) as url,
        ):
            kubeconfig = Path(folder) / "kubeconfig"
            kubeconfig.write_text(yaml.safe_dump(_kubeconfig(url, token)))
            yield Sandbox(
                scenario=chosen,
                url=url,
                token=token,
                kubeconfig=kubeconfig,
                store=store,
                writes=writes,
                rights=rights,
                network=network,
                outside=servers,
                sidecars=sidecars,
                no_sidecars=no_sidecars,
            )


def raise_file_limit() -> None:
    """Let this process have as many sockets as it may: each pretended address and each waiting Envoy holds one."""
    soft, hard = getrlimit(RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != RLIM_INFINITY and soft < wanted:
        setrlimit(RLIMIT_NOFILE, (wanted, hard))


def why_no_sidecars() -> str:
    """What keeps Envoy from running here, and what helps; "" if nothing does."""
    try:
        envoy_binary()
    except SidecarUnavailable as unavailable:
        return str(unavailable)
    return ""


def kind_of(obj: Json) -> ServedKind:
    """The served kind of an object. Raises StopIteration if there is none."""
    group = obj["apiVersion"].rpartition("/")[0]
    return next(kind for kind in KINDS if (kind.group, kind.kind) == (group, obj["kind"]))


def _put(writes: Writes, obj: Json) -> None:
    """Create an object, or replace the one that is there."""
    kind, metadata = kind_of(obj), obj["metadata"]
    namespace, name, options = metadata.get("namespace", ""), metadata["name"], WriteOptions(field_manager=MANAGER)
    if writes.store.get(kind.resource, namespace, name) is not None:
        writes.replace(kind, namespace, name, obj, options)
    else:
        writes.create(kind, namespace, obj, options)


def _let_all_be_old(store: Store) -> None:
    """As if all were there for an hour: nobody who looks needs to wait for caches and proxies."""
    born = time_now(later=-3600)
    for resource in BY_RESOURCE:
        for obj in store.items(resource):
            store.put(resource, {**obj, "metadata": {**obj["metadata"], "creationTimestamp": born}})


def _without_injection(obj: Json) -> Json:
    """A namespace as it is where no sidecars can be had."""
    if obj["kind"] != "Namespace":
        return obj
    labels = {key: value for key, value in obj["metadata"].get("labels", {}).items() if key != "istio-injection"}
    return {**obj, "metadata": {**obj["metadata"], "labels": labels}}


def _rule(right: str) -> Rule:
    """Of "create pods/exec"."""
    verb, _, resource = right.partition(" ")
    return Rule(verbs=(verb,), resources=(resource,))


def _kubeconfig(url: str, token: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": {"server": url, "certificate-authority": str(pki.CA)}}],
        "users": [{"name": NAME, "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": "default"}}],
        "current-context": NAME,
    }


@asynccontextmanager
async def _serving(app: web.Application, port: int) -> AsyncIterator[str]:
    """The URL of an application that is served on loopback, with TLS: kubectl sends no token without it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pki.server("apiserver"))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, handler_cancellation=True)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        except OSError as error:
            # asyncio puts words of its own into strerror.
            why = os.strerror(error.errno) if error.errno else str(error)
            raise UsageError(f"port {port} of 127.0.0.1 cannot be used: {why}") from error
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
