"""An API server in a thread of its own, so that a command has the main thread and its signals as in real life."""

import asyncio
import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from worlds.fake_apiserver import FakeApiServer, serving
from worlds.object_store import ObjectStore

from kubectl_extsvc.cli import main


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    kept: list[ObjectStore] = []
    started = threading.Event()
    stop: list[Callable[[], object]] = []

    async def serve() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(over.set))
        async with serving() as server:
            kept.append(_answering(server))
            started.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(10)
    yield kept[0]
    stop[0]()
    thread.join(10)


def _answering(server: FakeApiServer) -> ObjectStore:
    kept = ObjectStore(server)
    server.fallback = kept.handle
    return kept


@pytest.fixture
def config(store: ObjectStore, tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text(
        json.dumps(
            {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": store.server.url}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    return path


@pytest.fixture
def extsvc(config: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a command line in this process, through main."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(line: str, *more: str) -> Ran:
        capsys.readouterr()
        code = main([*line.split(), *more, "--kubeconfig", str(config)])
        return Ran(code, *capsys.readouterr())

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)
