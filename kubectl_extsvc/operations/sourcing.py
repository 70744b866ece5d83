"""Which pods to look from: those that were named, those that find themselves, or a throw-away pair."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ApiError, ClusterError, Refused
from kubectl_extsvc.mesh.sources import candidates_in, default_sources, sources_in
from kubectl_extsvc.model.marks import MANAGER
from kubectl_extsvc.model.resources import JOBS, NAMESPACES, PODS, WORKLOADS, Json, ObjectRef
from kubectl_extsvc.model.snapshot import Unread
from kubectl_extsvc.model.source import Candidate, MeshMode, Source
from kubectl_extsvc.operations.reading import read_pods
from kubectl_extsvc.operations.wishes import SourceWishes

NOT_INJECTED = "Istio put no sidecar into the probe pod that asked for one; is injection off, or of another revision?"
HOW_TO_GET_SOURCES = "use --probe-pods for a throw-away pair, or --from pod/NAME.NAMESPACE"


@dataclass(frozen=True, slots=True)
class Sources:
    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()
    """What is missing, and which flag helps."""
    unread: Unread | None = None


async def find_sources(cluster: Cluster, wishes: SourceWishes, namespaces: Sequence[str], *, mesh: bool) -> Sources:
    """The sources that were asked for, else one of each kind, nearest to the aliases' namespaces first."""
    if wishes.picked:
        return await _picked_sources(cluster, wishes)
    if wishes.named:
        return Sources(await _named_sources(cluster, wishes, namespaces[0]))
    if wishes.selector:
        return Sources(await _selected_sources(cluster, wishes, namespaces))
    pods = await read_pods(cluster, namespaces, everywhere=False)
    if isinstance(pods, Unread):
        return Sources((), (f"no source: {pods.reason}",), pods)
    sources = default_sources(pods, namespaces, container=wishes.container)
    wanted = {MeshMode.PLAIN, MeshMode.SIDECAR} if mesh else {MeshMode.PLAIN}
    if wanted - {source.mode for source in sources}:
        more = await read_pods(cluster, namespaces, everywhere=True)
        if not isinstance(more, Unread):
            sources = default_sources(more, namespaces, container=wishes.container)
    missing = sorted(wanted - {source.mode for source in sources})
    notes = tuple(f"no running {mode} pod to probe from; {HOW_TO_GET_SOURCES}" for mode in missing)
    return Sources(sources, notes)


async def candidates(cluster: Cluster, namespaces: Sequence[str]) -> tuple[Candidate, ...]:
    """The pods of the cluster that may be picked to look from; without the right for all, those of the namespaces.

    Raises Refused if none may be listed.
    """
    pods = await read_pods(cluster, namespaces, everywhere=True)
    if isinstance(pods, Unread):
        pods = await read_pods(cluster, namespaces, everywhere=False)
    if isinstance(pods, Unread):
        raise Refused(pods.reason)
    return candidates_in(pods)


async def _picked_sources(cluster: Cluster, wishes: SourceWishes) -> Sources:
    namespaces = tuple(dict.fromkeys(pick.namespace for pick in wishes.picked))
    pods = await read_pods(cluster, namespaces, everywhere=False)
    if isinstance(pods, Unread):
        return Sources((), (f"no source: {pods.reason}",), pods)
    usable = {source.key: source for source in sources_in(pods, everywhere=True, container=wishes.container)}
    workloads = {one.key: (one.namespace, one.workload) for one in candidates_in(pods)}
    taken = {pick.key: usable[pick.key] for pick in wishes.picked if pick.key in usable}
    notes = []
    for pick in wishes.picked:
        if pick.key in taken:
            continue
        others = (key for key in usable if key not in taken and workloads[key] == (pick.namespace, pick.workload))
        if (other := next(others, None)) is not None:
            taken[other] = usable[other]
        else:
            notes.append(f"pod/{pick.pod} in namespace {pick.namespace} cannot be probed from any more")
    return Sources(tuple(taken.values()), tuple(notes))


async def _named_sources(cluster: Cluster, wishes: SourceWishes, namespace: str) -> tuple[Source, ...]:
    pods: list[Json] = []
    for kind, name, where in wishes.named:
        where = where or namespace
        if kind == "pod":
            pods.append(await cluster.get(PODS, where, name))
            continue
        pods.append(await _pod_of_workload(cluster, kind, name, where))
    found = sources_in(pods, everywhere=True, container=wishes.container)
    known = {(source.namespace, source.pod) for source in found}
    for pod in pods:
        ref = ObjectRef("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"])
        if (ref.namespace, ref.name) not in known:
            raise Refused(f"{ref} in namespace {ref.namespace} cannot be probed from: it is not running and ready, "
                          "or has no container but the proxy")  # fmt: skip
    return found


