"""The way of a call, from istiod's answer and from our own laws, in the same words."""

from collections.abc import Mapping
from typing import Any

from kubectl_extsvc.mesh.envoy_dump import BLACK_HOLE
from kubectl_extsvc.mesh.outbound_request import OutboundRequest, RequestKind
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.model.route import OutboundTls, Route

Way = Mapping[str, Any]
"""What is known of a call's way; what does not apply to it is absent."""

PASSTHROUGH_WORDS = ("passthrough", "blackhole")


def request_of(call: Json) -> OutboundRequest:
    kind = {"http": RequestKind.HTTP, "http2": RequestKind.HTTP, "tcp": RequestKind.TCP}[call["protocol"]]
    if call.get("tls", "plaintext") != "plaintext":
        kind = RequestKind.TLS
    return OutboundRequest(
        kind,
        call["address"],
        call["port"],
        host=call.get("host", "") if kind is RequestKind.HTTP else "",
        path=call.get("path", "/"),
        sni=call.get("sni", ""),
        alpn=("http/1.1",),
    )


def object_path(ref: ObjectRef | None) -> str:
    """NAMESPACE/NAME, "" for none."""
    return f"{ref.namespace}/{ref.name}" if ref else ""


def _of_path(path: str) -> str:
    """The same of /apis/GROUP/VERSION/namespaces/NAMESPACE/KIND/NAME."""
    parts = path.split("/")
    return f"{parts[5]}/{parts[7]}" if len(parts) == 8 else ""


# --- istiod's ------------------------------------------------------------------------------------------------------


def istiods_way(answer: Json) -> Way:
    """Of a call's answer; RuntimeError if the program could not follow the call."""
    error = answer.get("error", "")
    if error.startswith("oracle"):
        raise RuntimeError(error)
    way: dict[str, Any] = {"listener": answer.get("listener", ""), "end": _end(answer, error)}
    if answer.get("virtual_host"):
        way |= {"route_config": answer.get("route_config", ""), "virtual_host": answer["virtual_host"]}
        way |= {
            "virtual_service": _of_path(answer.get("virtual_service", "")),
            "rewrite": answer.get("host_rewrite", ""),
        }
    upstream = answer.get("upstream")
    if upstream and way["end"] == answer.get("cluster"):
        way |= _istiods_upstream(upstream)
    return way


def _end(answer: Json, error: str) -> str:
    """Envoy cluster, or how the call ends without one."""
    if error == "no_cluster":
        return f"missing {chosen(answer)}"
    if error == "no_route":
        return "404"
    if error:
        return {"no_virtual_host": "404", "protocol_error": "400"}.get(error, error)
    if status := answer.get("direct_response"):
        return str(status)
    if answer.get("redirect"):
        return "301"
    return chosen(answer)


def chosen(answer: Json) -> str:
    """Of a split the first that has a share."""
    shares = [share["cluster"] for share in answer.get("weighted", ()) if share["weight"]]
    return str(shares[0] if shares else answer.get("cluster", ""))


def _istiods_upstream(upstream: Json) -> dict[str, Any]:
    endpoints = upstream["endpoints"]
    sockets = [endpoint["tls"] for endpoint in endpoints] or [upstream["tls"]]
    modes = {"plaintext" if socket["mode"] in PASSTHROUGH_WORDS else socket["mode"] for socket in sockets}
    encrypted = next((socket for socket in sockets if socket["mode"] not in ("plaintext", *PASSTHROUGH_WORDS)), None)
    kind = upstream["type"]
    way: dict[str, Any] = {
        "type": kind,
        "rule": _of_path(upstream.get("destination_rule", "")),
        "tls": " and ".join(sorted(modes)),
        "endpoints": sorted(
            (
                endpoint["address"],
                endpoint["port"],
                endpoint["health"] != "UNHEALTHY",
                endpoint.get("tls_mode") == "istio",
            )
            for endpoint in endpoints
        ),
    }
    if encrypted:
        way |= {
            "sni": encrypted.get("sni", ""),
            "subject_alt_names": sorted(encrypted.get("subject_alt_names") or ()),
            "ca": encrypted.get("ca", ""),
            "auto_sni": upstream["auto_sni"],
            "auto_san_validation": upstream["auto_san_validation"],
        }
    return way


# --- ours ----------------------------------------------------------------------------------------------------------


def our_way(route: Route) -> Way:
    way: dict[str, Any] = {"listener": route.listener, "end": route.envoy_cluster or str(route.direct_response)}
    if route.virtual_host:
        way |= {"route_config": route.route_config, "virtual_host": route.virtual_host}
        way |= {"virtual_service": object_path(route.virtual_service), "rewrite": route.host_rewrite}
    if route.cluster_missing:
        way["end"] = f"missing {route.envoy_cluster}"
    elif route.envoy_cluster:
        way |= _our_upstream(route)
    return way


def _our_upstream(route: Route) -> dict[str, Any]:
    tls = route.tls
    endpoints = [(e.address, e.port, e.healthy, e.mesh_tls) for e in route.endpoints]
    if route.passthrough or route.envoy_cluster == BLACK_HOLE:
        endpoints = []
    way: dict[str, Any] = {
        "type": route.cluster_type,
        "rule": object_path(route.rule),
        "tls": _tls_word(tls.mode),
        "endpoints": sorted(endpoints),
    }
    if tls.mode.encrypts:
        way |= {
            "sni": tls.sni,
            "subject_alt_names": sorted(tls.subject_alt_names),
            "ca": tls.ca,
            "auto_sni": tls.auto_sni,
            "auto_san_validation": tls.auto_san_validation,
        }
    return way


def _tls_word(mode: OutboundTls) -> str:
    match mode:
        case OutboundTls.NONE | OutboundTls.DISABLE | OutboundTls.AUTO_PLAINTEXT:
            return "plaintext"
        case OutboundTls.AUTO_ISTIO_MUTUAL:
            return "ISTIO_MUTUAL"
        case OutboundTls.AUTO_MIXED:
            return "ISTIO_MUTUAL and plaintext"
    return str(mode)
