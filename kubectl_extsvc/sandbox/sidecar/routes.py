"""Route tables: one for each HTTP port of the mesh, and one for each port whose protocol must be found out.

Source: istio pilot/pkg/networking/core/httproute.go, branch release-1.31.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kubectl_extsvc.mesh.destination_rules import virtual_service_of
from kubectl_extsvc.mesh.envoy_dump import PASSTHROUGH
from kubectl_extsvc.mesh.hosts import name_forms, resolve_host, service_of_fqdn
from kubectl_extsvc.mesh.ports import protocol_of
from kubectl_extsvc.mesh.registry import RegistryPort
from kubectl_extsvc.model.alias import AppProtocol
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.sandbox.sidecar.clusters import config_path
from kubectl_extsvc.sandbox.sidecar.discovery import extension
from kubectl_extsvc.sandbox.sidecar.mesh_view import MeshHost, MeshView

ALL_PATHS: Json = {"prefix": "/"}
RETRIES = {
    "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
    "num_retries": 2,
    "retry_host_predicate": [
        extension("envoy.retry_host_predicates.previous_hosts", "retry.host.previous_hosts.v3.PreviousHostsPredicate")
    ],
    "host_selection_retry_max_attempts": "5",
}


@dataclass(frozen=True, slots=True)
class Site:
    """What becomes a virtual host: a name of the mesh with all names that requests may call it by."""

    host: str
    domains: tuple[str, ...]
    cluster: str
    """Envoy cluster of requests that no VirtualService leads elsewhere."""
    virtual_service: Json | None


def routes_of(view: MeshView) -> dict[str, Json]:
    """Route tables by name: "80", or HOST:80 of a port whose protocol is found out."""
    ports = sorted({port.number for host in view.hosts for port in host.ports if port.protocol.is_http})
    tables = {str(port): _table(str(port), _virtual_hosts(view, port)) for port in ports}
    for host in view.hosts:
        for port in host.ports:
            if port.protocol is AppProtocol.AUTO:
                name = f"{host.host}:{port.number}"
                site = Site(host.host, ("*",), host.cluster(port.number), _virtual_service(view, host.host))
                tables[name] = _table(name, [_virtual_host(view, site, port.number)])
    return tables


def _table(name: str, virtual_hosts: list[Json]) -> Json:
    return {
        "name": name,
        "virtual_hosts": virtual_hosts,
        "validate_clusters": False,
        "max_direct_response_body_size_bytes": 1024 * 1024,
        "ignore_port_in_host_matching": True,
    }


def _virtual_hosts(view: MeshView, port: int) -> list[Json]:
    taken: set[str] = set()
    found = []
    # Those that VirtualServices make come first, so that an alias with one of its own is taken from its target.
    for site in sorted(_sites(view, port), key=lambda site: (site.virtual_service is None, site.host)):
        domains = tuple(domain for domain in site.domains if domain not in taken)
        taken.update(domains)
        if domains:
            site = Site(site.host, domains, site.cluster, site.virtual_service)
            found.append(_virtual_host(view, site, port))
    return [*sorted(found, key=lambda virtual_host: str(virtual_host["name"])), _catch_all(view)]


def _sites(view: MeshView, port: int) -> Iterable[Site]:
    for host in view.hosts:
        declared = host.port(port)
        if declared is not None and _parses_http(declared):
            yield Site(host.host, _domains(view, host), host.cluster(port), _virtual_service(view, host.host))
    known = {host.host for host in view.hosts}
    for virtual_service in view.virtual_services:
        namespace = virtual_service["metadata"]["namespace"]
        for name in (resolve_host(host, namespace) for host in (virtual_service.get("spec") or {}).get("hosts") or ()):
            if name in known or name.startswith("*") or _virtual_service(view, name) is not virtual_service:
                continue
            domains = _alias_domains(view, name, port)
            if domains:
                yield Site(name, domains, "", virtual_service)


def _parses_http(port: RegistryPort) -> bool:
    return port.protocol.is_http or port.protocol is AppProtocol.AUTO


def _domains(view: MeshView, host: MeshHost) -> tuple[str, ...]:
    # By the name alone: a ServiceEntry may bear a Service's.
    service = service_of_fqdn(host.host)
    own = _forms(view, service[1], service[0]) if service else (host.host, f"{host.host}.")
    if host.headless:
        own = (*own, *(f"*.{form}" for form in own))
    addresses = (address for address in host.addresses if "/" not in address)
    return (*own, *addresses, *(form for alias in host.aliases for form in _forms(view, *alias)))


def _forms(view: MeshView, name: str, namespace: str) -> tuple[str, ...]:
    return name_forms(name, namespace, view.client.namespace)


def _alias_domains(view: MeshView, name: str, port: int) -> tuple[str, ...]:
    """Names under which a VirtualService holds for a host without endpoints of its own: an alias on the HTTP ports that
    it declares; else it is a mere word, on port 80 alone."""
    alias = view.aliases.get(name)
    declared = (alias["spec"].get("ports") or ()) if alias is not None else ()
    if alias is None or not declared:
        return (name,) if port == 80 else ()
    protocols = [
        protocol_of(entry.get("name", ""), entry.get("appProtocol"), entry["port"])
        for entry in declared
        if entry["port"] == port
    ]
    if not any(protocol.is_http or protocol is AppProtocol.AUTO for protocol in protocols):
        return ()
    return _forms(view, alias["metadata"]["name"], alias["metadata"]["namespace"])


def _virtual_service(view: MeshView, host: str) -> Json | None:
    return virtual_service_of(host, view.virtual_services, view.client.namespace)


def _virtual_host(view: MeshView, site: Site, port: int) -> Json:
    if site.virtual_service is None:
        host = site.cluster.rpartition("|")[2]
        action: Json = {"cluster": site.cluster, "timeout": "0s", "retry_policy": RETRIES, "max_grpc_timeout": "0s"}
        decorator = {"operation": f"{host}:{port}/*"}
        routes = [{"match": ALL_PATHS, "route": action, "decorator": decorator, "name": "default"}]
    else:
        routes = [*_http_routes(view, site.virtual_service, port)]
    return _counted(view, {"name": f"{site.host}:{port}", "domains": list(site.domains), "routes": routes})


def _catch_all(view: MeshView) -> Json:
    if view.registry_only:
        name = "block_all"
        action: Json = {"direct_response": {"status": 502}}
    else:
        name = "allow_any"
        action = {"route": {"cluster": PASSTHROUGH, "timeout": "0s", "max_grpc_timeout": "0s"}}
    return _counted(view, {"name": name, "domains": ["*"], "routes": [{"match": ALL_PATHS, **action, "name": name}]})


def _counted(view: MeshView, virtual_host: Json) -> Json:
    return virtual_host | ({"include_request_attempt_count": True} if view.sends("attemptCount") else {})


# --- routes of VirtualServices (istio core/route/route.go) -----------------------------------------------------------


def _http_routes(view: MeshView, virtual_service: Json, port: int) -> Iterator[Json]:
    """Of its http routes those for a port that lead somewhere."""
    metadata = virtual_service["metadata"]
    ref = ObjectRef("VirtualService", metadata["namespace"], metadata["name"])
    origin = {"filter_metadata": {"istio": {"config": config_path(ref, "virtual-service")}}}
    for http in virtual_service["spec"]["http"]:
        if not http.get("route"):
            continue
        cluster, operation = _destination(view, http["route"][0]["destination"], ref.namespace, port)
        timeout = http.get("timeout", "0s")
        action: Json = {"cluster": cluster, "timeout": timeout, "retry_policy": RETRIES, "max_grpc_timeout": timeout}
        if authority := (http.get("rewrite") or {}).get("authority"):
            action["host_rewrite_literal"] = authority
        route: Json = {"route": action, "metadata": origin, "decorator": {"operation": operation}}
        if set_headers := ((http.get("headers") or {}).get("request") or {}).get("set"):
            route["request_headers_to_add"] = [
                {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
                for key, value in set_headers.items()
            ]
        if http.get("name"):
            route["name"] = http["name"]
        for match in http.get("match") or [{}]:
            if match.get("port", port) == port:
                yield {"match": _match(match), **route}


def _match(match: Json) -> Json:
    """Of a request's path; the other conditions of an HTTPMatchRequest are not held."""
    match match.get("uri"):
        case {"exact": path}:
            return {"path": path}
        case {"regex": regex}:
            return {"safe_regex": {"regex": regex}}
        case {"prefix": prefix}:
            return {"prefix": prefix}
    return ALL_PATHS


def _destination(view: MeshView, destination: Json, namespace: str, listener_port: int) -> tuple[str, str]:
    """Envoy cluster of a destination, and its operation; an alias that declares the listener's port means its target,
    one hop far.

    Without a port number it is the only port of the Service that is named, else the listener's (GetDestinationCluster).
    """
    host = resolve_host(destination["host"], namespace)
    number = (destination.get("port") or {}).get("number")
    alias = view.aliases.get(host)
    if alias is not None and listener_port in {entry["port"] for entry in alias["spec"].get("ports") or ()}:
        host = alias["spec"]["externalName"]
    known = view.host(host)
    if number is None:
        number = known.ports[0].number if known is not None and len(known.ports) == 1 else listener_port
    return f"outbound|{number}||{host}", f"{host}:{number}/*"
