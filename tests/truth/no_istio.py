"""The testbed without any Istio for a while: no API of its, no webhook, no istiod."""

import contextlib
import json
from collections.abc import Iterator

from clusters import Run, restart_curl, until
from truth.objects import Json

ISTIOD = ("deployment/istiod", "-n", "istio-system")
WEBHOOKS = "mutatingwebhookconfigurations,validatingwebhookconfigurations"
OF_THE_SERVER = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
"""In metadata."""


@contextlib.contextmanager
def without_istio(kubectl: Run) -> Iterator[None]:
    """Takes Istio away, and puts back what was there.

    istiod goes first and comes last: whoever is killed in between leaves a testbed whose next `up` starts it anew.
    """
    webhooks = [item for item in listed(kubectl, WEBHOOKS) if "istio" in item["metadata"]["name"]]
    apis = [item for item in listed(kubectl, "customresourcedefinitions") if item["spec"]["group"].endswith("istio.io")]
    kinds = ",".join(api["metadata"]["name"] for api in apis)
    # Before the API is gone: nobody can delete these, or make them anew, without it.
    assert listed(kubectl, kinds) == []
    try:
        kubectl("scale", *ISTIOD, "--replicas=0")
        kubectl("delete", *(f"{item['kind'].lower()}/{item['metadata']['name']}" for item in (*webhooks, *apis)))
        until(20, "the end of Istio's API", lambda: not serves_istio(kubectl))
        yield
    finally:
        create(kubectl, apis)
        kubectl(
            "wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{api['metadata']['name']}" for api in apis)
        )
        until(20, "Istio's API", lambda: serves_istio(kubectl))
        create(kubectl, webhooks)
        kubectl("scale", *ISTIOD, "--replicas=1")
        kubectl("rollout", "status", *ISTIOD, "--timeout=90s")
        until(60, "sidecar injection", lambda: injects(kubectl))
        # Its sidecar would wait longer and longer before it asks for istiod again.
        restart_curl(kubectl)


def listed(kubectl: Run, kinds: str) -> list[Json]:
    items: list[Json] = json.loads(kubectl("get", kinds, "-A", "-o", "json").stdout)["items"]
    return items


def create(kubectl: Run, items: list[Json]) -> None:
    own = [
        {
            **{key: value for key, value in item.items() if key != "status"},
            "metadata": {key: value for key, value in item["metadata"].items() if key not in OF_THE_SERVER},
        }
        for item in items
    ]
    # What is still there, since something failed before it was deleted, is no reason not to make the rest.
    kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": own}), check=False)


def serves_istio(kubectl: Run) -> bool:
    return ".istio.io/" in kubectl("api-versions").stdout


def injects(kubectl: Run) -> bool:
    annotations = ("--dry-run=server", "-o", "jsonpath={.metadata.annotations}")
    return "sidecar.istio.io/status" in kubectl("run", "probe", "--image=probe", *annotations, check=False).stdout
