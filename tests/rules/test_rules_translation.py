"""What answers mean: the same trouble has one name, whether a proxy stands between or not."""

from dataclasses import replace
from typing import Any

import pytest
from worlds.cases import (
    BLOCK_ALL,
    CRON,
    HTTP,
    NO_ISTIO,
    PASSTHROUGH,
    PAY_HOST,
    SIMPLE_FULL,
    TLS,
    WEB,
    address_alias,
    address_answer,
    answer,
    by_envoy,
    by_origin,
    case,
    logged,
    name_alias,
    not_served,
    nothing,
    route,
    seen,
    tls_error,
)

from kubectl_extsvc.model.observation import AccessLogLine, Observation, Stage
from kubectl_extsvc.model.probe import Answer, Scheme, Times
from kubectl_extsvc.model.route import OutboundTls, Route, RouteKind, RouteUnknown
from kubectl_extsvc.rules import judge
from kubectl_extsvc.rules.translation import (
    FLAG_OF_LENGTH,
    RESET_REASONS,
    Failure,
    FailureKind,
    envoys_flag,
    failure_of,
    made_by_envoy,
)

BLACK_HOLE = route(
    OutboundTls.NONE, envoy_cluster="BlackHoleCluster", virtual_host="", cluster_type="STATIC", endpoints=()
)
BLACK_HOLE = replace(BLACK_HOLE, kind=RouteKind.TCP)
TCP_ROUTE = replace(route(), kind=RouteKind.TCP)
UNREAD = RouteUnknown("forbidden")
CONNECTED = Times(0.001, 0.002)
PLAIN_OK = seen(answer(status=200), source=CRON)
PLAIN_REFUSED = seen(answer(7), source=CRON)
PLAIN_EMPTY = seen(answer(52), source=CRON)


def https(exit_code: int, error: str = "", **changes: Any) -> Answer:
    return answer(exit_code, scheme=Scheme.HTTPS, host="api.pay.example", port=443, error=error, **changes)


def kind_of(observation: Observation, *others: Observation) -> tuple[FailureKind, Stage, bool] | None:
    failure = failure_of(observation, case(address_alias(), observation, *others))
    return (failure.kind, failure.stage, failure.guess) if failure else None


@pytest.mark.parametrize(
    ("outcome", "kind", "stage"),
    [
        (answer(6), FailureKind.NAME_UNKNOWN, Stage.NAME),
        (answer(28, times=Times()), FailureKind.NAME_UNKNOWN, Stage.NAME),
        (answer(7), FailureKind.REFUSED, Stage.ENDPOINTS),
        (answer(28), FailureKind.SILENT, Stage.ENDPOINTS),
        (answer(28, times=CONNECTED), FailureKind.NO_RESPONSE, Stage.HTTP),
        (answer(52), FailureKind.NO_RESPONSE, Stage.HTTP),
        (answer(56), FailureKind.NO_RESPONSE, Stage.HTTP),
        (https(35, "SSL_ERROR_SYSCALL"), FailureKind.CLIENT_TLS, Stage.TLS),
        (https(56), FailureKind.CLIENT_TLS, Stage.TLS),
        (https(28, times=CONNECTED), FailureKind.CLIENT_TLS, Stage.TLS),
        (https(56, times=Times(0.001, 0.002, 0.01)), FailureKind.NO_RESPONSE, Stage.HTTP),
        (https(60), FailureKind.CLIENT_CERTIFICATE, Stage.TLS),
        (answer(status=500), FailureKind.STATUS, Stage.HTTP),
    ],
    ids=lambda value: f"curl {value.exit_code}" if isinstance(value, Answer) else str(value),
)
def test_plain_source_is_taken_at_its_word(outcome: Answer, kind: FailureKind, stage: Stage) -> None:
    assert kind_of(seen(outcome, source=CRON)) == (kind, stage, False)


