"""Pods: the defaults of their specs, what is wrong with them, and the sidecar that istiod's injector adds."""

from collections.abc import Callable, Iterable
from typing import Any

from kubectl_extsvc.mesh.sources import PROXY_CONTAINER, PROXY_ID
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE
from kubectl_extsvc.sandbox.api.refusals import Cause, forbidden, invalid, required

INJECT = "sidecar.istio.io/inject"
NODE = "extsvc-node"
_PROXY_IMAGE = "docker.io/istio/proxyv2:sandbox"


def pod_spec_with_defaults(spec: Json) -> Json:
    """As core/v1/defaults.go completes a pod's spec, in a pod or in a template."""
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    whole = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
        **spec,
        **({"serviceAccountName": account, "serviceAccount": account} if account else {}),
    }
    for containers in ("initContainers", "containers", "ephemeralContainers"):
        if spec.get(containers):
            whole[containers] = [_container(container) for container in spec[containers]]
    return whole


def _container(container: Json) -> Json:
    image = container.get("image", "")
    tag = image.rpartition("/")[2].partition(":")[2]
    whole = {
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent" if tag not in ("", "latest") else "Always",
        **container,
    }
    if container.get("ports"):
        whole["ports"] = [{"protocol": "TCP", **port} for port in container["ports"]]
    return whole


def pod_spec_causes(spec: Json, field: str, label_causes: Callable[[str, str], Iterable[Cause]]) -> Iterable[Cause]:
    if not spec.get("containers"):
        yield required(f"{field}.containers")
    for index, container in enumerate(spec.get("containers") or ()):
        place = f"{field}.containers[{index}]"
        if container.get("name"):
            yield from label_causes(f"{place}.name", container["name"])
        else:
            yield required(f"{place}.name")
        if not container.get("image"):
            yield required(f"{place}.image")


def admitted_pod(pod: Json, namespace_labels: Json) -> Json:
    """A pod that is made, on the only node, with its account and, if it is to have one, its sidecar."""
    if wants_sidecar(pod, namespace_labels):
        pod = with_sidecar(pod)
    account = pod["spec"].get("serviceAccountName", "default")
    spec = {**pod["spec"], "serviceAccountName": account, "serviceAccount": account, "nodeName": NODE}
    return {**pod, "spec": spec, "status": {"phase": "Pending"}}


def wants_sidecar(pod: Json, namespace_labels: Json) -> bool:
    """istio pkg/kube/inject: the pod's label decides, then its annotation, then the namespace."""
    metadata = pod["metadata"]
    if pod["spec"].get("hostNetwork") or namespace_labels.get("istio-injection") == "disabled":
        return False
    said = (metadata.get("labels") or {}).get(INJECT) or (metadata.get("annotations") or {}).get(INJECT)
    return str(said) == "true" if said else namespace_labels.get("istio-injection") == "enabled"


