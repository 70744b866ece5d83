"""Which of name, issuer, date and client certificate a handshake failed for, whoever says it, and how sure that is."""

# ruff: noqa: E501 - TLS libraries' words are given as they are printed

from dataclasses import replace
from typing import Any

import pytest
from worlds.cases import (
    CRON,
    HTTP_TO_TLS,
    NO_ISTIO,
    PAY_HOST,
    SIMPLE_BARE,
    SIMPLE_FULL,
    TLS,
    address_alias,
    answer,
    by_envoy,
    case,
    decided,
    destination_rule,
    logged,
    name_alias,
    not_served,
    ref,
    route,
    seen,
    slice_of,
    tls_error,
)

from kubectl_extsvc.model.observation import AccessLogLine, Case
from kubectl_extsvc.model.probe import Answer, Certificate, Handshake, Purpose, Scheme, Times, Trust
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import EnvoyEndpoint, OutboundTls, TlsInEffect
from kubectl_extsvc.rules import judge
from kubectl_extsvc.rules.tls_words import TlsTrouble, library_reason, named_in, trouble_in, trouble_of

T = TlsTrouble

WORDS: tuple[tuple[str, TlsTrouble], ...] = (
    # OpenSSL by curl
    ("SSL certificate problem: certificate has expired", T.DATE),
    ("SSL certificate problem: certificate is not yet valid", T.DATE),
    ("SSL certificate problem: unable to get local issuer certificate", T.ISSUER),
    ("SSL certificate problem: self-signed certificate", T.ISSUER),
    ("SSL certificate problem: self signed certificate in certificate chain", T.ISSUER),
    ("SSL certificate problem: unable to verify the first certificate", T.ISSUER),
    ("SSL: no alternative certificate subject name matches target host name 'x.svc'", T.NAME),
    ("SSL: certificate subject name 'a.example' does not match target host name 'b.example'", T.NAME),
    ("OpenSSL/3.0.19: error:0A000410:SSL routines::sslv3 alert handshake failure", T.REFUSED),
    ("error:14094410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure", T.REFUSED),
    ("OpenSSL/3.0.22: error:0A000458:SSL routines::tlsv1 unrecognized name", T.SNI),
    ("OpenSSL SSL_read: OpenSSL/3.0.13: error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0", T.CLIENT_CERTIFICATE),
    ("OpenSSL SSL_read: error:0A000412:SSL routines::sslv3 alert bad certificate", T.CLIENT_REFUSED),
    ("error:0A000418:SSL routines::tlsv1 alert unknown ca", T.CLIENT_REFUSED),
    ("error:0A000415:SSL routines::sslv3 alert certificate expired", T.CLIENT_REFUSED),
    ("error:0A00042E:SSL routines::tlsv1 alert protocol version", T.VERSION),
    ("error:0A000102:SSL routines::unsupported protocol", T.VERSION),
    ("error:0A00010B:SSL routines::wrong version number", T.NO_TLS),
    ("error:0A0000C6:SSL routines::packet length too long", T.NO_TLS),
    ("OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to api.pay.example:443", T.UNKNOWN),
    ("Recv failure: Connection reset by peer", T.UNKNOWN),
    # GnuTLS by curl and wget
    ("SSL certificate verification failed: certificate has expired. (CAfile: /etc/ssl/certs/ca.crt CRLfile: none)", T.DATE),
    ("server certificate expiration date has passed.", T.DATE),
    ("SSL certificate verification failed: certificate signer not trusted. (CAfile: none CRLfile: none)", T.ISSUER),
    ("server certificate verification failed. CAfile: /etc/ssl/certs/ca-certificates.crt CRLfile: none", T.UNKNOWN),
    ("gnutls_handshake() failed: The server name sent was not recognized", T.SNI),
    ("gnutls_handshake() failed: Certificate is required", T.CLIENT_CERTIFICATE),
    ("gnutls_handshake() failed: Certificate is bad", T.CLIENT_REFUSED),
    ("gnutls_handshake() failed: Handshake failed", T.REFUSED),
    ("gnutls_handshake() failed: An unexpected TLS packet was received.", T.NO_TLS),
    ("gnutls_handshake() failed: Error in protocol version", T.VERSION),
    ("ERROR: The certificate of ‘api.pay.example’ is not trusted. ERROR: The certificate of ‘api.pay.example’ has expired.", T.DATE),
    ("ERROR: The certificate of ‘api.pay.example’ is not trusted. ERROR: The certificate of ‘api.pay.example’ is not yet activated.", T.DATE),
    ("ERROR: The certificate of ‘127.0.0.1’ is not trusted. ERROR: The certificate of ‘127.0.0.1’ doesn't have a known issuer.", T.ISSUER),
    ("The certificate's owner does not match hostname ‘127.0.0.1’", T.NAME),
    # OpenSSL by wget
    ("ERROR: cannot verify x's certificate, issued by ‘CN=other’: Unable to locally verify the issuer's authority.", T.ISSUER),
    ("ERROR: no certificate subject alternative name matches requested host name ‘x’.", T.NAME),
    # Python
    ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)", T.DATE),
    ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1006)", T.ISSUER),
    ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid for 'x'. (_ssl.c:1006)", T.NAME),
    ("hostname 'x' doesn't match 'api.pay.example'", T.NAME),
    ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required (_ssl.c:2580)", T.CLIENT_CERTIFICATE),
    ("[SSL: TLSV1_UNRECOGNIZED_NAME] tlsv1 unrecognized name (_ssl.c:1006)", T.SNI),
    ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", T.NO_TLS),
    # mbedTLS, wolfSSL
    ("Cert verify failed: BADCERT_EXPIRED", T.DATE),
    ("Cert verify failed: BADCERT_NOT_TRUSTED", T.ISSUER),
    ("Cert verify failed: BADCERT_CN_MISMATCH", T.NAME),
    ("The certificate is not correctly signed by the trusted CA", T.ISSUER),
    ("CA signer not available for verification: unable to get local issuer certificate", T.ISSUER),
    # BoringSSL by Envoy
    ("TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_X509_verify_cert:_certificate_verification_error_at_depth_0:_certificate_has_expired:TLS_error_end", T.DATE),
    ("TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_X509_verify_cert:_certificate_verification_error_at_depth_0:_unable_to_get_local_issuer_certificate:TLS_error_end", T.ISSUER),
    ("TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_SAN_matcher,_certificate_SANs_are_[api.pay.example]:TLS_error_end", T.NAME),
    ("TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_verify_SAN_list,_expected_SANs_[x]", T.NAME),
    ("TLS_error:|268436496:SSL_routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE:TLS_error_end", T.REFUSED),
    ("TLS_error:|268436504:SSL_routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA:TLS_error_end", T.CLIENT_REFUSED),
    ("TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end", T.NO_TLS),
    ("TLS_error:|268436568:SSL_routines:OPENSSL_internal:TLSV1_ALERT_UNRECOGNIZED_NAME:TLS_error_end", T.SNI),
)  # fmt: skip


