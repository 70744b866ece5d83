"""Runs pilot-oracle: worlds go in, istiod's answers come out in the same order."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from threading import Thread
from typing import IO

from kubectl_extsvc.model.resources import Json

HERE = Path(__file__).parent


def program() -> Path:
    """Where build.sh puts it (tests/testbed/settings.sh)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = os.environ.get("EXTSVC_TESTBED_HOME")
    return (Path(home) if home else cache / "kubectl-extsvc" / "testbed") / "bin" / "pilot-oracle"


def build() -> None:
    """Builds it if it is stale; CalledProcessError after the script's own message."""
    subprocess.run([HERE / "build.sh"], check=True, stdout=subprocess.DEVNULL)


def answers(worlds: Iterable[Json], env: Mapping[str, str] | None = None) -> Iterator[tuple[Json, Json]]:
    """Each world with its answer. env is added to istiod's environment."""
    asked: list[Json] = []

    def feed(pipe: IO[str]) -> None:
        with contextlib.suppress(BrokenPipeError), pipe:
            for world in worlds:
                asked.append(world)
                print(json.dumps(world), file=pipe)

    command = [str(program())]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})}
    )
    assert process.stdin is not None
    assert process.stdout is not None
    feeder = Thread(target=feed, args=(process.stdin,))
    feeder.start()
    try:
        for number, line in enumerate(process.stdout):
            yield asked[number], json.loads(line)
            asked[number] = {}
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, command)
    finally:
        # Who has seen enough does not wait for the rest.
        process.kill()
        process.stdout.close()
        process.wait()
        feeder.join()


def admitted(world: Json, answer: Json) -> Json:
    """The world without the objects that Istio's webhook refuses."""
    refused = {told["object"] for told in answer.get("invalid") or ()}
    return {**world, **{key: [obj for obj in world[key] if name_of(obj) not in refused] for key in ("kube", "istio")}}


def name_of(obj: Json) -> str:
    """KIND/NAMESPACE/NAME, as the program names an object."""
    metadata = obj["metadata"]
    return f"{obj['kind']}/{metadata.get('namespace') or 'default'}/{metadata['name']}"
