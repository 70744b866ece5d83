"""Manifests judged as if they were applied."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_extsvc.model.lint import LintReport, Place
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Mesh, Snapshot
from kubectl_extsvc.operations.linting import NO_CLUSTER, NO_MESH, lint

RECIPES = sorted((Path(__file__).parent.parent / "plans" / "recipes").glob("*.yaml"))

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: pay
  namespace: shop
  annotations:
    extsvc.dev/host: api.pay.example
spec:
  ports:
  - name: http
    port: 80
"""
SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: pay-1
  namespace: shop
  labels:
    kubernetes.io/service-name: pay
addressType: IPv4
ports:
- name: http
  port: 443
endpoints:
- addresses:
  - 203.0.113.20
"""
RULE = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: pay
  namespace: shop
spec:
  host: pay.shop.svc.cluster.local
  trafficPolicy:
    tls:
      mode: SIMPLE
      sni: api.pay.example
"""
NAMES = "      subjectAltNames:\n      - api.pay.example\n"
NOT_MIRRORED = "  labels: {endpointslice.kubernetes.io/skip-mirror: 'true'}\n"
ENDPOINTS = """\
apiVersion: v1
kind: Endpoints
metadata:
  name: pay
  namespace: shop
subsets:
- addresses:
  - ip: 203.0.113.20
  ports:
  - name: web
    port: 443
"""


def linted(*documents: str, namespace: str = "default", around: Snapshot = NO_CLUSTER) -> LintReport:
    return lint([("x.yaml", "---\n".join(documents))], namespace, around)


def found(report: LintReport) -> list[tuple[str, str, int, int]]:
    return [(f.finding.code, f.finding.severity.value, f.place.line, f.place.column) for f in report.findings]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_what_create_writes_is_found_well(recipe: Path) -> None:
    report = lint([(recipe.name, recipe.read_text())], "default")
    assert (found(report), report.problems, report.aliases) == ([], (), 1)


def test_a_whole_alias_is_found_well() -> None:
    assert found(linted(SERVICE, SLICE, RULE + NAMES)) == []


def test_a_finding_stands_at_the_field_that_its_cure_changes() -> None:
    report = linted(SERVICE, SLICE, RULE)
    (located,) = report.findings
    line = ("---\n".join([SERVICE, SLICE, RULE])).splitlines().index("    tls:") + 1
    assert (located.finding.code, located.place) == ("XS0404", Place("x.yaml", line, 5))


def test_a_finding_whose_cure_is_a_create_stands_at_the_service() -> None:
    report = linted(SERVICE, SLICE)
    assert found(report) == [("XS0407", "error", 1, 1)]


def test_endpoints_count_by_the_slices_that_are_mirrored_from_them() -> None:
    text = "---\n".join([SERVICE, ENDPOINTS, RULE + NAMES])
    report = lint([("x.yaml", text)], "default")
    line = text.splitlines().index("  - name: web") + 1
    assert found(report) == [("XS0202", "error", line, 5)]


@pytest.mark.parametrize(
    ("endpoints", "place"),
    [
        (SLICE.replace("  labels:\n    kubernetes.io/service-name: pay\n", ""), (15, 1)),
        (ENDPOINTS.replace("  name: pay\n", f"  name: pay\n{NOT_MIRRORED}"), (17, 12)),
    ],
)
def test_endpoints_that_nobody_reads_are_known_by_their_name(endpoints: str, place: tuple[int, int]) -> None:
    assert found(linted(SERVICE, endpoints, RULE + NAMES)) == [("XS0201", "error", *place)]


def test_a_service_whose_endpoints_come_from_elsewhere_is_no_alias() -> None:
    assert found(linted(SERVICE, SLICE.replace("pay", "other"))) == []


def test_a_service_that_is_in_no_file_may_be_in_the_cluster() -> None:
    name = "apiVersion: v1\nkind: Service\nmetadata: {name: dns}\nspec: {type: ExternalName, externalName: TARGET}\n"
    elsewhere = name.replace("TARGET", "kube-dns.kube-system.svc.cluster.local")
    assert found(linted(elsewhere)) == []
    other = yaml.safe_load(SERVICE)
    around = Snapshot(services=(other,), mesh=NO_CLUSTER.mesh, all_namespaces=True)
    assert found(linted(elsewhere, around=around)) == [("XS0105", "error", 1, 1)]