@pytest.mark.parametrize(("words", "trouble"), WORDS, ids=[words[:60] for words, _ in WORDS])
def test_words_of_a_tls_library_tell_the_trouble(words: str, trouble: TlsTrouble) -> None:
    assert trouble_in(words) is trouble


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (WORDS[7][0], ""),
        ("error:0A000410:SSL routines::sslv3 alert handshake failure", "SSLV3_ALERT_HANDSHAKE_FAILURE"),
        ("error:14094410:SSL routines:ssl3_read_bytes:tlsv1 alert internal error", "TLSV1_ALERT_INTERNAL_ERROR"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "WRONG_VERSION_NUMBER"),
        ("error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0", "TLSV13_ALERT_CERTIFICATE_REQUIRED"),
    ],
)  # fmt: skip
def test_reason_of_a_library_is_one_word(words: str, reason: str) -> None:
    assert library_reason(words) == reason


@pytest.mark.parametrize(
    ("host", "named"),
    [("api.pay.example", True), ("x.pay.example", True), ("x.y.pay.example", False), ("pay.example", False), ("", False)],
)  # fmt: skip
def test_wildcard_of_a_certificate_stands_for_one_label(host: str, named: bool) -> None:
    assert named_in(host, ["api.pay.example", "*.pay.example"]) is named


def https(exit_code: int, error: str = "", **changes: Any) -> Answer:
    given: dict[str, Any] = {
        "scheme": Scheme.HTTPS,
        "host": "api.pay.example",
        "port": 443,
        "connect_to": PAY_HOST,
        "error": error,
    }
    return answer(exit_code, **(given | changes))


def shown(*names: str, trust: Trust = Trust.TRUSTED) -> Handshake:
    certificate = Certificate("a", "Private CA", names, "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z")
    return Handshake("api.pay.example", (certificate,), trust)


