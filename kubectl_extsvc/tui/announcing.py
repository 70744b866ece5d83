"""What --plain says: the events of a live face as lines, one a change, and nothing of what stays the same."""

from dataclasses import dataclass, field
from datetime import datetime

from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.live import Asked, Asking, Back, Judged, Known, LiveEvent, Lost, ObjectChanged
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.source import Source
from kubectl_extsvc.output.report_text import target_text
from kubectl_extsvc.output.rows import spoken
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.board import Board
from kubectl_extsvc.tui.cells import NOT_ASKED, Cell

WORDS = {"OK": "well", "FAIL": "failed", "WARN": "warning", "WAIT": "too early to say", "??": "not known",
         "RBAC": "no right to exec", "TOOL": "no tool to probe with"}  # fmt: skip
"""A cell's ASCII word → how it is said in a sentence."""
WITH_THEIR_WORD = ("FAIL", "WARN", "??")

HELP = """\
NUMBER     all about that alias
l          list the aliases
p          probe all now
p NUMBER   probe that alias now
f NUMBER   fix what was found on that alias; asks before anything is changed
?          this help
q          quit, as does the end of the input"""


@dataclass(slots=True)
class Announcer:
    """Keeps what was said, so that only what differs is said."""

    style: Style
    namespace: str
    all_namespaces: bool = False
    board: Board = field(default_factory=Board)
    _numbers: dict[ObjectRef, int] = field(default_factory=dict)
    """An alias keeps its number as long as we run."""
    _said: dict[ObjectRef, tuple[str, ...]] = field(default_factory=dict)
    """What was said last of each alias: codes, and a word for each pod."""
    _said_lost: str = ""

    def take(self, event: LiveEvent) -> list[str]:
        """The lines that an event is worth."""
        match event:
            case Known():
                lines = self._take_known(event)
            case Judged():
                self.board.take(event)
                lines = self._about(event.report.alias)
            case Asking():
                self.board.take(event)
                return []
            case Asked(source=source, trouble=trouble):
                before = self.board.trouble.get(source.key, "")
                self.board.take(event)
                lines = self._about_source(source, before, trouble)
            case ObjectChanged(type=type_, ref=ref, aliases=aliases):
                self.board.take(event)
                word = {"ADDED": "created", "MODIFIED": "changed", "DELETED": "deleted"}[type_]
                lines = [f"{ref} in namespace {ref.namespace} was {word}"] if aliases else []
            case Lost(reason=reason):
                self.board.take(event)
                lines = [f"the cluster does not answer: {reason}"] if self._said_lost != reason else []
                self._said_lost = reason
            case Back():
                self.board.take(event)
                self._said_lost = ""
                lines = ["the cluster answers again"]
        moment = datetime.fromtimestamp(event.at).strftime("%H:%M:%S")
        return [self._clean(f"{moment}  {line}") for line in lines]

    # --- what is asked for -----------------------------------------------------------------------------------------

    def summary(self) -> list[str]:
        """What there is, a line each."""
        board = self.board
        if not board.known_at:
            return ["nothing is known yet"]
        where = "all namespaces" if self.all_namespaces else f"namespace {self.namespace}"
        lines = [f"{where}: {_count(len(board.aliases), 'alias')}, {_count(len(board.sources), 'pod')} to probe from"]
        lines += [f"  from  {_name(source)}" for source in board.sources]
        lines += [f"  note  {note}" for note in board.notes]
        lines += [f"{self._numbered(alias)}{self.state(alias)}" for alias in board.aliases]
        if not board.aliases:
            lines.append("to make one: kubectl extsvc create --external-name HOST")
        return [self._clean(line) for line in lines]

    def alias(self, number: int) -> Alias | None:
        ref = next((ref for ref, one in self._numbers.items() if one == number), None)
        return self.board.alias(ref) if ref is not None else None

    def state(self, alias: Alias) -> str:
        """well; or what was found, and what each pod says."""
        judged = self.board.reports.get(alias.service)
        if judged is None:
            return "not probed yet"
        findings = [_finding(one) for one in judged.report.findings if one.severity is not Severity.INFO]
        cells = [(source, self.board.cell(alias, source)) for source in self.board.sources]
        words = [f"{_cell(cell)} from {_name(source)}" for source, cell in cells]
        well = not findings and not any(cell.is_problem for _, cell in cells)
        return "; ".join(["well" if well else "NOT WELL", *findings, *words])

    # --- what has changed ------------------------------------------------------------------------------------------

    def _take_known(self, event: Known) -> list[str]:
        first, before = not self.board.known_at, {alias.service: alias for alias in self.board.aliases}
        sources, notes = {source.key: source for source in self.board.sources}, self.board.notes
        self.board.take(event)
        there = {alias.service for alias in event.aliases}
        for alias in event.aliases:
            self._numbers.setdefault(alias.service, max(self._numbers.values(), default=0) + 1)
        if first:
            return self.summary()
        lines = [f"{self._numbered(alias)}is new" for alias in event.aliases if alias.service not in before]
        lines += [f"{self._numbered(alias)}is gone" for ref, alias in before.items() if ref not in there]
        for ref in before.keys() - there:
            self._said.pop(ref, None)
            del self._numbers[ref]
        now = {source.key: source for source in self.board.sources}
        lines += [f"pod {_name(source)} is probed from, too" for key, source in now.items() if key not in sources]
        lines += [f"pod {_name(source)} is gone" for key, source in sources.items() if key not in now]
        return lines + [f"note: {note}" for note in event.notes if note not in notes]

    def _about(self, alias: Alias) -> list[str]:
        """What is new of an alias. The first word on it waits until all pods have been asked, unless it is bad."""
        if alias.service not in self._numbers:
            return []
        cells = [self.board.cell(alias, source) for source in self.board.sources]
        silent = [bool(self.board.trouble.get(source.key)) for source in self.board.sources]
        early = any(cell is NOT_ASKED and not troubled for cell, troubled in zip(cells, silent, strict=True))
        if alias.service not in self._said and early and not self.board.is_problem(alias):
            return []
        findings = self.board.reports[alias.service].report.findings
        said = (*(one.code for one in findings if one.severity is not Severity.INFO), *map(_cell, cells))
        if self._said.get(alias.service) == said:
            return []
        self._said[alias.service] = said
        return [f"{self._numbered(alias)}{self.state(alias)}"]

    def _about_source(self, source: Source, before: str, trouble: str) -> list[str]:
        if before == trouble:
            return []
        return [f"pod {_name(source)} gives no answer: {trouble}" if trouble else f"pod {_name(source)} answers again"]

    def _numbered(self, alias: Alias) -> str:
        return f"{self._numbers[alias.service]:>3}  {alias.name}.{alias.namespace} → {target_text(alias)}: "

    def _clean(self, line: str) -> str:
        return spoken(line, self.style)


def _name(source: Source) -> str:
    return f"{source.pod}.{source.namespace} ({source.mode})"


def _cell(cell: Cell) -> str:
    """Without its time, which is another one each time."""
    if cell is NOT_ASKED:
        return "not asked"
    if cell.word == "not srv":
        return "not served"
    word = WORDS[cell.glyph.word]
    return f"{word} at {cell.word}" if cell.glyph.word in WITH_THEIR_WORD and cell.word else word


def _finding(finding: Finding) -> str:
    severity = "" if finding.severity is Severity.ERROR else f"{finding.severity}: "
    return f"{finding.code} {severity}{finding.message}"


def _count(number: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"