async def _pod_of_workload(cluster: Cluster, kind: str, name: str, namespace: str) -> Json:
    """One running pod of a Deployment, StatefulSet, DaemonSet, ReplicaSet or Job: by its selector."""
    resource = WORKLOADS[kind]
    workload = await cluster.get(resource, namespace, name)
    selector = _selector(workload.get("spec", {}).get("selector") or {})
    listed = await cluster.list(PODS, namespace, label_selector=selector, field_selector="status.phase=Running")
    if not listed.items:
        raise Refused(f"{kind}/{name} in namespace {namespace} has no running pod to probe from")
    usable = {(source.namespace, source.pod) for source in sources_in(listed.items, everywhere=True)}
    return next((p for p in listed.items if (namespace, p["metadata"]["name"]) in usable), listed.items[0])


def _selector(label_selector: Json) -> str:
    """A metav1.LabelSelector as the words of a query (apimachinery pkg/apis/meta/v1/helpers.go)."""
    words = [f"{key}={value}" for key, value in sorted((label_selector.get("matchLabels") or {}).items())]
    for expression in label_selector.get("matchExpressions") or ():
        key, values = expression["key"], ",".join(expression.get("values") or ())
        match expression["operator"]:
            case "In":
                words.append(f"{key} in ({values})")
            case "NotIn":
                words.append(f"{key} notin ({values})")
            case "Exists":
                words.append(key)
            case "DoesNotExist":
                words.append(f"!{key}")
    return ",".join(words)


async def _selected_sources(cluster: Cluster, wishes: SourceWishes, namespaces: Sequence[str]) -> tuple[Source, ...]:
    pods: list[Json] = []

    async def read(namespace: str) -> None:
        listed = await cluster.list(PODS, namespace, label_selector=wishes.selector,
                                    field_selector="status.phase=Running")  # fmt: skip
        pods.extend(listed.items)

    async with anyio.create_task_group() as group:
        for namespace in namespaces:
            group.start_soon(read, namespace)
    sources = sources_in(pods, everywhere=True, container=wishes.container)
    if not sources:
        raise Refused(f"no running pod matches --from-selector {wishes.selector} in {', '.join(namespaces)}")
    return sources


@asynccontextmanager
async def probe_pods(
    cluster: Cluster, namespace: str, *, image: str, mesh: bool, timeout: float, say: Callable[[str], None]
) -> AsyncIterator[Sources]:
    """A throw-away pair of pods, sidecar and plain, gone again at the end whatever happens.

    timeout is in seconds, for both to be ready.
    """
    from kubectl_extsvc.plans.probe_pods import probe_jobs

    revision = await _revision_of(cluster, namespace) if mesh else ""
    jobs = probe_jobs(namespace, image=image, sidecar=mesh, revision=revision)
    made: list[Json] = []
    try:
        for job in jobs:
            # What exists must be known, if the next fails or we are interrupted.
            with anyio.CancelScope(shield=True):
                made.append(await cluster.create(JOBS, job, MANAGER))
            await anyio.lowlevel.checkpoint()
        say(f"waiting for {' and '.join('job/' + job['metadata']['name'] for job in made)} in namespace {namespace}")
        yield await _ready(cluster, namespace, made, timeout)
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(30):
            for job in made:
                await _remove(cluster, job["metadata"], say)


async def _revision_of(cluster: Cluster, namespace: str) -> str:
    """The istio.io/rev that a namespace asks for, "" for the default injector or if it may not be read."""
    try:
        found = await cluster.get(NAMESPACES, "", namespace)
    except ApiError:
        return ""
    return str((found["metadata"].get("labels") or {}).get("istio.io/rev", ""))


async def _remove(cluster: Cluster, job: Json, say: Callable[[str], None]) -> None:
    """Delete the Job of that metadata; it ends by itself if that fails, so that is only said."""
    try:
        await cluster.delete(JOBS, job["namespace"], job["name"], uid=job["uid"])
    except ClusterError as error:
        if not isinstance(error, ApiError) or error.code != 404:
            say(f"could not remove job/{job['name']} in namespace {job['namespace']}: {error}")


async def _ready(cluster: Cluster, namespace: str, jobs: Sequence[Json], timeout: float) -> Sources:
    names = [job["metadata"]["name"] for job in jobs]
    selector = f"batch.kubernetes.io/job-name in ({','.join(names)})"
    listed: Sequence[Json] = ()
    with anyio.move_on_after(timeout):
        while True:
            listed = (await cluster.list(PODS, namespace, label_selector=selector)).items
            sources = sources_in(listed, everywhere=True)
            if len(sources) == len(jobs):
                without = len(jobs) > 1 and all(source.mode is not MeshMode.SIDECAR for source in sources)
                return Sources(sources, (NOT_INJECTED,) if without else ())
            await anyio.sleep(0.3)
    states = "; ".join(sorted(_state(pod) for pod in listed)) or "no pod was made (see kubectl describe job)"
    raise Refused(f"the probe pods were not ready within {timeout:g} s: {states}")


def _state(pod: Json) -> str:
    """Name, phase and, if a container waits, the reason."""
    status = pod.get("status", {})
    waiting = [
        state["waiting"].get("reason", "")
        for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
        if "waiting" in (state := container.get("state", {}))
    ]
    return f"pod/{pod['metadata']['name']} {status.get('phase', 'unknown')} {' '.join(sorted(set(waiting)))}".strip()
