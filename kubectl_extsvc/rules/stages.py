"""How far each source came, stage by stage, and the first stage at which kinds of source differ (Δ)."""

from collections.abc import Iterable

from kubectl_extsvc.model.alias import AppProtocol, Form
from kubectl_extsvc.model.observation import WAY, Case, Observation, Stage, StageResult, StageState
from kubectl_extsvc.model.probe import Answer, NoAnswer, Purpose, Scheme
from kubectl_extsvc.model.report import SourceReport
from kubectl_extsvc.model.resolution import Resolution
from kubectl_extsvc.model.route import Route, RouteUnknown
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.rules.lookups import is_unanswered
from kubectl_extsvc.rules.translation import (
    Failure,
    FailureKind,
    answers_in_turn,
    failure_of,
    led_elsewhere,
    only_name_is_wrong,
)

OF_DNS_CACHES = (FailureKind.NAME_UNKNOWN, FailureKind.NAME_ELSEWHERE)
"""What an answer does that a cache still has from before the Service was made."""


def stages_of(observation: Observation, case: Case) -> tuple[StageResult, ...]:
    """One result for each Stage, in order."""
    outcome = observation.outcome(Purpose.ALIAS)
    if observation.port.protocol is AppProtocol.UDP:
        return tuple(StageResult(stage, StageState.NOT_APPLICABLE, observation.contract.why) for stage in Stage)
    if not observation.contract.served:
        results = _not_served(observation, case)
    elif isinstance(outcome, Answer):
        results = _of_answer(observation, outcome, case)
    else:
        results = _unanswered(observation, outcome)
    return tuple(results[stage] for stage in Stage)


def first_difference(reports: Iterable[SourceReport]) -> Stage | None:
    """Δ: the first stage, on the way of a request, at which two kinds of source differ; None if they agree.

    Compared are the stages after translation, port by port, of sources whose call was served and observed. That a call
    was given the dead address of several is chance, and no difference.
    """
    reports = tuple(reports)
    observations = [report.observation for report in reports]
    reaches: dict[int, dict[MeshMode, set[Stage | int | None]]] = {}
    for report in reports:
        observation = report.observation
        by_chance = _reach(report) is Stage.ENDPOINTS and answers_in_turn(observations, observation.port.number)
        if _counts(report) and not by_chance:
            by_mode = reaches.setdefault(observation.port.number, {})
            by_mode.setdefault(observation.source.mode, set()).add(_reach(report))
    differing = [stage for by_mode in reaches.values() for stage in _differing(list(by_mode.values()))]
    return min(differing, key=WAY.index, default=None)


def _counts(report: SourceReport) -> bool:
    states = {result.state for result in report.stages}
    if not report.observation.contract.served or states & {StageState.NOT_SERVED, StageState.PENDING}:
        return False
    unseen = {result.stage for result in report.stages if result.state is StageState.NOT_OBSERVED}
    return StageState.FAILED in states or unseen <= {Stage.ROUTE}


def _reach(report: SourceReport) -> Stage | int | None:
    """The stage that failed; of a call that went through, the first digit of its status, or None without HTTP."""
    failed = [result.stage for result in report.stages if result.state is StageState.FAILED]
    if failed:
        return min(failed, key=WAY.index)
    answer = report.observation.answer
    return answer.status // 100 if answer is not None and answer.status else None


def _differing(kinds: list[set[Stage | int | None]]) -> list[Stage]:
    """The first stage in which the kinds' reaches are not the same; a list of one, or empty."""
    if all(kind == kinds[0] for kind in kinds):
        return []
    stages = [reach for kind in kinds for reach in kind if isinstance(reach, Stage)]
    shared = {reach for reach in stages if all(reach in kind for kind in kinds)}
    return [min([stage for stage in stages if stage not in shared] or stages or [Stage.HTTP], key=WAY.index)]


def _of_answer(observation: Observation, answer: Answer, case: Case) -> dict[Stage, StageResult]:
    failure = failure_of(observation, case)
    results = {stage: _passed(stage, observation, answer, case) for stage in WAY}
    if failure is None:
        return results
    reached = WAY.index(failure.stage)
    for stage in WAY[reached + 1 :]:
        if results[stage].state is not StageState.NOT_APPLICABLE:
            results[stage] = StageResult(stage, StageState.NOT_REACHED)
    results[failure.stage] = _failed(failure, observation, case)
    return results


def _failed(failure: Failure, observation: Observation, case: Case) -> StageResult:
    if failure.kind in OF_DNS_CACHES and case.fresh:
        words = "the Service is younger than the DNS cache time; ask again in a moment"
        return StageResult(failure.stage, StageState.PENDING, words)
    if failure.kind is FailureKind.NAME_UNKNOWN and is_unanswered(observation, case):
        return StageResult(failure.stage, StageState.NOT_OBSERVED, f"the lookup timed out: {failure.seen}")
    return StageResult(failure.stage, StageState.FAILED, _failure_words(failure, observation))


