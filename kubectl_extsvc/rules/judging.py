"""All rules over one case: which can judge, what they say, and which of it is the cause."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from kubectl_extsvc.model.alias import Form
from kubectl_extsvc.model.finding import Fact, Finding, Judgement, Severity, Skipped
from kubectl_extsvc.model.observation import Case
from kubectl_extsvc.model.probe import Answer, NoAnswer, Outcome, Purpose
from kubectl_extsvc.model.resolution import Resolution, ResolutionUnknown
from kubectl_extsvc.model.route import Route, RouteUnknown
from kubectl_extsvc.model.snapshot import EXEC_VERBS
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.rules.family import Rule

Call = tuple[str, int]
"""A source's key and a port's number."""

ISTIO_FACTS = (
    Fact.DESTINATION_RULES,
    Fact.VIRTUAL_SERVICES,
    Fact.SERVICE_ENTRIES,
    Fact.SIDECARS,
    Fact.MESH_CONFIG,
    Fact.PROXY,
)
"""Without Istio there is nothing of these, which is known, not missing."""


def judge_by(rules: Sequence[Rule], case: Case) -> Judgement:
    """What rules, given in causal order, say about a case."""
    missing = missing_facts(case)
    found: list[Finding] = []
    skipped: list[Skipped] = []
    passed: list[str] = []
    broken: list[Skipped] = []
    for rule in rules:
        lacking = _lacking(rule, missing)
        if lacking is not None:
            skipped.append(replace(lacking, code=rule.code))
            continue
        try:
            said = list(rule.judge(case))
        except Exception as error:  # noqa: BLE001 - one rule's defect must not silence the others; it is shown
            broken.append(Skipped(rule.code, f"{type(error).__name__}: {error}"))
            continue
        if not said:
            passed.append(rule.code)
        found += [finding for finding in said if not (rule.symptom and _is_explained(finding, found, case))]
    # sorted() is stable: within one severity the causal order stays.
    ranked = sorted(_joined(found), key=lambda finding: finding.severity.rank)
    return Judgement(tuple(ranked), tuple(skipped), tuple(passed), tuple(broken))


def missing_facts(case: Case) -> dict[Fact, Skipped]:
    """Facts that could not be read, each with the reason and what would unlock it; the code is left empty."""
    missing: dict[Fact, Skipped] = {}
    snapshot = case.snapshot
    for fact in Fact:
        # Unread kinds stand under their plural; a Fact has the group behind it.
        unread = snapshot.unread.get(fact.value) or snapshot.unread.get(fact.value.partition(".")[0])
        if unread is not None:
            missing[fact] = Skipped("", f"{unread.what}: {unread.reason}", unread.unlock or f"list {unread.what}")
    if not any(_says_something(outcome) for o in case.observations for outcome in o.outcomes):
        missing[Fact.PROBES] = Skipped("", *_why_no_probe(case))
    routes = [o.route for o in case.observations if o.source.mode is MeshMode.SIDECAR]
    if any(isinstance(route, Route) for route in routes):
        missing.pop(Fact.PROXY, None)  # read, or computed for want of the right to read it
    else:
        unknown = next((route.reason for route in routes if isinstance(route, RouteUnknown)), "")
        why = unknown or ("the proxy was not asked" if routes else "no source with a sidecar")
        missing[Fact.PROXY] = Skipped("", why, EXEC_VERBS if routes else "--from a pod with a sidecar")
    if case.alias.form is Form.EXTERNAL_NAME or not case.alias.host:
        missing.pop(Fact.RESOLUTION, None)  # there is nothing to look up
    elif Fact.RESOLUTION not in missing and case.alias.host not in snapshot.resolved:
        missing[Fact.RESOLUTION] = Skipped("", f"{case.alias.host} was not looked up", EXEC_VERBS)
    ways = [o.resolution for o in case.observations]
    lost = next((way for way in ways if isinstance(way, ResolutionUnknown)), None)
    if lost is not None and not any(isinstance(way, Resolution) for way in ways):
        missing[Fact.NAME_PATH] = Skipped("", lost.reason, lost.unlock)
    if not snapshot.mesh.installed:
        for fact in ISTIO_FACTS:
            missing.pop(fact, None)
    return missing


def _says_something(outcome: Outcome) -> bool:
    """An answer of the alias; what its target says in clear is a matter by itself."""
    return isinstance(outcome, Answer) and outcome.transfer.purpose is not Purpose.TARGET


def _why_no_probe(case: Case) -> tuple[str, str]:
    nothing = next((o for each in case.observations for o in each.outcomes if isinstance(o, NoAnswer)), None)
    if nothing is not None:
        return nothing.reason, nothing.unlock
    return "no source was asked", "--from or --probe-pods"


def _lacking(rule: Rule, missing: Mapping[Fact, Skipped]) -> Skipped | None:
    """The first fact that keeps a rule from judging, None if it can."""
    for fact in Fact:
        if fact in rule.needs and fact in missing:
            return missing[fact]
    if rule.either and rule.either <= missing.keys():
        return missing[min(rule.either, key=list(Fact).index)]
    return None


def _calls(finding: Finding, case: Case) -> set[Call]:
    """The calls that a finding is about; those of the case if it names no sources or ports."""
    sources = set(finding.sources) or {observation.source.key for observation in case.observations}
    ports = set(finding.ports) or {port.number for port in case.alias.ports}
    return {(source, port) for source in sources for port in ports}


def _is_explained(finding: Finding, causes: Iterable[Finding], case: Case) -> bool:
    """Does an earlier error speak of every call of this finding?"""
    explained: set[Call] = set()
    for cause in causes:
        if cause.severity is Severity.ERROR and cause.code != finding.code:
            explained |= _calls(cause, case)
    return _calls(finding, case) <= explained


def _joined(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that say the same of several sources or ports, as one."""
    joined: dict[tuple[object, ...], Finding] = {}
    for finding in findings:
        key = (finding.code, finding.severity, finding.subject, finding.message, finding.ports)
        first = joined.get(key)
        joined[key] = (
            finding
            if first is None
            else replace(
                first,
                sources=tuple(dict.fromkeys((*first.sources, *finding.sources))),
                evidence=tuple(dict.fromkeys((*first.evidence, *finding.evidence))),
            )
        )
    return list(joined.values())