def test_without_a_mesh_only_kubernetes_is_judged() -> None:
    assert found(linted(SERVICE, SLICE, around=NO_MESH)) == []


def test_an_object_without_namespace_is_of_the_one_that_was_named() -> None:
    bare = [text.replace("  namespace: shop\n", "") for text in (SERVICE, SLICE, RULE + NAMES)]
    assert found(linted(*bare, namespace="shop")) == []
    assert found(linted(*bare, namespace="other"))[0][0] == "XS0407"


def test_files_are_judged_on_top_of_what_is_there() -> None:
    live = [yaml.safe_load(text) for text in (SERVICE, SLICE, RULE)]
    around = Snapshot(
        services=(live[0],),
        endpoint_slices=(live[1],),
        destination_rules=(live[2],),
        mesh=Mesh(installed=True, api_version="v1"),
        all_namespaces=True,
    )
    assert found(linted(RULE + NAMES, around=around)) == []
    assert found(linted(RULE, around=around)) == [("XS0404", "warning", 9, 5)]
    # What is wrong there and not of the files is verify's to say.
    assert found(linted("kind: ConfigMap\n", around=around)) == []
    assert linted("kind: ConfigMap\n", around=around).aliases == 0


def test_of_other_kinds_and_groups_nothing_is_said() -> None:
    knative = SERVICE.replace("apiVersion: v1", "apiVersion: serving.knative.dev/v1")
    report = linted(knative, "kind: Deployment\nmetadata: 7\n", "just: words\n")
    assert (report.findings, report.problems, report.aliases) == ((), (), 0)


@pytest.mark.parametrize(
    ("document", "line", "message"),
    [
        (SERVICE.replace("  name: pay\n", ""), 3, "Service has no metadata.name"),
        ("apiVersion: v1\nkind: Service\nmetadata: x\n", 3, "Service has no metadata.name"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n", 1, "Service a has no spec"),
        (SERVICE.replace("port: 80", "port: http"), 11, "port must be a number"),
        (SLICE.replace("port: 443", "port: [1]"), 11, "port must be a number"),
        (RULE.replace("  namespace: shop", "  labels: []"), 5, "metadata.labels must be an object"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: []\n", 4, "spec must be an object"),
    ],
)
def test_what_no_server_would_take_is_a_problem_and_the_rest_is_judged(document: str, line: int, message: str) -> None:
    other = SERVICE.replace("pay", "well").replace(
        "  ports:", "  type: ExternalName\n  externalName: a.example\n  ports:"
    )
    report = linted(document, other)
    assert [(problem.place.line, problem.message) for problem in report.problems] == [(line, message)]
    assert (found(report), report.aliases) == ([], 1)


JUNK: st.SearchStrategy[Any] = st.sampled_from([None, 0, 1, "", "x", [], [1], {}, {"a": 1}, True, [{}], [None]])


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in paths(item, (*path, key)))]


def with_junk(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    if isinstance(value, dict):
        return {key: with_junk(item, path[1:], junk) if key == path[0] else item for key, item in value.items()}
    return [with_junk(item, path[1:], junk) if index == path[0] else item for index, item in enumerate(value)]


WHOLE: list[Json] = [yaml.safe_load(text) for text in (SERVICE, SLICE, RULE + NAMES, ENDPOINTS)]
VIRTUAL = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "pay", "namespace": "shop"},
    "spec": {
        "hosts": ["pay.shop.svc.cluster.local"],
        "http": [{"route": [{"destination": {"host": "pay", "port": {"number": 80}}, "weight": 1}], "match": []}],
    },
}
ENTRY = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "ServiceEntry",
    "metadata": {"name": "pay", "namespace": "shop"},
    "spec": {
        "hosts": ["api.pay.example"],
        "resolution": "DNS",
        "ports": [{"number": 443, "name": "tls", "protocol": "TLS"}],
        "endpoints": [{"address": "api.pay.example"}],
    },
}
EVERYTHING = [*WHOLE, VIRTUAL, ENTRY]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_value_in_any_field_raises(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([path for path in paths(EVERYTHING) if path]))
    text = yaml.safe_dump_all(with_junk(EVERYTHING, path, data.draw(JUNK)))
    lint([("x.yaml", text)], "default")
