"""Route tables: one for each HTTP port of the mesh, and one for each port whose protocol must be found out.

Source: istio pilot/pkg/networking/core/httproute.go, branch release-1.31.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from kubectl_extsvc.mesh.envoy_dump import PASSTHROUGH
from kubectl_extsvc.mesh.hosts import covers, name_forms, resolve_host, service_of_fqdn, specificity
from kubectl_extsvc.mesh.ports import protocol_of
from kubectl_extsvc.mesh.registry import RegistryPort
from kubectl_extsvc.model.alias import AppProtocol
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.sidecar.mesh_view import MeshHost, MeshView, age
from kubectl_extsvc.sandbox.sidecar.virtual_services import ALL_PATHS, RETRIES, http_routes


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
        for name in _hosts(virtual_service):
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


def _hosts(virtual_service: Json) -> list[str]:
    namespace = virtual_service["metadata"].get("namespace", "")
    return [resolve_host(host, namespace) for host in virtual_service["spec"].get("hosts") or ()]


def _virtual_service(view: MeshView, host: str) -> Json | None:
    """The VirtualService of a host: most specific, then one that is not for all namespaces, then the oldest."""
    ranked = []
    for virtual_service in view.virtual_services:
        matching = sorted((name for name in _hosts(virtual_service) if covers(name, host)), key=specificity)
        if matching:
            export_to = virtual_service["spec"].get("exportTo")
            public = not export_to or "*" in export_to
            ranked.append(((specificity(matching[0]), public, age(virtual_service)), virtual_service))
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _virtual_host(view: MeshView, site: Site, port: int) -> Json:
    if site.virtual_service is None:
        host = site.cluster.rpartition("|")[2]
        action: Json = {"cluster": site.cluster, "timeout": "0s", "retry_policy": RETRIES, "max_grpc_timeout": "0s"}
        decorator = {"operation": f"{host}:{port}/*"}
        routes = [{"match": ALL_PATHS, "route": action, "decorator": decorator, "name": "default"}]
    else:
        routes = http_routes(view, site.virtual_service, port)
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
    if (view.proxy_headers.get("attemptCount") or {}).get("disabled"):
        return virtual_host
    return {**virtual_host, "include_request_attempt_count": True}