@pytest.mark.parametrize(
    ("outcome", "trouble"),
    [
        (https(60, handshake=shown("api.pay.example", trust=Trust.UNTRUSTED)), T.ISSUER),
        (https(60, handshake=shown("other.example")), T.NAME),
        (https(60, handshake=shown("*.pay.example")), T.UNKNOWN),
        (https(60, WORDS[0][0], handshake=shown("other.example", trust=Trust.UNTRUSTED)), T.DATE),
        (https(35, handshake=shown("other.example")), T.UNKNOWN),
        (https(60), T.UNKNOWN),
    ],
    ids=["issuer", "name", "neither", "words first", "not refused", "nothing shown"],
)
def test_certificate_that_was_shown_tells_where_words_do_not(outcome: Answer, trouble: TlsTrouble) -> None:
    assert trouble_of(outcome) is trouble


FULL: Json = {"mode": "SIMPLE", "sni": "api.pay.example", "subjectAltNames": ["api.pay.example"]}


def tls_case(*outcomes: Answer) -> Case:
    return case(
        address_alias(TLS),
        *(seen(outcome, port=TLS, source=CRON) for outcome in outcomes),
        endpoint_slices=(slice_of("203.0.113.20", port="tls", number=443),),
        resolved={"api.pay.example": ("203.0.113.20",)},
        mesh=NO_ISTIO,
    )


def originating(
    outcome: Answer,
    *of_addresses: Answer,
    tls: Json = FULL,
    in_effect: TlsInEffect = SIMPLE_FULL,
    log: AccessLogLine | None = None,
) -> Case:
    """A sidecar that adds TLS; a plain source, which is not served, asks the address itself."""
    way = route(in_effect, rule=ref(), endpoints=(EnvoyEndpoint("203.0.113.20", 443),))
    return case(
        address_alias(HTTP_TO_TLS),
        seen(outcome, port=HTTP_TO_TLS, route=way, decision=decided(str(tls["mode"])), log=log),
        not_served(answer(scheme=Scheme.TCP), *of_addresses),
        destination_rules=(destination_rule(tls=tls),),
        endpoint_slices=(slice_of("203.0.113.20", number=443),),
        resolved={"api.pay.example": ("203.0.113.20",)},
    )


def at_address(exit_code: int = 0, error: str = "", status: int = 0, **changes: Any) -> Answer:
    given: dict[str, Any] = {"purpose": Purpose.ADDRESS, "connect_to": "203.0.113.20", "remote_ip": "203.0.113.20"}
    return https(exit_code, error, status=status, **given, **changes)


def told(one: Case) -> list[tuple[str, str]]:
    return [(finding.code, finding.message) for finding in judge(one).findings]


def test_client_tells_name_issuer_and_date_apart() -> None:
    outcomes = [
        https(60, "SSL: no alternative certificate subject name matches target host name"),
        https(60, "SSL certificate problem: self-signed certificate"),
        https(60, "SSL certificate problem: certificate is not yet valid"),
        https(60, handshake=shown("other.example")),
        https(60, "server certificate verification failed. CAfile: none CRLfile: none"),
        https(60, "server certificate verification failed", handshake=shown("api.pay.example", trust=Trust.UNTRUSTED)),
    ]
    assert [told(tls_case(outcome)) for outcome in outcomes] == [
        [("XS0401", 'the client asks for "api.pay.example", and the certificate is for another name')],
        [("XS0412", "the certificate of api.pay.example is self-signed, and the pod does not know it")],
        [("XS0411", "the certificate of api.pay.example is not yet valid")],
        [("XS0401", 'the client asks for "api.pay.example", and the certificate is for other.example')],
        [("XS0401", 'the client asks for "api.pay.example" and refuses the certificate that it gets')],
        [("XS0412", "no CA vouches for api.pay.example that the pod's CA bundle has")],
    ]


def test_certificate_that_was_shown_gives_issuer_and_dates_as_evidence() -> None:
    (dated,) = judge(tls_case(https(60, WORDS[0][0], handshake=shown("api.pay.example")))).findings
    (issued,) = judge(tls_case(https(60, WORDS[2][0], handshake=shown("api.pay.example")))).findings
    assert dated.evidence == (f"curl 60: {WORDS[0][0]}", "valid from 2020-01-01T00:00:00Z to 2021-01-01T00:00:00Z")
    assert issued.evidence == (f"curl 60: {WORDS[2][0]}", "issuer: Private CA")


