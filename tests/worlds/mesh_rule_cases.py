"""As rule_cases, for rules about the mesh: port names, lost rules, ServiceEntries, Sidecars, policies, ambient."""

from dataclasses import replace
from typing import Any

from worlds.cases import (
    BLOCK_ALL,
    CRON,
    HTTP,
    HTTP_TO_TLS,
    NO_RULE,
    PASSTHROUGH,
    PAY_HOST,
    SIMPLE_FULL,
    TLS,
    WEB,
    address_alias,
    answer,
    by_envoy,
    by_origin,
    case,
    decided,
    destination_rule,
    name_alias,
    ref,
    route,
    seen,
    slice_of,
)

from kubectl_extsvc.model.alias import AliasPort, AppProtocol
from kubectl_extsvc.model.observation import Case, Contract
from kubectl_extsvc.model.probe import Scheme
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import EnvoyEndpoint, OutboundTls, RouteKind, RuleDecision
from kubectl_extsvc.model.source import MeshMode

FULL = {"mode": "SIMPLE", "sni": "api.pay.example", "subjectAltNames": ["api.pay.example"]}
RESOLVED = {"api.pay.example": ("203.0.113.20",)}
HEALTHY: dict[str, Any] = {"endpoint_slices": (slice_of("203.0.113.20"),), "resolved": RESOLVED}
TO_TLS: dict[str, Any] = {"endpoint_slices": (slice_of("203.0.113.20", number=443),), "resolved": RESOLVED}
DB = AliasPort("http-db", 5432, 5432, AppProtocol.HTTP)
TCP_443 = AliasPort("tcp", 443, 443, AppProtocol.TCP)
TCP_80 = AliasPort("tcp", 80, 80, AppProtocol.TCP)
AMBIENT = replace(WEB, pod="a-1", mode=MeshMode.AMBIENT)
REGISTRY_ONLY = {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}


def entry(*ports: Json, host: str = "httpbin.org", namespace: str = "shop", name: str = "out", **spec: Any) -> Json:
    """spec words: labels and created (of the metadata), and any other field of the spec as it is."""
    metadata = {"name": name, "namespace": namespace}
    for key, field in (("labels", "labels"), ("created", "creationTimestamp")):
        if key in spec:
            metadata[field] = spec.pop(key)
    return {"metadata": metadata, "spec": {"hosts": [host], "resolution": "DNS", "ports": list(ports), **spec}}


def entry_port(number: int, protocol: str, target: int | None = None) -> Json:
    return {"number": number, "name": f"p{number}", "protocol": protocol} | ({"targetPort": target} if target else {})


HTTP_80 = entry_port(80, "HTTP")


def service(name: str = "my-pay", namespace: str = "shop", **annotations: str) -> Json:
    keys = {key.replace("__", "/").replace("_", "."): value for key, value in annotations.items()}
    ports = [{"name": "http", "port": 80}]
    metadata = {"name": name, "namespace": namespace, "annotations": keys}
    return {"metadata": metadata, "spec": {"clusterIP": "10.96.0.7", "ports": ports}}


def external(name: str = "my-pay", host: str = "httpbin.org", **metadata: Any) -> Json:
    spec = {"type": "ExternalName", "externalName": host, "ports": [{"name": "http", "port": 80}]}
    return {"metadata": {"name": name, "namespace": "shop", **metadata}, "spec": spec}


def sidecar_resource(*hosts: str, **spec: Any) -> Json:
    return {"metadata": {"name": "default", "namespace": "shop"}, "spec": {"egress": [{"hosts": list(hosts)}], **spec}}


def policy(*egress: Json, name: str = "tight", **selector: str) -> Json:
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": selector}, "policyTypes": ["Egress"], "egress": list(egress)},
    }


def lost(*names: str, why: str = "it is private to namespace other", namespace: str = "other") -> RuleDecision:
    """No rule decides, and these of another namespace cover the host."""
    return replace(NO_RULE, losers=tuple((ref(name, namespace), why) for name in names))


def https(exit_code: int = 0, status: int = 0, error: str = "", host: str = "api.pay.example", port: int = 443):  # type: ignore[no-untyped-def]
    return answer(
        exit_code, status, scheme=Scheme.HTTPS, host=host, port=port, connect_to=PAY_HOST, error=error, remote_port=port
    )


