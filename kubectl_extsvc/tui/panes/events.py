"""Events: what has happened since the app was started, newest first; of one alias, or of all."""

from kubectl_extsvc.output.rows import clean_line
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.board import AliasView, Happening
from kubectl_extsvc.tui.lines import Ink, Line, hanging, span
from kubectl_extsvc.tui.panes.choosing import clock, said

WHO = max(map(len, ("you", "probe", "cluster", "rule")))
INKS = {"you": Ink.STRONG, "rule": Ink.WARN}


def events_pane(view: AliasView, width: int, style: Style) -> list[Line]:
    if not view.happenings:
        return said(
            "nothing has happened yet: changes of objects, new findings and what you do are noted here", width, style
        )
    return [one for happening in view.happenings for one in happening_lines(happening, view.now, width, style)]


def happening_lines(happening: Happening, now: float, width: int, style: Style) -> list[Line]:
    at = clock(happening.at, now)
    lead = (
        span(f"{at} ", Ink.DIM, style),
        span(f"{happening.who:<{WHO}} ", INKS.get(happening.who, Ink.PLAIN), style),
    )
    evidence = tuple(map(clean_line, (f"{at} {happening.who}: {happening.text}", *happening.evidence)))
    return hanging(lead, happening.text, width, style, evidence=evidence, most=3)