FAILED = "CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_X509_verify_cert:_certificate_verification_error_at_depth_0:_"


def test_proxy_tells_issuer_and_date_apart() -> None:
    private = {**FULL, "caCertificates": "/etc/ca.pem"}
    assert [
        told(originating(by_envoy(503, 121), log=tls_error(f"{FAILED}certificate_has_expired"))),
        told(originating(by_envoy(503, 121), tls=private, log=tls_error(f"{FAILED}self_signed_certificate"))),
    ] == [
        [("XS0411", "the certificate of api.pay.example has expired")],
        [("XS0412", "Envoy refuses the issuer of api.pay.example's certificate, which is not in caCertificates "
          "/etc/ca.pem")],
    ]  # fmt: skip


def test_without_an_access_log_a_client_of_the_address_is_the_witness() -> None:
    expired = originating(by_envoy(503, 121), at_address(60, WORDS[0][0]))
    private = originating(by_envoy(503, 121), at_address(60, WORDS[2][0]))
    assert [told(expired), told(private)] == [
        [("XS0411", "the certificate of api.pay.example has expired")],
        [("XS0412", "Envoy probably refuses the issuer of api.pay.example's certificate, which is not in the system's "
          "CA bundle of istio-proxy")],
    ]  # fmt: skip
    assert judge(expired).findings[0].evidence == ("503", f"203.0.113.20: curl 60: {WORDS[0][0]}")


def test_ca_file_for_a_public_server_is_cured_by_taking_it_away() -> None:
    private = {**FULL, "caCertificates": "/etc/ca.pem"}
    log = tls_error(f"{FAILED}unable_to_get_local_issuer_certificate")
    (finding,) = judge(originating(by_envoy(503, 121), at_address(status=200), tls=private, log=log)).findings
    assert finding.cure == (
        "kubectl patch destinationrule my-pay -n shop --type=merge -p "
        '\'{"spec":{"trafficPolicy":{"tls":{"caCertificates":null}}}}\''
    )


MUTUAL = {**FULL, "mode": "MUTUAL", "clientCertificate": "/c.pem", "privateKey": "/k.pem"}
MUTUAL_IN_EFFECT = replace(SIMPLE_FULL, mode=OutboundTls.MUTUAL)
REQUIRED = "OpenSSL SSL_read: OpenSSL/3.0.13: error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0"
WANTS = "api.pay.example {}wants a client certificate, and destinationrule/my-pay (SIMPLE) sends none"
AFTER_HANDSHAKE = Times(0.001, 0.002, 0.01)


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (originating(by_envoy(503, 95), at_address(56, REQUIRED, times=AFTER_HANDSHAKE)), WANTS.format("")),
        (originating(by_envoy(503, 95)), WANTS.format("probably ")),
        (originating(by_envoy(503, 121), log=tls_error("SSLV3_ALERT_HANDSHAKE_FAILURE")), WANTS.format("probably ")),
        (originating(by_envoy(503, 121), log=tls_error("SSLV3_ALERT_BAD_CERTIFICATE")), WANTS.format("")),
        (
            originating(by_envoy(503, 121), tls=MUTUAL, in_effect=MUTUAL_IN_EFFECT, log=tls_error("TLSV1_ALERT_UNKNOWN_CA")),
            "api.pay.example refuses the client certificate that destinationrule/my-pay gives",
        ),
        (
            originating(by_envoy(503, 95), tls=MUTUAL, in_effect=MUTUAL_IN_EFFECT, log=logged("UC")),
            "api.pay.example probably refuses the client certificate that destinationrule/my-pay gives",
        ),
    ],
    ids=["told at the address", "closed after the handshake", "TLS 1.2", "Go", "wrong one", "wrong one, TLS 1.3"],
)  # fmt: skip
def test_client_certificate_is_wanted_and_how_sure_that_is(one: Case, message: str) -> None:
    assert told(one) == [("XS0413", message)]


@pytest.mark.parametrize(
    "outcome",
    [https(56, REQUIRED, times=AFTER_HANDSHAKE), https(35, "gnutls_handshake() failed: Certificate is required")],
)
def test_client_without_certificate_is_told_so_in_both_versions_of_tls(outcome: Answer) -> None:
    assert told(tls_case(outcome)) == [("XS0413", "api.pay.example wants a client certificate, and the probe has none")]


