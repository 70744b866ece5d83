"""docs/truth.md: what was said of each world on the testbed, by us and by istioctl analyze."""

from collections.abc import Iterable, Mapping, Sequence

from truth.elsewhere import ELSEWHERE
from truth.telling import Told
from truth.world import World

COMMAND = "make truth"
HEAD = f"""\
# What is named, and what is not

This page is written by `{COMMAND}`: every world below was made on the real cluster of
[tests/testbed](../tests/testbed/README.md) (Kubernetes API server, kubelet, CoreDNS, istiod and Envoy, an outside with
its own servers), judged by `kubectl extsvc verify`, and asked about by `istioctl analyze -n NAMESPACE` with the live
objects. The worlds are [tests/truth/worlds](../tests/truth/worlds); one of them alone:
`pytest tests/truth -m testbed -k NAME`.

How it counts. *kubectl extsvc* names the cause if the true cause is its **first** finding of the world. *istioctl* does
if it says one of the codes that were written down for that world before (last table) about an object of that world;
a message that is always there, or that speaks of another cause, does not count. A world that is well counts against
whoever says a warning or an error about it. On a cluster without Istio istioctl is not asked.
"""


def page(worlds: Sequence[World], told: Mapping[str, Told], titles: Mapping[str, str], versions: str) -> str:
    broken = [world for world in worlds if world.is_broken]
    well = [world for world in worlds if not world.is_broken]
    named = [world for world in broken if names_the_cause(world, told[world.id])]
    by_istioctl = [world for world in broken if istioctl_names_the_cause(world, told[world.id])]
    alarms = [world for world in well if told[world.id].alarms]
    istioctl_alarms = [world for world in well if told[world.id].istioctl]
    totals = table(
        ("", "kubectl extsvc", "istioctl analyze"),
        [
            (f"broken worlds whose cause is named ({len(broken)})", str(len(named)), str(len(by_istioctl))),
            (f"false alarms in worlds that are well ({len(well)})", str(len(alarms)), str(len(istioctl_alarms))),
        ],
    )
    return "\n".join(
        [
            HEAD,
            versions,
            "",
            totals,
            "## Worlds that are broken\n",
            table(
                ("World", "The true cause", "Code", "kubectl extsvc says", "istioctl analyze says"),
                [broken_row(world, told[world.id], titles) for world in broken],
            ),
            "## Worlds that are well\n",
            table(
                ("World", "What is special", "kubectl extsvc says", "istioctl analyze says"),
                [
                    (world.id, world.row, ", ".join(told[world.id].alarms) or "–", shown(told[world.id].istioctl))
                    for world in well
                ],
            ),
            "## Not made on the testbed\n",
            table(("What", "Why not", "What covers it"), [(one.row, one.why, f"`{one.test}`") for one in ELSEWHERE]),
            "## Codes of istioctl analyze that would count\n",
            table(
                ("World", "Codes"),
                [(world.id, ", ".join(sorted(world.istioctl))) for world in broken if world.istioctl],
            ),
        ]
    )


def names_the_cause(world: World, told: Told) -> bool:
    return told.found[:1] == world.found[:1]


def istioctl_names_the_cause(world: World, told: Told) -> bool:
    return any(line.split()[0] in world.istioctl for line in told.istioctl)


def broken_row(world: World, told: Told, titles: Mapping[str, str]) -> tuple[str, ...]:
    codes = list(dict.fromkeys(code for code, _, _ in told.found))
    said = ", ".join([f"{codes[0]} {titles.get(codes[0], '')}", *codes[1:]]) if codes else "–"
    return (
        world.id,
        world.row,
        world.found[0][0],
        f"{mark(names_the_cause(world, told))} {said}",
        f"{mark(istioctl_names_the_cause(world, told))} {shown(told.istioctl)}",
    )


def mark(right: bool) -> str:
    return "✓" if right else "✗"


def shown(lines: Iterable[str]) -> str:
    return ", ".join(lines) or "–"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
