"""For every rule a case in which it is the first to speak, and one near it in which nobody speaks."""

from dataclasses import replace
from typing import Any

from worlds.cases import (
    BLOCK_ALL,
    CRON,
    HTTP,
    HTTP_TO_TLS,
    NO_ISTIO,
    NO_RULE,
    PASSTHROUGH,
    PAY_HOST,
    SIMPLE_BARE,
    SIMPLE_FULL,
    TLS,
    address_alias,
    address_answer,
    answer,
    by_envoy,
    by_origin,
    case,
    decided,
    destination_rule,
    endpoints,
    external_name,
    in_clear,
    logged,
    mesh_pod,
    mirrored,
    name_alias,
    not_served,
    ref,
    resolution_of,
    route,
    seen,
    service,
    service_entry,
    slice_of,
    tls_error,
    tried,
)
from worlds.mesh_rule_cases import FIRING as MESH_FIRING
from worlds.mesh_rule_cases import SILENT as MESH_SILENT

from kubectl_extsvc.model.alias import AddressTarget, AliasPort, AppProtocol
from kubectl_extsvc.model.observation import Case
from kubectl_extsvc.model.probe import Answer, Certificate, Handshake, Purpose, Scheme, Trust
from kubectl_extsvc.model.resolution import Reply
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.model.route import EnvoyEndpoint, OutboundTls, TlsInEffect

FULL = {"mode": "SIMPLE", "sni": "api.pay.example", "subjectAltNames": ["api.pay.example"]}
BARE = {"mode": "SIMPLE"}
SLICES = (slice_of("203.0.113.20"),)
VIRTUAL_SERVICE = ObjectRef("VirtualService", "shop", "my-pay")
TWO = replace(address_alias(), target=AddressTarget(("203.0.113.20", "203.0.113.99"), "api.pay.example"))
NAMED = replace(HTTP, number=443, target_port=443)

ORIGINATING = address_alias(HTTP_TO_TLS)
RESOLVED = {"api.pay.example": ("203.0.113.20",)}
READ = {"rootNamespace": "istio-system"}
"""A mesh configuration that was read, and changes nothing."""
HEALTHY: dict[str, Any] = {"endpoint_slices": SLICES, "resolved": RESOLVED}
CAPTURED = resolution_of(
    tried("httpbin.org.shop.svc.cluster.local", Reply.NO_SUCH_NAME),
    tried("httpbin.org.corp.example", Reply.FOUND, "192.0.2.80"),
    name="httpbin.org",
    search=("corp.example",),
)
FOUND = tried(PAY_HOST, Reply.FOUND, "203.0.113.10", cnames=("httpbin.org",))
HIJACKED = route(
    OutboundTls.DISABLE,
    envoy_cluster="outbound|80||httpbin.org",
    cluster_type="STRICT_DNS",
    endpoints=(EnvoyEndpoint("10.96.0.99", 80),),
)
NO_VIP = address_alias(HTTP, cluster_ips=(), headless=True)


def _https(exit_code: int = 0, status: int = 0, host: str = "api.pay.example", error: str = ""):  # type: ignore[no-untyped-def]
    return answer(exit_code, status, scheme=Scheme.HTTPS, host=host, port=443, connect_to=PAY_HOST, error=error)


def _originating(outcome, rule: Json | None, in_effect, **changes) -> Case:  # type: ignore[no-untyped-def]
    decision = decided(changes.pop("mode", "SIMPLE")) if rule else NO_RULE
    way = route(in_effect, rule=ref() if rule else None, endpoints=(EnvoyEndpoint("203.0.113.20", 443),))
    log = changes.pop("log", None)
    observed = seen(outcome, port=HTTP_TO_TLS, route=changes.pop("route", way), decision=decision, log=log)
    plain = not_served(answer(scheme=Scheme.TCP))
    return case(ORIGINATING, observed, plain, destination_rules=(rule,) if rule else (), **HEALTHY, **changes)


