"""Routes of a virtual host: those that a VirtualService says, and the one of a host without.

Source: istio pilot/pkg/networking/core/route/route.go, route/retry/retry.go, branch release-1.31.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from kubectl_extsvc.mesh.istiod.envoy_words import TYPE_PREFIX, duration, extension, origin
from kubectl_extsvc.mesh.istiod.services import MeshService
from kubectl_extsvc.mesh.istiod.sidecar_scope import SidecarScope
from kubectl_extsvc.mesh.istiod.virtual_services import MESH_GATEWAY, VirtualService
from kubectl_extsvc.model.resources import Json

ALL_PATHS: Json = {"prefix": "/"}
RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
PREVIOUS_HOSTS = extension(
    "envoy.retry_host_predicates.previous_hosts", "retry.host.previous_hosts.v3.PreviousHostsPredicate"
)
REDIRECTS = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}
AUTHORITY = (":authority", "host")
FAULT = "envoy.filters.http.fault"


def destination_cluster(destination: Json, host: str, service: MeshService | None, port: int) -> str:
    """Envoy cluster of a destination, whose resolved host is host; service: what the lookup there has for it.

    An ExternalName Service means its target, one hop far. Without a port number it is the service's only one, else that
    of the listener (GetDestinationCluster).
    """
    if not host:
        return "UnknownService"
    if service is not None and service.external_name:
        host = service.external_name
    number = (destination.get("port") or {}).get("number")
    if not number:
        number = service.ports[0].number if service is not None and len(service.ports) == 1 else port
    return f"outbound|{number}|{destination.get('subset') or ''}|{host}"


def default_route(scope: SidecarScope, service: MeshService, port: int) -> Json:
    action = {
        "cluster": service.cluster(port),
        "timeout": "0s",
        **_retries(scope.push.mesh_config.get("defaultHttpRetryPolicy")),
        "max_grpc_timeout": "0s",
    }
    decorator = {"operation": f"{service.host}:{port}/*"}
    return {"match": ALL_PATHS, "route": action, "decorator": decorator, "name": "default"}


def routes_of(
    scope: SidecarScope, virtual_service: VirtualService, port: int, registry: Mapping[str, MeshService]
) -> list[Json]:
    """Its http routes for a port and a client; registry is host → service that has the port."""
    found: list[Json] = []
    for http in virtual_service.http:
        for match in http.get("match") or (None,):
            if match is not None and not _holds_for_client(match, scope, port):
                continue
            route = _route(scope, virtual_service, http, match, port, registry)
            found.append(route)
            if _is_catch_all(route):
                return found
        if not http.get("match"):
            return found
    return found


def _holds_for_client(match: Json, scope: SidecarScope, port: int) -> bool:
    """Conditions that istiod decides by itself: port, gateways, labels and namespace of the client."""
    if match.get("port") not in (None, 0, port):
        return False
    if match.get("gateways"):
        return MESH_GATEWAY in match["gateways"]
    if not (match.get("sourceLabels") or {}).items() <= scope.client.labels.items():
        return False
    return match.get("sourceNamespace") in (None, "", scope.client.namespace)


def _is_catch_all(route: Json) -> bool:
    """Whether no later route can be reached (IsCatchAllRoute)."""
    match = route["match"]
    every_path = match.get("prefix") == "/" or (match.get("safe_regex") or {}).get("regex") in ("*", ".*")
    return every_path and not any(match.get(key) for key in ("headers", "query_parameters", "dynamic_metadata"))


def _route(
    scope: SidecarScope,
    virtual_service: VirtualService,
    http: Json,
    match: Json | None,
    port: int,
    registry: Mapping[str, MeshService],
) -> Json:
    name = http.get("name") or ""
    if match is not None and match.get("name"):
        name = f"{name}.{match['name']}"
    route: Json = {"match": _match(match), "metadata": origin(virtual_service.ref, "virtual-service")}
    if name:
        route["name"] = name
    changes, authority = _header_changes(http.get("headers") or {})
    route |= changes
    if redirect := http.get("redirect"):
        route |= _redirect(redirect, port)
    elif direct := http.get("directResponse"):
        route["direct_response"] = _direct_response(direct)
    else:
        _lead(route, scope, virtual_service, http, authority, port, registry)
    route["decorator"] = {"operation": _operation(route, virtual_service.ref.name, port)}
    if fault := http.get("fault"):
        route["typed_per_filter_config"] = {FAULT: _fault(fault)}
    return route


def _lead(
    route: Json,
    scope: SidecarScope,
    virtual_service: VirtualService,
    http: Json,
    authority: str,
    port: int,
    registry: Mapping[str, MeshService],
) -> None:
    """Fill in the action, and the header changes of a single destination (applyHTTPRouteDestination)."""
    timeout = duration(http["timeout"]) if http.get("timeout") else "0s"
    action: Json = {"timeout": timeout, "max_grpc_timeout": timeout}
    rewrite = http.get("rewrite") or {}
    if regex := rewrite.get("uriRegexRewrite"):
        substitution = {"pattern": {"regex": regex.get("match", "")}, "substitution": regex.get("rewrite", "")}
        action["regex_rewrite"] = substitution
    elif rewrite.get("uri"):
        action["prefix_rewrite"] = rewrite["uri"]
    authority = rewrite.get("authority") or authority

    def cluster(destination: Json) -> str:
        host = virtual_service.host_of(destination)
        return destination_cluster(destination, host, registry.get(host), port)

    led = http.get("route") or []
    if len(led) == 1:
        action["cluster"] = cluster(led[0].get("destination") or {})
        changes, own_authority = _header_changes(led[0].get("headers") or {})
        for key, value in changes.items():
            route[key] = [*route.get(key, ()), *value]
        authority = authority or own_authority
    else:
        shares = [_share(entry, cluster(entry.get("destination") or {})) for entry in led if entry.get("weight")]
        action["weighted_clusters"] = {"clusters": shares}
    if authority:
        action["host_rewrite_literal"] = authority
    mirrors = [http["mirror"]] if http.get("mirror") else []
    mirrors += [entry["destination"] for entry in http.get("mirrors") or () if entry.get("destination")]
    if mirrors:
        action["request_mirror_policies"] = [{"cluster": cluster(mirror)} for mirror in mirrors]
    policy = http["retries"] if "retries" in http else scope.push.mesh_config.get("defaultHttpRetryPolicy")
    route["route"] = action | _retries(policy)


def _share(entry: Json, cluster: str) -> Json:
    changes, authority = _header_changes(entry.get("headers") or {})
    rewrite = {"host_rewrite_literal": authority} if authority else {}
    return {"name": cluster, "weight": entry["weight"], **changes, **rewrite}


def _retries(policy: Json | None) -> Json:
    """retry_policy; {} for none at all (ConvertPolicy)."""
    default: Json = {
        "retry_on": RETRY_ON,
        "num_retries": 2,
        "retry_host_predicate": [PREVIOUS_HOSTS],
        "host_selection_retry_max_attempts": "5",
    }
    if policy is None:
        return {"retry_policy": default}
    if not policy.get("attempts"):
        return {}
    made = default | {"num_retries": policy["attempts"]}
    if conditions := [word.strip() for word in (policy.get("retryOn") or "").split(",") if word.strip()]:
        codes = [int(word) for word in conditions if word.isdigit()]
        words = [word for word in conditions if not word.isdigit()]
        if codes:
            made["retriable_status_codes"] = codes
            words = [*words, *(["retriable-status-codes"] if "retriable-status-codes" not in words else [])]
        made["retry_on"] = ",".join(words)
    if policy.get("perTryTimeout"):
        made["per_try_timeout"] = duration(policy["perTryTimeout"])
    return {"retry_policy": made}


def _redirect(redirect: Json, port: int) -> Json:
    """{"redirect": …}; {} for a code that is none (ApplyRedirect)."""
    code = redirect.get("redirectCode") or 301
    if code not in REDIRECTS:
        return {}
    action: Json = {"response_code": REDIRECTS[code]}
    if redirect.get("authority"):
        action["host_redirect"] = redirect["authority"]
    if redirect.get("uri"):
        action["path_redirect"] = redirect["uri"]
    if redirect.get("scheme"):
        action["scheme_redirect"] = redirect["scheme"]
    number = port if redirect.get("derivePort") == "FROM_REQUEST_PORT" else redirect.get("port") or 0
    usual = {"http": 80, "https": 443}[redirect.get("scheme") or "http"]
    if number and number != usual:
        action["port_redirect"] = number
    return {"redirect": action}


def _direct_response(direct: Json) -> Json:
    body = direct.get("body") or {}
    text = {"inline_string": body["string"]} if "string" in body else {}
    text |= {"inline_bytes": body["bytes"]} if "bytes" in body else {}
    return {"status": direct.get("status", 0)} | ({"body": text} if text else {})


def _fault(fault: Json) -> Json:
    made: Json = {"@type": f"{TYPE_PREFIX}extensions.filters.http.fault.v3.HTTPFault"}
    if (delay := fault.get("delay")) and delay.get("fixedDelay"):
        made["delay"] = {"fixed_delay": duration(delay["fixedDelay"]), "percentage": _percentage(delay)}
    if (abort := fault.get("abort")) and (abort.get("httpStatus") or abort.get("grpcStatus")):
        made["abort"] = {"percentage": _percentage(abort)}
        if abort.get("httpStatus"):
            made["abort"]["http_status"] = abort["httpStatus"]
    return made


def _percentage(fault: Json) -> Json:
    if "percentage" in fault:
        return {"numerator": int((fault["percentage"].get("value") or 0) * 10_000), "denominator": "MILLION"}
    return {"numerator": fault.get("percent", 0), "denominator": "HUNDRED"}


def _operation(route: Json, name: str, port: int) -> str:
    match = route["match"]
    path = match.get("path") or (match.get("safe_regex") or {}).get("regex")
    path = path or (f"{match['prefix']}*" if "prefix" in match else "/*")
    cluster = (route.get("route") or {}).get("cluster", "")
    if cluster.count("|") == 3:
        _, number, _, host = cluster.split("|")
        return f"{host}:{number}{path}"
    return f"{name}:{port}{path}"


def _header_changes(headers: Json) -> tuple[Json, str]:
    """Envoy's fields for set, add and remove of both directions, and what the Host header is set to, "" if it is not
    (TranslateHeadersOperations)."""
    request, response = headers.get("request") or {}, headers.get("response") or {}
    changes = {
        "request_headers_to_add": [*_options(request, "set"), *_options(request, "add")],
        "response_headers_to_add": [*_options(response, "set"), *_options(response, "add")],
        "request_headers_to_remove": [name for name in request.get("remove") or () if not _is_internal(name)],
        "response_headers_to_remove": [name for name in response.get("remove") or () if not _is_internal(name)],
    }
    given = {**(request.get("add") or {}), **(request.get("set") or {})}
    authority = next((value for name, value in given.items() if name.lower() in AUTHORITY), "")
    return {key: value for key, value in changes.items() if value}, str(authority)


def _options(operations: Json, kind: str) -> Iterator[Json]:
    action = {"set": "OVERWRITE_IF_EXISTS_OR_ADD", "add": "APPEND_IF_EXISTS_OR_ADD"}[kind]
    for name, value in sorted((operations.get(kind) or {}).items()):
        if not _is_internal(name):
            yield {"header": {"key": name, "value": value}, "append_action": action}


def _is_internal(name: str) -> bool:
    return name.startswith(":") or name.lower() == "host"


def _match(match: Json | None) -> Json:
    """TranslateRouteMatch."""
    if match is None:
        return ALL_PATHS
    made: Json = {}
    match match.get("uri"):
        case {"exact": path}:
            made["path"] = path
        case {"regex": regex}:
            made["safe_regex"] = {"regex": regex}
        case {"prefix": prefix}:
            made["prefix"] = prefix
        case _:
            made["prefix"] = "/"
    made["case_sensitive"] = not match.get("ignoreUriCase", False)
    headers = [_header(name, condition) for name, condition in (match.get("headers") or {}).items()]
    for name, condition in (match.get("withoutHeaders") or {}).items():
        empty = {} if _is_presence(condition) else {"treat_missing_header_as_empty": True}
        headers.append(_header(name, condition) | {"invert_match": True} | empty)
    claims = [header for header in headers if header["name"].startswith("@request.auth.claims")]
    if claims:
        made["dynamic_metadata"] = claims
    headers = sorted((header for header in headers if header not in claims), key=lambda header: str(header["name"]))
    pseudo = (("method", ":method"), ("authority", ":authority"), ("scheme", ":scheme"))
    headers += [_header(name, match[key]) for key, name in pseudo if match.get(key) is not None]
    if headers:
        made["headers"] = headers
    if parameters := match.get("queryParams"):
        made["query_parameters"] = [_header(name, condition) for name, condition in parameters.items()]
    return made


def _is_presence(condition: Any) -> bool:
    """A condition that says nothing, or the regular expression *, asks only that it is there."""
    return not condition or not {"exact", "prefix", "regex"} & condition.keys() or condition.get("regex") == "*"


def _header(name: str, condition: Any) -> Json:
    """A HeaderMatcher, or a QueryParameterMatcher, which has the same shape."""
    if _is_presence(condition):
        return {"name": name, "present_match": True}
    if "regex" in condition:
        return {"name": name, "string_match": {"safe_regex": {"regex": condition["regex"]}}}
    kind = "exact" if "exact" in condition else "prefix"
    return {"name": name, "string_match": {kind: condition[kind]}}
