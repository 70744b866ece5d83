"""Reports of every kind that verify can come to, by name."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from kubectl_extsvc.model.alias import AddressTarget, Alias, AliasPort, AppProtocol, HostTarget
from kubectl_extsvc.model.finding import Finding, Judgement, Severity, Skipped
from kubectl_extsvc.model.observation import AccessLogLine, Contract, Observation, Stage, StageResult, StageState
from kubectl_extsvc.model.probe import (
    Answer,
    Certificate,
    Handshake,
    NoAnswer,
    Purpose,
    Scheme,
    Times,
    Transfer,
    Trust,
)
from kubectl_extsvc.model.report import AliasReport, Report, SourceReport
from kubectl_extsvc.model.resolution import Attempt, Reply, Resolution, ResolutionUnknown
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.route import (
    EnvoyEndpoint,
    OutboundTls,
    Route,
    RouteKind,
    RouteUnknown,
    RuleDecision,
    TlsInEffect,
)
from kubectl_extsvc.model.snapshot import Mesh, Unread
from kubectl_extsvc.model.source import MeshMode, Source

ISTIO = Mesh(installed=True, api_version="v1", version=(1, 31))

OK, FAILED, PENDING = StageState.OK, StageState.FAILED, StageState.PENDING
NOT_SERVED, NOT_REACHED = StageState.NOT_SERVED, StageState.NOT_REACHED
NOT_OBSERVED, NOT_APPLICABLE = StageState.NOT_OBSERVED, StageState.NOT_APPLICABLE

HTTP_80 = AliasPort("http", 80, 80, AppProtocol.HTTP)
HTTP_80_TO_443 = AliasPort("http", 80, 443, AppProtocol.HTTP)
TLS_443 = AliasPort("tls", 443, 443, AppProtocol.TLS)


def stages(*results: tuple[StageState, str]) -> tuple[StageResult, ...]:
    """One for each Stage, in order."""
    return tuple(StageResult(stage, state, text) for stage, (state, text) in zip(Stage, results, strict=True))


def sidecar(namespace: str, pod: str, container: str = "curl") -> Source:
    return Source(namespace, pod, container, MeshMode.SIDECAR)


def plain(namespace: str, pod: str, container: str = "curl") -> Source:
    return Source(namespace, pod, container, MeshMode.PLAIN)


def judgement(*findings: Finding, skipped: tuple[Skipped, ...] = (), passed: int = 14) -> Judgement:
    return Judgement(findings, skipped, tuple(f"XS01{number:02}" for number in range(1, passed + 1)))


def httpbin() -> AliasReport:
    """The task's first alias, well: ExternalName, plain HTTP, from a pod with sidecar and one without."""
    host = "my-httpbin.default.svc.cluster.local"
    call = Transfer("t1", Purpose.ALIAS, Scheme.HTTP, host, 80, path="/headers")
    contract = Contract(True, Scheme.HTTP, host)
    seen = (
        (OK, "my-httpbin.default.svc.cluster.local"),
        (OK, "203.0.113.10 (CNAME httpbin.org)"),
        (OK, "203.0.113.10:80"),
    )
    return AliasReport(
        alias=Alias(
            namespace="default",
            name="my-httpbin",
            target=HostTarget("httpbin.org"),
            ports=(HTTP_80,),
            managed=True,
            external_name_raw="httpbin.org",
            created_at="2026-11-24T10:00:00Z",
            uid="0b8c3f1e-5a5e-4c53-8a3f-3f4f0e3f7b11",
        ),
        tls="DISABLE by destinationrule/my-httpbin",
        sources=(
            SourceReport(
                Observation(
                    sidecar("default", "curl-6cdbf6bc6b-4lhkw"),
                    HTTP_80,
                    contract,
                    outcomes=(
                        Answer(
                            call,
                            0,
                            status=200,
                            http_version="1.1",
                            remote_ip="203.0.113.10",
                            remote_port=80,
                            times=Times(0.0037, 0.0039, 0.0, 0.0138, 0.0139),
                            headers=(("server", "envoy"), ("x-envoy-upstream-service-time", "7")),
                        ),
                    ),
                    route=Route(
                        RouteKind.HTTP,
                        "0.0.0.0_80",
                        "outbound|80||my-httpbin.default.extsvc.internal",
                        route_config="80",
                        virtual_host="my-httpbin.default.svc.cluster.local:80",
                        cluster_type="STRICT_DNS",
                        endpoints=(EnvoyEndpoint("203.0.113.10", 80),),
                        tls=TlsInEffect(OutboundTls.DISABLE),
                        rule=ObjectRef("DestinationRule", "default", "my-httpbin"),
                        virtual_service=ObjectRef("VirtualService", "default", "my-httpbin"),
                        request_headers_added=("x-envoy-attempt-count", "x-forwarded-proto", "x-request-id"),
                        response_headers_changed=("server", "x-envoy-upstream-service-time"),
                    ),
                    decision=RuleDecision(
                        ObjectRef("DestinationRule", "default", "my-httpbin"),
                        "the only rule on my-httpbin.default.extsvc.internal",
                        "DISABLE",
                    ),
                ),
                stages(
                    *seen,
                    (OK, "outbound|80||my-httpbin.default.extsvc.internal  STRICT_DNS 1/1"),
                    (OK, "DISABLE"),
                    (OK, "200"),
                ),
            ),
            SourceReport(
                Observation(
                    plain("without-istio", "curl-5b549b49b8-zx9qd"),
                    HTTP_80,
                    contract,
                    outcomes=(
                        Answer(
                            call,
                            0,
                            status=200,
                            http_version="1.1",
                            remote_ip="203.0.113.10",
                            remote_port=80,
                            times=Times(0.0019, 0.0021, 0.0, 0.009, 0.0091),
                            headers=(("server", "gunicorn/19.9.0"),),
                        ),
                    ),
                ),
                stages(*seen, (NOT_APPLICABLE, "no sidecar"), (NOT_APPLICABLE, ""), (OK, "200")),
            ),
        ),
        judgement=judgement(),
        first_difference=None,
    )


