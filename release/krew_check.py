"""python -m release.krew_check DIST: krew's rules over manifest and archives of DIST, and what they install is run.

Everything happens in a scratch folder laid out as krew lays out its own: store/NAME/VERSION, and a link in bin.
"""

import contextlib
import os
import pty
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from kubectl_extsvc import __version__
from release.archives import sha256
from release.dist import TREE, onedir_name
from release.distributions import OURS
from release.krew_rules import PLATFORMS, platform_of, problems_of_archive, problems_of_manifest

PLUGIN = "extsvc"

LARGEST_ARCHIVE = 25_000_000
"""Bytes."""
SLOWEST_HELP = 4.0
"""--help of the bundle, to that of the same code in a virtual environment."""
ROUNDS = 15


def main() -> int:
    parser = ArgumentParser(prog="python -m release.krew_check", description=__doc__)
    parser.add_argument("dist", type=Path)
    parser.add_argument("--without-manifest", action="store_true", help="where not all of its archives can be made")
    args = parser.parse_args()
    dist: Path = args.dist.absolute()
    problems = [] if args.without_manifest else list(problems_of(dist))
    if not problems:
        for archive in (dist / onedir_name(), dist / TREE):
            problems += problems_of_running(archive)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        return 1
    print("krew-check: krew would install it, and it runs")
    return 0


def problems_of(dist: Path) -> Iterator[str]:
    """Of the manifest, and of the archives that it names."""
    manifest = yaml.safe_load((dist / "extsvc.yaml").read_text())
    print(f"extsvc.yaml: {manifest['spec']['version']}, {len(manifest['spec']['platforms'])} selectors", flush=True)
    yield from problems_of_manifest(manifest, "extsvc.yaml")
    for entry in manifest["spec"]["platforms"]:
        archive = dist / entry["uri"].rpartition("/")[2]
        places = [place for place in PLATFORMS if platform_of(manifest, place) is entry]
        print(f"{archive.name}: {', '.join(places)}", flush=True)
        if not archive.exists():
            yield f"{archive.name} is not in {dist}"
            continue
        yield from problems_of_archive(archive, entry)


def problems_of_running(archive: Path) -> Iterator[str]:
    yield from problems_of_archive(archive, {"bin": OURS, "sha256": sha256(archive)})
    if archive.stat().st_size > LARGEST_ARCHIVE:
        yield f"{archive.name}: {archive.stat().st_size:,} bytes, more than {LARGEST_ARCHIVE:,}"
    with tempfile.TemporaryDirectory(prefix="krew-") as root:
        link = installed(archive, Path(root))
        env = environment(Path(root))
        command = ["kubectl", PLUGIN] if shutil.which("kubectl") else [str(link)]
        print(f"{archive.name}: runs as {' '.join(command)}", flush=True)
        yield from (f"{archive.name}: {problem}" for problem in _told_wrongly(command, env))
        ratio = ratio_of_help(str(link), str(Path(sys.executable).with_name(OURS)), env)
        print(f"  --help takes {ratio:.1f} times what it takes in a virtual environment", flush=True)
        if ratio > SLOWEST_HELP:
            yield f"{archive.name}: --help takes {ratio:.1f} times what it takes in a virtual environment"


def installed(archive: Path, root: Path) -> Path:
    """Unpack as krew does; gives the link that it would make for kubectl."""
    store = root / "store" / PLUGIN / f"v{__version__}"
    with tarfile.open(archive) as tar:
        tar.extractall(store, filter="data")
    link = root / "bin" / f"kubectl-{PLUGIN}"
    link.parent.mkdir()
    link.symlink_to(store / OURS)
    return link


def environment(root: Path) -> dict[str, str]:
    """Of a user whose home is empty, who has the scratch krew on PATH, and our Python as python3."""
    kept = {name: value for name, value in os.environ.items() if name in ("LANG", "TERM", "TMPDIR")}
    # Not a stand-in that first looks for a Python: that would be measured.
    folders = (str(root / "bin"), str(Path(sys.base_prefix) / "bin"), os.environ["PATH"])
    return {**kept, "HOME": str(root), "PATH": os.pathsep.join(folders)}


def _told_wrongly(command: Sequence[str], env: Mapping[str, str]) -> Iterator[str]:
    """What goes otherwise than it should when the plugin is run."""
    calls: tuple[tuple[list[str], str], ...] = (
        (["--help"], "kubectl extsvc create"),
        (["version"], f"Client Version: v{__version__}\n"),
        (["create", "--external-name", "httpbin.org", "--dry-run=client", "-o", "yaml", "--mesh", "none"],
         "externalName: httpbin.org"),
        (["explain", "XS0403"], "XS0403"),
        (["sandbox", "--list"], "sni-missing"),
        (["demo"], "# Nothing is left"),
        (["__complete", "ver"], "verify\t"),
    )  # fmt: skip
    for words, expected in calls:
        began = time.monotonic()
        done = run([*command, *words], env)
        print(f"  {' '.join(words)}: {time.monotonic() - began:.1f} s", flush=True)
        if done.returncode != 0 or expected not in done.stdout:
            said = (done.stderr or done.stdout).strip()[-500:]
            yield f"{' '.join(words)} ended with {done.returncode}, said: {said}"
    yield from _environment_of_children(command, env)
    yield from _tui(command, env)


def _environment_of_children(command: Sequence[str], env: Mapping[str, str]) -> Iterator[str]:
    """Programs that it starts must find the libraries that they would find without it."""
    for libraries in ({}, {"LD_LIBRARY_PATH": "/of/the/user"}):
        done = run([*command, "sandbox", "--", "env"], {**env, **libraries})
        found = {
            line.partition("=")[0]: line.partition("=")[2]
            for line in done.stdout.splitlines()
            if line.startswith(("LD_LIBRARY_PATH", "_PYI_", "PYTHON"))
        }
        if done.returncode != 0 or found != libraries:
            yield f"children get {found}, and should {libraries}; {done.stderr.strip()[-300:]}"


def _tui(command: Sequence[str], env: Mapping[str, str]) -> Iterator[str]:
    """The terminal UI draws itself on a terminal, and ends at q."""
    pid, terminal = pty.fork()
    if not pid:
        words = [*command, "demo", "--tui"]
        os.execvpe(words[0], words, {**env, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"})
    drawn = b""
    deadline = time.monotonic() + 60
    left = False
    code = None
    while time.monotonic() < deadline and code is None:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                drawn += os.read(terminal, 65536)
            except OSError:
                break
        if b"my-httpbin" in drawn and not left:
            os.write(terminal, b"q")
            left = True
        ended, status = os.waitpid(pid, os.WNOHANG)
        code = os.waitstatus_to_exitcode(status) if ended else None
    if code is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    print(f"  demo --tui: {'drawn' if left else 'not drawn'}, ended with {code}", flush=True)
    if not left or code != 0:
        yield f"demo --tui ended with {code}, and had drawn {len(drawn)} bytes: {drawn[-300:]!r}"


def ratio_of_help(one: str, other: str, env: Mapping[str, str]) -> float:
    """How much longer --help takes, as a ratio of medians; the calls take turns, so both see the same machine."""
    times: dict[int, list[float]] = {0: [], 1: []}
    for _ in range(ROUNDS + 1):
        for index, program in enumerate((one, other)):
            began = time.perf_counter()
            run([program, "--help"], env)
            times[index].append(time.perf_counter() - began)
    return statistics.median(times[0][1:]) / statistics.median(times[1][1:])


def run(command: Sequence[str], env: Mapping[str, str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


if __name__ == "__main__":
    sys.exit(main())
