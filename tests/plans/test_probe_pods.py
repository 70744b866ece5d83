"""The throw-away pair."""

from typing import Any

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.plans.probe_pods import DEFAULT_IMAGE, probe_jobs


def pod(job: Json) -> dict[str, Any]:
    template: dict[str, Any] = job["spec"]["template"]
    return template


def test_a_pair_differs_in_the_sidecar_only() -> None:
    sidecar, plain = probe_jobs("shop")
    assert [job["metadata"] for job in (sidecar, plain)] == [
        {
            "generateName": f"extsvc-probe-{mode}-",
            "namespace": "shop",
            "labels": {"app.kubernetes.io/managed-by": "kubectl-extsvc", "extsvc.dev/probe": mode},
        }
        for mode in ("sidecar", "plain")
    ]
    assert pod(sidecar)["spec"] == pod(plain)["spec"]
    assert pod(sidecar)["metadata"]["labels"]["sidecar.istio.io/inject"] == "true"
    assert pod(plain)["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "kubectl-extsvc",
        "extsvc.dev/probe": "plain",
        "sidecar.istio.io/inject": "false",
        "istio.io/dataplane-mode": "none",
    }
    assert pod(sidecar)["metadata"]["annotations"] == {
        "sidecar.istio.io/inject": "true",
        "proxy.istio.io/config": '{"holdApplicationUntilProxyStarts": true}',
    }


def test_a_probe_pod_fits_pod_security_restricted_and_is_captured() -> None:
    (plain,) = probe_jobs("shop", sidecar=False)
    spec = pod(plain)["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_a_probe_pod_ends_whatever_becomes_of_us() -> None:
    for job in probe_jobs("shop"):
        spec = job["spec"]
        assert (spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"], spec["backoffLimit"]) == (600, 60, 0)
        assert pod(job)["spec"]["containers"][0]["command"] == ["sleep", "600"]


def test_image_and_revision_can_be_chosen() -> None:
    (sidecar, _) = probe_jobs("shop", image="registry.example/curl:1", revision="canary")
    assert pod(sidecar)["spec"]["containers"][0]["image"] == "registry.example/curl:1"
    assert pod(sidecar)["metadata"]["labels"]["istio.io/rev"] == "canary"
    assert {pod(job)["spec"]["containers"][0]["image"] for job in probe_jobs("shop")} == {DEFAULT_IMAGE}


def test_delete_of_an_alias_does_not_find_probe_pods() -> None:
    for job in probe_jobs("shop"):
        assert "extsvc.dev/alias" not in job["metadata"]["labels"] | pod(job)["metadata"]["labels"]