def _not_served(observation: Observation, case: Case) -> dict[Stage, StageResult]:
    """A source that the alias is not made for: what its connection shows, and then grey."""
    why = f"not served: {observation.contract.why}" if observation.contract.why else "not served"
    grey = {stage: StageResult(stage, StageState.NOT_SERVED, why) for stage in WAY}
    answer = observation.answer
    if observation.unanswered is not None:
        # It was to show whether the name leads somewhere, and could not.
        grey[Stage.NAME] = StageResult(Stage.NAME, StageState.NOT_OBSERVED, observation.unanswered.reason)
    if answer is not None and _name_known(answer):
        grey[Stage.NAME] = _passed(Stage.NAME, observation, answer, case)
        elsewhere = led_elsewhere(answer, case)
        if elsewhere is not None:
            return grey | {Stage.DNS: _failed(elsewhere, observation, case)}
        grey[Stage.DNS] = _passed(Stage.DNS, observation, answer, case)
        if answer.connected:
            grey[Stage.ENDPOINTS] = _passed(Stage.ENDPOINTS, observation, answer, case)
    grey[Stage.ROUTE] = _route(observation) if observation.source.mode is MeshMode.SIDECAR else _none(Stage.ROUTE)
    return grey


def _unanswered(observation: Observation, outcome: NoAnswer | None) -> dict[Stage, StageResult]:
    reason = outcome.reason if outcome is not None else "not asked"
    results = {stage: StageResult(stage, StageState.NOT_OBSERVED, reason) for stage in WAY}
    results[Stage.ROUTE] = _route(observation) if observation.source.mode is MeshMode.SIDECAR else _none(Stage.ROUTE)
    if observation.contract.scheme is Scheme.TCP:
        results[Stage.HTTP] = _none(Stage.HTTP)
        results[Stage.TLS] = _none(Stage.TLS)
    return results


def _passed(stage: Stage, observation: Observation, answer: Answer, case: Case) -> StageResult:
    """A stage that did not fail."""
    match stage:
        case Stage.NAME:
            return StageResult(stage, StageState.OK, _name_words(observation, answer))
        case Stage.DNS:
            return StageResult(stage, StageState.OK, _dns_words(observation, answer, case))
        case Stage.ROUTE if observation.source.mode is MeshMode.SIDECAR:
            return _route(observation)
        case Stage.ENDPOINTS:
            return _endpoints(observation, answer)
        case Stage.TLS:
            return _tls(observation, answer, case)
        case Stage.HTTP:
            return _http(answer, case)
    return _none(stage)


def _name_known(answer: Answer) -> bool:
    return answer.exit_code != 6 and (answer.times.namelookup > 0 or answer.connected or answer.exit_code == 7)


def _name_words(observation: Observation, answer: Answer) -> str:
    """The whole name and, where the resolver was watched, how many names of the search list it took."""
    way = observation.short_resolution
    name, spent, tries = answer.transfer.connect_to or answer.transfer.host, answer.times.namelookup, ""
    if isinstance(way, Resolution) and way.found:
        name, spent = way.found, way.seconds or spent
        tries = f", {way.place}"
    elif isinstance(way, Resolution) and way.hosts_file:
        tries = ", by the pod's /etc/hosts"
    return f"{name}{tries}, {_milliseconds(spent)}"


def _dns_words(observation: Observation, answer: Answer, case: Case) -> str:
    alias = case.alias
    way = observation.resolution
    seen = way.addresses if isinstance(way, Resolution) else ()
    address = answer.remote_ip or ", ".join(seen or alias.cluster_ips or case.snapshot.resolved.get(alias.host, ()))
    if alias.form is Form.EXTERNAL_NAME:
        chain = " → ".join(way.cnames if isinstance(way, Resolution) and way.found else ()) or alias.host
        return f"{address} (CNAME {chain})" if address else f"CNAME {chain}"
    if address in alias.cluster_ips:
        return f"{address} (ClusterIP)"
    return address


def _endpoints(observation: Observation, answer: Answer) -> StageResult:
    """Behind a sidecar a connection by itself ends at Envoy: only an answer, or Envoy's list, tells of endpoints."""
    stage = Stage.ENDPOINTS
    if observation.source.mode is not MeshMode.SIDECAR:
        where = f"{answer.remote_ip}:{answer.remote_port}" if answer.remote_ip else "connected"
        return StageResult(stage, StageState.OK, f"{where}, {_milliseconds(answer.times.connect)}")
    route = _observed(observation)
    listed = ""
    if route is not None and route.endpoints and not route.passthrough:
        healthy = [endpoint for endpoint in route.endpoints if endpoint.healthy]
        listed = ", ".join(f"{_bracketed(endpoint.address)}:{endpoint.port}" for endpoint in healthy)
    if answer.transfer.scheme is not Scheme.TCP:
        return StageResult(stage, StageState.OK, listed or "answered")
    if listed:
        return StageResult(stage, StageState.OK, f"{listed} by the proxy's list; the connection itself ends at Envoy")
    if route is not None and route.passthrough:
        # Nothing that could be asked would show it: no gap in what was to be observed.
        return StageResult(stage, StageState.NOT_APPLICABLE, "the connection ends at Envoy; what is behind is not seen")
    return StageResult(stage, StageState.NOT_OBSERVED, "the connection ends at Envoy, and the proxy was not read")


