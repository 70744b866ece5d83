"""What the screens show, kept from events: the only state of the app besides the cursor and the view's options."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.live import Asked, Asking, Back, Judged, Known, LiveEvent, Lost, ObjectChanged
from kubectl_extsvc.model.report import AliasReport
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.tui.cells import NOT_ASKED, Cell, Sample, cells_of, sample_of

SAMPLES_KEPT = 120
LOOKS_KEPT = 20
HAPPENINGS_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Happening:
    """A line of the log."""

    at: float
    """Seconds since the epoch."""
    who: str
    """you, probe, cluster or rule"""
    text: str
    """One line, not cleaned."""
    aliases: frozenset[ObjectRef] = frozenset()
    """Empty: of no alias, or of all."""
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """One round of looks at an alias: each source once."""

    worst: Cell
    seconds: float
    """Of the slowest call; 0.0 if there was none."""
    sources: frozenset[str]
    """Keys of those that have answered in it."""


@dataclass(frozen=True, slots=True)
class AliasView:
    """All that the screen of one alias shows; a value, so that a frozen view stays as it was."""

    alias: Alias
    now: float
    """Seconds since the epoch."""
    report: AliasReport | None
    """None: not judged yet."""
    judged_at: float
    sources: tuple[Source, ...]
    """All that are asked, by mode and name."""
    snapshot: Snapshot
    samples: dict[str, tuple[Sample, ...]]
    """Source key → its last looks, oldest first."""
    happenings: tuple[Happening, ...]
    """Of this alias, newest first."""
    asking: dict[str, float]
    """Key of each source that is being asked about it → since when."""


@dataclass(slots=True)
class Board:
    aliases: tuple[Alias, ...] = ()
    sources: tuple[Source, ...] = ()
    snapshot: Snapshot = field(default_factory=Snapshot)
    notes: tuple[str, ...] = ()
    known_at: float = 0.0
    """0.0: nothing is known yet."""
    reports: dict[ObjectRef, Judged] = field(default_factory=dict)
    """By the alias's Service."""
    cells: dict[ObjectRef, dict[str, Cell]] = field(default_factory=dict)
    """Alias → source key → what it says; absent: not asked yet."""
    samples: dict[tuple[ObjectRef, str], deque[Sample]] = field(default_factory=dict)
    looks: dict[ObjectRef, deque[Look]] = field(default_factory=dict)
    """Alias → its last rounds, oldest first; what the matrix draws as history."""
    asking: dict[str, Asking] = field(default_factory=dict)
    """By source key."""
    trouble: dict[str, str] = field(default_factory=dict)
    """Source key → why it could not be asked."""
    happenings: deque[Happening] = field(default_factory=lambda: deque(maxlen=HAPPENINGS_KEPT))
    """Oldest first."""
    lost: Lost | None = None

    def take(self, event: LiveEvent) -> frozenset[ObjectRef] | None:
        """Note what has happened. Gives the aliases whose rows look different now; None: everything may."""
        match event:
            case Known():
                self._take_known(event)
                return None
            case Asking(source=source, aliases=aliases):
                self.asking[source.key] = event
                return aliases
            case Asked(at=at, source=source, aliases=aliases, trouble=trouble):
                self.asking.pop(source.key, None)
                if trouble and self.trouble.get(source.key) != trouble:
                    self.happenings.append(Happening(at, "probe", f"{source.pod}: {trouble}"))
                self.trouble[source.key] = trouble
                return aliases
            case Judged():
                return self._take_judged(event)
            case ObjectChanged(at=at, type=type_, ref=ref, aliases=aliases):
                word = {"ADDED": "created", "MODIFIED": "changed", "DELETED": "deleted"}[type_]
                self.happenings.append(Happening(at, "cluster", f"{ref} {word} in {ref.namespace}", aliases))
                return frozenset()
            case Lost(at=at, reason=reason):
                if self.lost is None:
                    self.happenings.append(Happening(at, "cluster", reason))
                self.lost = event
                return None
            case Back(at=at):
                if self.lost is not None:
                    self.happenings.append(Happening(at, "cluster", "the cluster answers again"))
                self.lost = None
                return None

    def _take_known(self, event: Known) -> None:
        self.aliases, self.snapshot, self.notes = event.aliases, event.snapshot, event.notes
        self.sources = in_order(event.sources)
        self.known_at = event.at
        there = {alias.service for alias in event.aliases}
        looking = {source.key for source in event.sources}
        self.reports = {ref: judged for ref, judged in self.reports.items() if ref in there}
        self.cells = {
            ref: {key: cell for key, cell in row.items() if key in looking}
            for ref, row in self.cells.items()
            if ref in there
        }
        self.samples = {key: kept for key, kept in self.samples.items() if key[0] in there and key[1] in looking}
        self.looks = {ref: kept for ref, kept in self.looks.items() if ref in there}
        self.trouble = {key: words for key, words in self.trouble.items() if key in looking}
        self.asking = {key: asking for key, asking in self.asking.items() if key in looking}

    def _take_judged(self, event: Judged) -> frozenset[ObjectRef]:
        report, ref = event.report, event.report.alias.service
        before = self.reports.get(ref)
        self.reports[ref] = event
        # What an object's change made void stays to be seen until the source has answered again.
        self.cells.setdefault(ref, {}).update(cells_of(report))
        if event.asked is not None:
            kept = self.samples.setdefault((ref, event.asked.key), deque(maxlen=SAMPLES_KEPT))
            sample = sample_of(report, event.asked, event.at)
            kept.append(sample)
            _count_in(self.looks.setdefault(ref, deque(maxlen=LOOKS_KEPT)), event.asked.key, sample)
        self.happenings += _news(before.report if before else None, report, event.at)
        return frozenset((ref,))

    def copy(self) -> "Board":
        """As it is now, whatever happens later: what a frozen view shows."""
        return replace(
            self,
            reports=dict(self.reports),
            cells={ref: dict(row) for ref, row in self.cells.items()},
            samples={key: kept.copy() for key, kept in self.samples.items()},
            looks={ref: kept.copy() for ref, kept in self.looks.items()},
            asking=dict(self.asking),
            trouble=dict(self.trouble),
            happenings=self.happenings.copy(),
        )

    def cell(self, alias: Alias, source: Source) -> Cell:
        return self.cells.get(alias.service, {}).get(source.key, NOT_ASKED)

    def is_problem(self, alias: Alias) -> bool:
        """An error or a warning, or a cell that is not well."""
        ref = alias.service
        judged = self.reports.get(ref)
        if judged is None:
            return False
        if any(finding.severity is not Severity.INFO for finding in judged.report.findings):
            return True
        return any(cell.is_problem for cell in self.cells.get(ref, {}).values())

    def first_finding(self, alias: Alias) -> Finding | None:
        judged = self.reports.get(alias.service)
        return judged.report.findings[0] if judged and judged.report.findings else None

    def alias(self, ref: ObjectRef) -> Alias | None:
        return next((alias for alias in self.aliases if alias.service == ref), None)

    def view_of(self, alias: Alias, now: float) -> AliasView:
        ref = alias.service
        judged = self.reports.get(ref)
        return AliasView(
            alias=alias,
            now=now,
            report=judged.report if judged else None,
            judged_at=judged.at if judged else 0.0,
            sources=self.sources,
            snapshot=self.snapshot,
            samples={source.key: tuple(self.samples.get((ref, source.key), ())) for source in self.sources},
            happenings=tuple(one for one in reversed(self.happenings) if not one.aliases or ref in one.aliases),
            asking={key: asking.at for key, asking in self.asking.items() if ref in asking.aliases},
        )


