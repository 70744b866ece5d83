"""What a cluster's controllers make of a write, done at once: endpoints, owners, namespaces, workloads, pods."""

import hashlib
import ipaddress
import json
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from kubectl_extsvc.mesh.mirroring import is_mirrored, metadata_of_mirrors, mirrored_slices
from kubectl_extsvc.model.marks import SERVICE_NAME_LABEL, SLICE_MANAGED_BY_LABEL
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.addresses import pod_ips
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE, KINDS, ServedKind
from kubectl_extsvc.sandbox.api.pod_admission import NODE, awaits_start, running, with_ephemeral_statuses
from kubectl_extsvc.sandbox.api.store import Change, ChangeType, Store

MANAGER = "kube-controller-manager"
SLICE_CONTROLLER = "endpointslice-controller.k8s.io"
SLICES, ENDPOINTS, SERVICES, PODS = "endpointslices.discovery.k8s.io", "endpoints", "services", "pods"
REPLICA_SETS, DEPLOYMENTS, JOBS = "replicasets.apps", "deployments.apps", "jobs.batch"
_REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"
LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Of generated names (apimachinery pkg/util/rand)."""

Key = tuple[str, str, str]
"""Resource, namespace, name."""


Make = Callable[[ServedKind, str, Json], None]
"""Of a kind, in a namespace, from a body."""
Put = Callable[[ServedKind, Json, Json], object]
"""Another object of a kind, for the one that is there."""


class Controllers:
    """They hear of every change of the store, and act on what they heard when settle is called."""

    def __init__(self, store: Store, make: Make, put: Put) -> None:
        self._store, self._make, self._put_object = store, make, put
        self._pod_ips = pod_ips(store)
        self._workloads: dict[str, Callable[[Json], None]] = {
            DEPLOYMENTS: self._sync_deployment,
            REPLICA_SETS: self._sync_replica_set,
            JOBS: self._sync_job,
        }
        self._heard: deque[Change] = deque()
        self._alive: set[str] = set()
        self._owned: defaultdict[str, set[Key]] = defaultdict(set)
        for kind in KINDS:
            for obj in store.items(kind.resource):
                self._index(kind.resource, obj)
        store.listen(self._hear)

    def settle(self) -> None:
        """Act until there is nothing left to do."""
        while self._heard:
            self._follow(self._heard.popleft())

    def _hear(self, change: Change) -> None:
        if change.before is not None:
            for owner in change.before["metadata"].get("ownerReferences") or ():
                self._owned[owner["uid"]].discard(_key(change.resource, change.object))
        if change.type is ChangeType.DELETED:
            self._alive.discard(change.object["metadata"].get("uid", ""))
        else:
            self._index(change.resource, change.object)
        self._heard.append(change)

    def _index(self, resource: str, obj: Json) -> None:
        self._alive.add(obj["metadata"].get("uid", ""))
        for owner in obj["metadata"].get("ownerReferences") or ():
            self._owned[owner["uid"]].add(_key(resource, obj))

    def _follow(self, change: Change) -> None:
        resource, namespace, name = key = _key(change.resource, change.object)
        now = self._store.get(*key)
        if now is None:
            self._collect(change.object)
        elif self._ends(resource, now):
            return
        if not namespace:
            return
        if self._is_terminating(namespace):
            if now is None:
                self._empty(namespace)
            return
        match resource:
            case "services" | "endpoints":
                self._mirror(namespace, name)
                service = self._store.get(SERVICES, namespace, name)
                if service and _selector(service):
                    self._select(service)
            case "pods":
                if now is not None and not now.get("status", {}).get("podIP"):
                    self._put(PODS, now, running(now, self._pod_ips.free(), time_now()))
                    return
                if now is not None and awaits_start(now):
                    self._put(PODS, now, with_ephemeral_statuses(now, time_now()))
                    return
                for service in self._store.items(SERVICES, namespace):
                    if _matches(_selector(service), change.object):
                        self._select(service)
                self._sync_owner(change.object)
            case _ if resource in self._workloads:
                if now is not None:
                    self._workloads[resource](now)
                self._sync_owner(change.object)
            case _:
                pass

    # Owners (pkg/controller/garbagecollector) and namespaces (pkg/controller/namespace).

    def _collect(self, gone: Json) -> None:
        """Remove what the object that is gone owned and nobody else owns."""
        for key in sorted(self._owned.pop(gone["metadata"].get("uid", ""), ())):
            obj = self._store.get(*key)
            if obj is None:
                continue
            owners = obj["metadata"].get("ownerReferences") or []
            alive = [owner for owner in owners if owner["uid"] in self._alive]
            if alive:
                self._put(key[0], obj, _owned_by(obj, alive))
            else:
                self._remove(key)

    def _ends(self, resource: str, obj: Json) -> bool:
        """Whether the object was found to have no owner left, or to be deleted, and so was dealt with."""
        metadata = obj["metadata"]
        owners = metadata.get("ownerReferences") or ()
        key = _key(resource, obj)
        if owners and not any(owner["uid"] in self._alive for owner in owners):
            self._remove(key)
            return True
        if not metadata.get("deletionTimestamp"):
            return False
        if resource == "namespaces":
            self._empty(metadata["name"])
            return True
        finalizers = metadata.get("finalizers") or []
        if "foregroundDeletion" in finalizers:
            for owned in sorted(self._owned.get(metadata["uid"], ())):
                self._remove(owned)
        elif "orphan" in finalizers:
            for owned in sorted(self._owned.get(metadata["uid"], ())):
                if dependent := self._store.get(*owned):
                    owners = dependent["metadata"]["ownerReferences"]
                    kept = [owner for owner in owners if owner["uid"] != metadata["uid"]]
                    self._put(owned[0], dependent, _owned_by(dependent, kept))
        rest = [finalizer for finalizer in finalizers if finalizer not in ("foregroundDeletion", "orphan")]
        if rest != finalizers:
            self._put(resource, obj, {**obj, "metadata": {**metadata, "finalizers": rest}})
        return True

    def _remove(self, key: Key) -> None:
        obj = self._store.get(*key)
        if obj is None:
            return
        metadata = obj["metadata"]
        if not metadata.get("finalizers"):
            self._store.remove(*key)
        elif not metadata.get("deletionTimestamp"):
            ending = {**metadata, "deletionTimestamp": time_now(), "deletionGracePeriodSeconds": 0}
            self._store.put(key[0], {**obj, "metadata": ending})

    def _is_terminating(self, namespace: str) -> bool:
        found = self._store.get("namespaces", "", namespace)
        return found is None or bool(found["metadata"].get("deletionTimestamp"))

    def _empty(self, namespace: str) -> None:
        """Remove all content of a namespace that is being deleted, and then itself."""
        if self._store.get("namespaces", "", namespace) is None:
            return
        keys = [
            _key(kind.resource, obj)
            for kind in KINDS
            if kind.namespaced
            for obj in self._store.items(kind.resource, namespace)
        ]
        for key in keys:
            self._remove(key)
        if not any(self._store.get(*key) for key in keys):
            self._store.remove("namespaces", "", namespace)

    # Endpoints and slices.

    def _mirror(self, namespace: str, name: str) -> None:
        """Keep the slices that stand for hand-written v1 Endpoints (pkg/controller/endpointslicemirroring)."""
        endpoints = self._store.get(ENDPOINTS, namespace, name)
        if endpoints is None:
            return
        service = self._store.get(SERVICES, namespace, name)
        wanted = mirrored_slices(endpoints) if is_mirrored(endpoints, service) else []
        self._keep_slices(endpoints, wanted, metadata_of_mirrors(endpoints))

    def _select(self, service: Json) -> None:
        """Keep the slices of a Service with a selector (pkg/controller/endpointslice); it has no v1 Endpoints."""
        if service["spec"]["type"] == "ExternalName":
            return
        metadata = service["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        pods = [
            pod
            for pod in self._store.items(PODS, namespace)
            if _matches(_selector(service), pod) and pod.get("status", {}).get("podIP")
        ]
        headless = {"service.kubernetes.io/headless": ""} if service["spec"].get("clusterIP") == "None" else {}
        labels = {**(metadata.get("labels") or {}), **headless}
        labels |= {SLICE_MANAGED_BY_LABEL: SLICE_CONTROLLER, SERVICE_NAME_LABEL: name}
        self._keep_slices(service, selected_slices(service, pods), {"labels": labels})

    def _keep_slices(self, owner: Json, wanted: list[Json], metadata: Json) -> None:
        """Make an owner's slices the wanted ones (addressType, endpoints, ports), changing as few as can be."""
        namespace, name = owner["metadata"]["namespace"], owner["metadata"]["name"]
        there = [
            obj
            for key in sorted(self._owned.get(owner["metadata"]["uid"], ()))
            if key[0] == SLICES and (obj := self._store.get(*key)) is not None
        ]
        metadata = {key: value for key, value in metadata.items() if value}
        for shape in wanted:
            same = next((obj for obj in there if _shape(obj) == _shape(shape)), None)
            if same is None:
                whole = {"generateName": f"{name}-", "ownerReferences": [_owner(owner)], **metadata}
                self._make(BY_RESOURCE[SLICES], namespace, {"metadata": whole, **shape})
            else:
                there.remove(same)
                self._put(SLICES, same, {**same, **shape, "metadata": {**same["metadata"], **metadata}})
        for obj in there:
            self._remove(_key(SLICES, obj))

    # Workloads (pkg/controller/deployment, replicaset, job).

    def _sync_owner(self, obj: Json) -> None:
        for reference in obj["metadata"].get("ownerReferences") or ():
            for resource, sync in self._workloads.items():
                is_it = BY_RESOURCE[resource].kind == reference["kind"]
                if is_it and (owner := self._store.get(resource, obj["metadata"]["namespace"], reference["name"])):
                    sync(owner)

    def _children(self, owner: Json, resource: str) -> list[Json]:
        keys = sorted(key for key in self._owned.get(owner["metadata"]["uid"], ()) if key[0] == resource)
        return [obj for key in keys if (obj := self._store.get(*key)) is not None]

    def _sync_deployment(self, deployment: Json) -> None:
        if deployment["metadata"].get("deletionTimestamp"):
            return
        metadata, spec = deployment["metadata"], deployment["spec"]
        sets = self._children(deployment, REPLICA_SETS)
        newest = next((s for s in sets if _template(s) == spec["template"]), None)
        revisions = [int((s["metadata"].get("annotations") or {}).get(_REVISION, "0")) for s in sets]
        if newest is None:
            self._make(
                BY_RESOURCE[REPLICA_SETS],
                metadata["namespace"],
                _replica_set(deployment, max(revisions, default=0) + 1),
            )
            return
        for replica_set in sets:
            wanted = spec["replicas"] if replica_set is newest else 0
            scaled = {**replica_set, "spec": {**replica_set["spec"], "replicas": wanted}}
            annotations = dict(replica_set["metadata"].get("annotations") or {})
            if replica_set is newest and int(annotations.get(_REVISION, "0")) < max(revisions):
                annotations[_REVISION] = str(max(revisions) + 1)  # a rollback to an older template
                scaled["metadata"] = {**replica_set["metadata"], "annotations": annotations}
            self._put(REPLICA_SETS, replica_set, scaled)
        current = self._store.get(*_key(REPLICA_SETS, newest)) or newest
        ready = current.get("status", {}).get("readyReplicas", 0)
        revision = current["metadata"]["annotations"][_REVISION]
        annotated = {**metadata, "annotations": {**(metadata.get("annotations") or {}), _REVISION: revision}}
        status = _deployment_status(deployment, current["metadata"]["name"], ready)
        self._put(DEPLOYMENTS, deployment, {**deployment, "metadata": annotated, "status": status})

    def _sync_replica_set(self, replica_set: Json) -> None:
        metadata, spec = replica_set["metadata"], replica_set["spec"]
        if metadata.get("deletionTimestamp"):
            return
        pods = self._children(replica_set, PODS)
        for pod in pods[spec["replicas"] :]:
            self._remove(_key(PODS, pod))
        for _ in range(spec["replicas"] - len(pods)):
            self._make_pod(replica_set)
        ready = sum(1 for pod in pods[: spec["replicas"]] if pod.get("status", {}).get("podIP"))
        counts = {"readyReplicas": ready, "availableReplicas": ready} if ready else {}
        status = {"replicas": min(len(pods), spec["replicas"]), **counts, "observedGeneration": metadata["generation"]}
        if self._store.get(*_key(REPLICA_SETS, replica_set)) is replica_set:
            self._put(REPLICA_SETS, replica_set, {**replica_set, "status": status})

    def _sync_job(self, job: Json) -> None:
        """A Job has one pod, which runs as long as the Job is there."""
        if job["metadata"].get("deletionTimestamp") or self._children(job, PODS):
            return
        self._make_pod(job)
        self._put(JOBS, job, {**job, "status": {"startTime": time_now(), "active": 1, "ready": 1}})

    def _make_pod(self, owner: Json) -> None:
        template = owner["spec"]["template"]
        named = {"generateName": f"{owner['metadata']['name']}-", "ownerReferences": [_owner(owner)]}
        body = {"metadata": {**(template.get("metadata") or {}), **named}, "spec": template["spec"]}
        self._make(BY_RESOURCE[PODS], owner["metadata"]["namespace"], body)

    def _put(self, resource: str, old: Json, new: Json) -> None:
        if old != new:
            self._put_object(BY_RESOURCE[resource], old, new)