def with_sidecar(pod: Json) -> Json:
    """The pod as istiod's injector gives it back: istio-proxy as a native sidecar, which is the default since 1.27.

    Volumes and probes, which nothing here looks at, are left out.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    owner = next((reference["name"] for reference in metadata.get("ownerReferences") or ()), metadata.get("name", ""))
    owner = owner.removesuffix(f"-{labels.get('pod-template-hash', '')}")
    names = [container.get("name", "") for container in spec["containers"]]
    added_labels = {
        "security.istio.io/tlsMode": "istio",
        "service.istio.io/canonical-name": labels.get("app.kubernetes.io/name") or labels.get("app") or owner,
        "service.istio.io/canonical-revision": labels.get("version", "latest"),
    }
    added_annotations = {
        "istio.io/rev": "default",
        "kubectl.kubernetes.io/default-container": names[0],
        "kubectl.kubernetes.io/default-logs-container": names[0],
        "sidecar.istio.io/status": '{"initContainers":["istio-init","istio-proxy"],"containers":null,"volumes":null,'
        '"imagePullSecrets":null,"revision":"default"}',
    }
    added = pod_spec_with_defaults(
        {"initContainers": [_iptables(), _proxy(metadata["namespace"], owner, ",".join(names))]}
    )["initContainers"]
    return {
        **pod,
        "metadata": {
            **metadata,
            "labels": {**added_labels, **labels},
            "annotations": {**added_annotations, **annotations},
        },
        "spec": {**spec, "initContainers": [*added, *(spec.get("initContainers") or ())]},
    }


def _iptables() -> Json:
    return {
        "name": "istio-init",
        "image": _PROXY_IMAGE,
        "args": ["istio-iptables", "-p", "15001", "-z", "15006", "-u", str(PROXY_ID), "-m", "REDIRECT", "-i", "*"],
        "securityContext": {"runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": False},
    }


def _proxy(namespace: str, owner: str, containers: str) -> Json:
    env = {
        "PILOT_CERT_PROVIDER": "istiod",
        "CA_ADDR": "istiod.istio-system.svc:15012",
        "PROXY_CONFIG": "{}\n",
        "ISTIO_META_APP_CONTAINERS": containers,
        "ISTIO_META_CLUSTER_ID": "Kubernetes",
        "ISTIO_META_INTERCEPTION_MODE": "REDIRECT",
        "ISTIO_META_WORKLOAD_NAME": owner,
        "ISTIO_META_MESH_ID": "cluster.local",
        "TRUST_DOMAIN": "cluster.local",
    }
    return {
        "name": PROXY_CONTAINER,
        "image": _PROXY_IMAGE,
        "restartPolicy": "Always",
        "args": ["proxy", "sidecar", "--domain", f"{namespace}.svc.cluster.local", "--proxyLogLevel=warning"],
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom"}],
        "securityContext": {"runAsUser": PROXY_ID, "runAsGroup": PROXY_ID, "runAsNonRoot": True},
    }


def with_ephemeral_containers(pod: Json, wanted: Json) -> Json:
    """The pod with those that are added to it; one that is there can neither change nor go. Raises Refused.

    (kubernetes pkg/apis/core/validation, ValidatePodEphemeralContainersUpdate.)
    """
    added = (wanted.get("spec") or {}).get("ephemeralContainers") or []
    names = {container.get("name"): container for container in added}
    for container in pod["spec"].get("ephemeralContainers") or ():
        name = container["name"]
        why = "changed" if name in names else "removed"
        if names.get(name) != container:
            words = f'existing ephemeral containers "{name}" may not be {why}'
            raise invalid(BY_RESOURCE["pods"], pod["metadata"]["name"], [forbidden("spec.ephemeralContainers", words)])
    return {**pod, "spec": {**pod["spec"], "ephemeralContainers": added}}


def awaits_start(pod: Json) -> bool:
    """Are there ephemeral containers that no kubelet has started?"""
    started = {status["name"] for status in pod["status"].get("ephemeralContainerStatuses") or ()}
    return any(container["name"] not in started for container in pod["spec"].get("ephemeralContainers") or ())


def with_ephemeral_statuses(pod: Json, now: str) -> Json:
    """The pod as a kubelet reports it that had its ephemeral containers started at once."""
    known = {status["name"]: status for status in pod["status"].get("ephemeralContainerStatuses") or ()}
    statuses = [
        # An ephemeral container is never ready, and "started" is nothing to it (kubelet_pods.go).
        known.get(container["name"])
        or _container_status(container, pod["metadata"]["uid"], now, ends=False) | {"ready": False, "started": False}
        for container in pod["spec"]["ephemeralContainers"]
    ]
    return {**pod, "status": {**pod["status"], "ephemeralContainerStatuses": statuses}}


def running(pod: Json, address: str, now: str) -> Json:
    """The pod as a kubelet reports it that had it started at once: every container ready."""
    spec, metadata = pod["spec"], pod["metadata"]
    conditions = [
        {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
        for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    status: dict[str, Any] = {
        **pod["status"],
        "phase": "Running",
        "conditions": conditions,
        "hostIP": "198.51.100.1",
        "hostIPs": [{"ip": "198.51.100.1"}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": now,
        "containerStatuses": [_container_status(c, metadata["uid"], now, ends=False) for c in spec["containers"]],
    }
    if spec.get("initContainers"):
        status["initContainerStatuses"] = [
            _container_status(container, metadata["uid"], now, ends=container.get("restartPolicy") != "Always")
            for container in spec["initContainers"]
        ]
    return {**pod, "status": status}


def _container_status(container: Json, uid: str, now: str, *, ends: bool) -> Json:
    done = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}}
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": f"sandbox://{container['image']}",
        "containerID": f"sandbox://{uid}/{container['name']}",
        "state": done if ends else {"running": {"startedAt": now}},
        "lastState": {},
        "ready": True,
        "started": not ends,
        "restartCount": 0,
    }