@pytest.mark.parametrize(
    "behind",
    [
        seen(https(35, "OpenSSL SSL_connect: SSL_ERROR_SYSCALL"), port=TLS, route=TCP_ROUTE),
        seen(answer(52), route=TCP_ROUTE),
        seen(answer(56), route=TCP_ROUTE),
        seen(by_envoy(503, 19), route=route(endpoints=())),
        seen(by_envoy(503, 19), route=route(endpoints=()), log=logged("UH", details="no_healthy_upstream")),
        seen(by_envoy(503, 121), route=route(), log=logged(transport="delayed_connect_error:_Connection_refused")),
        seen(by_envoy(503, 121), route=route()),
        seen(by_envoy(503, 121), route=route(SIMPLE_FULL)),
        seen(by_envoy(503, 114), route=route(), log=logged(details="upstream_reset{connection_timeout}")),
    ],
    ids=["35", "52", "56", "UH", "UH logged", "refused logged", "refused", "refused before TLS", "silent"],
)
def test_dead_endpoint_behind_a_sidecar_is_the_stage_that_a_plain_pod_calls_refused(behind: Observation) -> None:
    """35 SSL_ERROR_SYSCALL, 52, 56, UH and URX,UF with a refused connection equal 7 from a plain pod (Istio 1.31)."""
    plain = replace(PLAIN_REFUSED, port=behind.port)
    translated = kind_of(behind, plain)
    assert translated is not None
    assert translated[1] is Stage.ENDPOINTS
    assert kind_of(plain, behind) == (FailureKind.REFUSED, Stage.ENDPOINTS, False)


@pytest.mark.parametrize("outcome", [answer(52), answer(56), https(35, "Recv failure: Connection reset by peer")])
def test_black_hole_is_the_route_whichever_code_chance_gives(outcome: Answer) -> None:
    assert kind_of(seen(outcome, route=BLACK_HOLE)) == (FailureKind.BLOCKED, Stage.ROUTE, False)
    by_log = seen(outcome, route=UNREAD, log=logged("UH", details="", cluster="BlackHoleCluster"))
    assert kind_of(by_log) == (FailureKind.BLOCKED, Stage.ROUTE, False)


@pytest.mark.parametrize("way", [BLACK_HOLE, TCP_ROUTE, UNREAD, None])
@pytest.mark.parametrize("other", [PLAIN_OK, PLAIN_REFUSED, None])
def test_findings_do_not_tell_which_code_chance_gave(
    way: Route | RouteUnknown | None, other: Observation | None
) -> None:
    empty, reset = (
        judge(case(address_alias(), seen(answer(code), route=way), *((other,) if other else ()))) for code in (52, 56)
    )
    assert empty.findings == reset.findings != ()


def test_silent_endpoint_is_the_same_whether_the_probe_or_envoy_gives_up_first() -> None:
    probe = seen(answer(28, times=CONNECTED), route=route())
    times = Times(0.001, 0.002, 0.0, 30.0, 30.0)
    envoy = [
        seen(by_envoy(503, 114, times=times), route=route(), log=logged(details="upstream_reset{connection_timeout}")),
        seen(by_envoy(503, 114), route=route()),
        seen(by_envoy(504, 24), route=route()),
    ]
    silent = seen(answer(28), source=CRON)
    kinds = {kind_of(each, silent) for each in (probe, *envoy)}
    assert kinds == {(FailureKind.SILENT, Stage.ENDPOINTS, False)}


