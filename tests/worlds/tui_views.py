"""Views of one alias as the alias screen gets them: of recorded and hand-made cases, of any report."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from worlds import cases

from kubectl_extsvc.model.observation import Case, StageState
from kubectl_extsvc.model.probe import Certificate, Handshake, Scheme, Times, Trust
from kubectl_extsvc.model.report import AliasReport, SourceReport
from kubectl_extsvc.model.resolution import Attempt, Reply, Resolution, ResolutionUnknown
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.model.route import EnvoyEndpoint, OutboundTls, RouteKind
from kubectl_extsvc.model.snapshot import EXEC_VERBS, Snapshot, Unread
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.output.style import STATES
from kubectl_extsvc.rules import judge
from kubectl_extsvc.rules.stages import first_difference, stages_of
from kubectl_extsvc.rules.tls_summary import tls_summary
from kubectl_extsvc.tui.board import AliasView, Happening, in_order
from kubectl_extsvc.tui.cells import Cell, Sample, sample_of
from kubectl_extsvc.tui.lines import Line
from kubectl_extsvc.tui.panes.documents import FIELDS

NOW = datetime.fromisoformat("2026-11-30T12:00:00+00:00").timestamp()

UNSAFE = "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\ud800-\udfff]"
"""What no line may hold: all that moves the cursor, turns text round or ends a line."""

HOSTILE = "\x1b[2J\x1b]0;owned\x07[red]x[/red] [@click=quit]\u202egnp.exe\u2066\r\nFAKE ✓ all well\x00\x9b31m \ud800漢"


def report_of(case: Case) -> AliasReport:
    """What verify would report on a case."""
    sources = tuple(SourceReport(observation, stages_of(observation, case)) for observation in case.observations)
    return AliasReport(case.alias, tls_summary(case), sources, judge(case), first_difference(sources))


def view_of(case: Case, **changes: Any) -> AliasView:
    return view_of_report(report_of(case), case.snapshot, **changes)


def view_of_report(report: AliasReport, snapshot: Snapshot | None = None, **changes: Any) -> AliasView:
    """Judged four seconds before NOW, with one look from each source."""
    sources = in_order({one.observation.source.key: one.observation.source for one in report.sources}.values())
    fields: dict[str, Any] = {
        "alias": report.alias,
        "now": NOW,
        "report": report,
        "judged_at": NOW - 4,
        "sources": sources,
        "snapshot": snapshot or Snapshot(),
        "samples": {source.key: (sample_of(report, source, NOW - 4),) for source in sources},
        "happenings": (),
        "asking": {},
    }
    return AliasView(**{**fields, **changes})


def unjudged(view: AliasView, **changes: Any) -> AliasView:
    return replace(view, report=None, judged_at=0.0, samples=dict.fromkeys(view.samples, ()), **changes)


def with_samples(view: AliasView, source: Source, samples: Sequence[Sample]) -> AliasView:
    return replace(view, samples={**view.samples, source.key: tuple(samples)})


def text_of(lines: Sequence[Line]) -> str:
    """Line by line, blanks at the ends left out."""
    return "".join(f"{one.text.rstrip()}\n" for one in lines)


# --- hand-made ---------------------------------------------------------------------------------------------------

WEB = replace(cases.WEB, pod="web-7d9fc4d8b6-x2x4q")
CRON = cases.CRON
DEBUG = Source("ops", "debug", "main", MeshMode.PLAIN)

LEAF = Certificate(
    "CN=api.pay.example", "CN=R11, O=Let's Encrypt", ("api.pay.example", "pay.example"), "2026-09-12T00:00:00Z",
    "2026-12-11T00:00:00Z",
)  # fmt: skip
ISSUER = Certificate("CN=R11, O=Let's Encrypt", "CN=ISRG Root X1", (), "2024-01-01T00:00:00Z", "2027-03-12T00:00:00Z")
PAY_HANDSHAKE = Handshake("api.pay.example", (LEAF, ISSUER), Trust.TRUSTED, "TLSv1.3", "h2")

OTHER_RULE = ObjectRef("DestinationRule", "istio-system", "everything")
POLICY: Json = {
    "metadata": {"name": "deny-egress", "namespace": "shop"},
    "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]},
}


def looked_up(*, short: bool) -> Resolution:
    """my-pay.shop from a pod of shop: the second try finds it; the whole name: the first."""
    found = Attempt(cases.PAY_HOST, "A", Reply.FOUND, ("api.pay.example",), ("203.0.113.20",), 0.0012)
    missed = Attempt("my-pay.shop.shop.svc.cluster.local", "A", Reply.NO_SUCH_NAME, seconds=0.0009)
    attempts = (missed, found) if short else (found,)
    name = "my-pay.shop" if short else f"{cases.PAY_HOST}."
    search = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local")
    return Resolution(name, "python3", attempts, found.addresses, ("10.96.0.10",), search, 5)


def broken_pay() -> Case:
    """Origination without sni: the server does not know the alias's name. One source more was never asked."""
    alias = cases.name_alias(cases.HTTP_TO_TLS, host="api.pay.example")
    rule = cases.destination_rule(host="my-pay.shop.extsvc.internal", tls={"mode": "SIMPLE"})
    rule["metadata"]["managedFields"] = [{"manager": "kubectl-extsvc:my-pay"}]
    rule["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "kubectl-extsvc", "extsvc.dev/alias": "my-pay"}
    decision = replace(
        cases.decided("SIMPLE"), losers=((OTHER_RULE, "the client's namespace shop is looked through first"),)
    )
    web = cases.seen(
        cases.by_envoy(503, 95, times=Times(0.003, 0.0031, 0.0, 0.085, 0.0851)),
        source=WEB,
        port=cases.HTTP_TO_TLS,
        route=cases.route(
            cases.SIMPLE_BARE,
            envoy_cluster="outbound|80||my-pay.shop.extsvc.internal",
            cluster_type="STRICT_DNS",
            route_config="80",
            endpoints=(EnvoyEndpoint("203.0.113.20", 443), EnvoyEndpoint("2001:db8::20", 443, healthy=False)),
            rule=cases.ref(),
            virtual_service=ObjectRef("VirtualService", "shop", "my-pay"),
        ),
        decision=decision,
        log=cases.tls_error("TLSV1_ALERT_UNRECOGNIZED_NAME"),
        resolution=looked_up(short=False),
    )
    web = replace(web, short_resolution=looked_up(short=True))
    cron = cases.not_served(cases.answer(scheme=Scheme.TCP, port=80))
    cron = replace(cron, resolution=ResolutionUnknown("pod/cron-55 has no tool that tells"))
    return cases.case(
        alias,
        web,
        cron,
        services=({"metadata": {"name": "my-pay", "namespace": "shop"}, "spec": {"type": "ExternalName"}},),
        destination_rules=(rule,),
        network_policies=(POLICY,),
        resolved={"api.pay.example": ("203.0.113.20",)},
        unread={"virtualservices": Unread("virtualservices.networking.istio.io", "forbidden", "list virtualservices")},
    )


def https_pay() -> Case:
    """The application's own TLS, by way of a sidecar and without; headers that the mesh changes."""
    alias = cases.address_alias(cases.TLS)
    call: dict[str, Any] = {
        "scheme": Scheme.HTTPS,
        "host": "api.pay.example",
        "port": 443,
        "connect_to": cases.PAY_HOST,
    }
    headers = (("server", "nginx"), ("date", "Mon, 30 Nov 2026 12:00:00 GMT"), ("content-type", "application/json"))
    times = Times(0.002, 0.011, 0.032, 0.038, 0.038)
    answered = cases.answer(0, 200, headers=headers, handshake=PAY_HANDSHAKE, times=times, **call)
    web = cases.seen(
        replace(answered, times=Times(0.001, 0.0011, 0.03, 0.04, 0.041)),
        source=WEB,
        port=cases.TLS,
        route=cases.route(
            OutboundTls.DISABLE,
            kind=RouteKind.TCP,
            listener="10.96.0.7_443",
            virtual_host="",
            endpoints=(EnvoyEndpoint("203.0.113.20", 443),),
            rule=cases.ref(),
        ),
        decision=cases.decided("DISABLE"),
    )
    cron = cases.seen(answered, cases.address_answer("203.0.113.20", port=443), source=CRON, port=cases.TLS)
    rule = cases.destination_rule(tls={"mode": "DISABLE"})
    slices = (cases.slice_of("203.0.113.20", port="tls", number=443),)
    return cases.case(
        alias,
        web,
        cron,
        destination_rules=(rule,),
        endpoint_slices=slices,
        resolved={"api.pay.example": ("203.0.113.20",)},
    )


def http_pay() -> Case:
    """Plain HTTP, well from both, with headers of every kind."""
    alias = cases.address_alias(cases.HTTP)
    shared = (("content-type", "text/html"), ("date", "Mon, 30 Nov 2026 12:00:00 GMT"), ("etag", '"1"'))
    meshed = (*shared, ("server", "envoy"), ("x-envoy-upstream-service-time", "31"))
    plain = (*shared, ("server", "nginx"), ("alt-svc", 'h3=":443"; ma=86400'))
    web = cases.seen(cases.answer(0, 200, headers=meshed, http_version="1.1"), source=WEB, route=cases.route())
    cron = cases.seen(cases.answer(0, 200, headers=plain, http_version="1.1"), source=CRON)
    return cases.case(
        alias,
        web,
        cron,
        endpoint_slices=(cases.slice_of("203.0.113.20"),),
        resolved={"api.pay.example": ("203.0.113.20",)},
    )


def forbidden_pay() -> Case:
    """No right to exec, so that the proxy's way is computed."""
    alias = cases.address_alias(cases.HTTP)
    unlock = EXEC_VERBS
    web = cases.seen(
        cases.nothing("pods/exec is forbidden (needs get and create on pods/exec)", unlock),
        source=WEB,
        route=replace(cases.route(), observed=False),
        decision=cases.NO_RULE,
    )
    web = replace(web, unread="pods/exec is forbidden")
    cron = cases.seen(cases.nothing("pods/exec is forbidden (needs get and create on pods/exec)", unlock), source=CRON)
    return cases.case(alias, web, cron, endpoint_slices=(cases.slice_of("203.0.113.20"),))


def two_ports() -> Case:
    """http 80 well, tls 443 well from plain pods only."""
    alias = cases.address_alias(cases.HTTP, cases.TLS)
    https, http = https_pay(), http_pay()
    web, cron = https.observations
    broken = cases.answer(
        35,
        scheme=Scheme.HTTPS,
        host="api.pay.example",
        port=443,
        connect_to=cases.PAY_HOST,
        error="OpenSSL SSL_connect: wrong version number",
    )
    observations = (*http.observations, replace(web, outcomes=(broken,)), cron)
    both = cases.slice_of("203.0.113.20")
    both["ports"].append({"name": "tls", "port": 443})
    return Case(alias, replace(https.snapshot, endpoint_slices=(both,)), observations)


def poisoned(value: Any) -> Any:
    """The same with hostile text behind every text in it."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return f"{value}{HOSTILE}"
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: poisoned(getattr(value, each.name)) for each in fields(value)})
    if isinstance(value, tuple | list):
        return type(value)(map(poisoned, value))
    if isinstance(value, dict):
        return {key: poisoned(each) for key, each in value.items()}
    return value


def poisoned_view(case: Case) -> AliasView:
    """As if the cluster, the pods and the server had written all that is known. Laws of the mesh are not asked."""
    report = report_of(case)
    objects = {name: poisoned(getattr(case.snapshot, name)) for name in FIELDS.values() if name != "sidecars"}
    snapshot = replace(case.snapshot, **objects, unread=poisoned(dict(case.snapshot.unread)))
    said = poisoned(report.judgement)
    # A finding finds its way to a source by the source's key, which is poisoned otherwise.
    said = replace(said, findings=tuple(replace(finding, sources=()) for finding in said.findings))
    view = view_of_report(replace(poisoned(report), judgement=said), snapshot)
    news = Happening(NOW, "cluster", HOSTILE, evidence=(HOSTILE,))
    asking = {source.key: NOW - 2 for source in view.sources}
    return replace(view, happenings=(news,), asking=asking)


def looks(view: AliasView, source: Source, *, failing: Sequence[int] = (7, 8)) -> list[Sample]:
    """Twenty, a quarter of a minute apart; the fifth is slow."""
    well = view.samples[source.key][0]
    failed = Cell(STATES[StageState.FAILED], "tls")
    made = []
    for number in range(20):
        sample = replace(well, at=NOW - 15 * (20 - number), seconds=0.03 + number / 1000 + (0.2 if number == 5 else 0))
        made.append(replace(sample, cell=failed, seconds=5.0, text="tls: no answer") if number in failing else sample)
    return made
