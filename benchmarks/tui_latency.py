#!/usr/bin/env python3
"""How soon the terminal UI is there, how soon it answers a key, and what it costs while nothing happens.

Measured through a pseudo-terminal, as a person sees it:
- the seconds from the start of the process until something is on the screen, and until the matrix is; with a cluster,
  and with one that does not answer;
- the milliseconds from a key until the screen has changed for it, at 200 aliases × 50 sources, while 200 verdicts a
  second come in;
- the CPU that it takes while nothing happens.

Exit 1 beyond a budget.

    .venv/bin/python benchmarks/tui_latency.py [--quick]
"""

import argparse
import fcntl
import json
import os
import pty
import re
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROWS, COLUMNS = 36, 120
TUI = [sys.executable, "-m", "kubectl_extsvc", "tui"]
SANDBOX = [sys.executable, "-m", "kubectl_extsvc", "sandbox", "--scenario", "mixed"]
FED = [sys.executable, __file__, "--feed"]

BUDGETS = {"first paint": 300.0, "key to paint, p95": 50.0, "idle": 1.0}

ALIASES, SOURCES, UPDATES = 200, 50, 200
"""Of the fed app; updates are in a second."""

_SEQUENCES = re.compile(rb"\x1b(?:\[[0-9;?>=]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_UNSEEN = re.compile(_SEQUENCES.pattern + rb"|[\x00-\x20]")


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.begun = time.perf_counter()
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True)
        os.close(slave)
        self.drawn = b""
        """All that was drawn since the last key."""

    def type(self, keys: bytes) -> None:
        self.drawn = b""
        os.write(self._master, keys)

    def read(self, seconds: float) -> bool:
        """Take what is drawn within that time; whether there was anything."""
        if not select.select([self._master], [], [], max(seconds, 0.0))[0]:
            return False
        try:
            self.drawn += os.read(self._master, 1 << 20)
        except OSError:  # the other end has closed
            return False
        return True

    def until(self, words: bytes, seconds: float = 30.0) -> float:
        """Seconds from the start until all that was drawn has these words; "": until anything can be seen."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self.read(end - time.perf_counter())
            if words in self.drawn if words else _UNSEEN.sub(b"", self.drawn):
                return time.perf_counter() - self.begun
        sys.exit(f"waited {seconds} s in vain for {words!r}; drawn was {self.drawn[-2000:]!r}")

    def drain(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.read(left)

    def close(self) -> None:
        self.process.terminate()
        end = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.1)
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@contextmanager
def terminal(argv: list[str], env: dict[str, str]) -> Iterator[Terminal]:
    one = Terminal(argv, env)
    try:
        yield one
    finally:
        one.close()


def environment(kubeconfig: str) -> dict[str, str]:
    # A user's Python may write .pyc files.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**env, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "KUBECONFIG": kubeconfig}


@contextmanager
def sandbox() -> Iterator[str]:
    """The kubeconfig of a sandbox."""
    process = subprocess.Popen(SANDBOX, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip().removeprefix("export KUBECONFIG=")
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextmanager
def dead_cluster() -> Iterator[str]:
    """A kubeconfig that leads to a port where nobody listens."""
    config = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kubeconfig"
        path.write_text(json.dumps(config))
        yield str(path)


def first_paint(kubeconfig: str, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds until anything is seen, and until the matrix is, of each round."""
    seen, there = [], []
    for number in range(rounds + 1):
        with terminal(TUI, environment(kubeconfig)) as one:
            something, matrix = one.until(b""), one.until(b"ALIAS")
        if number:  # the first one wrote .pyc files and filled caches
            seen.append(something * 1000)
            there.append(matrix * 1000)
    return seen, there


def key_to_paint(keys: int) -> list[float]:
    """Milliseconds from a key until the mark is drawn before the next alias, of each key."""
    taken = []
    with terminal(FED, environment("")) as one:
        one.until(b"alias-000")
        one.drain(3.0)
        at = 0
        for number in range(keys):
            # Down and up again, so that what is on the screen stays.
            down = number % 40 < 20
            at += 1 if down else -1
            marked = f"▸ alias-{at:03}".encode()
            one.type(b"j" if down else b"k")
            begun = time.perf_counter()
            while marked not in _SEQUENCES.sub(b"", one.drawn):
                if not one.read(2.0):
                    sys.exit(f"key {number} was not answered; drawn was {one.drawn[-2000:]!r}")
            taken.append((time.perf_counter() - begun) * 1000)
            one.drain(0.037 + (number % 7) * 0.01)
    return taken


def idle_percent(seconds: float) -> float:
    """CPU of the fed app when the feed has stopped."""
    with terminal([*FED, "--still"], environment("")) as one:
        one.until(b"alias-000")
        one.drain(3.0)
        before = cpu_seconds(one.process.pid)
        one.drain(seconds)
        return (cpu_seconds(one.process.pid) - before) / seconds * 100


