"""How to call an alias, one line for each kind of client."""

from kubectl_extsvc.mesh.hosts import service_fqdn
from kubectl_extsvc.model.alias import AliasPort, AppProtocol, HostTarget, Intent
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.plans.tls import originating_ports


def how_to_call(intent: Intent, mesh: Mesh, *, cluster_domain: str = "cluster.local") -> tuple[str, ...]:
    """Lines for a person, in the order of the ports.

    A client that speaks TLS itself is shown with the target's own name: the alias's name in the URL would be SNI and
    the name that the certificate is checked against, and no certificate has it.
    """
    lines: list[str] = []
    originating = originating_ports(intent.tls, intent.ports) if intent.mesh else ()
    for port in intent.ports:
        if port in originating:
            lines += _originated(intent, port, cluster_domain)
        elif _only_sidecars_translate(intent, mesh, port):
            lines.append(f"pod with sidecar: {_call(intent, port, cluster_domain)}")
            lines.append(
                f"pod without sidecar: port {port.number} is not served, the target listens on {port.target_port}"
            )
        else:
            lines.append(f"any pod: {_call(intent, port, cluster_domain)}")
    return tuple(lines)


def _originated(intent: Intent, port: AliasPort, cluster_domain: str) -> list[str]:
    return [
        f"pod with sidecar: {_call(intent, port, cluster_domain)} (plain; the sidecar adds TLS for {intent.tls.sni})",
        f"pod without sidecar: port {port.number} is not served, only a sidecar adds the TLS",
    ]


def _only_sidecars_translate(intent: Intent, mesh: Mesh, port: AliasPort) -> bool:
    """An ExternalName Service changes no port; a ServiceEntry's targetPort does, for sidecars."""
    return isinstance(intent.target, HostTarget) and mesh.alias_mode and port.target_port != port.number


def _call(intent: Intent, port: AliasPort, cluster_domain: str) -> str:
    fqdn = service_fqdn(intent.name, intent.namespace, cluster_domain)
    if port.protocol.is_tls:
        host = intent.target.host or "HOST"
        number = "" if port.number == 443 else f":{port.number}"
        call = f"curl --connect-to {host}:{port.number}:{fqdn}:{port.number} https://{host}{number}/"
        return call if intent.target.host else f"{call} (HOST is a name in the server's certificate)"
    if port.protocol in (AppProtocol.HTTP, AppProtocol.HTTP2):
        number = "" if port.number == 80 else f":{port.number}"
        option = "--http2-prior-knowledge " if port.protocol is AppProtocol.HTTP2 else ""
        return f"curl {option}http://{intent.name}.{intent.namespace}{number}/"
    return f"connect to {fqdn}:{port.number}"
