"""The ephemeral container that --ephemeral adds, and what a pod says of it."""

from typing import Any

import pytest

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.plans.ephemeral import addition, probe_container, running_probe_container, state_of


def test_the_container_is_allowed_in_a_restricted_namespace_and_ends_by_itself() -> None:
    assert addition(probe_container("extsvc-probe-a", "curl:1")) == {
        "spec": {
            "ephemeralContainers": [
                {
                    "name": "extsvc-probe-a",
                    "image": "curl:1",
                    "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait"],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                        "runAsNonRoot": True,
                        "runAsUser": 10001,
                        "runAsGroup": 10001,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                }
            ]
        }
    }
    assert probe_container("extsvc-probe-a")["image"] == "docker.io/curlimages/curl:8.21.0"


def pod(*statuses: tuple[str, Json]) -> Json:
    return {"status": {"ephemeralContainerStatuses": [{"name": name, "state": state} for name, state in statuses]}}


@pytest.mark.parametrize(
    ("seen", "name"),
    [
        (pod(("extsvc-probe-a", {"running": {}})), "extsvc-probe-a"),
        (pod(("extsvc-probe-a", {"terminated": {}}), ("extsvc-probe-b", {"running": {}})), "extsvc-probe-b"),
        (pod(("extsvc-probe-a", {"waiting": {}})), ""),
        (pod(("debugger", {"running": {}})), ""),
        ({"status": {}}, ""),
        ({}, ""),
    ],
)
def test_a_container_of_ours_is_used_again_while_it_runs(seen: Json, name: str) -> None:
    assert running_probe_container(seen) == name


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"running": {"startedAt": "x"}}, ("running", "")),
        (
            {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}},
            ("waiting", "ImagePullBackOff Back-off"),
        ),
        ({"terminated": {"reason": "StartError", "exitCode": 128}}, ("terminated", "StartError")),
    ],
)
def test_what_a_kubelet_says_of_the_container(state: dict[str, Any], told: tuple[str, str]) -> None:
    assert state_of(pod(("other", {"running": {}}), ("extsvc-probe-a", state)), "extsvc-probe-a") == told
    assert state_of({}, "extsvc-probe-a") == ("", "")
