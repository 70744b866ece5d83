"""verify --ephemeral: from pods whose image has nothing to probe with."""

import json
import time
from collections.abc import Callable

import pytest
from clusters import CURL_IMAGE, Run

from kubectl_extsvc.model.resources import Json

pytestmark = pytest.mark.sandbox

LEAN_IMAGE = "extsvc.test/pause:1"
"""Of the testbed's own pods: busybox under its own name, and nothing else."""
# Ends as soon as it is told to, so that only what was added could hold the pod up.
COMMAND = ["/bin/busybox", "sh", "-c", "trap 'exit 0' TERM; /bin/busybox sleep 3600 & wait"]
FROM = ("--from", "pod/lean.default", "--from", "pod/lean.without-istio")


def lean_pod(namespace: str) -> Json:
    container = {"name": "lean", "image": LEAN_IMAGE, "command": COMMAND}
    metadata = {"name": "lean", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def added_to(kubectl: Run, namespace: str) -> list[str]:
    pod = json.loads(kubectl("get", "pod", "lean", "-n", namespace, "-o", "json").stdout)
    return [container["name"] for container in pod["spec"].get("ephemeralContainers") or ()]


def test_a_container_is_added_once_and_asks_behind_the_sidecar_and_without(
    kubectl: Run, extsvc: Run, made: Callable[..., None]
) -> None:
    extsvc("create", "bin", "--external-name", "httpbin.org", "--wait")
    verify = ("verify", "bin", *FROM, "--ephemeral", "--image", CURL_IMAGE, "-o", "json")
    try:
        made(lean_pod("default"), lean_pod("without-istio"))
        for namespace in ("default", "without-istio"):
            kubectl("wait", "--for=condition=Ready", "pod/lean", "-n", namespace, "--timeout=60s")

        refused = extsvc(*verify, check=False)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.splitlines()[-1] == (
            "error: there is no terminal to ask at, so nothing was changed. Use --yes"
        )
        assert added_to(kubectl, "default") == []

        first = extsvc(*verify, "--yes", check=False)
        again = extsvc(*verify, "--yes", check=False)
        for done in (first, again):
            assert done.returncode == 0, done.stdout + done.stderr
            sources = json.loads(done.stdout)["aliases"][0]["sources"]
            seen = sorted((source["namespace"], source["mode"], source["container"]) for source in sources)
            assert seen == [
                ("default", "sidecar", *added_to(kubectl, "default")),
                ("without-istio", "plain", *added_to(kubectl, "without-istio")),
            ]
            answers = [s["outcomes"][0]["answer"] for s in sources]
            assert [answer and answer["status"] for answer in answers] == [200, 200]
            # The request behind the sidecar went through it.
            assert ["x-envoy-upstream-service-time" in json.dumps(answer["headers"]) for answer in answers] == [
                source["mode"] == "sidecar" for source in sources
            ]
        assert first.stderr.count("added the ephemeral container extsvc-probe-") == 2
        assert "added" not in again.stderr

        begun = time.monotonic()
        for namespace in ("default", "without-istio"):
            kubectl("delete", "pod", "lean", "-n", namespace)
        assert time.monotonic() - begun < 20, "a container that ignores SIGTERM holds each pod for 30 s"
    finally:
        extsvc("delete", "bin")