WRONG_VERSION = "error:0A00010B:SSL routines::wrong version number"
TIMED_OUT = answer(28, error="Connection timed out", remote_ip="")
BLACK_HOLE = replace(
    BLOCK_ALL, kind=RouteKind.TCP, envoy_cluster="BlackHoleCluster", virtual_host="", direct_response=0,
    listener="virtualOutbound",
)  # fmt: skip
PASSTHROUGH_TCP = replace(PASSTHROUGH, kind=RouteKind.TCP, virtual_host="", listener="virtualOutbound")
DNS_CAPTURE = {"defaultConfig": {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}}


def tcp_route(host: str, address: str, kind: str = "STRICT_DNS", number: int = 443):  # type: ignore[no-untyped-def]
    return replace(
        route(),
        kind=RouteKind.TCP,
        listener=f"0.0.0.0_{number}",
        envoy_cluster=f"outbound|{number}||{host}",
        virtual_host="",
        cluster_type=kind,
        endpoints=(EnvoyEndpoint(address, number),),
    )


FIRING: dict[str, Case] = {
    "XS0306": case(
        address_alias(replace(TLS, name="https-api", number=8080, target_port=8080)),
        seen(
            https(35, error=WRONG_VERSION, port=8080),
            port=replace(TLS, name="https-api", number=8080, target_port=8080),
            source=CRON,
        ),
        endpoint_slices=(slice_of("203.0.113.20", port="https-api", number=8080),),
        resolved=RESOLVED,
    ),
    "XS0307": case(
        address_alias(DB),
        seen(
            by_envoy(503, 95, port=5432),
            port=DB,
            route=route(),
            log=None,
        ),
        endpoint_slices=(slice_of("203.0.113.20", port="http-db", number=5432),),
        resolved=RESOLVED,
    ),
    "XS0308": case(
        address_alias(),
        seen(by_origin(200), route=route(), decision=lost("pay-tls")),
        destination_rules=(destination_rule("pay-tls", namespace="other", tls=FULL),),
        services=(service(),),
        **HEALTHY,
    ),
    "XS0309": case(
        address_alias(),
        seen(
            by_origin(200),
            route=route(OutboundTls.DISABLE, rule=ref("older")),
            decision=replace(
                decided("DISABLE", "older"),
                losers=((ref("younger"), "the older destinationrule/older has the same host"),),
            ),
        ),
        destination_rules=(
            destination_rule("older", tls={"mode": "DISABLE"}),
            destination_rule("younger", tls=FULL),
        ),
        services=(service(),),
        **HEALTHY,
    ),
    "XS0310": case(
        name_alias(external_name_raw="httpbin.org."),
        seen(by_origin(200), route=PASSTHROUGH, decision=NO_RULE),
        seen(answer(status=200), source=CRON),
        service_entries=(entry(HTTP_80),),
        destination_rules=(destination_rule("to-tls", "httpbin.org", tls={"mode": "SIMPLE"}),),
    ),
    "XS0311": case(
        name_alias(TLS),
        seen(
            https(35, error="SSL_ERROR_SYSCALL", host="httpbin.org"),
            port=TLS,
            route=tcp_route("httpbin.org", "203.0.113.10"),
        ),
        service_entries=(
            entry(entry_port(443, "TLS", 8443), name="mine", created="2026-03-01T00:00:00Z"),
            entry(entry_port(443, "TLS"), name="central", namespace="mesh", created="2026-01-01T00:00:00Z"),
        ),
    ),
    "XS0603": case(
        name_alias(),
        seen(by_envoy(502, 0), route=BLOCK_ALL, decision=NO_RULE),
        seen(answer(status=200), source=CRON),
        service_entries=(entry(HTTP_80),),
        sidecars=(sidecar_resource("./httpbin.org", outboundTrafficPolicy={"mode": "REGISTRY_ONLY"}),),
    ),
    "XS0604": case(
        name_alias(TCP_443),
        seen(
            answer(scheme=Scheme.TCP, port=443, remote_ip="203.0.113.10"),
            port=TCP_443,
            route=tcp_route("db.other.example", "198.51.100.9"),
        ),
        service_entries=(entry(entry_port(443, "TCP"), host="db.other.example", name="db", namespace="data"),),
    ),
    "XS0605": case(
        address_alias(TCP_80, headless=True, cluster_ips=()),
        seen(
            answer(scheme=Scheme.TCP, port=80),
            port=TCP_80,
            route=tcp_route(PAY_HOST, "203.0.113.20", "ORIGINAL_DST", 80),
        ),
        services=(service(),),
        endpoint_slices=(slice_of("203.0.113.20", port="tcp", number=80),),
        resolved=RESOLVED,
    ),
    "XS0606": case(
        name_alias(),
        seen(TIMED_OUT, source=replace(CRON, labels=(("app", "cron"),))),
        network_policies=(policy({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}, app="cron"),),
        resolved={"httpbin.org": ("203.0.113.10",)},
    ),
    "XS0607": case(
        name_alias(TLS),
        seen(https(35, error="SSL_ERROR_SYSCALL", host="httpbin.org"), port=TLS, route=BLACK_HOLE),
        service_entries=(entry(entry_port(443, "TLS")),),
        mesh_config={**REGISTRY_ONLY, **DNS_CAPTURE},
    ),
    "XS0608": case(
        address_alias(HTTP_TO_TLS),
        seen(
            answer(status=400),
            port=HTTP_TO_TLS,
            source=replace(WEB, annotations=(("traffic.sidecar.istio.io/excludeOutboundPorts", "80"),)),
            route=route(SIMPLE_FULL, rule=ref()),
            decision=decided("SIMPLE"),
        ),
        destination_rules=(destination_rule(tls=FULL),),
        services=(service(),),
        **TO_TLS,
    ),
    "XS0609": case(
        address_alias(HTTP_TO_TLS),
        seen(
            by_origin(400),
            port=HTTP_TO_TLS,
            source=replace(WEB, namespace="front"),
            route=PASSTHROUGH,
            decision=NO_RULE,
        ),
        destination_rules=(destination_rule(tls=FULL),),
        services=(service(networking_istio_io__exportTo="."),),
        **TO_TLS,
    ),
    "XS0801": case(
        name_alias(), seen(answer(status=200), source=AMBIENT), services=(external(),), mesh_config=REGISTRY_ONLY
    ),
    "XS0802": case(
        name_alias(),
        seen(answer(status=200, remote_ip="203.0.113.10"), source=AMBIENT),
        services=(external(),),
        service_entries=(entry(HTTP_80, labels={"istio.io/use-waypoint": "egress"}),),
    ),
    "XS0803": case(
        address_alias(HTTP_TO_TLS),
        seen(
            answer(scheme=Scheme.TCP),
            port=HTTP_TO_TLS,
            source=AMBIENT,
            contract=Contract(False, Scheme.TCP, PAY_HOST, "origination is the sidecar's work", originates=True),
        ),
        destination_rules=(destination_rule(tls=FULL),),
        services=(service(),),
        **TO_TLS,
    ),
}

