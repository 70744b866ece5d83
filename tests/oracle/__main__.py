"""Random worlds through istiod's own code and through our laws: `make oracle SEED=1 COUNT=1000`."""

import argparse
import itertools
import json
import multiprocessing
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from oracle.comparing import Tally, judged
from oracle.known import KNOWN
from oracle.program import answers, build
from oracle.random_worlds import random_world, random_worlds
from oracle.shrinking import shrunk

from kubectl_extsvc.model.resources import Json

BATCH = 50
ENOUGH = 10_000
"""Worlds in which each written exception is met."""

Asked = list[tuple[Json, Json]]


def main() -> int:
    options = _options()
    try:
        build()
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    if options.world is not None:
        worlds: Iterable[Json] = [random_world(options.seed, options.world)]
    else:
        worlds = random_worlds(options.seed, options.count)
    tally = Tally()
    # Before the program's threads: the pool's processes are copies of this one.
    with multiprocessing.Pool() as pool:
        for part in pool.imap(judged, _batches(answers(worlds))):
            tally.add(part)
            if sys.stderr.isatty():
                print(f"\r{tally.counts['worlds']} worlds", end="", file=sys.stderr)
    print(_summary(tally))
    # One of each kind says more than ten of one.
    kinds = {found.kind: found for found in reversed(tally.unexplained)}
    for found in itertools.islice(kinds.values(), options.show):
        smallest = shrunk(found)
        print(f"\n{smallest}")
        print(json.dumps(smallest.world, indent=1) if options.keep is None else _kept(options.keep, smallest.world))
    idle = [known.name for known in KNOWN if not tally.known[known.name]]
    if idle and tally.counts["worlds"] >= ENOUGH:
        print(f"\nwritten exceptions that nothing needed: {', '.join(idle)}")
    return 1 if tally.unexplained else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="oracle", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000, help="worlds")
    parser.add_argument("--world", type=int, help="this one alone, for example 123 of 1/123")
    parser.add_argument("--show", type=int, default=3, help="disagreements to shrink and print")
    parser.add_argument("--keep", type=Path, help="folder to write their worlds to, in place of printing them")
    return parser.parse_args()


def _batches(asked: Iterator[tuple[Json, Json]]) -> Iterator[Asked]:
    while batch := [*itertools.islice(asked, BATCH)]:
        yield batch


def _summary(tally: Tally) -> str:
    calls = max(tally.counts["calls"], 1)
    lines = [f"{count:8} {what}" for what, count in sorted(tally.counts.items(), key=lambda item: -item[1])]
    unknown = tally.counts["calls that we cannot tell"]
    lines.append(f"{unknown / calls:8.2%} of the calls we cannot tell")
    lines += [f"{count:16} since {reason}" for reason, count in tally.unknown.most_common(5)]
    lines += [f"{count:8} excused: {name}" for name, count in tally.known.most_common()]
    kinds = Counter(found.kind for found in tally.unexplained)
    worlds = len({found.world["id"] for found in tally.unexplained})
    lines.append(f"{len(tally.unexplained):8} unexplained disagreements, in {worlds} worlds")
    lines += [f"{count:16} begin with {kind}" for kind, count in kinds.most_common()]
    return "\n".join(lines)


def _kept(folder: Path, world: Json) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{world['id'].replace('/', '-')}.json"
    path.write_text(json.dumps(world, indent=1) + "\n")
    return str(path)


if __name__ == "__main__":
    # What is piped into head is not wanted any more.
    try:
        code = main()
    except BrokenPipeError:
        code = 1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
