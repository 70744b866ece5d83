"""python -m release.measured DIST PAGE: sizes and times of what users install, written as PAGE. `make measured`."""

import os
import platform
import resource
import statistics
import sys
import tarfile
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path

from kubectl_extsvc import __version__
from release.dist import TREE, onedir_name
from release.distributions import OURS
from release.krew_check import environment, installed, run

ROUNDS = 15
COMMANDS = (
    ("--help",),
    ("__complete", "verify", "--"),
    ("create", "--external-name", "httpbin.org", "--mesh", "none", "--dry-run=client", "-o", "yaml"),
    ("lint", "alias.yaml"),
    ("sandbox", "--", "list"),
)
MANIFEST = """\
apiVersion: v1
kind: Service
metadata: {name: my-httpbin, namespace: default}
spec: {type: ExternalName, externalName: httpbin.org, ports: [{name: http, port: 80}]}
"""


def main() -> None:
    parser = ArgumentParser(prog="python -m release.measured", description=__doc__)
    parser.add_argument("dist", type=Path)
    parser.add_argument("page", type=Path)
    args = parser.parse_args()
    dist: Path = args.dist.absolute()
    with tempfile.TemporaryDirectory() as scratch:
        args.page.write_text(page(dist, Path(scratch)))
    print(args.page)


def page(dist: Path, scratch: Path) -> str:
    """The whole page, in Markdown."""
    env = environment(scratch)
    (scratch / "alias.yaml").write_text(MANIFEST)
    programs = {"virtual environment": Path(sys.executable).with_name(OURS)}
    for name, archive in (("bundle", onedir_name()), ("tree", TREE)):
        programs[name] = installed(dist / archive, scratch / name)
    first = [_seconds(programs[name], ("--help",), env, scratch) for name in ("bundle", "tree")]
    times = measured(programs, env, scratch)
    lines = [
        "# Sizes and times",
        "",
        "Written by `make measured`, from what `make dist` made of version "
        f"{__version__} on {platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores. Times differ from machine to machine; the ratios are what to look at.",
        "",
        "## What is downloaded and installed",
        "",
        "| File | MB | Unpacked, MB | Files |",
        "| --- | ---: | ---: | ---: |",
        *sizes(dist),
        "",
        "## Times",
        "",
        f"From the start of the process to its end, in ms: the median of {ROUNDS} rounds in which all take turns,",
        "after two that do not count. In brackets the ratio to a virtual environment, as pipx and uv make it.",
        f"`bundle` is {onedir_name()} and `tree` {TREE}, as krew installs them. `sandbox -- list`",
        "starts the sandbox, and in it one command on its cluster.",
        "",
        f"| Command | {' | '.join(programs)} |",
        f"| --- |{' ---: |' * len(programs)}",
        f"| first `--help` after unpacking | – | {' | '.join(f'{one * 1000:.0f}' for one in first)} |",
    ]
    for words in COMMANDS:
        base = statistics.median(times["virtual environment", words])
        cells = [statistics.median(times[name, words]) for name in programs]
        row = " | ".join(f"{cell * 1000:.0f} ({cell / base:.1f})" for cell in cells)
        lines.append(f"| `{' '.join(words)}` | {row} |")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    lines += ["", f"No process that was measured here took more than {peak:.0f} MiB of memory.", ""]
    return "\n".join(lines)


def sizes(dist: Path) -> Iterator[str]:
    """A row of each file that is downloaded."""
    for path in sorted(dist.iterdir()):
        if path.name.endswith((".whl", ".tar.gz")):
            if path.suffix == ".whl":
                unpacked, files = "", ""
            else:
                with tarfile.open(path) as tar:
                    members = [member.size for member in tar if member.isfile()]
                unpacked, files = f"{sum(members) / 1e6:.1f}", f"{len(members)}"
            yield f"| {path.name} | {path.stat().st_size / 1e6:.1f} | {unpacked} | {files} |"


def measured(
    programs: Mapping[str, Path], env: Mapping[str, str], cwd: Path
) -> Mapping[tuple[str, tuple[str, ...]], list[float]]:
    """(program, command) → seconds of each round. All take turns, so that they see the same machine."""
    times: dict[tuple[str, tuple[str, ...]], list[float]] = {}
    for turn in range(-2, ROUNDS):
        for words in COMMANDS:
            for name, program in programs.items():
                taken = _seconds(program, words, env, cwd)
                if turn >= 0:
                    times.setdefault((name, words), []).append(taken)
    return times


def _seconds(program: Path, words: tuple[str, ...], env: Mapping[str, str], cwd: Path) -> float:
    began = time.perf_counter()
    done = run([str(program), *words], env, cwd=cwd)
    taken = time.perf_counter() - began
    if done.returncode not in (0, 1):
        raise SystemExit(f"{program} {' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return taken


if __name__ == "__main__":
    main()