SILENT: dict[str, Case] = {
    # The proxy adds a TLS of its own: that is another matter, and here all is well.
    "XS0306": case(
        address_alias(TLS),
        seen(https(0, 200), port=TLS, source=CRON),
        endpoint_slices=(slice_of("203.0.113.20", port="tls", number=443),),
        resolved=RESOLVED,
    ),
    # HTTP is really spoken there.
    "XS0307": case(
        address_alias(DB),
        seen(by_origin(404, port=5432), port=DB, route=route()),
        endpoint_slices=(slice_of("203.0.113.20", port="http-db", number=5432),),
        resolved=RESOLVED,
    ),
    # A rule that another namespace has for its own clients; this one does well without.
    "XS0308": case(
        address_alias(),
        seen(by_origin(200), route=route(), decision=lost("theirs")),
        destination_rules=(destination_rule("theirs", namespace="other", tls={"mode": "ISTIO_MUTUAL"}),),
        services=(service(),),
        **HEALTHY,
    ),
    "XS0309": case(
        address_alias(),
        seen(
            by_origin(200),
            route=route(OutboundTls.DISABLE, rule=ref("older")),
            decision=replace(decided("DISABLE", "older"), losers=((ref("younger"), "the older counts whole"),)),
        ),
        destination_rules=(
            destination_rule("older", tls={"mode": "DISABLE"}),
            destination_rule("younger", tls={"mode": "DISABLE"}),
        ),
        services=(service(),),
        **HEALTHY,
    ),
    # Passing through does what the entry and its rule would do.
    "XS0310": case(
        name_alias(external_name_raw="httpbin.org."),
        seen(by_origin(200), route=PASSTHROUGH, decision=NO_RULE),
        service_entries=(entry(HTTP_80),),
        destination_rules=(destination_rule("plain", "httpbin.org", tls={"mode": "DISABLE"}),),
    ),
    "XS0311": case(
        name_alias(TLS),
        seen(https(0, 200, host="httpbin.org"), port=TLS, route=tcp_route("httpbin.org", "203.0.113.10")),
        service_entries=(
            entry(entry_port(443, "TLS"), name="mine"),
            entry(entry_port(443, "HTTPS"), name="central", namespace="mesh"),
        ),
    ),
    "XS0603": case(
        name_alias(),
        seen(by_origin(200), route=PASSTHROUGH, decision=NO_RULE),
        service_entries=(entry(HTTP_80),),
        sidecars=(sidecar_resource("istio-system/*"),),
    ),
    # The captor sends the bytes to the address that the client meant.
    "XS0604": case(
        name_alias(TCP_443),
        seen(
            answer(scheme=Scheme.TCP, port=443, remote_ip="203.0.113.10"),
            port=TCP_443,
            route=tcp_route("bin.data.svc.cluster.local", "203.0.113.10", "ORIGINAL_DST"),
        ),
    ),
    "XS0605": case(
        address_alias(AliasPort("tcp", 5432, 5432, AppProtocol.TCP), headless=True, cluster_ips=()),
        seen(
            answer(scheme=Scheme.TCP, port=5432),
            port=AliasPort("tcp", 5432, 5432, AppProtocol.TCP),
            route=tcp_route(PAY_HOST, "203.0.113.20", "ORIGINAL_DST", 5432),
        ),
        services=(service(),),
        endpoint_slices=(slice_of("203.0.113.20", port="tcp", number=5432),),
        resolved=RESOLVED,
    ),
    # The policy denies, and the network does not heed it.
    "XS0606": case(
        name_alias(),
        seen(answer(status=200), source=replace(CRON, labels=(("app", "cron"),))),
        network_policies=(policy(app="cron"),),
        resolved={"httpbin.org": ("203.0.113.10",)},
    ),
    "XS0607": case(
        name_alias(TLS),
        seen(https(0, 200, host="httpbin.org"), port=TLS, route=PASSTHROUGH_TCP),
        service_entries=(entry(entry_port(443, "TLS")),),
        mesh_config=DNS_CAPTURE,
    ),
    "XS0608": case(
        address_alias(),
        seen(
            answer(status=200),
            source=replace(WEB, annotations=(("traffic.sidecar.istio.io/excludeOutboundPorts", "80"),)),
            route=route(OutboundTls.DISABLE, rule=ref()),
            decision=decided("DISABLE"),
        ),
        destination_rules=(destination_rule(tls={"mode": "DISABLE"}),),
        services=(service(),),
        **HEALTHY,
    ),
    "XS0609": case(
        address_alias(),
        seen(by_origin(200), source=replace(WEB, namespace="front"), route=PASSTHROUGH, decision=NO_RULE),
        destination_rules=(destination_rule(tls={"mode": "DISABLE"}),),
        services=(service(networking_istio_io__exportTo="."),),
        **HEALTHY,
    ),
    "XS0801": case(
        name_alias(),
        seen(answer(status=200), source=AMBIENT),
        services=(external(),),
        service_entries=(entry(HTTP_80),),
        mesh_config=REGISTRY_ONLY,
    ),
    "XS0802": case(
        name_alias(),
        seen(answer(status=200, remote_ip="240.240.0.3"), source=AMBIENT),
        services=(external(),),
        service_entries=(
            {
                **entry(HTTP_80, labels={"istio.io/use-waypoint": "egress"}),
                "status": {"addresses": [{"value": "240.240.0.3"}]},
            },
        ),
    ),
    "XS0803": case(
        address_alias(HTTP),
        seen(answer(status=200), source=AMBIENT),
        destination_rules=(destination_rule(tls={"mode": "DISABLE"}),),
        services=(service(),),
        **HEALTHY,
    ),
}
