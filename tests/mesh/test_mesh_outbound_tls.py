"""Transport sockets of Envoy clusters → TLS in effect."""

from collections.abc import Sequence

import pytest
from worlds.recorded import config_of

from kubectl_extsvc.mesh.outbound_tls import HTTP_OPTIONS, tls_of
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import OutboundTls, TlsInEffect


def socket(kind: str, **fields: object) -> Json:
    return {"name": "x", "typed_config": {"@type": f"type.googleapis.com/envoy.{kind}", **fields}}


def tls(**common: object) -> Json:
    return socket("extensions.transport_sockets.tls.v3.UpstreamTlsContext", common_tls_context=common)


def sds(name: str) -> Json:
    return {"validation_context_sds_secret_config": {"name": name}}


def certificate(name: str) -> Json:
    return {"tls_certificate_sds_secret_configs": [{"name": name}]}


RAW = socket("extensions.transport_sockets.raw_buffer.v3.RawBuffer")
MESH = tls(alpn_protocols=["istio"], **certificate("default"), combined_validation_context=sds("ROOTCA"))
SIMPLE = tls(combined_validation_context=sds("file-root:system"))
MUTUAL = tls(**certificate("file-cert:/etc/cert~/etc/key"), combined_validation_context=sds("file-root:/etc/ca"))
HBONE = socket("extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport", transport_socket=RAW)
PROXY_PROTOCOL = socket(
    "extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport", transport_socket=SIMPLE
)


def entry(name: str, transport_socket: Json, **match: str) -> Json:
    return {"name": name, "match": match, "transport_socket": transport_socket}


AUTO = [entry("tlsMode-istio", MESH, tlsMode="istio"), entry("tlsMode-disabled", RAW)]
TUNNEL = entry("hbone", HBONE, tunnel="http")

IN_MESH: Json = {"tlsMode": "istio"}
TUNNELLED: Json = {"tlsMode": "istio", "tunnel": "http"}
OUTSIDE: Json = {}

MODES: list[tuple[str, Json, Sequence[Json], OutboundTls]] = [
    ("no socket", {}, [OUTSIDE], OutboundTls.DISABLE),
    ("no socket, mesh endpoint", {}, [IN_MESH], OutboundTls.DISABLE),
    ("raw buffer", {"transport_socket": RAW}, [], OutboundTls.DISABLE),
    (
        "raw buffer by name",
        {"transport_socket": {"name": "envoy.transport_sockets.raw_buffer"}},
        [],
        OutboundTls.DISABLE,
    ),
    ("ISTIO_MUTUAL", {"transport_socket": MESH}, [OUTSIDE], OutboundTls.ISTIO_MUTUAL),
    (
        "ISTIO_MUTUAL without ALPN",
        {"transport_socket": tls(**certificate("default"), combined_validation_context=sds("ROOTCA"))},
        [],
        OutboundTls.ISTIO_MUTUAL,
    ),
    (
        "ISTIO_MUTUAL with certificates from files",
        {"transport_socket": tls(alpn_protocols=["istio-peer-exchange", "istio"], **certificate("file-cert:a~b"))},
        [],
        OutboundTls.ISTIO_MUTUAL,
    ),
    ("SIMPLE", {"transport_socket": SIMPLE}, [OUTSIDE], OutboundTls.SIMPLE),
    ("SIMPLE behind the PROXY protocol", {"transport_socket": PROXY_PROTOCOL}, [], OutboundTls.SIMPLE),
    ("MUTUAL from files", {"transport_socket": MUTUAL}, [], OutboundTls.MUTUAL),
    ("MUTUAL inline", {"transport_socket": tls(tls_certificates=[{}])}, [], OutboundTls.MUTUAL),
    (
        "unknown socket",
        {"transport_socket": socket("extensions.transport_sockets.alts.v3.Alts")},
        [],
        OutboundTls.UNKNOWN,
    ),
    ("auto-mTLS, outside", {"transport_socket_matches": AUTO}, [OUTSIDE, OUTSIDE], OutboundTls.AUTO_PLAINTEXT),
    ("auto-mTLS, in mesh", {"transport_socket_matches": AUTO}, [IN_MESH], OutboundTls.AUTO_ISTIO_MUTUAL),
    ("auto-mTLS, both", {"transport_socket_matches": AUTO}, [IN_MESH, OUTSIDE], OutboundTls.AUTO_MIXED),
    ("auto-mTLS, no endpoint", {"transport_socket_matches": AUTO}, [], OutboundTls.AUTO_PLAINTEXT),
    ("auto-mTLS beside hbone", {"transport_socket_matches": [TUNNEL, *AUTO]}, [OUTSIDE], OutboundTls.AUTO_PLAINTEXT),
    ("hbone", {"transport_socket_matches": [TUNNEL, *AUTO]}, [TUNNELLED], OutboundTls.AUTO_ISTIO_MUTUAL),
    (
        "DISABLE beside hbone",
        {"transport_socket_matches": [TUNNEL, entry("tlsMode-disabled", RAW)]},
        [OUTSIDE, IN_MESH],
        OutboundTls.DISABLE,
    ),
    (
        "SIMPLE beside hbone",
        {"transport_socket_matches": [TUNNEL, entry("user", SIMPLE)]},
        [OUTSIDE],
        OutboundTls.SIMPLE,
    ),
    (
        "ISTIO_MUTUAL beside hbone",
        {"transport_socket_matches": [TUNNEL, entry("tlsMode-istio", MESH)]},
        [OUTSIDE],
        OutboundTls.ISTIO_MUTUAL,
    ),
    (
        "SIMPLE and hbone at once",
        {"transport_socket_matches": [TUNNEL, entry("user", SIMPLE)]},
        [OUTSIDE, TUNNELLED],
        OutboundTls.UNKNOWN,
    ),
    (
        "no match, then the cluster's own socket",
        {"transport_socket_matches": [TUNNEL], "transport_socket": SIMPLE},
        [OUTSIDE],
        OutboundTls.SIMPLE,
    ),
]


