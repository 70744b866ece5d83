"""What a rule is, and the shelf on which all rules stand."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.observation import Case, Stage

Judge = Callable[[Case], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong with an alias.

    judge yields one finding for each source and port that it concerns; the engine joins those that say the same.
    """

    code: str
    title: str
    severity: Severity
    """The worst that it says; a finding may be milder."""
    stage: Stage
    judge: Judge
    needs: frozenset[Fact] = frozenset()
    """Without these it cannot judge and is skipped."""
    either: frozenset[Fact] = frozenset()
    """Of these it needs one at least."""
    uses: frozenset[Fact] = frozenset()
    """It reads these too, but can do without."""
    symptom: bool = False
    """It says what is seen, not why: silent about a source and port of which an earlier error speaks."""
    page: str = field(default="", compare=False)
    """The documentation page, plain text."""


SHELF: dict[str, Rule] = {}
"""Code → rule, filled as the family modules are imported."""


def rule(
    code: str,
    title: str,
    severity: Severity,
    stage: Stage,
    *,
    needs: Iterable[Fact] = (),
    either: Iterable[Fact] = (),
    uses: Iterable[Fact] = (),
    symptom: bool = False,
) -> Callable[[Judge], Judge]:
    """Make a rule of a function; its docstring is the page that `explain CODE` prints."""

    def put(judge: Judge) -> Judge:
        if code in SHELF:
            raise ValueError(f"rule {code} stands twice: {SHELF[code].title!r} and {title!r}")
        page = inspect.cleandoc(judge.__doc__ or "")
        SHELF[code] = Rule(
            code, title, severity, stage, judge, frozenset(needs), frozenset(either), frozenset(uses), symptom, page
        )
        return judge

    return put
