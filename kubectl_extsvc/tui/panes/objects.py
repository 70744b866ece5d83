"""Objects: those that make the alias, and all others on which the outcome depends, each with the reason."""

from collections.abc import Iterable, Iterator

from kubectl_extsvc.mesh.istiod.sidecar_scope import scope_of
from kubectl_extsvc.mesh.network_policies import selecting
from kubectl_extsvc.model.finding import Finding
from kubectl_extsvc.model.marks import alias_of
from kubectl_extsvc.model.observation import StageState
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.model.route import Route
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.output.phrases import ref_text
from kubectl_extsvc.output.rows import clean_line
from kubectl_extsvc.output.source_names import short_names
from kubectl_extsvc.output.style import SEVERITIES, STATES, Style
from kubectl_extsvc.tui.board import AliasView
from kubectl_extsvc.tui.cells import FORBIDDEN
from kubectl_extsvc.tui.lines import INK_OF, Ink, Line, Span, either, hanging, span
from kubectl_extsvc.tui.panes.choosing import said
from kubectl_extsvc.tui.panes.documents import document

Reasons = dict[ObjectRef, list[str]]


def objects_pane(view: AliasView, width: int, style: Style) -> list[Line]:
    """A line an object; enter shows it as YAML, with what the findings say of it at the end."""
    owned = _owned(view)
    deciding = _deciding(view)
    lines = _title("owned by this alias", width, style)
    for ref, reasons in owned.items():
        lines += _object(ref, [*reasons, *deciding.pop(ref, [])], view, width, style)
    lines += [Line(), *_title("also decides the outcome", width, style)]
    for ref, reasons in deciding.items():
        lines += _object(ref, reasons, view, width, style)
    if not deciding:
        lines += said("no other object is known that does", width, style)
    return [*lines, *_unread(view, width, style)]


def _title(text: str, width: int, style: Style) -> list[Line]:
    return hanging((Span(either("▾ ", "v ", style), Ink.DIM),), text, width, style, ink=Ink.STRONG, most=1)


def _object(ref: ObjectRef, reasons: Iterable[str], view: AliasView, width: int, style: Style) -> list[Line]:
    findings = [
        finding for finding in (view.report.findings if view.report is not None else ()) if finding.subject == ref
    ]
    worst = min(findings, key=lambda finding: finding.severity.rank, default=None)
    state = StageState.OK if view.report is not None else StageState.NOT_REACHED
    glyph = SEVERITIES[worst.severity] if worst is not None else STATES[state]
    mark = f"{glyph.word:<4}" if style.ascii else glyph.sign
    name = span(ref_text(ref, view.alias.namespace), Ink.STRONG if worst is not None else Ink.PLAIN, style)
    lead = (Span("  "), Span(mark, INK_OF[glyph.tint]), Span(" "), name, Span("  "))
    evidence = (*document(ref, view.snapshot), *_notes(findings))
    codes = " ".join(dict.fromkeys(finding.code for finding in findings))
    text = "; ".join(dict.fromkeys(part for part in (codes, *reasons) if part))
    return hanging(lead, text, width, style, ink=Ink.DIM, evidence=evidence, most=3)


def _notes(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        yield clean_line(f"# {finding.code} {finding.severity}: {finding.message}")
        yield from (clean_line(f"#   {told}") for told in finding.evidence)
        if finding.cure:
            yield clean_line(f"#   cure: {finding.cure}")


# --- which -------------------------------------------------------------------------------------------------------


def _owned(view: AliasView) -> Reasons:
    """The Service, its slices, and what create made beside them."""
    alias = view.alias
    made = "made by kubectl extsvc" if alias.managed else "not made by kubectl extsvc"
    found: Reasons = {alias.service: [f"{alias.form}, {made}"]}
    for ref in alias.slices:
        found[ref] = ["the addresses"]
    for kind, obj in _istio_objects(view.snapshot):
        if alias_of(obj) == alias.name and _namespace(obj) == alias.namespace:
            found[_ref(kind, obj)] = ["made by kubectl extsvc for this alias"]
    return found


def _deciding(view: AliasView) -> Reasons:
    """What the way of a call depends on, from any source."""
    found: Reasons = {}
    names = short_names(view.sources)

    def add(ref: ObjectRef | None, reason: str) -> None:
        if ref is not None and reason not in found.setdefault(ref, []):
            found[ref].append(reason)

    for one in view.report.sources if view.report is not None else ():
        observation = one.observation
        decision, route = observation.decision, observation.route
        if decision is not None:
            mode = f" ({decision.mode})" if decision.mode else ""
            add(decision.rule, f"decides the TLS mode{mode}: {decision.reason}")
            for ref, reason in decision.losers:
                add(ref, f"does not decide: {reason}")
        if isinstance(route, Route):
            if route.rule is not None and route.rule not in found:
                add(route.rule, "named by the proxy's Envoy cluster")
            add(route.virtual_service, "routes the call")
            for entry in _entries_of(route.envoy_cluster.rpartition("|")[2], view.snapshot):
                add(entry, "registers the host that takes the call")
    for entry in _entries_of(view.alias.host, view.snapshot):
        add(entry, "registers the target's host")
    for source in view.sources:
        if source.mode is MeshMode.SIDECAR and view.snapshot.sidecars:
            scope = scope_of(source, view.snapshot)
            if scope.sidecar is not None:
                add(_ref("Sidecar", scope.sidecar), f"what {names[source.key]} may see; unknown hosts: {scope.policy}")
        for policy_ref in selecting(view.snapshot.network_policies, source.namespace, dict(source.labels)):
            add(policy_ref, f"what {names[source.key]} may send to")
    for finding in view.report.findings if view.report is not None else ():
        found.setdefault(finding.subject, [])
    return found


def _entries_of(host: str, snapshot: Snapshot) -> Iterator[ObjectRef]:
    for entry in snapshot.service_entries if host else ():
        if host in ((entry.get("spec") or {}).get("hosts") or ()):
            yield _ref("ServiceEntry", entry)


def _istio_objects(snapshot: Snapshot) -> Iterator[tuple[str, Json]]:
    yield from (("ServiceEntry", obj) for obj in snapshot.service_entries)
    yield from (("DestinationRule", obj) for obj in snapshot.destination_rules)
    yield from (("VirtualService", obj) for obj in snapshot.virtual_services)


def _ref(kind: str, obj: Json) -> ObjectRef:
    return ObjectRef(kind, _namespace(obj), obj["metadata"]["name"])


def _namespace(obj: Json) -> str:
    return str(obj["metadata"].get("namespace", ""))


def _unread(view: AliasView, width: int, style: Style) -> list[Line]:
    """Kinds that may decide, and could not be read."""
    lines: list[Line] = []
    for unread in view.snapshot.unread.values():
        mark = Span(f"{FORBIDDEN.word:<4}" if style.ascii else FORBIDDEN.sign, Ink.WARN)
        needs = f"needs {unread.unlock}" if unread.unlock else unread.reason
        evidence = (clean_line(f"{unread.what}: {unread.reason}"),)
        lead = (Span("  "), mark, Span(" "))
        lines += hanging(lead, f"{unread.what} not read: {needs}", width, style, ink=Ink.WARN, evidence=evidence)
    return [Line(), *lines] if lines else []
