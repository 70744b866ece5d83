"""Where we knowingly say something else than pilot-oracle, and why. Each is as narrow as it can be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kubectl_extsvc.mesh.hosts import service_fqdn
from kubectl_extsvc.model.resources import Json

Differences = Mapping[str, tuple[Any, Any]]
"""Field of the way → (istiod's, ours)."""


@dataclass(frozen=True, slots=True)
class Known:
    name: str
    reason: str
    holds: Callable[[Json, Json, Differences], bool]
    """Whether it is all that a world's call differs in."""


def _objects(world: Json, kind: str) -> list[Json]:
    return [obj for obj in (*world["kube"], *world["istio"]) if obj["kind"] == kind]


def _turned_off(world: Json, _: Json, differences: Differences) -> bool:
    """Only whether endpoints take the mesh's TLS, and what follows from that."""
    modes = [(policy["spec"].get("mtls") or {}).get("mode") for policy in _objects(world, "PeerAuthentication")]
    theirs, ours = differences.get("tls", ("plaintext", "ISTIO_MUTUAL"))
    found = [[endpoint[:3] for endpoint in told or ()] for told in differences.get("endpoints", ((), ()))]
    return (
        "DISABLE" in modes
        and differences.keys() <= TLS_FIELDS
        and theirs == "plaintext"
        and "ISTIO_MUTUAL" in str(ours)
        and found[0] == found[1]
    )


TLS_FIELDS = {"tls", "endpoints", "sni", "subject_alt_names", "ca", "auto_sni", "auto_san_validation"}


def _external_names(world: Json) -> set[str]:
    """FQDNs of ExternalName Services."""
    return {
        service_fqdn(service["metadata"]["name"], service["metadata"]["namespace"])
        for service in _objects(world, "Service")
        if service["spec"].get("type") == "ExternalName"
    }


def _of_a_wildcard(world: Json, _: Json, differences: Differences) -> bool:
    """Only the name of the virtual host, of an alias or its target, and a VirtualService is on both by a wildcard."""
    hosts = {str(name).rpartition(":")[0] for name in differences.get("virtual_host", ())}
    wild = any(host.startswith("*") for one in _objects(world, "VirtualService") for host in one["spec"]["hosts"])
    return differences.keys() == {"virtual_host"} and wild and not hosts.isdisjoint(_external_names(world))


KNOWN = (
    Known(
        "PeerAuthentication DISABLE",
        "PeerAuthentications are not read: nobody needs them to reach what is outside. Where one turns the mesh's TLS "
        "off, we still say that pods of the mesh get it (BestEffortInferServiceMTLSMode in push_context.go).",
        _turned_off,
    ),
    Known(
        "alias and target under one wildcard",
        "A VirtualService is on an alias and on its target by a wildcard. Both get a virtual host with its routes, and "
        "which of them the alias's name is of is chance: istiod asks a map for what the wildcard covers "
        "(separateVSHostsAndServices in route.go). The routes are the same.",
        _of_a_wildcard,
    ),
)