def attempts(name: str, *replies: tuple[Reply, tuple[str, ...]], cnames: tuple[str, ...] = ()) -> tuple[Attempt, ...]:
    """Of A and AAAA."""
    return tuple(
        Attempt(name, record, reply, cnames, addresses, 0.0012)
        for record, (reply, addresses) in zip(("A", "AAAA"), replies, strict=True)
    )


def way(name: str, *tries: tuple[Attempt, ...]) -> Resolution:
    """As python3 saw it in a pod of the namespace shop."""
    return Resolution(
        name,
        "python3",
        tuple(attempt for both in tries for attempt in both),
        tries[-1][0].addresses + tries[-1][1].addresses,
        ("10.96.0.10",),
        ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local"),
        5,
    )


NXDOMAIN = ((Reply.NO_SUCH_NAME, ()), (Reply.NO_SUCH_NAME, ()))
PAY = "my-pay.shop.svc.cluster.local"
FOUND = attempts(PAY, (Reply.FOUND, ("203.0.113.20",)), (Reply.NO_DATA, ()), cnames=("api.pay.example",))
PAY_WAYS = {
    "resolution": way(
        PAY,
        attempts(f"{PAY}.shop.svc.cluster.local", *NXDOMAIN),
        attempts(f"{PAY}.svc.cluster.local", *NXDOMAIN),
        attempts(f"{PAY}.cluster.local", *NXDOMAIN),
        FOUND,
    ),
    "short_resolution": way("my-pay.shop", attempts("my-pay.shop.shop.svc.cluster.local", *NXDOMAIN), FOUND),
    "target_resolution": way(
        "api.pay.example",
        attempts("api.pay.example.shop.svc.cluster.local", *NXDOMAIN),
        attempts("api.pay.example.svc.cluster.local", *NXDOMAIN),
        attempts("api.pay.example.cluster.local", *NXDOMAIN),
        attempts("api.pay.example", (Reply.FOUND, ("203.0.113.20",)), (Reply.SILENT, ())),
    ),
}

WIKIPEDIA_HANDSHAKE = Handshake(
    "en.wikipedia.org",
    (
        Certificate(
            "CN = *.wikipedia.org",
            "CN = E8, O = Let's Encrypt",
            ("*.wikipedia.org", "wikipedia.org"),
            "2026-10-01T00:00:00Z",
            "2026-12-30T00:00:00Z",
        ),
        Certificate("CN = E8, O = Let's Encrypt", "CN = ISRG Root X1", (), "2024-01-01T00:00:00Z", ""),
    ),
    Trust.TRUSTED,
    "TLSv1.3",
    "h2",
)

SNI_FINDING = Finding(
    "XS0403",
    Severity.ERROR,
    Stage.TLS,
    ObjectRef("DestinationRule", "shop", "my-pay"),
    'Envoy sends SNI "my-pay.shop.svc.cluster.local", the server has no such name',
    evidence=(
        "503 URX,UF TLSV1_ALERT_UNRECOGNIZED_NAME",
        "destinationrule/my-pay has no tls.sni",
    ),
    cure="kubectl extsvc fix my-pay -n shop XS0403",
    sources=("shop/web-7d9fc4d8b6-x2x4q",),
)