@pytest.mark.parametrize(("cluster", "endpoints", "mode"), [row[1:] for row in MODES], ids=[row[0] for row in MODES])
def test_mode_is_told_by_the_sockets_that_endpoints_get(
    cluster: Json, endpoints: Sequence[Json], mode: OutboundTls
) -> None:
    assert tls_of({"name": "outbound|80||a", **cluster}, endpoints).mode is mode


@pytest.mark.parametrize("name", ["PassthroughCluster", "BlackHoleCluster", "AllowAnyDynamicDNSCluster"])
def test_cluster_of_no_service_adds_no_tls_unless_it_has_a_socket(name: str) -> None:
    assert tls_of({"name": name}, []) == TlsInEffect(OutboundTls.NONE)
    assert tls_of({"name": name, "transport_socket": SIMPLE}, []).mode is OutboundTls.SIMPLE


def test_without_a_cluster_nothing_is_known() -> None:
    assert tls_of({}, []) == TlsInEffect(OutboundTls.UNKNOWN)


def cluster(world: str, name: str) -> Json:
    return config_of(world).clusters[name]


HTTPBIN_IP = "outbound|80||my-httpbin-ip.default.svc.cluster.local"
PAY = "outbound|80||my-pay.default.svc.cluster.local"


@pytest.mark.parametrize(
    ("world", "name", "told"),
    [
        (
            "simple-sni-san",
            PAY,
            TlsInEffect(
                OutboundTls.SIMPLE, "api.pay.example", subject_alt_names=("api.pay.example",), ca="file-root:system"
            ),
        ),
        (
            "simple-sni-no-san",
            HTTPBIN_IP,
            TlsInEffect(OutboundTls.SIMPLE, "not-in-the-certificate.example", ca="file-root:system"),
        ),
        (
            "simple-no-sni",
            PAY,
            TlsInEffect(OutboundTls.SIMPLE, auto_sni=True, auto_san_validation=True, ca="file-root:system"),
        ),
        (
            "mutual",
            PAY,
            TlsInEffect(
                OutboundTls.MUTUAL,
                "api.pay.example",
                subject_alt_names=("api.pay.example",),
                ca="kubernetes://rig-client-cacert",
            ),
        ),
        (
            "istio-mutual-wildcard",
            HTTPBIN_IP,
            TlsInEffect(
                OutboundTls.ISTIO_MUTUAL, "outbound_.80_._.my-httpbin-ip.default.svc.cluster.local", ca="ROOTCA"
            ),
        ),
        ("credential-without-selector", PAY, TlsInEffect(OutboundTls.DISABLE)),
        ("plaintext-automtls", HTTPBIN_IP, TlsInEffect(OutboundTls.AUTO_PLAINTEXT)),
    ],
)
def test_recorded_cluster_is_told_in_full(world: str, name: str, told: TlsInEffect) -> None:
    assert tls_of(cluster(world, name), [OUTSIDE]) == told


@pytest.mark.parametrize(
    ("common", "verifies_chain", "ca", "names"),
    [
        ({}, False, "", ()),
        ({"validation_context": {}}, False, "", ()),
        ({"validation_context": {"trusted_ca": {"filename": "/etc/ca.pem"}}}, True, "/etc/ca.pem", ()),
        ({"validation_context": {"trusted_ca": {"inline_string": "…"}}}, True, "inline", ()),
        ({"validation_context": {"system_root_certs": {}}}, True, "system", ()),
        (sds("configmap://ns/name-cacert"), True, "configmap://ns/name-cacert", ()),
        (
            {"validation_context": {"trusted_ca": {"filename": "a"}, "trust_chain_verification": "ACCEPT_UNTRUSTED"}},
            False,
            "a",
            (),
        ),
        (
            {
                "combined_validation_context": {
                    **sds("file-root:system"),
                    "default_validation_context": {
                        "match_typed_subject_alt_names": [
                            {"san_type": "DNS", "matcher": {"exact": "a.example"}},
                            {"san_type": "URI", "matcher": {"exact": "a.example"}},
                            {"san_type": "DNS", "matcher": {"suffix": ".b.example"}},
                            {"san_type": "URI", "matcher": {"prefix": "spiffe://c/"}},
                            {"san_type": "URI", "matcher": {"safe_regex": {"regex": "d.*"}}},
                        ]
                    },
                }
            },
            True,
            "file-root:system",
            ("a.example", "*.b.example", "spiffe://c/*", "d.*"),
        ),
    ],
)
def test_validation_is_read_wherever_it_stands(
    common: Json, verifies_chain: bool, ca: str, names: tuple[str, ...]
) -> None:
    options = {HTTP_OPTIONS: {"upstream_http_protocol_options": {"auto_sni": True}}}
    found = tls_of({"transport_socket": tls(**common), "typed_extension_protocol_options": options}, [])
    assert found == TlsInEffect(
        OutboundTls.SIMPLE, auto_sni=True, subject_alt_names=names, verifies_chain=verifies_chain, ca=ca
    )
