"""Names of Services, and the hosts that Istio's rules mean by theirs."""

import ipaddress


def service_fqdn(name: str, namespace: str, cluster_domain: str = "cluster.local") -> str:
    return f"{name}.{namespace}.svc.{cluster_domain}"


def service_of_fqdn(host: str, cluster_domain: str = "cluster.local") -> tuple[str, str] | None:
    """(namespace, name) of the Service that an FQDN would be of, None for any other host."""
    prefix = host.removesuffix(f".svc.{cluster_domain}")
    name, _, namespace = prefix.partition(".")
    return (namespace, name) if prefix != host and name and namespace and "." not in namespace else None


def name_forms(
    name: str, namespace: str, client_namespace: str, cluster_domain: str = "cluster.local"
) -> tuple[str, ...]:
    """Names by which a client's proxy knows a Service, shortest first; the bare one only in its own namespace.

    Source: GenerateAltVirtualHosts in istio pilot/pkg/networking/core/httproute.go. The final dot counts since 1.27.
    """
    fqdn = service_fqdn(name, namespace, cluster_domain)
    bare = (name,) if namespace == client_namespace else ()
    return (*bare, f"{name}.{namespace}", f"{name}.{namespace}.svc", fqdn, f"{fqdn}.")


def resolve_host(host: str, namespace: str, cluster_domain: str = "cluster.local") -> str:
    """The host that a rule of a namespace means: a name without any dot is a Service beside it.

    "name.namespace" is taken as it stands, and so matches no Service (ResolveShortnameToFQDN in istio
    pilot/pkg/model/config.go).
    """
    if not host or "." in host or host == "*" or is_address(host):
        return host
    return service_fqdn(host, namespace, cluster_domain)


def is_address(text: str) -> bool:
    """An IPv4 or IPv6 address, without brackets."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def covers(pattern: str, host: str) -> bool:
    """Whether a resolved host of a rule, perhaps a wildcard, matches a concrete host.

    "*.example.com" and even "*ample.com" are suffixes; "*" is everything (istio pkg/config/host/name.go).
    """
    return host.endswith(pattern[1:]) if pattern.startswith("*") else pattern == host


def specificity(pattern: str) -> tuple[bool, int, str]:
    """Sort key, most specific first: exact before wildcard, longer before shorter, then by letter.

    Source: MoreSpecific in istio pkg/config/host/names.go.
    """
    return (pattern.startswith("*"), -len(pattern), pattern)