EXPIRED = "SSL certificate problem: certificate has expired"
NOT_VERIFIED = (
    "CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_X509_verify_cert:_certificate_verification_error_at_depth_0"
)
TLS_SLICES = (slice_of("203.0.113.20", port="tls", number=443),)
GRPC = AliasPort("grpc", 80, 80, AppProtocol.GRPC)
GAP = {"tls": FULL, "portLevelSettings": [{"port": {"number": 80}, "connectionPool": {"tcp": {"maxConnections": 9}}}]}
ADDED = ("x-envoy-peer-metadata", "x-forwarded-proto")


def _redirect(location: str) -> Answer:
    return replace(by_origin(301), headers=(*by_origin(301).headers, ("location", location)))


def _shown(*names: str) -> Answer:
    certificate = Certificate(names[0], "Some CA", names, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")
    served: Answer = _https(0, 200)
    return replace(served, handshake=Handshake("api.pay.example", (certificate,), Trust.TRUSTED))


def _routed(http: Json) -> Json:
    """A VirtualService on the alias with one http route."""
    return {"metadata": {"name": "my-pay", "namespace": "shop"}, "spec": {"hosts": [PAY_HOST], "http": [http]}}


def _two_certificates(mine: Answer, plain: Answer) -> Case:
    return case(
        address_alias(TLS),
        seen(mine, port=TLS, route=route()),
        seen(plain, port=TLS, source=CRON),
        endpoint_slices=TLS_SLICES,
        resolved=RESOLVED,
    )


FIRING: dict[str, Case] = {
    "XS0101": case(name_alias(host="203.0.113.5"), seen(answer(6), route=PASSTHROUGH), seen(answer(6), source=CRON)),
    "XS0102": case(name_alias(host="typo.example"), seen(answer(6), route=PASSTHROUGH), seen(answer(6), source=CRON)),
    "XS0103": case(
        address_alias(),
        seen(by_origin(200), route=route()),
        seen(answer(status=200, remote_ip="203.0.113.44"), source=CRON),
        **HEALTHY,
    ),
    "XS0104": case(
        name_alias(host="b.shop.svc.cluster.local"),
        seen(answer(6), route=PASSTHROUGH),
        seen(answer(6), source=CRON),
        services=(
            external_name("my-pay", "b.shop.svc.cluster.local"),
            external_name("b", "my-pay.shop.svc.cluster.local"),
        ),
    ),
    "XS0105": case(
        name_alias(host="web.front"),
        seen(answer(6), route=PASSTHROUGH),
        seen(answer(6), source=CRON),
        services=(external_name("my-pay", "web.front"), service("web", "front", clusterIP="10.96.0.9")),
    ),
    "XS0106": case(
        name_alias(),
        seen(
            by_origin(404, remote_ip="192.0.2.80"),
            route=PASSTHROUGH,
            resolution=resolution_of(FOUND, search=("corp.example",)),
            target=CAPTURED,
        ),
        seen(answer(status=200, remote_ip="203.0.113.10"), source=CRON, resolution=resolution_of(FOUND)),
        resolved={"httpbin.org": ("203.0.113.10",)},
    ),
    "XS0201": case(
        address_alias(),
        seen(by_envoy(503, 19), route=route(endpoints=())),
        seen(answer(7), source=CRON),
        endpoint_slices=(slice_of("203.0.113.20", labels={}),),
    ),
    "XS0202": case(
        address_alias(),
        seen(by_envoy(503, 19), route=route(endpoints=())),
        seen(answer(7), source=CRON),
        endpoint_slices=(slice_of("203.0.113.20", port="web"),),
    ),
    "XS0203": case(
        address_alias(),
        seen(by_envoy(503, 121), route=route()),
        seen(answer(7), source=CRON),
        endpoint_slices=SLICES,
        resolved={"api.pay.example": ("203.0.113.44", "2001:db8::44")},
    ),
    "XS0204": case(
        TWO,
        seen(by_origin(200), route=route()),
        seen(answer(7), address_answer("203.0.113.20"), address_answer("203.0.113.99", 7), source=CRON),
        **HEALTHY,
    ),
    "XS0205": case(
        address_alias(),
        seen(by_envoy(503, 121), route=route(), log=logged(transport="delayed_connect_error:_Connection_refused")),
        seen(answer(7, error="Couldn't connect to server"), source=CRON),
        **HEALTHY,
    ),
    "XS0207": case(
        name_alias(),
        seen(by_envoy(503, 121), route=HIJACKED),
        seen(answer(status=200), source=CRON),
        services=(external_name("my-pay", "httpbin.org"), service("httpbin", "org", clusterIP="10.96.0.99")),
        service_entries=(service_entry("httpbin.org"),),
    ),
    "XS0208": case(
        replace(address_alias(host=""), target=AddressTarget(("10.96.0.9",))),
        seen(by_origin(200), route=route()),
        seen(answer(28), source=CRON),
        services=(service(), service("web", "front", clusterIP="10.96.0.9", ports=[{"port": 80}])),
        endpoint_slices=(slice_of("10.96.0.9"),),
    ),
    "XS0209": case(
        address_alias(),
        seen(by_envoy(503, 19), route=route(endpoints=())),
        seen(answer(28), address_answer("203.0.113.20"), source=CRON),
        services=(service(internalTrafficPolicy="Local", clusterIP="10.96.0.7"),),
        **HEALTHY,
    ),
    "XS0210": case(
        NO_VIP,
        seen(by_envoy(503, 121), route=route(), log=logged(transport="delayed_connect_error:_Connection_refused")),
        seen(answer(7), address_answer("203.0.113.20", 7), source=CRON),
        services=(service(clusterIP="None", ports=[{"name": "http", "port": 80, "targetPort": 8080}]),),
        endpoint_slices=(slice_of("203.0.113.20", number=8080),),
        resolved=RESOLVED,
    ),
    "XS0211": case(
        replace(address_alias(host=""), target=AddressTarget(("2001:db8::20",))),
        seen(by_envoy(503, 19), route=route(endpoints=())),
        seen(answer(7), source=CRON),
        services=(service(ipFamilies=["IPv4"], clusterIP="10.96.0.7"),),
        endpoint_slices=(slice_of("2001:db8::20", kind="IPv6"),),
    ),
    "XS0212": case(
        replace(address_alias(host=""), target=AddressTarget(("10.244.0.9",))),
        seen(by_envoy(503, 95), route=route(), log=logged("UC", details="upstream_reset_before_response_started")),
        seen(answer(56), source=CRON),
        services=(service(), service("pay", "prod", selector={"app": "pay"}, ports=[{"port": 80}])),
        endpoint_slices=(slice_of("10.244.0.9"),),
        pods=(mesh_pod("10.244.0.9", "prod", app="pay"),),
    ),
    "XS0213": case(
        TWO,
        seen(by_origin(200), route=route()),
        seen(answer(7), address_answer("203.0.113.20"), address_answer("203.0.113.99", 7), source=CRON),
        endpoints=(endpoints("203.0.113.99"),),
        endpoint_slices=(mirrored("203.0.113.99"), *SLICES),
        resolved=RESOLVED,
    ),
    "XS0301": case(
        name_alias(),
        seen(by_origin(200), route=PASSTHROUGH, decision=NO_RULE),
        seen(answer(status=200), source=CRON),
        destination_rules=(destination_rule(tls=FULL),),
    ),
    "XS0302": case(
        address_alias(),
        seen(
            by_envoy(503, 121),
            route=route(OutboundTls.ISTIO_MUTUAL, rule=ref("wide")),
            decision=decided("ISTIO_MUTUAL", "wide"),
            log=tls_error("WRONG_VERSION_NUMBER"),
        ),
        seen(answer(status=200), source=CRON),
        destination_rules=(destination_rule("wide", "*.local", tls={"mode": "ISTIO_MUTUAL"}),),
        **HEALTHY,
    ),
    "XS0303": case(
        address_alias(),
        replace(
            seen(by_origin(200), route=route(OutboundTls.SIMPLE, rule=ref()), decision=NO_RULE),
            computed=replace(route(), observed=False),
        ),
        mesh_config=READ,
        **HEALTHY,
    ),
    "XS0304": case(
        name_alias(),
        seen(
            by_envoy(503, 0),
            route=route(
                OutboundTls.UNKNOWN,
                envoy_cluster="outbound|80||httpbin.org",
                cluster_missing=True,
                virtual_service=VIRTUAL_SERVICE,
                endpoints=(),
            ),
        ),
        seen(answer(status=200), source=CRON),
    ),
    "XS0305": case(
        address_alias(NAMED),
        seen(by_origin(400, port=443), port=NAMED, route=route()),
        endpoint_slices=(slice_of("203.0.113.20", number=443),),
        resolved=RESOLVED,
    ),
    "XS0401": case(
        name_alias(TLS),
        seen(
            _https(60, host=PAY_HOST, error="no alternative certificate subject name matches"),
            port=TLS,
            route=PASSTHROUGH,
        ),
    ),
    "XS0402": _originating(by_envoy(503, 121), destination_rule(tls=BARE), SIMPLE_BARE),
    "XS0403": _originating(
        by_envoy(503, 121), destination_rule(tls=BARE), SIMPLE_BARE, log=tls_error("TLSV1_ALERT_UNRECOGNIZED_NAME")
    ),
    "XS0404": _originating(
        by_origin(200),
        destination_rule(tls={"mode": "SIMPLE", "sni": "api.pay.example"}),
        TlsInEffect(OutboundTls.SIMPLE, sni="api.pay.example"),
    ),
    "XS0405": case(
        address_alias(TLS),
        seen(
            _https(35, error="error:0A00010B:SSL routines::wrong version number"),
            port=TLS,
            route=route(SIMPLE_FULL, rule=ref()),
            decision=decided("SIMPLE"),
        ),
        destination_rules=(destination_rule(tls=FULL),),
        endpoint_slices=(slice_of("203.0.113.20", port="tls", number=443),),
        resolved=RESOLVED,
    ),
    "XS0406": _originating(
        by_origin(400), destination_rule(tls={**FULL, "credentialName": "pay"}), OutboundTls.DISABLE
    ),
    "XS0407": _originating(by_origin(400), None, OutboundTls.AUTO_PLAINTEXT),
    "XS0408": case(
        name_alias(HTTP_TO_TLS),
        not_served(answer(scheme=Scheme.TCP), in_clear(200)),
    ),
    "XS0409": _originating(
        by_envoy(503, 121),
        destination_rule(tls={**FULL, "subjectAltNames": ["other.example"]}),
        replace(SIMPLE_FULL, subject_alt_names=("other.example",)),
        log=tls_error(
            "CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_SAN_matcher,_certificate_SANs_are_[api.pay.example,_*.pay.example]"
        ),
    ),
    "XS0410": case(
        address_alias(TLS),
        seen(_https(35, error="error:0A00010B:SSL routines::wrong version number"), port=TLS, source=CRON),
        endpoint_slices=(slice_of("203.0.113.20", port="tls", number=443),),
        resolved=RESOLVED,
    ),
    "XS0411": case(
        address_alias(TLS),
        seen(_https(60, error=EXPIRED), port=TLS, source=CRON),
        endpoint_slices=TLS_SLICES,
        resolved=RESOLVED,
    ),
    "XS0412": _originating(
        by_envoy(503, 121),
        destination_rule(tls=FULL),
        SIMPLE_FULL,
        log=tls_error(f"{NOT_VERIFIED}:_unable_to_get_local_issuer_certificate"),
    ),
    # TLS 1.3: the alert comes after the handshake, and Envoy tells nothing of it.
    "XS0413": _originating(by_envoy(503, 95), destination_rule(tls=FULL), SIMPLE_FULL, log=logged("UC")),
    "XS0414": _originating(by_origin(400), destination_rule(trafficPolicy=GAP), OutboundTls.AUTO_PLAINTEXT, mode=""),
    "XS0415": _originating(
        by_origin(200),
        destination_rule(tls={"mode": "SIMPLE", "sni": "api.pay.example", "insecureSkipVerify": True}),
        TlsInEffect(OutboundTls.SIMPLE, sni="api.pay.example", verifies_chain=False),
    ),
    "XS0501": case(
        name_alias(),
        seen(
            answer(status=404), answer(status=200, purpose=Purpose.TARGET_HOST_HEADER, host="httpbin.org"), source=CRON
        ),
    ),
    "XS0502": case(name_alias(), seen(by_origin(500), route=PASSTHROUGH), seen(answer(status=500), source=CRON)),
    "XS0503": case(
        name_alias(),
        seen(by_origin(200, want_body=True, body="Welcome to nginx"), route=PASSTHROUGH),
        expect_body="free encyclop.dia",
    ),
    "XS0504": case(name_alias(), seen(answer(52, error="Empty reply from server"), source=CRON)),
    "XS0505": _originating(
        _redirect("https://api.pay.example/"),
        destination_rule(tls=FULL),
        SIMPLE_FULL,
        route=route(SIMPLE_FULL, rule=ref(), request_headers_added=ADDED),
    ),
    "XS0506": case(
        address_alias(GRPC),
        seen(by_envoy(502, 87), port=GRPC, route=route(), log=logged("UPE", details="protocol_error")),
        seen(answer(status=200), port=GRPC, source=CRON),
        endpoint_slices=(slice_of("203.0.113.20", port="grpc"),),
        resolved=RESOLVED,
    ),
    "XS0507": case(
        address_alias(),
        seen(by_origin(431), route=route(request_headers_added=ADDED)),
        seen(answer(status=200), source=CRON),
        **HEALTHY,
    ),
    "XS0508": case(
        address_alias(),
        seen(by_envoy(504, 24), route=route(virtual_service=VIRTUAL_SERVICE)),
        seen(answer(status=200), source=CRON),
        virtual_services=(_routed({"timeout": "1s"}),),
        **HEALTHY,
    ),
    "XS0509": case(
        address_alias(NAMED),
        seen(answer(status=400, port=443), port=NAMED, source=CRON),
        endpoint_slices=(slice_of("203.0.113.20", number=443),),
        resolved=RESOLVED,
        mesh=NO_ISTIO,
    ),
    "XS0601": case(
        name_alias(), seen(by_envoy(502, 0), route=BLOCK_ALL, decision=NO_RULE), seen(answer(status=200), source=CRON)
    ),
    "XS0602": case(
        name_alias(),
        seen(
            by_envoy(503, 18),
            route=replace(BLOCK_ALL, virtual_host=PAY_HOST, direct_response=503, virtual_service=VIRTUAL_SERVICE),
        ),
        seen(answer(status=200), source=CRON),
    ),
    "XS0701": _two_certificates(_shown("other.example"), _shown("api.pay.example")),
}

SILENT: dict[str, Case] = {
    "XS0101": case(name_alias(host="203.0.113.5.nip.example"), seen(answer(status=200), source=CRON)),
    "XS0102": case(name_alias(), seen(answer(6), source=CRON), fresh=True),
    "XS0103": case(
        address_alias(),
        seen(by_origin(200), route=route()),
        seen(answer(status=200, remote_ip="203.0.113.44"), source=CRON),
        fresh=True,
        **HEALTHY,
    ),
    "XS0104": case(
        name_alias(host="b.shop.svc.cluster.local"),
        seen(by_origin(200), route=PASSTHROUGH),
        seen(answer(status=200), source=CRON),
        services=(external_name("my-pay", "b.shop.svc.cluster.local"), external_name("b", "httpbin.org")),
    ),
    "XS0105": case(
        # Two words are a real host as well, whatever Services there are.
        name_alias(),
        seen(by_origin(200), route=PASSTHROUGH),
        seen(answer(status=200), source=CRON),
        services=(external_name("my-pay", "httpbin.org"), service("httpbin", "org", clusterIP="10.96.0.9")),
        all_namespaces=True,
    ),
    "XS0106": case(
        name_alias(),
        # The target's own name is caught, the alias is not: its CNAME is absolute.
        seen(
            by_origin(200, remote_ip="203.0.113.10"),
            route=PASSTHROUGH,
            resolution=resolution_of(FOUND, search=("corp.example",)),
            target=CAPTURED,
        ),
        resolved={"httpbin.org": ("203.0.113.10",)},
    ),
    "XS0201": case(
        address_alias(),
        seen(by_origin(200), route=route()),
        endpoint_slices=(slice_of(kind="FQDN"), slice_of("203.0.113.20")),
        resolved=RESOLVED,
    ),
    "XS0202": case(
        address_alias(AliasPort("", 80, 80, AppProtocol.AUTO)),
        seen(by_origin(200), route=route()),
        endpoint_slices=(slice_of("203.0.113.20", port=None),),
        resolved=RESOLVED,
    ),
    "XS0203": case(
        TWO,
        seen(by_origin(200), route=route()),
        endpoint_slices=SLICES,
        resolved={"api.pay.example": ("203.0.113.44", "203.0.113.99")},
    ),
    "XS0204": case(
        TWO,
        # From a sidecar a single address takes another route: nothing that it says of one is judged.
        seen(by_origin(200), address_answer("203.0.113.20"), address_answer("203.0.113.99", 7), route=route()),
        seen(answer(status=200), address_answer("203.0.113.20"), source=CRON),
        **HEALTHY,
    ),
    "XS0205": case(
        address_alias(), seen(by_origin(200), route=route()), seen(answer(status=204), source=CRON), **HEALTHY
    ),
    "XS0207": case(
        name_alias(),
        seen(by_origin(200), route=replace(HIJACKED, endpoints=(EnvoyEndpoint("203.0.113.10", 80),))),
        seen(answer(status=200), source=CRON),
        services=(external_name("my-pay", "httpbin.org"), service("httpbin", "org", clusterIP="10.96.0.99")),
        service_entries=(service_entry("httpbin.org", endpoints=[{"address": "httpbin.org."}]),),
    ),
    "XS0208": case(
        # Some networks do use 240.0.0.0/4.
        replace(address_alias(host=""), target=AddressTarget(("245.1.2.3",))),
        seen(answer(status=200), address_answer("245.1.2.3"), source=CRON),
        endpoint_slices=(slice_of("245.1.2.3"),),
    ),
    "XS0209": case(
        address_alias(),
        seen(by_origin(200), route=route()),
        seen(answer(status=200), source=CRON),
        services=(service(internalTrafficPolicy="Local", clusterIP="10.96.0.7"),),
        endpoint_slices=(
            slice_of("203.0.113.20") | {"endpoints": [{"addresses": ["203.0.113.20"], "nodeName": "node-1"}]},
        ),
        resolved=RESOLVED,
    ),
    "XS0210": case(
        NO_VIP,
        # The server answers at the Service's number as well.
        seen(by_origin(200), route=route()),
        seen(answer(status=200), address_answer("203.0.113.20"), source=CRON),
        services=(service(clusterIP="None", ports=[{"name": "http", "port": 80, "targetPort": 8080}]),),
        endpoint_slices=(slice_of("203.0.113.20", number=8080),),
        resolved=RESOLVED,
    ),
    "XS0211": case(
        replace(address_alias(host=""), target=AddressTarget(("203.0.113.20", "2001:db8::20"))),
        seen(by_origin(200), route=route()),
        seen(answer(status=200), source=CRON),
        services=(service(ipFamilies=["IPv4"], clusterIP="10.96.0.7"),),
        endpoint_slices=(*SLICES, slice_of("2001:db8::20", kind="IPv6", name="my-pay-ipv6")),
    ),
    "XS0212": case(
        replace(address_alias(host=""), target=AddressTarget(("10.244.0.9",))),
        seen(by_origin(200), route=route()),
        seen(answer(status=200), source=CRON),
        services=(service(),),
        endpoint_slices=(slice_of("10.244.0.9"),),
        pods=(mesh_pod("10.244.0.9", "outside") | {"spec": {"containers": [{"name": "server"}]}},),
    ),
    "XS0213": case(
        TWO,
        # Each of two sets is right: both answer, and the host has both.
        seen(by_origin(200), route=route()),
        seen(answer(status=200), address_answer("203.0.113.20"), address_answer("203.0.113.99"), source=CRON),
        endpoint_slices=(mirrored("203.0.113.99"), *SLICES),
        resolved={"api.pay.example": ("203.0.113.20", "203.0.113.99")},
    ),
    "XS0301": case(
        name_alias(),
        seen(by_origin(200), route=PASSTHROUGH, decision=NO_RULE),
        destination_rules=(destination_rule("wide", "*.local", tls={"mode": "ISTIO_MUTUAL"}),),
    ),
    "XS0302": case(
        address_alias(),
        seen(
            by_origin(200),
            route=route(OutboundTls.ISTIO_MUTUAL, endpoints=(EnvoyEndpoint("10.244.0.9", 80, mesh_tls=True),)),
            decision=decided("ISTIO_MUTUAL"),
        ),
        destination_rules=(destination_rule(tls={"mode": "ISTIO_MUTUAL"}),),
        **HEALTHY,
    ),
    "XS0303": case(
        address_alias(),
        # The older of two merged rules is named by the proxy; what counts is the mode.
        replace(
            seen(by_origin(200), route=route(OutboundTls.DISABLE, rule=ref("older")), decision=decided("DISABLE")),
            computed=replace(route(OutboundTls.DISABLE, rule=ref("older")), observed=False),
        ),
        mesh_config=READ,
        destination_rules=(destination_rule("older"), destination_rule(tls={"mode": "DISABLE"})),
        **HEALTHY,
    ),
    "XS0304": case(name_alias(), seen(by_origin(200), route=PASSTHROUGH), seen(answer(status=200), source=CRON)),
    "XS0305": case(
        address_alias(NAMED),
        seen(by_origin(200, port=443), port=NAMED, route=route(SIMPLE_FULL), decision=decided("SIMPLE")),
        destination_rules=(destination_rule(tls=FULL),),
        endpoint_slices=(slice_of("203.0.113.20", number=443),),
        resolved=RESOLVED,
    ),
    "XS0401": case(
        address_alias(TLS, host=""),
        seen(_https(60, host=PAY_HOST, error="self-signed certificate"), port=TLS, source=CRON),
        endpoint_slices=(slice_of("203.0.113.20", port="tls", number=443),),
    ),
    "XS0402": _originating(
        by_origin(200),
        destination_rule(tls=BARE),
        SIMPLE_BARE,
        route=route(SIMPLE_BARE, rule=ref(), host_rewrite="api.pay.example"),
    ),
    "XS0403": _originating(by_origin(200), destination_rule(tls=FULL), SIMPLE_FULL),
    "XS0404": _originating(by_origin(200), destination_rule(tls=FULL), SIMPLE_FULL),
    "XS0405": case(
        address_alias(TLS),
        seen(_https(0, 200), port=TLS, route=route(OutboundTls.DISABLE, rule=ref()), decision=decided("DISABLE")),
        destination_rules=(destination_rule(tls={"mode": "DISABLE"}),),
        endpoint_slices=(slice_of("203.0.113.20", port="tls", number=443),),
        resolved=RESOLVED,
    ),
    "XS0406": _originating(
        by_origin(200),
        destination_rule(tls={**FULL, "credentialName": "pay"}, workloadSelector={"matchLabels": {"app": "web"}}),
        SIMPLE_FULL,
    ),
    # Port 443 of this server does not speak TLS: plaintext is what it wants.
    "XS0407": _originating(by_origin(200), None, OutboundTls.AUTO_PLAINTEXT),
    # A redirect, to https as a rule, is what a healthy server says.
    "XS0408": case(name_alias(HTTP_TO_TLS), not_served(answer(scheme=Scheme.TCP), in_clear(301))),
    "XS0409": _originating(by_origin(404), destination_rule(tls=FULL), SIMPLE_FULL),
    "XS0410": case(
        address_alias(TLS),
        seen(_https(0, 404), port=TLS, source=CRON),
        endpoint_slices=(slice_of("203.0.113.20", port="tls", number=443),),
        resolved=RESOLVED,
    ),
    "XS0411": case(
        address_alias(TLS),
        seen(_shown("api.pay.example"), port=TLS, source=CRON),
        endpoint_slices=TLS_SLICES,
        resolved=RESOLVED,
    ),
    # A private CA, named in caCertificates.
    "XS0412": _originating(
        by_origin(200),
        destination_rule(tls={**FULL, "caCertificates": "/etc/ca.pem"}),
        replace(SIMPLE_FULL, ca="file-root:/etc/ca.pem"),
    ),
    "XS0413": _originating(
        by_origin(200),
        destination_rule(tls={**FULL, "mode": "MUTUAL", "clientCertificate": "/c.pem", "privateKey": "/k.pem"}),
        replace(SIMPLE_FULL, mode=OutboundTls.MUTUAL),
        mode="MUTUAL",
    ),
    # Where the application speaks TLS itself, a port without TLS of the proxy is right.
    "XS0414": case(
        address_alias(TLS),
        seen(_https(0, 200), port=TLS, route=route(OutboundTls.DISABLE, rule=ref()), decision=decided("")),
        destination_rules=(
            destination_rule(trafficPolicy={"tls": FULL, "portLevelSettings": [{"port": {"number": 443}}]}),
        ),
        endpoint_slices=TLS_SLICES,
        resolved=RESOLVED,
    ),
    "XS0415": _originating(by_origin(200), destination_rule(tls=FULL), SIMPLE_FULL),
    "XS0501": case(
        name_alias(),
        seen(
            answer(status=404), answer(status=404, purpose=Purpose.TARGET_HOST_HEADER, host="httpbin.org"), source=CRON
        ),
    ),
    "XS0502": case(
        name_alias(),
        seen(by_origin(503), route=PASSTHROUGH),
        seen(answer(status=503), source=CRON),
        expect_status=(503,),
    ),
    "XS0503": case(
        name_alias(),
        seen(by_origin(200, want_body=True, body="the free encyclopedia"), route=PASSTHROUGH),
        expect_body="free encyclop.dia",
    ),
    "XS0504": case(name_alias(), seen(answer(status=204), source=CRON)),
    # To another page, as healthy servers do.
    "XS0505": _originating(
        _redirect("https://api.pay.example/login"),
        destination_rule(tls=FULL),
        SIMPLE_FULL,
        route=route(SIMPLE_FULL, rule=ref(), request_headers_added=ADDED),
    ),
    "XS0506": case(
        address_alias(GRPC),
        seen(by_origin(415), port=GRPC, route=route()),
        endpoint_slices=(slice_of("203.0.113.20", port="grpc"),),
        resolved=RESOLVED,
    ),
    # Refused from everywhere.
    "XS0507": case(
        address_alias(),
        seen(by_origin(400), route=route(request_headers_added=ADDED)),
        seen(answer(status=400), source=CRON),
        **HEALTHY,
    ),
    "XS0508": case(
        address_alias(),
        seen(by_origin(200), route=route(virtual_service=VIRTUAL_SERVICE)),
        virtual_services=(_routed({"timeout": "1s"}),),
        **HEALTHY,
    ),
    "XS0509": case(
        address_alias(NAMED),
        seen(answer(status=404, port=443), port=NAMED, source=CRON),
        endpoint_slices=(slice_of("203.0.113.20", number=443),),
        resolved=RESOLVED,
        mesh=NO_ISTIO,
    ),
    "XS0601": case(name_alias(), seen(by_origin(502), route=PASSTHROUGH), expect_status=(502,)),
    "XS0602": case(
        name_alias(),
        seen(
            answer(status=301, headers=(("server", "envoy"),)),
            route=replace(BLOCK_ALL, virtual_host=PAY_HOST, direct_response=301),
        ),
    ),
    # Two certificates of one name, as of two servers behind it.
    "XS0701": _two_certificates(_shown("api.pay.example", "pay.example"), _shown("*.pay.example", "pay.example")),
}

FIRING |= MESH_FIRING
SILENT |= MESH_SILENT
