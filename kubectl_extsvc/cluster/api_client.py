"""kubernetes_asyncio's client, set up as kubectl sets up its own: login, TLS, proxy, headers."""

import logging
import platform
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from multidict import CIMultiDict

from kubectl_extsvc import __version__
from kubectl_extsvc.cluster.client_packages import aiohttp, prepare
from kubectl_extsvc.cluster.credentials import Credential, Login
from kubectl_extsvc.cluster.kubeconfig import Connection, Impersonation
from kubectl_extsvc.errors import ConfigurationError
from kubectl_extsvc.model.hostile_text import one_line

if TYPE_CHECKING:
    from kubernetes_asyncio.client.api_client import ApiClient
    from kubernetes_asyncio.client.configuration import Configuration
    from kubernetes_asyncio.config.kube_config import KubeConfigLoader

OIDC_SECONDS = 60.0
"""How often an OIDC token's age is looked at."""


async def api_client(connection: Connection, login: Login) -> "ApiClient":
    """A client that is logged in; no request is sent yet. Raises ConfigurationError."""
    prepare()
    from kubernetes_asyncio.client.api_client import ApiClient
    from kubernetes_asyncio.client.configuration import Configuration
    from kubernetes_asyncio.config import kube_config

    # At DEBUG the library logs bodies (client/rest.py), so also Secrets.
    logging.getLogger("kubernetes_asyncio").setLevel(logging.CRITICAL)
    scheme = urlsplit(connection.proxy).scheme
    if scheme not in ("", "http", "https"):
        raise ConfigurationError(
            f"the way to {connection.server} leads through a {scheme} proxy; only http and https proxies are supported"
        )
    config = {**connection.config, "users": [{**connection.config["users"][0], "user": await login.loader_user()}]}
    loader = kube_config.KubeConfigLoader(
        config_dict=config, active_context=config["current-context"], config_base_path=""
    )
    settings = Configuration()
    settings.disable_strict_ssl_verification = True  # kubectl takes CAs without key identifiers; so did Python < 3.13
    try:
        await loader.load_and_set(settings)
        api = ApiClient(settings)
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"unable to load certificates for {connection.server}: {_pem_reason(error)}"
        ) from error
    except Exception as error:  # the loader raises TypeError, ValueError, KeyError and its own for bad data
        raise ConfigurationError(f"the kubeconfig's user cannot be used: {one_line(str(error))}") from error
    finally:
        # The TLS context has read the keys; they shall not lie in the temporary folder for the rest of the run.
        kube_config._cleanup_temp_files()
    api.user_agent = user_agent()
    settings.refresh_api_key_hook = _refresh_hook(loader, login)
    _replace_session(api, connection.impersonation)
    return api


def _pem_reason(error: ssl.SSLError) -> str:
    return (
        "tls: private key does not match public key"
        if "KEY_VALUES_MISMATCH" in str(error)
        else ("unable to parse bytes as PEM block")
    )


def _replace_session(api: "ApiClient", impersonation: Impersonation) -> None:
    """Give api a session of ours on its own connections.

    Its own would read proxies from the environment as Python does, not as kubectl does, and passwords from ~/.netrc,
    keep cookies, and cannot repeat a header.
    """
    session = api.rest_client.pool_manager
    connector = session.connector
    session.detach()
    api.rest_client.pool_manager = aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=impersonation_headers(impersonation),
        read_bufsize=2**18,
    )


def impersonation_headers(impersonation: Impersonation) -> CIMultiDict[str]:
    """Impersonate-* headers, groups and extra values repeated (client-go transport/round_trippers.go)."""
    headers: CIMultiDict[str] = CIMultiDict()
    if impersonation.user:
        headers.add("Impersonate-User", impersonation.user)
        if impersonation.uid:
            headers.add("Impersonate-Uid", impersonation.uid)
        for group in impersonation.groups:
            headers.add("Impersonate-Group", group)
        for key, values in impersonation.extra:
            for value in values:
                headers.add(f"Impersonate-Extra-{quote(key.lower(), safe='')}", value)
    return headers


def _refresh_hook(loader: "KubeConfigLoader", login: Login) -> "Callable[[Configuration], Any] | None":
    """What kubernetes_asyncio calls before each request to have a token of today; None if it cannot change."""

    async def renew(configuration: "Configuration") -> None:
        credential: Credential = await login.credential()
        configuration.api_key["BearerToken"] = f"Bearer {credential.token}"

    looked_at = time.monotonic()

    async def renew_oidc(configuration: "Configuration") -> None:
        nonlocal looked_at
        if time.monotonic() - looked_at < OIDC_SECONDS:
            return
        looked_at = time.monotonic()
        try:
            await loader._load_authentication()
        except Exception as error:
            raise ConfigurationError(f"getting credentials: {one_line(str(error))}") from error
        configuration.api_key["BearerToken"] = loader.token

    if login.renewable:
        return renew
    return renew_oidc if loader.provider else None


def user_agent() -> str:
    machine = platform.machine().lower()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return f"kubectl-extsvc/{__version__} ({platform.system().lower()}/{architecture})"
