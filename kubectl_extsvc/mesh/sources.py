"""Pods to look from, and how they take part in the mesh."""

import json
import re
from collections.abc import Collection, Iterable

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.source import Candidate, MeshMode, Source

PROXY_CONTAINER = "istio-proxy"
PROXY_ID = 1337
"""User and group of istio-proxy, whose traffic is not captured (istio tools/istio-iptables/pkg/capture/run.go)."""
SYSTEM_NAMESPACES = frozenset(("kube-system", "istio-system"))

_CLIENT_NAMES = ("curl", "sleep")
"""Containers and app labels of Istio's sample clients, best first."""
_ISTIO_ANNOTATION = re.compile(r"(?:[^/]+\.)?istio\.io/")


def mesh_mode(pod: Json) -> MeshMode:
    """How a running pod's own traffic goes: through a sidecar, through ztunnel, or past the mesh."""
    spec, annotations = pod.get("spec") or {}, pod["metadata"].get("annotations") or {}
    if spec.get("hostNetwork"):
        # Neither injected nor captured (istio cni/pkg/util/enablement_selector.go).
        return MeshMode.PLAIN
    if _has_sidecar(spec, annotations):
        # With interceptionMode NONE the proxy is there, but nobody is sent to it.
        captured = annotations.get("sidecar.istio.io/interceptionMode") != "NONE"
        return MeshMode.SIDECAR if captured else MeshMode.PLAIN
    if annotations.get("ambient.istio.io/redirection") == "enabled":
        return MeshMode.AMBIENT
    return MeshMode.PLAIN


def _has_sidecar(spec: Json, annotations: Json) -> bool:
    """A classic or a native sidecar; not the istio-proxy of a gateway, a waypoint or proxyless gRPC.

    Source: istio manifests/charts/istio-control/istio-discovery/files (injection-template, gateway-injection-template,
    waypoint, grpc-agent): all name the container istio-proxy, but start it as "proxy sidecar", "proxy router" or "proxy
    waypoint", and the agent for gRPC runs no Envoy.
    """
    native = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in (*(spec.get("containers") or ()), *native):
        if container["name"] != PROXY_CONTAINER:
            continue
        environment = {variable["name"]: variable.get("value") for variable in container.get("env") or ()}
        templates = str(annotations.get("inject.istio.io/templates", "")).split(",")
        words = container.get("args") or ()
        return (
            "router" not in words
            and "waypoint" not in words
            and environment.get("ISTIO_META_GENERATOR") != "grpc"
            and not {"gateway", "grpc-agent"} & {template.strip() for template in templates}
        )
    return False


def sources_in(pods: Iterable[Json], *, everywhere: bool = False, container: str = "") -> tuple[Source, ...]:
    """Pods to look from, by namespace and name: running, ready, not going away, with a container beside the proxy.

    everywhere takes those of kube-system and istio-system too; container is the one to look from, "" for the best.
    """
    found = [
        source
        for pod in pods
        if _is_ready(pod) and (everywhere or pod["metadata"].get("namespace") not in SYSTEM_NAMESPACES)
        if (source := _source(pod, container)) is not None
    ]
    return tuple(sorted(found, key=lambda source: (source.namespace, source.pod)))


def candidates_in(pods: Iterable[Json]) -> tuple[Candidate, ...]:
    """All running pods with what keeps one from being looked from, by namespace, workload and name."""
    found = [
        Candidate(
            namespace=pod["metadata"].get("namespace", ""),
            pod=pod["metadata"]["name"],
            workload=workload_of(pod),
            mode=mesh_mode(pod),
            why_not=_why_not(pod),
        )
        for pod in pods
    ]
    return tuple(sorted(found, key=lambda one: (one.namespace, one.workload, one.pod)))


def workload_of(pod: Json) -> str:
    """What made a pod, as kubectl names it: deployment/web, statefulset/db; pod/NAME if nobody did.

    A Deployment's ReplicaSet is named after it and the pods' label pod-template-hash
    (kubernetes pkg/controller/deployment/sync.go, getNewReplicaSet).
    """
    metadata = pod["metadata"]
    owner = next((one for one in metadata.get("ownerReferences") or () if one.get("controller")), None)
    if owner is None:
        return f"pod/{metadata['name']}"
    ending = f"-{(metadata.get('labels') or {}).get('pod-template-hash', '')}"
    if owner["kind"] == "ReplicaSet" and len(ending) > 1 and owner["name"].endswith(ending):
        return f"deployment/{owner['name'].removesuffix(ending)}"
    return f"{owner['kind'].lower()}/{owner['name']}"


