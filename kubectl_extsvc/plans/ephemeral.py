"""The ephemeral container of --ephemeral: added to a pod that runs, to ask from where the pod has no tool for it."""

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.plans.probe_pods import DEFAULT_IMAGE, USER_ID

NAME_PREFIX = "extsvc-probe-"

RUNS_SECONDS = 3600
"""A container cannot be taken out of a pod, but it ends."""

# As process 1, sleep alone would not heed SIGTERM, and would hold up the end of the pod for its whole grace period.
_COMMAND = ("sh", "-c", f"trap 'exit 0' TERM; sleep {RUNS_SECONDS} & wait")


def probe_container(name: str, image: str = "") -> Json:
    """A container that Pod Security allows in a restricted namespace; image is one with curl, sh and sleep."""
    return {
        "name": name,
        "image": image or DEFAULT_IMAGE,
        "command": list(_COMMAND),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def addition(container: Json) -> Json:
    """Strategic merge patch of pods/ephemeralcontainers. Without targetContainerName it sees no other's processes."""
    return {"spec": {"ephemeralContainers": [container]}}


def running_probe_container(pod: Json) -> str:
    """Name of a container of ours that runs in the pod, "" for none."""
    statuses = (pod.get("status") or {}).get("ephemeralContainerStatuses") or ()
    running = (status["name"] for status in statuses if "running" in (status.get("state") or {}))
    return next((name for name in running if name.startswith(NAME_PREFIX)), "")


def state_of(pod: Json, name: str) -> tuple[str, str]:
    """running, waiting or terminated, and the reason; "" and "" before the kubelet says anything of it."""
    statuses = (pod.get("status") or {}).get("ephemeralContainerStatuses") or ()
    for status in statuses:
        if status["name"] == name:
            for word, details in (status.get("state") or {}).items():
                return word, " ".join(filter(None, (details.get("reason"), details.get("message"))))
    return "", ""