def _observed(observation: Observation) -> Route | None:
    """The route if it was read from the proxy."""
    route = observation.route
    return route if isinstance(route, Route) and route.observed else None


def _route(observation: Observation) -> StageResult:
    stage = Stage.ROUTE
    match observation.route:
        case Route() as route if route.observed:
            return StageResult(stage, StageState.OK, route_words(route))
        case Route() as route:
            return StageResult(stage, StageState.NOT_OBSERVED, f"{route_words(route)}; {observation.unread}")
        case RouteUnknown(reason):
            decision = observation.decision
            computed = f"; computed: {decision.reason}" if decision is not None else ""
            return StageResult(stage, StageState.NOT_OBSERVED, f"{reason}{computed}")
    return StageResult(stage, StageState.NOT_OBSERVED, "the proxy was not asked")


def route_words(route: Route) -> str:
    """A route in short: cluster, type, healthy of all endpoints; one that was not observed says so."""
    return _route_words(route) if route.observed else f"computed: {_route_words(route)}"


def _route_words(route: Route) -> str:
    if route.direct_response:
        return f"{route.virtual_host or route.listener}: the proxy answers {route.direct_response}"
    if route.passthrough or route.blocked:
        return f"{route.envoy_cluster} ({route.virtual_host or route.listener})"
    state = " missing" if route.cluster_missing else " warming" if route.cluster_warming else ""
    healthy = sum(endpoint.healthy for endpoint in route.endpoints)
    count = (
        "" if route.cluster_missing or route.cluster_type == "ORIGINAL_DST" else f" {healthy}/{len(route.endpoints)}"
    )
    kind = f"  {route.cluster_type}" if route.cluster_type else ""
    return f"{route.envoy_cluster}{kind}{count}{state}"


def _tls(observation: Observation, answer: Answer, case: Case) -> StageResult:
    stage = Stage.TLS
    route = observation.route
    if answer.transfer.scheme is Scheme.HTTPS:
        if only_name_is_wrong(answer, case):
            return StageResult(stage, StageState.OK, "a TLS server answers; its name is not known, and not checked")
        spent = f", {_milliseconds(answer.times.appconnect)}" if answer.times.appconnect > 0 else ""
        unchecked = ", certificate not checked" if answer.transfer.insecure else ""
        return StageResult(stage, StageState.OK, f"by the client, sni {answer.transfer.host}{unchecked}{spent}")
    if isinstance(route, Route) and route.tls.mode.encrypts:
        sni = route.tls.sni or (route.host_rewrite or observation.contract.host if route.tls.auto_sni else "")
        words = f"{route.tls.mode}, sni {sni}" if sni else f"{route.tls.mode}"
        if route.observed:
            return StageResult(stage, StageState.OK, words)
        return StageResult(stage, StageState.NOT_OBSERVED, f"computed: {words}; the proxy was not read")
    if isinstance(route, Route) and not route.observed and observation.contract.originates:
        words = f"computed: plaintext ({route.tls.mode}); the proxy was not read"
        return StageResult(stage, StageState.NOT_OBSERVED, words)
    if isinstance(route, RouteUnknown) and observation.contract.originates:
        return StageResult(stage, StageState.NOT_OBSERVED, "the sidecar should add TLS; the proxy was not read")
    return StageResult(stage, StageState.NOT_APPLICABLE, "plaintext")


def _http(answer: Answer, case: Case) -> StageResult:
    stage = Stage.HTTP
    if answer.transfer.scheme is Scheme.TCP:
        return _none(stage)
    if only_name_is_wrong(answer, case):
        return StageResult(stage, StageState.NOT_APPLICABLE, "not asked: the server's name is not known")
    return StageResult(stage, StageState.OK, f"{answer.status}, {_milliseconds(answer.times.total)}")


def _failure_words(failure: Failure, observation: Observation) -> str:
    doubt = "probably " if failure.guess else ""
    route = observation.route
    if failure.stage is Stage.ROUTE and isinstance(route, Route):
        return f"{route_words(route)}: {failure.seen}"
    return f"{doubt}{failure.kind.value}: {failure.seen}"


def _none(stage: Stage) -> StageResult:
    return StageResult(stage, StageState.NOT_APPLICABLE)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