@pytest.mark.parametrize(
    ("reason", "flag"),
    [
        ("overflow", "UO"), ("connection termination", "UC"), ("protocol error", "UPE"), ("remote reset", "UR"),
        ("local reset", "LR"), ("remote connection failure", "UF"), ("connection timeout", "UF"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("again", ["", "retried and the latest "])
def test_length_of_envoys_body_stands_for_its_flag(reason: str, flag: str, again: str) -> None:
    body = f"upstream connect error or disconnect/reset before headers. {again}reset reason: {reason}"
    assert envoys_flag(by_envoy(503, len(body)), None) == flag


def test_lengths_of_envoys_bodies_tell_reasons_apart() -> None:
    assert len(FLAG_OF_LENGTH) == 3 + 2 * len(RESET_REASONS)


@pytest.mark.parametrize(
    ("outcome", "flags", "kind", "flag"),
    [
        (by_envoy(503, 81), "UO", FailureKind.PROXY_ERROR, "UO"),
        (by_envoy(503, 95), "UC", FailureKind.NO_RESPONSE, "UC"),
        (by_envoy(503, 85), "UR", FailureKind.NO_RESPONSE, "UR"),
        (by_envoy(502, 87), "UPE", FailureKind.NOT_HTTP, "UPE"),
        (by_envoy(504, 24), "UT", FailureKind.PROXY_ERROR, "UT"),
        (by_envoy(503, 18), "FI", FailureKind.ENVOY_ANSWERS, "FI"),
        (by_envoy(503, 0), "NC", FailureKind.NO_CLUSTER, "NC"),
        (by_envoy(404, 0), "NR", FailureKind.ENVOY_ANSWERS, "NR"),
    ],
)
def test_flag_means_the_same_with_and_without_an_access_log(
    outcome: Answer, flags: str, kind: FailureKind, flag: str
) -> None:
    for log in (logged(flags, details="x"), None):
        observation = seen(outcome, route=UNREAD, log=log)
        failure = failure_of(observation, case(address_alias(), observation))
        assert failure is not None
        assert (failure.kind, failure.flag) == (kind, flag)


@pytest.mark.parametrize("code", [1, 8])
def test_answer_that_is_no_http_is_an_answer(code: int) -> None:
    assert kind_of(seen(answer(code), source=CRON)) == (FailureKind.NOT_HTTP, Stage.HTTP, False)


def test_closed_connection_with_a_proxy_that_cannot_be_read_is_a_guess_by_the_plain_pod() -> None:
    closed = seen(answer(52), route=UNREAD)
    assert kind_of(closed, PLAIN_OK) == (FailureKind.BLOCKED, Stage.ROUTE, True)
    assert kind_of(closed, PLAIN_REFUSED) == (FailureKind.CLOSED, Stage.ENDPOINTS, True)
    assert kind_of(closed) == (FailureKind.CLOSED, Stage.ENDPOINTS, True)


def test_origin_that_closes_on_everybody_is_no_matter_of_endpoints() -> None:
    assert kind_of(seen(answer(52), route=TCP_ROUTE), PLAIN_EMPTY) == (FailureKind.NO_RESPONSE, Stage.HTTP, False)


@pytest.mark.parametrize(
    ("behind", "kind"),
    [
        (seen(by_envoy(503, 121), route=route(SIMPLE_FULL), log=tls_error("CERTIFICATE_VERIFY_FAILED")), "known"),
        (seen(by_envoy(503, 121), route=route(SIMPLE_FULL)), "guess"),
        (seen(by_envoy(503, 121), route=UNREAD, log=tls_error("WRONG_VERSION_NUMBER")), "known"),
    ],
    ids=["logged", "encrypting", "proxy unread"],
)
def test_trouble_between_envoy_and_origin_is_tls(behind: Observation, kind: str) -> None:
    assert kind_of(behind) == (FailureKind.PROXY_TLS, Stage.TLS, kind == "guess")


def test_reason_is_read_from_the_body_of_an_older_envoy() -> None:
    body = (
        "upstream connect error or disconnect/reset before headers. reset reason: connection failure, transport "
        "failure reason: TLS error: 268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED"
    )
    observation = seen(by_envoy(503, 200, body=body), route=route(SIMPLE_FULL))
    failure = failure_of(observation, case(address_alias(), observation))
    assert failure == Failure(FailureKind.PROXY_TLS, "503 CERTIFICATE_VERIFY_FAILED", "CERTIFICATE_VERIFY_FAILED")


@pytest.mark.parametrize(
    ("behind", "kind"),
    [
        (seen(by_envoy(502, 0), route=BLOCK_ALL), FailureKind.BLOCKED),
        (seen(by_envoy(503, 0), route=route(cluster_missing=True)), FailureKind.NO_CLUSTER),
        (seen(by_envoy(503, 0), route=UNREAD), FailureKind.NO_CLUSTER),
        (seen(by_envoy(503, 18), route=route()), FailureKind.ENVOY_ANSWERS),
        (seen(by_envoy(404, 0), route=UNREAD), FailureKind.ENVOY_ANSWERS),
    ],
    ids=["block_all", "NC", "NC unread", "FI", "NR"],
)
def test_answer_that_envoy_gives_for_want_of_a_way_is_the_route(behind: Observation, kind: FailureKind) -> None:
    assert kind_of(behind) == (kind, Stage.ROUTE, False)


def test_block_all_with_a_proxy_that_cannot_be_read_is_a_guess() -> None:
    assert kind_of(seen(by_envoy(502, 0), route=UNREAD)) == (FailureKind.BLOCKED, Stage.ROUTE, True)


@pytest.mark.parametrize(
    ("outcome", "way", "log", "made"),
    [
        (by_envoy(503, 121), route(), None, True),
        (by_origin(503), route(), None, False),
        (answer(status=503), None, None, False),
        (answer(status=503, headers=(("server", "nginx"),)), route(), None, False),
        (by_envoy(503, 121), replace(route(), kind=RouteKind.TCP), None, False),
        (by_envoy(503, 121, scheme=Scheme.HTTPS), route(), None, False),
        (by_envoy(503, 500), route(response_headers_changed=("server",)), None, False),
        (by_envoy(503, 19), route(response_headers_changed=("server",)), None, True),
        (by_envoy(200, 18), route(response_headers_changed=("server",)), None, False),
        (by_envoy(503, 121), route(), logged(details="via_upstream"), False),
        (by_origin(503), route(), logged(details="cluster_not_found"), True),
    ],
    ids=["own", "passed on", "no headers", "other server", "tcp", "tls of the client", "debug headers off",
         "debug headers off, own length", "debug headers off, a page so long", "log says upstream", "log says own"],
)  # fmt: skip
def test_who_wrote_a_response_is_told_by_log_then_route_then_headers(
    outcome: Answer, way: Route | None, log: AccessLogLine | None, made: bool
) -> None:
    assert made_by_envoy(outcome, way, log) is made


def test_silence_behind_a_sidecar_is_the_endpoints_if_plain_pods_get_no_connection() -> None:
    waiting = seen(answer(28, times=CONNECTED), route=route())
    assert kind_of(waiting, seen(answer(28), source=CRON)) == (FailureKind.SILENT, Stage.ENDPOINTS, False)
    assert kind_of(waiting, PLAIN_OK) == (FailureKind.NO_RESPONSE, Stage.HTTP, False)
    assert kind_of(waiting) == (FailureKind.SILENT, Stage.ENDPOINTS, True)


def test_addresses_that_a_plain_pod_cannot_reach_explain_a_503_without_a_log() -> None:
    behind = seen(by_envoy(503, 121), route=route(SIMPLE_FULL))
    only_addresses = seen(nothing(), address_answer("203.0.113.20", 7), source=CRON)
    assert kind_of(behind, only_addresses) == (FailureKind.REFUSED, Stage.ENDPOINTS, False)


def test_plain_pod_that_dials_another_port_is_no_witness() -> None:
    """ExternalName with origination: the plain pod's refused TARGET:80 says nothing of TARGET:443."""
    behind = seen(by_envoy(503, 121), route=route(SIMPLE_FULL))
    refused = replace(not_served(answer(7)), port=HTTP)
    failure = failure_of(behind, case(name_alias(), behind, refused))
    assert failure is not None
    assert failure.kind is FailureKind.PROXY_TLS


@pytest.mark.parametrize("status", [200, 301, 401, 403, 404, 426, 499])
def test_origins_own_answer_below_500_is_no_failure(status: int) -> None:
    assert kind_of(seen(by_origin(status), route=PASSTHROUGH)) is None
    assert kind_of(seen(answer(status=status), source=CRON)) is None


def test_expected_status_decides_alone() -> None:
    observation = seen(answer(status=200), source=CRON)
    failure = failure_of(observation, case(name_alias(), observation, expect_status=(404,)))
    assert failure == Failure(FailureKind.STATUS, "200")


def test_nothing_is_said_of_a_call_that_was_not_answered_or_is_not_to_be_served() -> None:
    assert kind_of(seen(nothing(), source=WEB)) is None
    assert kind_of(not_served(answer(7))) is None


@pytest.mark.parametrize(
    "outcome",
    [
        https(60, "self-signed certificate"),
        https(35, "OpenSSL/3.0.22: error:0A000458:SSL routines::tlsv1 unrecognized name"),
    ],
)
def test_tls_server_of_an_unknown_name_is_not_accused_for_refusing_the_alias(outcome: Answer) -> None:
    observation = seen(outcome, source=CRON, port=TLS)
    unknown = case(address_alias(TLS, host=""), observation, mesh=NO_ISTIO)
    assert failure_of(observation, unknown) is None
    assert failure_of(observation, case(address_alias(TLS), observation, mesh=NO_ISTIO)) is not None


def test_connection_alone_is_all_that_a_tcp_port_is_asked() -> None:
    assert kind_of(seen(answer(scheme=Scheme.TCP, host=PAY_HOST), source=CRON)) is None