def pay() -> AliasReport:
    """The broken alias of the design: TLS origination without sni."""
    host = "my-pay.shop.svc.cluster.local"
    call = Transfer("t1", Purpose.ALIAS, Scheme.HTTP, host, 80, headers=(("Authorization", "Bearer secret"),))
    host_call = replace(call, id="t2", purpose=Purpose.TARGET_HOST_HEADER, headers=(("Host", "api.pay.example"),))
    dial = Transfer("t3", Purpose.ALIAS, Scheme.TCP, host, 80, connect_to="203.0.113.20", connect_port=443)
    rule = ObjectRef("DestinationRule", "shop", "my-pay")
    return AliasReport(
        alias=Alias(
            "shop",
            "my-pay",
            HostTarget("api.pay.example"),
            (HTTP_80_TO_443,),
            managed=True,
            external_name_raw="api.pay.example",
            created_at="2026-11-24T10:00:00Z",
            uid="2d0f8f6a-6a0c-4f9a-9f57-0a8f3ad9b2c4",
        ),
        tls="SIMPLE by destinationrule/my-pay",
        sources=(
            SourceReport(
                Observation(
                    sidecar("shop", "web-7d9fc4d8b6-x2x4q", "web"),
                    HTTP_80_TO_443,
                    Contract(True, Scheme.HTTP, host, "the sidecar adds TLS"),
                    outcomes=(
                        Answer(
                            call,
                            0,
                            status=503,
                            http_version="1.1",
                            remote_ip="203.0.113.20",
                            remote_port=80,
                            times=Times(0.003, 0.0031, 0.0, 0.085, 0.0851),
                            headers=(("content-length", "95"), ("server", "envoy")),
                            body="upstream connect error",
                        ),
                        NoAnswer(host_call, "the exec stream closed before the answer came"),
                    ),
                    route=Route(
                        RouteKind.HTTP,
                        "0.0.0.0_80",
                        "outbound|80||my-pay.shop.extsvc.internal",
                        route_config="80",
                        virtual_host="my-pay.shop.svc.cluster.local:80",
                        cluster_type="STRICT_DNS",
                        cluster_warming=True,
                        endpoints=(
                            EnvoyEndpoint("203.0.113.20", 443),
                            EnvoyEndpoint("2001:db8::20", 443, healthy=False),
                        ),
                        tls=TlsInEffect(
                            OutboundTls.SIMPLE, auto_sni=True, auto_san_validation=True, ca="file-root:system"
                        ),
                        rule=rule,
                        virtual_service=ObjectRef("VirtualService", "shop", "my-pay"),
                        host_rewrite="api.pay.example",
                        request_headers_added=("x-envoy-attempt-count", "x-forwarded-proto", "x-request-id"),
                        response_headers_changed=("server", "x-envoy-upstream-service-time"),
                    ),
                    decision=RuleDecision(
                        rule,
                        "it stands in the client's namespace",
                        "SIMPLE",
                        (
                            (
                                ObjectRef("DestinationRule", "istio-system", "everything"),
                                "a rule of the root namespace comes last",
                            ),
                        ),
                    ),
                    access_log=AccessLogLine(
                        frozenset({"URX", "UF"}),
                        "upstream_reset_before_response_started",
                        "TLS_error:|268436592:SSL_routines:OPENSSL_internal:TLSV1_ALERT_UNRECOGNIZED_NAME",
                        "203.0.113.20:443",
                        "outbound|80||my-pay.shop.extsvc.internal",
                    ),
                    computed=Route(
                        RouteKind.HTTP, "0.0.0.0_80", "outbound|80||my-pay.shop.extsvc.internal", observed=False
                    ),
                    unread="",
                    **PAY_WAYS,
                ),
                stages(
                    (OK, "my-pay.shop.svc.cluster.local, 2nd of 4 search tries"),
                    (OK, "203.0.113.20 (CNAME api.pay.example)"),
                    (OK, "1 of 1 answers"),
                    (OK, "outbound|80||my-pay.shop.extsvc.internal  STRICT_DNS 1/1"),
                    (FAILED, ""),
                    (NOT_REACHED, ""),
                ),
            ),
            SourceReport(
                Observation(
                    plain("shop", "cron-55", "main"),
                    HTTP_80_TO_443,
                    Contract(False, Scheme.TCP, host, "origination is the sidecar's work"),
                    outcomes=(
                        Answer(
                            dial,
                            7,
                            error="Failed to connect to 203.0.113.20 port 443",
                            times=Times(0.002, 0.0, 0.0, 0.0, 0.003),
                        ),
                    ),
                    resolution=ResolutionUnknown("pod/cron-55 has no tool that tells"),
                ),
                stages(
                    (OK, "my-pay.shop.svc.cluster.local, 2nd of 4 search tries"),
                    (OK, "203.0.113.20 (CNAME api.pay.example)"),
                    (OK, "1 of 1 answers"),
                    (NOT_APPLICABLE, ""),
                    (NOT_APPLICABLE, ""),
                    (NOT_SERVED, "origination is the sidecar's work"),
                ),
            ),
        ),
        judgement=judgement(
            SNI_FINDING,
            skipped=(
                Skipped("XS0601", "networkpolicies could not be listed", "list networkpolicies"),
                Skipped("XS0602", "networkpolicies could not be listed", "list networkpolicies"),
            ),
        ),
        first_difference=None,
    )


