"""Routes of VirtualServices in Envoy's words.

Source: istio pilot/pkg/networking/core/route/route.go, branch release-1.31.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kubectl_extsvc.mesh.hosts import resolve_host
from kubectl_extsvc.mesh.routing import REDIRECT_CODES
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.sandbox.sidecar.clusters import config_path
from kubectl_extsvc.sandbox.sidecar.discovery import TYPE_PREFIX, extension
from kubectl_extsvc.sandbox.sidecar.mesh_view import MeshView

ALL_PATHS: Json = {"prefix": "/"}
RETRIES = {
    "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
    "num_retries": 2,
    "retry_host_predicate": [
        extension("envoy.retry_host_predicates.previous_hosts", "retry.host.previous_hosts.v3.PreviousHostsPredicate")
    ],
    "host_selection_retry_max_attempts": "5",
}
REDIRECTS = {code: word for word, code in REDIRECT_CODES.items()}
REDIRECT_WORDS = {
    "authority": "host_redirect",
    "uri": "path_redirect",
    "scheme": "scheme_redirect",
    "port": "port_redirect",
}
URI_KINDS = {"exact": "path", "prefix": "prefix"}


def http_routes(view: MeshView, virtual_service: Json, port: int) -> list[Json]:
    """Envoy routes of a VirtualService's http part, for a port; its tcp and tls parts are not held."""
    metadata = virtual_service["metadata"]
    ref = ObjectRef("VirtualService", metadata.get("namespace", ""), metadata["name"])
    origin = {"filter_metadata": {"istio": {"config": config_path(ref, "virtual-service")}}}
    routes = []
    for http in virtual_service["spec"].get("http") or ():
        if not http.keys() & {"route", "redirect", "directResponse"}:
            continue
        body = {"metadata": origin, **_action(view, http, ref.namespace, port), **_headers(http.get("headers"))}
        if http.get("name"):
            body["name"] = http["name"]
        if fault := _fault(http.get("fault") or {}):
            body["typed_per_filter_config"] = {"envoy.filters.http.fault": fault}
        matches = [match for match in http.get("match") or [{}] if _may_hold(view, match, port)]
        routes += [{"match": _match(match), **body} for match in matches]
        if any(_match(match) == ALL_PATHS for match in matches):
            break
    return routes


def _may_hold(view: MeshView, match: Json, port: int) -> bool:
    """Conditions that are decided here and not in the proxy: port, gateway, and who the client is."""
    return (
        match.get("port", port) == port
        and "mesh" in (match.get("gateways") or ("mesh",))
        and match.get("sourceNamespace", view.client.namespace) == view.client.namespace
        and (match.get("sourceLabels") or {}).items() <= view.client.labels.items()
    )


def _match(match: Json) -> Json:
    found: Json = dict(ALL_PATHS)
    if uri := match.get("uri"):
        (kind, value), *_ = uri.items()
        found = {URI_KINDS[kind]: value} if kind in URI_KINDS else {"safe_regex": {"regex": value}}
    if match.get("ignoreUriCase"):
        found["case_sensitive"] = False
    pseudo = {":method": match.get("method"), ":authority": match.get("authority"), ":scheme": match.get("scheme")}
    wanted = {name: value for name, value in pseudo.items() if value} | (match.get("headers") or {})
    headers = [_condition(name, value) for name, value in wanted.items()]
    headers += [
        _condition(name, value) | {"invert_match": True} for name, value in (match.get("withoutHeaders") or {}).items()
    ]
    if headers:
        found["headers"] = headers
    if parameters := match.get("queryParams"):
        found["query_parameters"] = [_condition(name, value) for name, value in parameters.items()]
    return found


def _condition(name: str, value: Json) -> Json:
    return {"name": name, "string_match": _string(value)} if value else {"name": name, "present_match": True}


def _string(value: Json) -> Json:
    (kind, wanted), *_ = value.items()
    return {"safe_regex": {"regex": wanted}} if kind == "regex" else {kind: wanted}