def selected_slices(service: Json, pods: list[Json]) -> list[Json]:
    """Slices of the pods that a Service selects; one for each set of ports, one also without pods."""
    found: dict[str, Json] = {}
    for pod in sorted(pods, key=lambda pod: ipaddress.ip_address(pod["status"]["podIP"])):
        ports = [
            {"name": "", **{key: port[key] for key in ("name", "appProtocol") if port.get(key)},
             "port": number, "protocol": port["protocol"]}
            for port in service["spec"].get("ports") or ()
            if (number := _pod_port(port, pod))
        ]  # fmt: skip
        metadata = pod["metadata"]
        endpoint = {
            "addresses": [pod["status"]["podIP"]],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", **{key: metadata[key] for key in ("namespace", "name", "uid")}},
            "nodeName": NODE,
        }
        shape = {"addressType": "IPv4", "endpoints": [], "ports": ports or None}
        found.setdefault(json.dumps(ports), shape)["endpoints"].append(endpoint)
    return list(found.values()) or [{"addressType": "IPv4", "endpoints": None, "ports": None}]


def _pod_port(port: Json, pod: Json) -> int:
    """The number that a targetPort is in a pod, 0 if no container has one of that name."""
    target = port["targetPort"]
    if isinstance(target, int):
        return target
    declared = (port for container in pod["spec"]["containers"] for port in container.get("ports") or ())
    return next((int(found["containerPort"]) for found in declared if found.get("name") == target), 0)


