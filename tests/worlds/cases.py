"""Hand-made cases for rules: aliases, sources, answers and routes with good defaults."""

from dataclasses import replace
from typing import Any

from kubectl_extsvc.model.alias import AddressTarget, Alias, AliasPort, AppProtocol, HostTarget
from kubectl_extsvc.model.observation import AccessLogLine, Case, Contract, Observation
from kubectl_extsvc.model.probe import Answer, NoAnswer, Outcome, Purpose, Scheme, Times, Transfer
from kubectl_extsvc.model.resolution import Attempt, Reply, Resolution, ResolutionUnknown
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.model.route import (
    EnvoyEndpoint,
    OutboundTls,
    Route,
    RouteKind,
    RouteUnknown,
    RuleDecision,
    TlsInEffect,
)
from kubectl_extsvc.model.snapshot import Mesh, Snapshot
from kubectl_extsvc.model.source import MeshMode, Source

ISTIO = Mesh(installed=True, api_version="v1", version=(1, 31))
NO_ISTIO = Mesh(installed=False)

WEB = Source("shop", "web-7d9f", "web", MeshMode.SIDECAR, (("app", "web"), ("pod-template-hash", "7d9f")))
CRON = Source("shop", "cron-55", "cron", MeshMode.PLAIN)

HTTP = AliasPort("http", 80, 80, AppProtocol.HTTP)
HTTP_TO_TLS = AliasPort("http", 80, 443, AppProtocol.HTTP)
TLS = AliasPort("tls", 443, 443, AppProtocol.TLS)
TCP = AliasPort("tcp", 5432, 5432, AppProtocol.TCP)

PAY_HOST = "my-pay.shop.svc.cluster.local"
PAY_CLUSTER = f"outbound|80||{PAY_HOST}"
SLICE = ObjectRef("EndpointSlice", "shop", "my-pay-ipv4")


def address_alias(*ports: AliasPort, host: str = "api.pay.example", **changes: Any) -> Alias:
    target = AddressTarget(("203.0.113.20",), host)
    return replace(
        Alias("shop", "my-pay", target, ports or (HTTP,), ("10.96.0.7",), managed=True, slices=(SLICE,)), **changes
    )


def name_alias(*ports: AliasPort, host: str = "httpbin.org", **changes: Any) -> Alias:
    alias = Alias("shop", "my-pay", HostTarget(host), ports or (HTTP,), managed=True, external_name_raw=host)
    return replace(alias, **changes)


def slice_of(
    *addresses: str,
    port: str | None = "http",
    number: int = 80,
    labels: Json | None = None,
    kind: str = "IPv4",
    ready: bool | None = None,
    name: str = SLICE.name,
    namespace: str = "shop",
) -> Json:
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": "my-pay"} if labels is None else labels,
        },
        "addressType": kind,
        "ports": [{"name": port, "port": number}],
        "endpoints": [{"addresses": [a], "conditions": {} if ready is None else {"ready": ready}} for a in addresses],
    }


def mirrored(*addresses: str, name: str = "my-pay-x7k2p", port: str | None = "http") -> Json:
    """The slice that Kubernetes writes for v1 Endpoints of the alias's name."""
    labels = {
        "kubernetes.io/service-name": "my-pay",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }
    item = slice_of(*addresses, labels=labels, name=name, port=port)
    item["metadata"]["ownerReferences"] = [{"kind": "Endpoints", "name": "my-pay", "controller": True}]
    return item


def endpoints(*addresses: str, **metadata: Any) -> Json:
    """v1 Endpoints of the alias's name."""
    subset = {"addresses": [{"ip": address} for address in addresses], "ports": [{"name": "http", "port": 80}]}
    return {"metadata": {"name": "my-pay", "namespace": "shop", **metadata}, "subsets": [subset]}


def service(name: str = "my-pay", namespace: str = "shop", **spec: Any) -> Json:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def external_name(name: str, target: str, namespace: str = "shop") -> Json:
    return service(name, namespace, type="ExternalName", externalName=target)


def service_entry(*hosts: str, name: str = "target", namespace: str = "shop", **spec: Any) -> Json:
    ports = [{"name": "http", "number": 80, "protocol": "HTTP"}]
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"hosts": list(hosts), "resolution": "DNS", "ports": ports, **spec},
    }


def mesh_pod(address: str, namespace: str = "shop", name: str = "pay-0", **labels: str) -> Json:
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "pay"}, {"name": "istio-proxy", "args": ["proxy", "sidecar"]}]},
        "status": {"podIP": address, "podIPs": [{"ip": address}]},
    }


def tried(name: str, reply: Reply = Reply.FOUND, *addresses: str, cnames: tuple[str, ...] = ()) -> Attempt:
    return Attempt(name, "A", reply, cnames, addresses)


CALLED = "my-pay.shop"


def resolution_of(
    *attempts: Attempt, name: str = CALLED, servers: tuple[str, ...] = ("10.96.0.10",), search: tuple[str, ...] = ()
) -> Resolution:
    """How a pod of namespace shop came from a name to addresses; search: domains beside the cluster's."""
    found = next((each.addresses for each in attempts if each.reply is Reply.FOUND), ())
    domains = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", *search)
    return Resolution(name, "python3", attempts, found, servers, domains, 5)


def destination_rule(name: str = "my-pay", host: str = PAY_HOST, namespace: str = "shop", **spec: Any) -> Json:
    """spec words: tls (the block at the top), and any other field of the spec as it is."""
    tls = spec.pop("tls", None)
    policy = {"trafficPolicy": {"tls": tls}} if tls is not None else {}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"host": host, **policy, **spec}}


def ref(name: str = "my-pay", namespace: str = "shop") -> ObjectRef:
    return ObjectRef("DestinationRule", namespace, name)