def cpu_seconds(pid: int) -> float:
    """User and system time of a process (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- the app that is fed ---------------------------------------------------------------------------------------------


def feed(*, still: bool) -> None:
    """Run the app without a cluster, on verdicts that are made up."""
    import itertools
    import random

    import anyio

    from kubectl_extsvc.model.alias import Alias, AliasPort, AppProtocol, HostTarget
    from kubectl_extsvc.model.finding import Judgement
    from kubectl_extsvc.model.live import Judged, Known
    from kubectl_extsvc.model.observation import Contract, Observation, Stage, StageResult, StageState
    from kubectl_extsvc.model.probe import Answer, Purpose, Scheme, Times, Transfer
    from kubectl_extsvc.model.report import AliasReport, SourceReport
    from kubectl_extsvc.model.snapshot import Mesh, Snapshot
    from kubectl_extsvc.model.source import MeshMode, Source
    from kubectl_extsvc.tui.app import ExtsvcApp, Options

    chance = random.Random(1)
    port = AliasPort("http", 80, 80, AppProtocol.HTTP)
    aliases = tuple(
        Alias("shop", f"alias-{number:03}", HostTarget(f"host-{number:03}.example"), (port,))
        for number in range(ALIASES)
    )
    modes = (MeshMode.SIDECAR, MeshMode.PLAIN)
    sources = tuple(Source("shop", f"pod-{number:02}", "app", modes[number % 2]) for number in range(SOURCES))

    def seen(alias: Alias, source: Source) -> SourceReport:
        host, seconds, failed = alias.fqdn(), chance.uniform(0.005, 0.2), chance.random() < 0.1
        transfer = Transfer("t1", Purpose.ALIAS, Scheme.HTTP, host, 80)
        status = 503 if failed else 200
        answer = Answer(transfer, 0, status=status, times=Times(0.001, 0.002, 0.0, seconds, seconds))
        states = dict.fromkeys(Stage, StageState.OK)
        if failed:
            states[Stage.HTTP] = StageState.FAILED
        stages = tuple(StageResult(stage, states[stage], f"{stage} {seconds:.3f}") for stage in Stage)
        return SourceReport(Observation(source, port, Contract(True, Scheme.HTTP, host), (answer,)), stages)

    def report(alias: Alias) -> AliasReport:
        return AliasReport(alias, "", tuple(seen(alias, source) for source in sources), Judgement((), (), ()), None)

    reports = [report(alias) for _ in range(3) for alias in aliases]

    async def run() -> None:
        app = ExtsvcApp(Options(namespace="shop"))

        async def tell() -> None:
            await app.painted.wait()
            app.take(Known(time.time(), aliases, sources, Snapshot(mesh=Mesh(installed=True))))
            for one in reports[:ALIASES]:
                app.take(Judged(time.time(), one, sources[0]))
                await anyio.lowlevel.checkpoint()
            begun = time.monotonic()
            for number in itertools.count() if not still else ():
                await anyio.sleep(max(begun + number / UPDATES - time.monotonic(), 0.0))
                app.take(Judged(time.time(), chance.choice(reports), chance.choice(sources)))

        async with anyio.create_task_group() as group:
            app.tasks = group
            group.start_soon(tell)
            await app.run_async()
            group.cancel_scope.cancel()

    anyio.run(run)


# --- the table -------------------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and 10 s in place of 60 without an event")
    parser.add_argument("--feed", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--still", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.feed:
        feed(still=args.still)
        return 0
    rounds, keys, seconds = (3, 60, 10.0) if args.quick else (10, 300, 60.0)

    beyond = False

    def row(what: str, values: list[float], unit: str, judged: float, budget: str = "") -> None:
        nonlocal beyond
        over = bool(budget) and judged > BUDGETS[budget]
        beyond |= over
        told = f"   budget {BUDGETS[budget]:g} {unit}{'  BEYOND' if over else ''}" if budget else ""
        print(f"{what:44} {judged:7.1f} {unit:3} (least {min(values):.1f}, most {max(values):.1f}){told}", flush=True)

    with sandbox() as kubeconfig:
        seen, there = first_paint(kubeconfig, rounds)
    row("first paint, median", seen, "ms", statistics.median(seen), "first paint")
    row("the matrix is there, median", there, "ms", statistics.median(there))
    with dead_cluster() as kubeconfig:
        seen, there = first_paint(kubeconfig, rounds)
    row("first paint, no cluster, median", seen, "ms", statistics.median(seen), "first paint")
    row("the matrix is there, no cluster, median", there, "ms", statistics.median(there))
    taken = key_to_paint(keys)
    p95 = statistics.quantiles(taken, n=20)[-1]
    row(f"key to paint, p95 at {ALIASES} × {SOURCES}, {UPDATES}/s", taken, "ms", p95, "key to paint, p95")
    idle = idle_percent(seconds)
    row(f"CPU while nothing happens, {seconds:g} s", [idle], "%", idle, "idle")
    return int(beyond)


if __name__ == "__main__":
    sys.exit(main())