def in_order(sources: Iterable[Source]) -> tuple[Source, ...]:
    """With sidecar first, then plain, then ambient; within a mode by namespace and name."""
    modes = list(MeshMode)
    return tuple(sorted(sources, key=lambda source: (modes.index(source.mode), source.namespace, source.pod)))


def _count_in(looks: deque[Look], key: str, sample: Sample) -> None:
    """A source that answers again begins a new round."""
    if not looks or key in looks[-1].sources:
        looks.append(Look(sample.cell, sample.seconds, frozenset((key,))))
        return
    last = looks[-1]
    worst = min(last.worst, sample.cell, key=lambda cell: cell.rank)
    looks[-1] = Look(worst, max(last.seconds, sample.seconds), last.sources | {key})


def _news(before: AliasReport | None, after: AliasReport, at: float) -> list[Happening]:
    """What a new verdict says that the last one did not."""
    ref = frozenset((after.alias.service,))
    known = {finding.code for finding in before.findings} if before else set[str]()
    found = {finding.code for finding in after.findings}
    news = [
        Happening(at, "rule", f"{after.alias.name}: {finding.code} {finding.message}", ref, finding.evidence)
        for finding in _once(after.findings)
        if finding.code not in known
    ]
    gone = sorted(known - found)
    return [*news, *(Happening(at, "rule", f"{after.alias.name}: {code} is gone", ref) for code in gone)]


def _once(findings: Sequence[Finding]) -> Iterable[Finding]:
    """The first of each code."""
    return {finding.code: finding for finding in reversed(findings)}.values()