def decided(mode: str, name: str = "my-pay", namespace: str = "shop") -> RuleDecision:
    return RuleDecision(ref(name, namespace), f"destinationrule/{name} has exactly this host", mode)


NO_RULE = RuleDecision(None, f"no DestinationRule covers {PAY_HOST}", "")


def answer(exit_code: int = 0, status: int = 0, **changes: Any) -> Answer:
    """An answer to the call of the alias; changes may be fields of Answer, or of Transfer but its headers."""
    fields = {"purpose": Purpose.ALIAS, "scheme": Scheme.HTTP, "host": PAY_HOST, "port": 80}
    fields |= {key: changes.pop(key) for key in list(changes) if key in Transfer.__slots__ and key != "headers"}
    given: dict[str, Any] = {"remote_ip": "10.96.0.7", "remote_port": fields["port"], "error": "", **changes}
    reached = exit_code not in (6, 7, 28)
    times = Times(0.001, 0.002, 0.0, 0.003, 0.004) if reached else Times(0.0 if exit_code == 6 else 0.001)
    return Answer(Transfer("1", **fields), exit_code, status=status, **{"times": times, **given})  # type: ignore[arg-type]


def by_envoy(status: int, length: int, **changes: Any) -> Answer:
    """A response that Envoy wrote by itself, as it looks without an access log."""
    return answer(status=status, headers=(("server", "envoy"), ("content-length", str(length))), **changes)


def by_origin(status: int, **changes: Any) -> Answer:
    """A response of the origin that came through Envoy."""
    headers = (("server", "envoy"), ("x-envoy-upstream-service-time", "3"))
    return answer(status=status, headers=headers, **changes)


def logged(
    flags: str = "URX,UF", transport: str = "", details: str = "upstream_reset", cluster: str = ""
) -> AccessLogLine:
    return AccessLogLine(frozenset(flags.split(",")), details, transport, "203.0.113.20:443", cluster)


def tls_error(reason: str) -> AccessLogLine:
    return logged(transport=f"TLS_error:|268436568:SSL_routines:OPENSSL_internal:{reason}:TLS_error_end")


def route(tls: TlsInEffect | OutboundTls = OutboundTls.AUTO_PLAINTEXT, **changes: Any) -> Route:
    in_effect = tls if isinstance(tls, TlsInEffect) else TlsInEffect(tls)
    fields: dict[str, Any] = {
        "listener": "0.0.0.0_80",
        "envoy_cluster": PAY_CLUSTER,
        "virtual_host": f"{PAY_HOST}:80",
        "cluster_type": "EDS",
        "endpoints": (EnvoyEndpoint("203.0.113.20", 80),),
        "response_headers_changed": ("server", "x-envoy-upstream-service-time"),
    }
    return Route(**{"kind": RouteKind.HTTP, "tls": in_effect, **fields, **changes})


PASSTHROUGH = route(
    OutboundTls.NONE,
    envoy_cluster="PassthroughCluster",
    virtual_host="allow_any",
    cluster_type="ORIGINAL_DST",
    endpoints=(),
)
BLOCK_ALL = route(
    OutboundTls.NONE, envoy_cluster="", virtual_host="block_all", direct_response=502, cluster_type="", endpoints=()
)
SIMPLE_BARE = TlsInEffect(OutboundTls.SIMPLE, auto_sni=True, auto_san_validation=True)
SIMPLE_FULL = TlsInEffect(OutboundTls.SIMPLE, sni="api.pay.example", subject_alt_names=("api.pay.example",))


def seen(
    outcome: Outcome | None,
    *more: Outcome,
    source: Source = WEB,
    port: AliasPort = HTTP,
    contract: Contract | None = None,
    route: Route | RouteUnknown | None = None,
    decision: RuleDecision | None = None,
    log: AccessLogLine | None = None,
    resolution: Resolution | ResolutionUnknown | None = None,
    target: Resolution | ResolutionUnknown | None = None,
) -> Observation:
    """resolution is that of the alias, target that of its host without a final dot."""
    scheme = outcome.transfer.scheme if outcome is not None else Scheme.HTTP
    host = outcome.transfer.host if outcome is not None else PAY_HOST
    spoken = contract or Contract(True, scheme, host, originates=port.originates)
    outcomes = () if outcome is None else (outcome, *more)
    return Observation(
        source, port, spoken, outcomes, route, decision, log, resolution=resolution, target_resolution=target
    )


def not_served(outcome: Outcome, *more: Outcome, source: Source = CRON, port: AliasPort = HTTP_TO_TLS) -> Observation:
    spoken = Contract(False, Scheme.TCP, PAY_HOST, "origination is the sidecar's work", originates=True)
    return seen(outcome, *more, source=source, port=port, contract=spoken)


def in_clear(status: int, host: str = "httpbin.org") -> Answer:
    """The target's answer to a plain request."""
    return answer(status=status, purpose=Purpose.TARGET, host=host)


def case(alias: Alias, *observations: Observation, mesh: Mesh = ISTIO, **changes: Any) -> Case:
    """changes may be fields of Case or of Snapshot."""
    own = {key: changes.pop(key) for key in list(changes) if key in Case.__slots__}
    return Case(alias, Snapshot(mesh=mesh, **changes), observations, **own)


def nothing(reason: str = "pods/exec is forbidden: create pods/exec", unlock: str = "") -> NoAnswer:
    return NoAnswer(answer().transfer, reason, unlock)


def address_answer(address: str, exit_code: int = 0, **changes: Any) -> Answer:
    return answer(exit_code, purpose=Purpose.ADDRESS, scheme=Scheme.TCP, host=address, remote_ip=address, **changes)