def _action(view: MeshView, http: Json, namespace: str, port: int) -> Json:
    if redirect := http.get("redirect"):
        given = {key: redirect[word] for word, key in REDIRECT_WORDS.items() if redirect.get(word)}
        return {"redirect": {**given, "response_code": REDIRECTS[redirect.get("redirectCode", 301)]}}
    if response := http.get("directResponse"):
        body = response.get("body") or {}
        content = {"inline_string": body["string"]} if "string" in body else {"inline_bytes": body.get("bytes", "")}
        return {"direct_response": {"status": response["status"], "body": content}}
    timeout = http.get("timeout", "0s")
    action: Json = {"timeout": timeout, "max_grpc_timeout": timeout, **_rewrite(http.get("rewrite") or {})}
    if retries := _retries(http.get("retries")):
        action["retry_policy"] = retries
    if (view.proxy_headers.get("xForwardedHost") or {}).get("enabled"):
        action["append_x_forwarded_host"] = True
    weighted = http["route"]
    destinations = [_destination(view, entry["destination"], namespace, port) for entry in weighted]
    if len(weighted) == 1 and not weighted[0].get("headers"):
        action["cluster"] = destinations[0].cluster
    else:
        action["weighted_clusters"] = {
            "clusters": [
                {
                    "name": destination.cluster,
                    "weight": entry.get("weight", 0 if len(weighted) > 1 else 1),
                    **_headers(entry.get("headers")),
                }
                for destination, entry in zip(destinations, weighted, strict=True)
            ]
        }
    return {"route": action, "decorator": {"operation": destinations[0].operation}}


@dataclass(frozen=True, slots=True)
class Destination:
    cluster: str
    operation: str


def _destination(view: MeshView, destination: Json, namespace: str, listener_port: int) -> Destination:
    """The Envoy cluster of a destination; an alias that declares the listener's port means its target, one hop far.

    Without a port number it is the only port of the Service that is named, else the listener's (GetDestinationCluster).
    """
    host = resolve_host(destination.get("host", ""), namespace)
    number = (destination.get("port") or {}).get("number")
    alias = view.aliases.get(host)
    if alias is not None:
        declared = {entry["port"] for entry in alias["spec"].get("ports") or ()}
        host = alias["spec"]["externalName"] if listener_port in declared else host
    known = view.host(host)
    if number is None:
        number = known.ports[0].number if known is not None and len(known.ports) == 1 else listener_port
    return Destination(f"outbound|{number}|{destination.get('subset', '')}|{host}", f"{host}:{number}/*")


def _rewrite(rewrite: Json) -> Json:
    found = {}
    if rewrite.get("authority"):
        found["host_rewrite_literal"] = rewrite["authority"]
    if rewrite.get("uri"):
        found["prefix_rewrite"] = rewrite["uri"]
    return found


def _retries(retries: Json | None) -> Json | None:
    if retries is None:
        return RETRIES
    if not retries.get("attempts"):
        return None
    found: Json = {**RETRIES, "num_retries": retries["attempts"]}
    if retries.get("perTryTimeout"):
        found["per_try_timeout"] = retries["perTryTimeout"]
    if retries.get("retryOn"):
        found["retry_on"] = retries["retryOn"]
    return found


def _headers(headers: Json | None) -> Json:
    found: Json = {}
    for side in ("request", "response"):
        changes = (headers or {}).get(side) or {}
        options = [
            *_added(changes.get("set"), "OVERWRITE_IF_EXISTS_OR_ADD"),
            *_added(changes.get("add"), "APPEND_IF_EXISTS_OR_ADD"),
        ]
        if options:
            found[f"{side}_headers_to_add"] = options
        if changes.get("remove"):
            found[f"{side}_headers_to_remove"] = changes["remove"]
    return found


def _added(values: Json | None, action: str) -> Sequence[Json]:
    return [{"header": {"key": key, "value": value}, "append_action": action} for key, value in (values or {}).items()]


def _fault(fault: Json) -> Json:
    found: Json = {}
    if abort := fault.get("abort"):
        found["abort"] = {"http_status": abort.get("httpStatus", 503), "percentage": _percentage(abort)}
    if delay := fault.get("delay"):
        found["delay"] = {"fixed_delay": delay.get("fixedDelay", "0s"), "percentage": _percentage(delay)}
    return {"@type": f"{TYPE_PREFIX}extensions.filters.http.fault.v3.HTTPFault", **found} if found else {}


def _percentage(entry: Json) -> Json:
    """Of a fault that says nothing: always (istio core/route/route.go, translatePercentToFractionalPercent)."""
    value = (entry.get("percentage") or {}).get("value", 100.0)
    return {"numerator": int(value * 10_000), "denominator": "MILLION"}
