"""What a pane is about: which port, and which sources in which order; and the words where there is nothing to show."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from kubectl_extsvc.model.alias import AliasPort
from kubectl_extsvc.model.report import SourceReport
from kubectl_extsvc.model.source import Source
from kubectl_extsvc.output.report_text import port_text, source_text, sources_by_port
from kubectl_extsvc.output.rows import clean_line
from kubectl_extsvc.output.source_names import short_names
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.output.table import human_duration
from kubectl_extsvc.tui.board import AliasView
from kubectl_extsvc.tui.cells import SHOWN_AS_ASKING
from kubectl_extsvc.tui.lines import Ink, Line, hanging, line, span, within

NO_SOURCE = "no pod to look from: sources are running pods that allow exec and have curl, wget, python3 or bash"
NOT_JUDGED = "not judged yet"


@dataclass(frozen=True, slots=True)
class Seen:
    """A source, and what it saw of the port that is shown."""

    source: Source
    name: str
    """The shortest that tells it from all others."""
    title: str
    """web-7d9f (sidecar)"""
    report: SourceReport | None
    """None: not asked yet."""
    waiting: str
    """How long it has been asked for, "" if it is not being asked."""


def port_at(view: AliasView, index: int) -> AliasPort | None:
    """The alias's port of that place; the last where there are fewer."""
    ports = ports_of(view)
    return ports[min(max(index, 0), len(ports) - 1)] if ports else None


def ports_of(view: AliasView) -> tuple[AliasPort, ...]:
    """Those that were judged; before that, those of the Service."""
    judged = tuple(sources_by_port(view.report.sources)) if view.report is not None else ()
    return judged or view.alias.ports


def seen_of(view: AliasView, port: AliasPort | None, *, first: int = 0, pinned: str = "") -> tuple[Seen, ...]:
    """All sources, beginning with the pinned one (by its key); of the others the first-th comes first."""
    reports = view.report.sources if view.report is not None else ()
    by_key = {one.observation.source.key: one for one in reports if one.observation.port == port}
    names = short_names(view.sources)
    kept = [source for source in view.sources if source.key == pinned]
    others = [source for source in view.sources if source.key != pinned]
    start = first % len(others) if others else 0
    return tuple(
        Seen(
            source,
            clean_line(names[source.key]),
            clean_line(source_text(source, view.alias)),
            by_key.get(source.key),
            waiting_text(view, source),
        )
        for source in (*kept, *others[start:], *others[:start])
    )


def waiting_text(view: AliasView, source: Source) -> str:
    since = view.asking.get(source.key)
    spent = view.now - since if since is not None else 0.0
    return f"asking for {human_duration(spent)}" if spent >= SHOWN_AS_ASKING else ""


def unasked_text(seen: Seen) -> str:
    return seen.waiting or "not asked yet"


def heading(view: AliasView, port: AliasPort | None, width: int, style: Style) -> list[Line]:
    """The port that is shown, the TLS mode in effect, and how old that is."""
    ports = ports_of(view)
    which = f" ({ports.index(port) + 1} of {len(ports)})" if port is not None and len(ports) > 1 else ""
    parts = [f"port {port_text(port)}{which}" if port is not None else "no port"]
    if view.report is not None:
        parts += [f"TLS {view.report.tls}" if view.report.tls else "", f"judged {ago(view.judged_at, view.now)}"]
    return [within(line(span(" · ".join(part for part in parts if part), Ink.DIM, style)), width, style)]


def nothing_yet(view: AliasView, width: int, style: Style) -> list[Line]:
    """Why there is nothing to show of any source; empty if there is something."""
    if not view.sources:
        return said(NO_SOURCE, width, style)
    if view.report is None:
        waiting = [f"{source.pod}: {words}" for source in view.sources if (words := waiting_text(view, source))]
        return [one for words in (NOT_JUDGED, *waiting) for one in said(words, width, style)]
    return []


def said(text: str, width: int, style: Style, ink: Ink = Ink.DIM, evidence: Sequence[str] = ()) -> list[Line]:
    """A sentence across the pane."""
    return hanging((span("  "),), text, width, style, ink=ink, evidence=evidence)


def ago(at: float, now: float) -> str:
    return "now" if now - at < 1 else f"{human_duration(now - at)} ago"


def clock(at: float, now: float) -> str:
    """Time of day where the user is; with the date if that is not today's."""
    then, today = time.localtime(at), time.localtime(now)
    same = (then.tm_year, then.tm_yday) == (today.tm_year, today.tm_yday)
    return time.strftime("%H:%M:%S" if same else "%Y-%m-%d %H:%M:%S", then)