def _deployment_status(deployment: Json, replica_set: str, ready: int) -> Json:
    """Its conditions are those of one that is complete, which each is when a write is over."""
    now, old = time_now(), (deployment.get("status") or {}).get("conditions") or []
    counts = {"replicas": ready, "updatedReplicas": ready, "readyReplicas": ready, "availableReplicas": ready}
    said = (
        ("Available", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        ("Progressing", "NewReplicaSetAvailable", f'ReplicaSet "{replica_set}" has successfully progressed.'),
    )
    times = {"lastUpdateTime": now, "lastTransitionTime": now}
    complete = [
        next(
            (condition for condition in old if condition["message"] == message),
            {"type": kind, "status": "True", "reason": reason, "message": message, **times},
        )
        for kind, reason, message in said
    ]
    return {
        "observedGeneration": deployment["metadata"]["generation"],
        **(counts if ready else {}),
        "conditions": complete if ready >= deployment["spec"]["replicas"] else old,
    }


def _replica_set(deployment: Json, revision: int) -> Json:
    metadata, spec = deployment["metadata"], deployment["spec"]
    template_hash = _short_hash(spec["template"])
    of_pods = spec["template"].get("metadata") or {}
    labels = {**(of_pods.get("labels") or {}), _HASH: template_hash}
    selector = {**(spec["selector"].get("matchLabels") or {}), _HASH: template_hash}
    return {
        "metadata": {
            "name": f"{metadata['name']}-{template_hash}",
            "labels": labels,
            "annotations": {_REVISION: str(revision)},
            "ownerReferences": [_owner(deployment)],
        },
        "spec": {
            "replicas": spec["replicas"],
            "selector": {**spec["selector"], "matchLabels": selector},
            "template": {**spec["template"], "metadata": {**of_pods, "labels": labels}},
        },
    }


def _template(replica_set: Json) -> Json:
    """Its template as its Deployment wrote it."""
    template: Json = replica_set["spec"]["template"]
    labels = {key: value for key, value in template["metadata"]["labels"].items() if key != _HASH}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}


def _short_hash(template: Json) -> str:
    """Ten letters that tell templates apart; not the ones that Kubernetes would choose."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(LETTERS[byte % len(LETTERS)] for byte in digest[:10])


def _owner(obj: Json) -> Json:
    reference = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": obj["metadata"]["name"]}
    return {**reference, "uid": obj["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}


def _owned_by(obj: Json, owners: list[Json]) -> Json:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "ownerReferences"}
    return {**obj, "metadata": {**metadata, **({"ownerReferences": owners} if owners else {})}}


def _selector(service: Json) -> Json:
    selector: Json = service["spec"].get("selector") or {}
    return selector


def _matches(selector: Json, obj: Json) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def _shape(piece: Json) -> tuple[str, Json | None]:
    return piece["addressType"], piece["ports"]


def _key(resource: str, obj: Json) -> Key:
    return resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def time_now(later: float = 0) -> str:
    """metav1.Time of now, or of so many seconds later."""
    return (datetime.now(UTC) + timedelta(seconds=later)).strftime("%Y-%m-%dT%H:%M:%SZ")
