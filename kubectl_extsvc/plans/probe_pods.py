"""The throw-away pair of --probe-pods: a Job with a sidecar and one without."""

from kubectl_extsvc.model.marks import ANNOTATION_PREFIX, MANAGED_BY_LABEL, MANAGER
from kubectl_extsvc.model.resources import JOBS, Json
from kubectl_extsvc.model.source import MeshMode

DEFAULT_IMAGE = "docker.io/curlimages/curl:8.21.0"
"""Has curl (with a CA bundle), getent and a busybox with sleep and nslookup; any other user than its own may run it."""

CONTAINER = "probe"
PROBE_LABEL = f"{ANNOTATION_PREFIX}probe"
"""On Job and pod; the value is the pod's MeshMode. Never the alias's label: delete must not find them."""

USER_ID = 10001
"""Any but 0 (Pod Security restricted) and 1337, whose traffic a sidecar does not capture (istio IST0144)."""

LIFETIME_SECONDS = 600
"""Whatever becomes of us, the pods end after that."""

KEPT_SECONDS = 60
"""A Job that ended is deleted after that."""


def probe_jobs(namespace: str, *, image: str = "", sidecar: bool = True, revision: str = "") -> tuple[Json, ...]:
    """A Job for each kind of source, to be created (the server completes the names); sidecar False: the plain one only.

    image is one with curl and sleep, "" for the default. revision is the istio.io/rev whose injector is asked, "" for
    the default one.
    """
    image = image or DEFAULT_IMAGE
    plain = _job(namespace, MeshMode.PLAIN, image, _plain_labels(), {})
    if not sidecar:
        return (plain,)
    labels = {"sidecar.istio.io/inject": "true"} | ({"istio.io/rev": revision} if revision else {})
    # A classic sidecar may be ready later than the application, and the first probe would fail (istio #11130).
    annotations = {"proxy.istio.io/config": '{"holdApplicationUntilProxyStarts": true}'}
    return (_job(namespace, MeshMode.SIDECAR, image, labels, annotations), plain)


def _plain_labels() -> dict[str, str]:
    # The second keeps ztunnel away in a namespace that is in ambient mode.
    return {"sidecar.istio.io/inject": "false", "istio.io/dataplane-mode": "none"}


def _job(namespace: str, mode: MeshMode, image: str, labels: dict[str, str], annotations: dict[str, str]) -> Json:
    own_labels = {MANAGED_BY_LABEL: MANAGER, PROBE_LABEL: mode.value}
    # The label decides; the annotation is for injectors older than the label, and harmless to the others.
    inject = {"sidecar.istio.io/inject": labels["sidecar.istio.io/inject"]}
    pod_spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # sleep as process 1 does not heed SIGTERM.
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": CONTAINER,
                "image": image,
                "command": ["sleep", str(LIFETIME_SECONDS)],
                "resources": {
                    "requests": {"cpu": "10m", "memory": "16Mi"},
                    "limits": {"cpu": "500m", "memory": "64Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
            }
        ],
    }
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {"generateName": f"extsvc-probe-{mode.value}-", "namespace": namespace, "labels": own_labels},
        "spec": {
            # A Job whose classic sidecar never ends is ended by this.
            "activeDeadlineSeconds": LIFETIME_SECONDS,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": own_labels | labels, "annotations": inject | annotations},
                "spec": pod_spec,
            },
        },
    }
