"""Which Sidecar resource holds for a pod, and which hosts it lets in.

Source: istio pilot/pkg/model/sidecar.go (getSidecarScope, matchingAliasService), branch release-1.31.
"""

from collections.abc import Iterable, Mapping

from kubectl_extsvc.mesh.hosts import covers
from kubectl_extsvc.mesh.istiod.services import age
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import Source

REGISTRY_ONLY = "REGISTRY_ONLY"


def sidecar_of(source: Source, snapshot: Snapshot) -> Json | None:
    """The Sidecar that holds for a pod: one of its namespace that selects it, then one for all there, then the root's.

    Of several the oldest.
    """
    sidecars = sorted(snapshot.sidecars, key=age)
    own = [sidecar for sidecar in sidecars if sidecar["metadata"].get("namespace") == source.namespace]
    selecting = [sidecar for sidecar in own if (wanted := _selector(sidecar)) and _selects(wanted, source)]
    for_all = [sidecar for sidecar in own if not _selector(sidecar)]
    root = [
        sidecar
        for sidecar in sidecars
        if sidecar["metadata"].get("namespace") == snapshot.mesh.root_namespace and not _selector(sidecar)
    ]
    return next(iter((*selecting, *for_all, *root)), None)


def lets_in(sidecar: Json | None, client_namespace: str, namespace: str, *hosts: str) -> bool:
    """Whether one entry's patterns let in all these hosts as of that namespace; without a Sidecar everything is."""
    egress = ((sidecar or {}).get("spec") or {}).get("egress") or ()
    if not egress:
        return True
    return any(
        all(any(covers(pattern, host) for pattern in patterns) for host in hosts)
        for listener in egress
        for where, patterns in _patterns(listener.get("hosts") or (), client_namespace).items()
        if where in ("*", namespace)
    )


def outbound_policy(sidecar: Json | None, mesh_config: Json) -> str:
    """Mode of outboundTrafficPolicy that holds for a pod; a Sidecar that has the block and no mode means REGISTRY_ONLY.

    Source: OutboundTrafficPolicy in istio.io/api networking/v1alpha3/sidecar.proto, whose first value it is.
    """
    own = ((sidecar or {}).get("spec") or {}).get("outboundTrafficPolicy")
    if own is not None:
        return str(own.get("mode") or REGISTRY_ONLY)
    return str((mesh_config.get("outboundTrafficPolicy") or {}).get("mode") or "ALLOW_ANY")


def _patterns(hosts: Iterable[str], client_namespace: str) -> Mapping[str, list[str]]:
    """Namespace, or "*", → patterns."""
    found: dict[str, list[str]] = {}
    for text in hosts:
        where, _, pattern = text.partition("/")
        found.setdefault(client_namespace if where == "." else where, []).append(pattern)
    return found


def _selector(sidecar: Json) -> Mapping[str, str]:
    selector: Mapping[str, str] = ((sidecar.get("spec") or {}).get("workloadSelector") or {}).get("labels") or {}
    return selector


def _selects(wanted: Mapping[str, str], source: Source) -> bool:
    return wanted.items() <= dict(source.labels).items()