def pay_well() -> AliasReport:
    """The same alias, cured: the plain pod is not served, and that is no fault."""
    broken = pay()
    web, cron = broken.sources
    return replace(
        broken,
        sources=(
            replace(
                web, stages=(*web.stages[:4], StageResult(Stage.TLS, OK, "SIMPLE"), StageResult(Stage.HTTP, OK, "200"))
            ),
            cron,
        ),
        judgement=judgement(
            Finding(
                "XS0409",
                Severity.WARNING,
                Stage.HTTP,
                ObjectRef("Service", "shop", "my-pay"),
                "plain pods reach api.pay.example:80 unencrypted",
                cure="give them a sidecar",
                sources=("shop/cron-55",),
            )
        ),
    )


def wikipedia() -> AliasReport:
    """Endpoints form with two ports, two families, foreign, and too young to judge from one source."""
    http = AliasPort("", 80, 80, AppProtocol.AUTO)
    web = sidecar("default", "curl-6cdbf6bc6b-4lhkw")
    cron = plain("default", "cron-55")
    reports = []
    for source in (web, cron):
        tls = (OK, "ISTIO_MUTUAL") if source is web else (NOT_APPLICABLE, "")
        route = (OK, "outbound|443||my-wikipedia  EDS 2/2") if source is web else (NOT_APPLICABLE, "")
        name = (OK, "10.96.4.7") if source is web else (PENDING, "created 3 s ago")
        later = (OK, "200") if source is web else (NOT_REACHED, "")
        for port in (TLS_443, http):
            address = "2001:db8::7" if port is TLS_443 else "203.0.113.7"
            reports.append(
                SourceReport(
                    Observation(
                        source,
                        port,
                        Contract(True, Scheme.HTTPS if port is TLS_443 else Scheme.HTTP, "en.wikipedia.org"),
                        outcomes=(
                            Answer(
                                Transfer("t9", Purpose.ADDRESS, Scheme.TCP, address, port.number),
                                0,
                                remote_ip=address,
                                remote_port=port.number,
                                times=Times(0.0, 0.012, 0.0, 0.0, 1.25),
                                first_words="" if port is TLS_443 else "220 mail.test ESMTP",
                                handshake=WIKIPEDIA_HANDSHAKE if port is TLS_443 else None,
                            ),
                        ),
                        resolution=Resolution("my-wikipedia.default", "getent", addresses=("10.96.4.7",)),
                        route=Route(
                            RouteKind.TCP,
                            "virtualOutbound",
                            "",
                            filter_chain="virtualOutbound-catchall-tcp",
                            direct_response=404,
                            cluster_missing=True,
                            endpoints=(EnvoyEndpoint("2001:db8::7", 443, mesh_tls=True),),
                            tls=TlsInEffect(
                                OutboundTls.ISTIO_MUTUAL,
                                sni="outbound_.443_._.my-wikipedia.default.svc.cluster.local",
                                subject_alt_names=("spiffe://cluster.local/ns/default/sa/wiki",),
                            ),
                        )
                        if source is web
                        else None,
                        decision=RuleDecision(None, "no rule covers the host", "") if source is web else None,
                    ),
                    stages(name, later, later, route, tls, later),
                )
            )
    return AliasReport(
        alias=Alias(
            "default",
            "my-wikipedia",
            AddressTarget(("203.0.113.7", "203.0.113.8", "2001:db8::7", "2001:db8::8")),
            (TLS_443, http),
            cluster_ips=("10.96.4.7", "fd00::7"),
            slices=(ObjectRef("EndpointSlice", "default", "my-wikipedia-ipv4"),),
        ),
        tls="",
        sources=tuple(reports),
        judgement=judgement(
            Finding(
                "XS0304",
                Severity.WARNING,
                Stage.ROUTE,
                ObjectRef("DestinationRule", "other", "wiki"),
                "destinationrule/wiki of namespace other is not visible here",
                evidence=("exportTo: [.]",),
            ),
            Finding(
                "XS0210",
                Severity.INFO,
                Stage.ENDPOINTS,
                ObjectRef("Service", "default", "my-wikipedia"),
                "two families",
            ),
            passed=3,
        ),
        first_difference=Stage.NAME,
    )


