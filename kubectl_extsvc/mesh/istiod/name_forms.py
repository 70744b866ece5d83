"""Names by which applications call a host.

Source: GenerateAltVirtualHosts, generateVirtualHostDomains in istio pilot/pkg/networking/core/httproute.go, branch
release-1.31.
"""

from kubectl_extsvc.mesh.hosts import is_address


def forms(host: str, client_namespace: str, cluster_domain: str) -> tuple[str, ...]:
    """A host with all its other forms: the final dot, and for Services what DNS search makes full."""
    return host, *other_forms(host, client_namespace, cluster_domain)


def other_forms(host: str, client_namespace: str, cluster_domain: str) -> tuple[str, ...]:
    final_dot = () if is_address(host) else (f"{host}.",)
    before, found, _ = host.partition(".svc.")
    name, dot, namespace = before.partition(".")
    if not found or not dot or not host.endswith(f".svc.{cluster_domain}"):
        return final_dot
    short = (name,) if namespace == client_namespace else ()
    return *final_dot, *short, f"{before}.svc", before


def meant_by(name: str, client_namespace: str, cluster_domain: str) -> tuple[str, ...]:
    """Hosts that a name may be a form of; as many as there may be, so that few need be looked at."""
    bare = name.removesuffix(".")
    found = [name, bare, f"{bare}.svc.{cluster_domain}", f"{bare}.{cluster_domain}"]
    if "." not in bare:
        found.append(f"{bare}.{client_namespace}.svc.{cluster_domain}")
    return tuple(dict.fromkeys(found))


def bracketed(name: str) -> str:
    """An IPv6 address as it stands in a Host header."""
    return f"[{name}]" if ":" in name and is_address(name) else name
