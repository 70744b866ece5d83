"""Which Sidecar resource holds for a pod, and which hosts it lets in.

Source: istio pilot/pkg/model/sidecar.go (getSidecarScope, matchingAliasService), branch release-1.31.
"""

from collections.abc import Sequence

from kubectl_extsvc.mesh.hosts import covers
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.istiod.push_context import push_context
from kubectl_extsvc.mesh.istiod.sidecar_scope import REGISTRY_ONLY, Imports, imports_of, sidecar_scope
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import Source

__all__ = ("REGISTRY_ONLY", "lets_in", "outbound_policy", "sidecar_of")


def sidecar_of(source: Source, snapshot: Snapshot) -> Json | None:
    """The Sidecar that holds for a pod: one of its namespace that selects it, then one for all there, then the root's.

    Of several the oldest.
    """
    return sidecar_scope(push_context(snapshot), Client.of_source(source)).sidecar


def lets_in(sidecar: Json | None, client_namespace: str, namespace: str, *hosts: str) -> bool:
    """Whether one entry lets in all these hosts as of that namespace; without a Sidecar everything is.

    The first host is the one that the namespace is of; the others are further names of it. Only the first can be kept
    out by "~NAMESPACE/HOST" (matchingAliasService). An entry for one port alone counts like any other.
    """
    egress = ((sidecar or {}).get("spec") or {}).get("egress") or ()
    if not egress:
        return True
    return any(_lets_in(imports_of(listener, client_namespace), namespace, hosts) for listener in egress)


def _lets_in(imports: Imports, namespace: str, hosts: Sequence[str]) -> bool:
    entries = [imports[where] for where in (namespace, "*") if where in imports]
    if any(covers(pattern, hosts[0]) for entry in entries for pattern in entry.excluded):
        return False
    return any(all(entry.lets_in(host) for host in hosts) for entry in entries)


def outbound_policy(sidecar: Json | None, mesh_config: Json) -> str:
    """Mode of outboundTrafficPolicy that holds for a pod; a Sidecar that has the block and no mode means REGISTRY_ONLY.

    Source: OutboundTrafficPolicy in istio.io/api networking/v1alpha3/sidecar.proto, whose first value it is.
    """
    own = ((sidecar or {}).get("spec") or {}).get("outboundTrafficPolicy")
    if own is not None:
        return str(own.get("mode") or REGISTRY_ONLY)
    return str((mesh_config.get("outboundTrafficPolicy") or {}).get("mode") or "ALLOW_ANY")