def _why_not(pod: Json) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "it is going away"
    if not _is_ready(pod):
        return "it is not ready"
    return "" if _application_container(pod, mesh_mode(pod)) else "it has no container but the proxy"


def by_preference(sources: Iterable[Source], alias_namespaces: Collection[str]) -> tuple[Source, ...]:
    """Captured before not, nearest to the aliases first, then Istio's sample clients, then by name."""
    return tuple(
        sorted(
            sources,
            key=lambda source: (
                source.as_proxy_user,
                source.namespace not in alias_namespaces,
                _rank(dict(source.labels).get("app", "")),
                source.namespace,
                source.pod,
            ),
        )
    )


def default_sources(
    pods: Iterable[Json], alias_namespaces: Collection[str], *, container: str = ""
) -> tuple[Source, ...]:
    """One source of each mode that there is: sidecar, plain, ambient. System namespaces only for aliases there."""
    candidates = [
        source
        for source in sources_in(pods, everywhere=True, container=container)
        if source.namespace not in SYSTEM_NAMESPACES or source.namespace in alias_namespaces
    ]
    first: dict[MeshMode, Source] = {}
    for source in by_preference(candidates, alias_namespaces):
        first.setdefault(source.mode, source)
    return tuple(first[mode] for mode in MeshMode if mode in first)


def addresses_of(pod: Json) -> tuple[str, ...]:
    status = pod.get("status") or {}
    addresses = [entry.get("ip", "") for entry in status.get("podIPs") or ()] or [status.get("podIP") or ""]
    return tuple(address for address in addresses if address)


def revision_of(source: Source) -> str:
    """Revision of the istiod that injected a source, "" if it does not say.

    The injector writes its own into sidecar.istio.io/status; the label istio.io/rev may name a tag for it.
    """
    annotations = dict(source.annotations)
    try:
        status = json.loads(annotations.get("sidecar.istio.io/status", ""))
    except ValueError:
        status = None
    said = status.get("revision") if isinstance(status, dict) else None
    return str(said or annotations.get("istio.io/rev") or dict(source.labels).get("istio.io/rev", ""))


def _is_ready(pod: Json) -> bool:
    status = pod.get("status") or {}
    return (
        status.get("phase") == "Running"
        and not pod["metadata"].get("deletionTimestamp")
        and any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    )


def _source(pod: Json, wanted: str) -> Source | None:
    metadata, mode = pod["metadata"], mesh_mode(pod)
    container = wanted or _application_container(pod, mode)
    if container is None:
        return None
    annotations = metadata.get("annotations") or {}
    return Source(
        namespace=metadata.get("namespace", ""),
        pod=metadata["name"],
        container=container,
        mode=mode,
        labels=tuple(sorted((metadata.get("labels") or {}).items())),
        addresses=addresses_of(pod),
        annotations=tuple(sorted(item for item in annotations.items() if _ISTIO_ANNOTATION.match(item[0]))),
        as_proxy_user=mode is MeshMode.SIDECAR and container in _of_the_proxys_user(pod),
        image=image_of(pod, container),
    )


def _application_container(pod: Json, mode: MeshMode) -> str | None:
    """A sample client, else the pod's default container, else the first; never the proxy.

    One of the proxy's user is taken only where there is no other: what it does passes the proxy by.
    """
    names = [c["name"] for c in (pod.get("spec") or {}).get("containers") or () if c["name"] != PROXY_CONTAINER]
    if mode is MeshMode.SIDECAR:
        odd = _of_the_proxys_user(pod)
        names = [name for name in names if name not in odd] or names
    default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container", "")
    return next((name for name in (*_CLIENT_NAMES, default) if name in names), names[0] if names else None)


def image_of(pod: Json, container: str) -> str:
    """The image of a container, an ephemeral one too; "" for one that is not there."""
    spec = pod.get("spec") or {}
    containers = (*(spec.get("containers") or ()), *(spec.get("ephemeralContainers") or ()))
    return next((str(c.get("image", "")) for c in containers if c["name"] == container), "")


def _of_the_proxys_user(pod: Json) -> frozenset[str]:
    spec = pod.get("spec") or {}
    of_the_pod = spec.get("securityContext") or {}
    return frozenset(c["name"] for c in spec.get("containers") or () if _runs_as_proxy(c, of_the_pod))


def _runs_as_proxy(container: Json, of_the_pod: Json) -> bool:
    own = container.get("securityContext") or {}
    return any(own.get(key, of_the_pod.get(key)) == PROXY_ID for key in ("runAsUser", "runAsGroup"))


def _rank(app: str) -> int:
    return _CLIENT_NAMES.index(app) if app in _CLIENT_NAMES else len(_CLIENT_NAMES)