def unseen() -> AliasReport:
    """Nothing could be asked: no right to exec."""
    healthy = httpbin()
    reason = "pods/exec is forbidden; needs create pods/exec"
    return replace(
        healthy,
        tls="",
        sources=tuple(
            replace(
                source,
                observation=replace(
                    source.observation,
                    outcomes=(NoAnswer(source.observation.outcomes[0].transfer, reason),),
                    route=RouteUnknown(reason) if source.observation.route else None,
                    decision=None,
                ),
                stages=stages(*[(NOT_OBSERVED, "needs create pods/exec")] * 6),
            )
            for source in healthy.sources
        ),
        judgement=Judgement(
            (),
            (Skipped("XS0201", "nothing was probed", "create pods/exec"), Skipped("XS0202", "too old", "")),
            ("XS0101",),
            broken=(Skipped("XS0404", "KeyError: 'spec'"),),
        ),
    )


HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.exe\u2066\r\nFAKE ✓ all well\x00 \ud800\U000e0041 <&\"'>]]>"


def hostile() -> AliasReport:
    """Text from outside that would rather be something else."""
    broken = pay()
    web, cron = broken.sources
    answer = web.observation.outcomes[0]
    assert isinstance(answer, Answer)
    answer = replace(
        answer,
        exit_code=35,
        error=HOSTILE,
        headers=(("x-long", "A" * 10_240), ("x-evil", HOSTILE)),
        body=HOSTILE,
        first_words=HOSTILE,
        handshake=Handshake(HOSTILE, (Certificate(HOSTILE, HOSTILE, (HOSTILE,), HOSTILE, HOSTILE),), alpn=HOSTILE),
    )
    lookup = way(HOSTILE, attempts(HOSTILE, *NXDOMAIN, cnames=(HOSTILE,)))
    finding = replace(SNI_FINDING, message=HOSTILE, evidence=(HOSTILE, "A" * 10_240), cure=HOSTILE)
    return replace(
        broken,
        tls=HOSTILE,
        sources=(
            replace(
                web,
                observation=replace(
                    web.observation, outcomes=(answer,), route=RouteUnknown(HOSTILE), resolution=lookup
                ),
                stages=(*web.stages[:5], StageResult(Stage.HTTP, FAILED, HOSTILE)),
            ),
            cron,
        ),
        judgement=replace(broken.judgement, findings=(finding,), skipped=(Skipped("XS0601", HOSTILE, HOSTILE),)),
    )


def sourceless() -> AliasReport:
    """Objects only; no pod to look from."""
    return replace(pay(), sources=(), judgement=judgement(SNI_FINDING, passed=5))


@pytest.fixture(scope="session")
def reports() -> Mapping[str, Report]:
    """Reports by what they show."""
    forbidden = Unread(
        "destinationrules.networking.istio.io",
        'destinationrules.networking.istio.io is forbidden: User "jo" cannot list resource',
        "list destinationrules.networking.istio.io",
    )
    return {
        "healthy": Report((httpbin(),), ISTIO, 0.36),
        "broken": Report((pay(),), ISTIO, 1.1),
        "not-served": Report((pay_well(),), ISTIO, 0.5),
        "incomplete": Report(
            (unseen(),),
            replace(ISTIO, version=None),
            0.2,
            unread=(forbidden, Unread("the proxy of pod curl", "no answer")),
            incomplete=True,
        ),
        "hostile": Report((hostile(),), ISTIO, 1.0, unread=(Unread(HOSTILE, HOSTILE, HOSTILE),), notes=(HOSTILE,)),
        "several-ports": Report((wikipedia(),), ISTIO, 2.5, at="2026-11-24T10:00:00Z"),
        "several-aliases": Report((httpbin(), pay()), ISTIO, 1.4, notes=("no ambient source; --from names one",)),
        "rich": Report(
            (pay(), wikipedia(), unseen()),
            ISTIO,
            3.0,
            at="2026-11-24T10:00:00Z",
            unread=(forbidden,),
            notes=("no ambient source; --from names one",),
            incomplete=True,
        ),
        "no-sources": Report(
            (sourceless(),),
            Mesh(installed=False),
            0.1,
            notes=("no pod to probe from; --probe-pods makes a throw-away pair",),
            incomplete=True,
        ),
    }
