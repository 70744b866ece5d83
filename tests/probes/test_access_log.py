"""Lines as Envoy of Istio 1.31 wrote them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_extsvc.model.observation import AccessLogLine
from kubectl_extsvc.model.probe import Answer, Purpose, Scheme, Transfer
from kubectl_extsvc.probes.access_log import access_log_entries, line_about
from kubectl_extsvc.probes.proxy_admin import get

ALIAS = "my-httpbin-ip.default.svc.cluster.local"
FAILED = (
    '[2026-11-24T11:48:38.406Z] "GET /headers HTTP/1.1" 503 URX,UF '
    "upstream_reset_before_response_started{remote_connection_failure|TLS_error:|268435703:SSL_routines:OPENSSL_internal:"
    'WRONG_VERSION_NUMBER:TLS_error_end} - "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:'
    'TLS_error_end" 0 121 48 - "-" "curl/7.88.1" "5f9e0a9b-91fb-43a3-9a85-f16a1cbe61f9" "' + ALIAS + '" '
    '"203.0.113.10:80" outbound|80||' + ALIAS + " - 10.96.178.71:80 10.244.0.13:57394 - default"
)
PASSED = (
    '[2026-11-24T11:48:16.068Z] "GET /headers HTTP/1.1" 200 - via_upstream - "-" 0 439 1 0 "-" "curl/7.88.1" '
    '"1b6f2b88-e2d3-4f56-9836-80a02976f1bb" "' + ALIAS + '" "203.0.113.10:80" outbound|80||' + ALIAS + " "
    "10.244.0.13:43956 10.96.178.71:80 10.244.0.13:55114 - default"
)
REWRITTEN = (
    '[2026-11-24T11:50:01.000Z] "GET /get HTTP/1.1" 200 - via_upstream - "-" 0 413 3 3 "-" "curl/7.88.1" '
    '"152790af-28d6-4f1b-b4f1-1be3ba93a2a7" "api.pay.example" "203.0.113.20:443" '
    "outbound|80||my-pay.default.svc.cluster.local 10.244.0.13:43726 10.96.139.120:80 10.244.0.13:41200 - -"
)
BLACK_HOLE = (
    '[2026-11-24T11:51:00.000Z] "- - -" 0 UH - - "-" 0 0 0 - "-" "-" "-" "-" "-" BlackHoleCluster - '
    "203.0.113.10:443 10.244.0.13:41210 - -"
)
BY_SNI = (
    '[2026-11-24T11:52:00.000Z] "- - -" 0 - - - "-" 782 1488 7 - "-" "-" "-" "-" "203.0.113.10:443" '
    "outbound|443||httpbin.org 10.244.0.13:1 203.0.113.10:443 10.244.0.13:2 httpbin.org -"
)
OWN_LOG = "2026-11-24T11:48:00.000000Z\tinfo\txdsproxy\tconnected to upstream XDS server: istiod:15012"
LOG = "\n".join([OWN_LOG, PASSED, FAILED, REWRITTEN, BLACK_HOLE, BY_SNI, ""])
FAILED_LINE = AccessLogLine(
    flags=frozenset({"URX", "UF"}),
    details="upstream_reset_before_response_started{remote_connection_failure|TLS_error:|268435703:SSL_routines:"
    "OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end}",
    transport_failure="TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end",
    upstream_host="203.0.113.10:80",
    envoy_cluster=f"outbound|80||{ALIAS}",
)


def answer(
    host: str = ALIAS, path: str = "/headers", *, status: int = 0, remote: str = "", port: int = 80,
    scheme: Scheme = Scheme.HTTP, exit_code: int = 0, headers: tuple[tuple[str, str], ...] = (),
) -> Answer:  # fmt: skip
    transfer = Transfer("a", Purpose.ALIAS, scheme, host, port, path, headers=headers)
    return Answer(transfer, exit_code, status=status, remote_ip=remote, remote_port=port if remote else 0)


def cluster_of(about: Answer, log: str = LOG, since: str = "") -> str | None:
    line = line_about(about, access_log_entries(log), since)
    return line.envoy_cluster if line else None


def test_a_failed_probe_finds_flags_details_and_the_cause_of_the_tls_failure() -> None:
    assert line_about(answer(status=503), access_log_entries(LOG)) == FAILED_LINE


def test_the_json_format_says_the_same() -> None:
    fields = {
        "start_time": "2026-11-24T11:48:38.406Z", "method": "GET", "path": "/headers", "protocol": "HTTP/1.1",
        "response_code": 503, "response_flags": "URX,UF", "response_code_details": FAILED_LINE.details,
        "connection_termination_details": None, "upstream_transport_failure_reason": FAILED_LINE.transport_failure,
        "bytes_received": 0, "bytes_sent": 121, "duration": 48, "authority": ALIAS, "route_name": "default",
        "upstream_host": "203.0.113.10:80", "upstream_cluster": f"outbound|80||{ALIAS}",
        "downstream_local_address": "10.96.178.71:80", "requested_server_name": None, "user_agent": "curl/7.88.1",
    }  # fmt: skip
    assert access_log_entries(json.dumps(fields)) == access_log_entries(FAILED)


def test_the_proxys_own_log_and_broken_lines_are_passed_over() -> None:
    noise = "\n".join([OWN_LOG, FAILED[:200], "{}", "{bad", "[1]", '{"level":"info","start_time":"x"}', "[" * 5000])
    assert access_log_entries(noise) == ()


def test_a_rewritten_authority_is_found_by_the_address_that_was_dialled() -> None:
    about = answer("my-pay.default.svc.cluster.local", "/get", status=200, remote="10.96.139.120")
    assert cluster_of(about) == "outbound|80||my-pay.default.svc.cluster.local"


def test_a_probe_with_a_host_header_is_found_by_it() -> None:
    about = answer("10.96.139.120", "/get", status=200, headers=(("host", "api.pay.example"),))
    assert cluster_of(about) == "outbound|80||my-pay.default.svc.cluster.local"


def test_tls_is_found_by_the_address_newest_first_and_not_under_another_server_name() -> None:
    by_name = answer("httpbin.org", port=443, scheme=Scheme.HTTPS, remote="203.0.113.10", status=200)
    by_alias = answer(ALIAS, port=443, scheme=Scheme.HTTPS, remote="203.0.113.10", exit_code=35)
    without_address = answer("httpbin.org", port=443, scheme=Scheme.HTTPS, exit_code=35)
    assert [cluster_of(about) for about in (by_name, by_alias, without_address)] == [
        "outbound|443||httpbin.org",
        "BlackHoleCluster",
        "outbound|443||httpbin.org",
    ]


@pytest.mark.parametrize(
    "about",
    [
        answer(status=404),
        answer(path="/other", status=503),
        answer("else.default.svc.cluster.local", status=503, remote="10.96.0.9"),
        answer(port=8080, status=503),
        answer(scheme=Scheme.TCP, remote="10.96.0.9"),
    ],
    ids=["status", "path", "authority and address", "port", "tcp"],
)
def test_a_line_about_another_request_is_not_taken(about: Answer) -> None:
    assert cluster_of(about) is None


def test_lines_from_before_the_probe_are_not_taken() -> None:
    about = answer(status=200)
    assert cluster_of(about, since="2026-11-24T11:48:16Z") == f"outbound|80||{ALIAS}"
    assert cluster_of(about, since="2026-11-24T11:48:17Z") is None


def test_hostile_values_come_out_clean() -> None:
    evil = FAILED.replace("remote_connection_failure", "\x1b]0;x\x07").replace("URX,UF", "UF\x9b1m")
    (entry,) = access_log_entries(evil)
    assert entry.line.details.isprintable()
    assert entry.line.flags == {"UF1m"}


@settings(deadline=None)
@given(st.text() | st.text().map(lambda text: FAILED[: len(text)] + text + FAILED[len(text) * 3 :]))
def test_reading_a_log_never_raises(text: str) -> None:
    line_about(answer(status=503), access_log_entries(text))


def test_the_admin_interface_is_asked_without_a_shell() -> None:
    assert get("clusters") == ("pilot-agent", "request", "GET", "clusters")
