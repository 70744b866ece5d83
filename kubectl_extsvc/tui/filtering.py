"""The filter language of the matrix: words that must all hold, of aliases and of the sources that are shown.

text: part of the alias's name, namespace or target. ns:shop: the namespace. state:fail, code:XS04, mesh:sidecar.
!WORD: not so. mesh: chooses columns; state: then judges these columns alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.tui.board import Board
from kubectl_extsvc.tui.cells import Cell

STATE_OF_SIGN = {
    "OK": "ok",
    "FAIL": "fail",
    "WARN": "warn",
    "WAIT": "wait",
    "RUN": "wait",
    "??": "unknown",
    "RBAC": "unknown",
    "TOOL": "unknown",
    "-": "none",
    "n/a": "none",
}
"""Word of a cell's glyph → what state: calls it. none: not served, or not asked yet."""

STATE_WORDS = tuple(dict.fromkeys(STATE_OF_SIGN.values()))
KEYS = ("ns", "state", "code", "mesh")


@dataclass(frozen=True, slots=True)
class Term:
    key: str
    """One of KEYS, or "" for mere text."""
    value: str
    """Casefolded."""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    terms: tuple[Term, ...] = ()
    complaint: str = ""
    """What cannot be meant, and what can; one line. Such a term matches nothing."""


@lru_cache(maxsize=64)
def parsed(text: str) -> Filter:
    terms = tuple(_term(word) for word in text.split())
    complaints = (_complaint(term) for term in terms)
    return Filter(terms, next((words for words in complaints if words), ""))


def sources_shown(wanted: Filter, sources: Iterable[Source]) -> tuple[Source, ...]:
    terms = [term for term in wanted.terms if term.key == "mesh"]
    return tuple(
        source for source in sources if all((source.mode.startswith(term.value)) is not term.negated for term in terms)
    )


def matches(wanted: Filter, board: Board, alias: Alias, sources: Sequence[Source]) -> bool:
    """sources: those that are shown."""
    if wanted.complaint:
        return False
    return all(_holds(term, board, alias, sources) is not term.negated for term in wanted.terms if term.key != "mesh")


def state_of(cell: Cell) -> str:
    return STATE_OF_SIGN[cell.glyph.word]


def _term(word: str) -> Term:
    negated = word.startswith("!") and len(word) > 1
    key, colon, value = word.removeprefix("!" if negated else "").casefold().partition(":")
    return Term(key, value, negated) if colon and key in KEYS else Term("", key + colon + value, negated)


def _complaint(term: Term) -> str:
    if term.key == "state" and term.value not in STATE_WORDS:
        return f"state: is one of {', '.join(STATE_WORDS)}"
    if term.key == "mesh" and (not term.value or not any(mode.startswith(term.value) for mode in MeshMode)):
        return f"mesh: is one of {', '.join(MeshMode)}"
    head, colon, _ = term.value.partition(":")
    if not term.key and colon and head.isalpha():
        return f'"{head}:" is none of {", ".join(f"{key}:" for key in KEYS)}'
    return ""


def _holds(term: Term, board: Board, alias: Alias, sources: Sequence[Source]) -> bool:
    match term.key:
        case "ns":
            return alias.namespace == term.value
        case "code":
            return any(code.casefold().startswith(term.value) for code in _codes(board, alias))
        case "state":
            return term.value in _states(board, alias, sources)
        case _:
            return term.value in f"{alias.name}.{alias.namespace} {alias.target}".casefold()


def _codes(board: Board, alias: Alias) -> list[str]:
    judged = board.reports.get(alias.service)
    return [finding.code for finding in judged.report.findings] if judged else []


def _states(board: Board, alias: Alias, sources: Sequence[Source]) -> set[str]:
    """Of all its cells, and of findings that no cell shows; it is ok only if nothing else is to be said."""
    states = {state_of(board.cell(alias, source)) for source in sources}
    judged = board.reports.get(alias.service)
    keys = {source.key for source in sources}
    for finding in judged.report.findings if judged else ():
        if finding.sources and keys.isdisjoint(finding.sources):
            continue
        states |= {Severity.ERROR: {"fail"}, Severity.WARNING: {"warn"}, Severity.INFO: set[str]()}[finding.severity]
    return states - {"ok"} if states - {"ok", "none"} else states
