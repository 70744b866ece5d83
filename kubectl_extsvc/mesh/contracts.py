"""What an application should speak to an alias, from where."""

from kubectl_extsvc.mesh.destination_rules import decision_for, route_host, tls_settings
from kubectl_extsvc.mesh.hosts import resolve_host
from kubectl_extsvc.mesh.ports import HTTP_PORTS, HTTPS_PORTS
from kubectl_extsvc.model.alias import Alias, AliasPort, AppProtocol, TlsMode
from kubectl_extsvc.model.observation import Contract
from kubectl_extsvc.model.probe import Scheme
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import MeshMode, Source

_ORIGINATING = (TlsMode.SIMPLE, TlsMode.MUTUAL)


def contract(alias: Alias, port: AliasPort, source: Source, snapshot: Snapshot) -> Contract:
    """What an application at a source should speak to a port of an alias."""
    fqdn = alias.fqdn(snapshot.cluster_domain)
    match _spoken(port):
        case Scheme.HTTPS if alias.host:
            why = f"the certificate is that of {alias.host}: name it in the URL, and dial the alias"
            return Contract(True, Scheme.HTTPS, alias.host, why)
        case Scheme.HTTPS:
            why = "only addresses are known, so the name in the certificate cannot be checked"
            return Contract(True, Scheme.HTTPS, fqdn, why)
        case Scheme.HTTP if not originates(alias, port, snapshot):
            return Contract(True, Scheme.HTTP, fqdn)
        case Scheme.HTTP if source.mode is MeshMode.SIDECAR:
            return Contract(True, Scheme.HTTP, fqdn, "the sidecar makes it TLS", originates=True)
        case Scheme.HTTP:
            why = "origination is the sidecar's work"
            if source.mode is MeshMode.AMBIENT:
                why += "; ztunnel does not read DestinationRules"
            return Contract(False, Scheme.TCP, fqdn, why, originates=True)
        case _:
            why = "UDP is not probed" if port.protocol is AppProtocol.UDP else ""
            return Contract(True, Scheme.TCP, fqdn, why)


def originates(alias: Alias, port: AliasPort, snapshot: Snapshot) -> bool:
    """Whether plain HTTP on a port is meant to become TLS on the way, by a sidecar.

    So it is if the port leads to the usual one of TLS, or if a DestinationRule with SIMPLE or MUTUAL decides for
    clients of the alias's namespace, be it only for those that its workloadSelector selects.
    """
    if _spoken(port) is not Scheme.HTTP:
        return False
    if port.originates:
        return True
    anyone = Source(alias.namespace, "", "", MeshMode.SIDECAR)
    decision = decision_for(alias, port.number, anyone, snapshot)
    if decision is not None and decision.mode in _ORIGINATING:
        return True
    target = route_host(alias, snapshot, port=port.number, client_namespace=alias.namespace)
    if target is None:
        return False
    for rule in snapshot.destination_rules:
        spec, namespace = rule.get("spec") or {}, rule["metadata"].get("namespace", "")
        host = resolve_host(spec.get("host", ""), namespace, snapshot.cluster_domain)
        if spec.get("workloadSelector") is not None and (host, namespace) == (target.host, alias.namespace):
            tls = tls_settings(rule, target.port)
            if tls is not None and tls.mode in _ORIGINATING:
                return True
    return False


def _spoken(port: AliasPort) -> Scheme:
    """What the application itself puts on the wire."""
    if port.protocol.is_http:
        return Scheme.HTTP
    if port.protocol.is_tls:
        return Scheme.HTTPS
    if port.protocol is AppProtocol.AUTO and port.number in HTTPS_PORTS:
        return Scheme.HTTPS
    if port.protocol is AppProtocol.AUTO and port.number in HTTP_PORTS:
        return Scheme.HTTP
    return Scheme.TCP