@pytest.mark.parametrize(("version", "code"), [("TLSv1.3", "XS0413"), ("TLSv1.2", "XS0504"), ("", "XS0504")])
def test_reset_right_after_a_handshake_of_tls_1_3_may_be_such_a_server(version: str, code: str) -> None:
    """The reset may outrun the alert; in TLS 1.2 the handshake itself would have failed."""
    reset = https(56, "Recv failure: Connection reset by peer", times=AFTER_HANDSHAKE)
    ((found, message),) = told(tls_case(replace(reset, handshake=Handshake("api.pay.example", version=version))))
    assert (found, "probably" in message) == (code, code == "XS0413")


def test_server_that_serves_a_client_without_certificate_wants_none() -> None:
    broken_off = originating(by_envoy(503, 95), at_address(status=200))
    refused = originating(by_envoy(503, 121), at_address(status=200), log=tls_error("SSLV3_ALERT_HANDSHAKE_FAILURE"))
    assert [code for code, _ in told(broken_off)] == ["XS0504"]
    assert [code for code, _ in told(refused)] == ["XS0409"]


def test_bare_handshake_failure_to_a_client_that_sends_the_alias_as_sni_is_the_names_fault() -> None:
    bare = originating(
        by_envoy(503, 121),
        tls={"mode": "SIMPLE"},
        in_effect=SIMPLE_BARE,
        log=tls_error("SSLV3_ALERT_HANDSHAKE_FAILURE"),
    )
    assert [code for code, _ in told(bare)] == ["XS0402"]


def test_sni_alone_that_follows_the_host_is_named_only_where_a_handshake_fails() -> None:
    settings = {"mode": "SIMPLE", "subjectAltNames": ["api.pay.example"]}
    in_effect = TlsInEffect(OutboundTls.SIMPLE, auto_sni=True, subject_alt_names=("api.pay.example",))
    failing = originating(by_envoy(503, 121), tls=settings, in_effect=in_effect)
    assert told(failing) == [("XS0402", f'Envoy sends SNI "{PAY_HOST}" to api.pay.example')]
    unasked = replace(failing, observations=(replace(failing.observations[0], outcomes=()),))
    assert told(unasked) == []


def test_names_of_the_service_entry_do_not_excuse_a_rule_whose_sni_follows_the_host() -> None:
    """Istio leaves the automatic check on beside them."""
    in_effect = replace(SIMPLE_BARE, subject_alt_names=("api.pay.example",))
    one = originating(by_envoy(503, 121), tls={"mode": "SIMPLE"}, in_effect=in_effect)
    assert [code for code, _ in told(one)] == ["XS0402"]


def test_names_of_the_service_entry_are_checked_where_the_rule_gives_an_sni_only() -> None:
    entry = {
        "metadata": {"name": "pay", "namespace": "shop"},
        "spec": {"hosts": [PAY_HOST], "subjectAltNames": ["api.pay.example"]},
    }
    sni_only = originating(by_envoy(503, 121), tls={"mode": "SIMPLE", "sni": "api.pay.example"})
    unread = replace(sni_only, observations=(replace(sni_only.observations[0], route=None, outcomes=()),))
    assert [code for code, _ in told(unread)] == ["XS0404"]
    assert told(replace(unread, snapshot=replace(unread.snapshot, service_entries=(entry,)))) == []


def test_tls_toward_a_server_that_waits_for_plain_words_is_no_dead_endpoint() -> None:
    """28 within the probe's time and 503 after Envoy's own are the same trouble."""
    hanging = at_address(28, "Operation timed out", times=Times(0.001, 0.002))
    waiting = answer(28, times=Times(0.001, 0.002))
    gave_up = replace(by_envoy(503, 114), times=Times(0.001, 0.002, 0.0, 30.0, 30.0))
    assert told(originating(waiting, hanging)) == told(originating(gave_up, hanging)) == [
        ("XS0409", "Envoy starts TLS with api.pay.example:443, which does not speak it"),
    ]  # fmt: skip


def test_alias_by_name_has_no_witness_and_says_probably() -> None:
    way = route(SIMPLE_FULL, rule=ref())
    one = case(
        name_alias(HTTP_TO_TLS, host="api.pay.example"),
        seen(by_envoy(503, 95), port=HTTP_TO_TLS, route=way, decision=decided("SIMPLE")),
        destination_rules=(destination_rule(tls=FULL),),
    )
    assert ("XS0413", WANTS.format("probably ")) in told(one)
