"""The cells that kubectl get prints."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sandbox.api_server import stored

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE, KINDS
from kubectl_extsvc.sandbox.api.tables import age, table

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def cells(obj: Json) -> list[Any]:
    kind = next(kind for kind in KINDS if kind.kind == obj["kind"])
    obj["metadata"]["creationTimestamp"] = "2026-11-24T11:00:00Z"
    made = table(kind, [obj], {}, "None", NOW)
    (row,) = made["rows"]
    assert len(row["cells"]) == len(made["columnDefinitions"])
    return list(row["cells"])


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"type": "ClusterIP", "clusterIP": "10.96.0.7", "ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]},
            ["ClusterIP", "10.96.0.7", "<none>", "80/TCP,53/UDP", "60m", "<none>"],
        ),
        (
            {"type": "ExternalName", "externalName": "httpbin.org"},
            ["ExternalName", "<none>", "httpbin.org", "<none>", "60m", "<none>"],
        ),
        (
            {
                "type": "NodePort",
                "clusterIPs": ["10.96.0.8"],
                "externalIPs": ["9.9.9.9"],
                "ports": [{"port": 80, "nodePort": 30675}],
                "selector": {"c": "d", "a": "b"},
            },
            ["NodePort", "10.96.0.8", "9.9.9.9", "80:30675/TCP", "60m", "a=b,c=d"],
        ),
        ({"type": "LoadBalancer"}, ["LoadBalancer", "<none>", "<pending>", "<none>", "60m", "<none>"]),
    ],
)
def test_a_service(spec: Json, expected: list[Any]) -> None:
    assert cells(stored("services", "default", "a", spec=spec)) == ["a", *expected]


def test_endpoints_show_three_and_count_the_rest() -> None:
    addresses = [{"ip": "1.2.3.4"}, {"ip": "fd00::5"}]
    subsets = [{"addresses": addresses, "ports": [{"port": 80}, {"port": 81}]}]
    shown = cells(stored("endpoints", "default", "a", subsets=subsets))
    assert shown == ["a", "1.2.3.4:80,[fd00::5]:80,1.2.3.4:81 + 1 more...", "60m"]
    assert cells(stored("endpoints", "default", "a")) == ["a", "<none>", "60m"]


def test_an_endpoint_slice_without_ports_and_addresses_is_unset() -> None:
    empty = stored("endpointslices.discovery.k8s.io", "default", "a", addressType="IPv4", endpoints=[])
    assert cells(empty) == ["a", "IPv4", "<unset>", "<unset>", "60m"]
    full = empty | {"ports": [{"port": 443}, {"name": "x"}], "endpoints": [{"addresses": ["1.2.3.4"]}]}
    assert cells(full) == ["a", "IPv4", "443,x", "1.2.3.4", "60m"]


def test_a_native_sidecar_counts_among_the_containers_of_a_pod() -> None:
    statuses = [{"name": "curl", "ready": True, "restartCount": 2, "state": {"running": {}}}]
    pod = stored(
        "pods", "default", "a",
        spec={
            "containers": [{"name": "curl"}],
            "initContainers": [{"name": "istio-proxy", "restartPolicy": "Always"}, {"name": "istio-validation"}],
            "nodeName": "node",
        },
        status={
            "phase": "Running", "podIP": "10.244.0.5", "containerStatuses": statuses,
            "initContainerStatuses": [statuses[0] | {"name": "istio-proxy", "restartCount": 0}],
        },
    )  # fmt: skip
    assert cells(pod) == ["a", "2/2", "Running", "2", "60m", "10.244.0.5", "node", "<none>", "<none>"]


def test_a_pod_that_is_deleted_is_terminating() -> None:
    pod = stored("pods", "default", "a", spec={"containers": [{"name": "a"}]}, status={"phase": "Running"})
    pod["metadata"]["deletionTimestamp"] = "2026-11-24T11:59:00Z"
    assert cells(pod)[1:3] == ["0/1", "Terminating"]


TEMPLATE = {"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y"}]}}
OF_TEMPLATE = ["a,b", "x:1,y", "app=a"]


@pytest.mark.parametrize(
    ("resource", "status", "expected"),
    [
        ("deployments.apps", {"readyReplicas": 1, "updatedReplicas": 2}, ["1/2", 2, 0, "60m", *OF_TEMPLATE]),
        ("replicasets.apps", {"replicas": 2, "readyReplicas": 1}, [2, 2, 1, "60m", *OF_TEMPLATE]),
        ("statefulsets.apps", {}, ["60m"]),
        ("jobs.batch", {}, ["60m"]),
    ],
)
def test_a_workload(resource: str, status: Json, expected: list[Any]) -> None:
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE}
    assert cells(stored(resource, "default", "a", spec=spec, status=status)) == ["a", *expected]


@pytest.mark.parametrize(
    ("resource", "spec", "expected"),
    [
        ("destinationrules.networking.istio.io", {"host": "a.b"}, ["a", "a.b", "60m"]),
        ("virtualservices.networking.istio.io", {"hosts": ["a.b", "c.d"]}, ["a", None, '["a.b","c.d"]', "60m"]),
        (
            "serviceentries.networking.istio.io",
            {"hosts": ["a.b"], "location": "MESH_EXTERNAL", "resolution": "DNS"},
            ["a", '["a.b"]', "MESH_EXTERNAL", "DNS", "60m"],
        ),
        ("workloadentries.networking.istio.io", {"address": "1.2.3.4"}, ["a", "60m", "1.2.3.4"]),
        ("peerauthentications.security.istio.io", {"mtls": {"mode": "STRICT"}}, ["a", "STRICT", "60m"]),
        ("sidecars.networking.istio.io", {}, ["a", "60m"]),
    ],
)
def test_istios_kinds_print_what_their_definitions_name(resource: str, spec: Json, expected: list[Any]) -> None:
    assert cells(stored(resource, "default", "a", spec=spec)) == expected


@pytest.mark.parametrize(
    ("resource", "more", "expected"),
    [
        ("namespaces", {"status": {"phase": "Active"}}, ["a", "Active", "60m"]),
        ("configmaps", {"data": {"x": ""}, "binaryData": {"y": ""}}, ["a", 2, "60m"]),
        ("secrets", {"type": "Opaque", "data": {"x": ""}}, ["a", "Opaque", 1, "60m"]),
        ("serviceaccounts", {}, ["a", 0, "60m"]),
        (
            "events",
            {
                "type": "Warning", "reason": "Failed", "message": "no\n",
                "involvedObject": {"kind": "Pod", "name": "curl"}, "lastTimestamp": "2026-11-24T11:59:00Z",
            },
            ["60s", "Warning", "Failed", "pod/curl", "no"],
        ),
        ("nodes", {}, ["a", "60m"]),
    ],
)  # fmt: skip
def test_the_other_kinds(resource: str, more: Json, expected: list[Any]) -> None:
    assert cells(stored(resource, "", "a", **more)) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (0, "0s"), (119, "119s"), (120, "2m"), (599, "9m59s"), (600, "10m"), (10_799, "179m"),
        (10_800, "3h"), (11_000, "3h3m"), (28_800, "8h"), (172_800, "2d"), (180_000, "2d2h"), (8 * 86_400, "8d"),
        (800 * 86_400, "2y70d"), (4_000 * 86_400, "10y"),
    ],
)  # fmt: skip
def test_an_age_is_as_short_as_kubectls(seconds: int, text: str) -> None:
    assert age(datetime.fromtimestamp(NOW.timestamp() - seconds, UTC).isoformat(), NOW) == text


def test_a_row_carries_of_its_object_what_was_asked_for() -> None:
    obj = stored("configmaps", "default", "a", data={})
    metadata = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
    for include, expected in (("None", {}), ("Metadata", {"object": metadata}), ("Object", {"object": obj})):
        (row,) = table(BY_RESOURCE["configmaps"], [obj], {}, include, NOW)["rows"]
        assert row == {"cells": ["a", 0, "<unknown>"], **expected}


def test_columns_say_their_type_and_whether_they_are_wide() -> None:
    definitions = table(BY_RESOURCE["replicasets.apps"], [], {}, "None", NOW)["columnDefinitions"]
    assert [(one["name"], one["type"], one["format"], one["priority"]) for one in definitions] == [
        ("Name", "string", "name", 0), ("Desired", "integer", "", 0), ("Current", "integer", "", 0),
        ("Ready", "integer", "", 0), ("Age", "string", "", 0), ("Containers", "string", "", 1),
        ("Images", "string", "", 1), ("Selector", "string", "", 1),
    ]  # fmt: skip
