"""Changes in kubectl's words, objects as kubectl takes them."""

import json

import pytest
import yaml

from kubectl_extsvc.model.plan import Action, Change
from kubectl_extsvc.model.resources import DESTINATION_RULES, SERVICE_ENTRIES, SERVICES, Json, ObjectRef, Resource
from kubectl_extsvc.output.plan_text import change_line, manifests

SERVICE: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "my-httpbin", "namespace": "default", "labels": {"extsvc.dev/alias": "1e3"}},
    "spec": {"type": "ExternalName", "externalName": "httpbin.org", "ports": [{"name": "http", "port": 80}]},
}
SERVICE_ENTRY: Json = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "ServiceEntry",
    "metadata": {
        "name": "my-httpbin",
        "namespace": "default",
        "annotations": {"networking.istio.io/enable-autoallocate-ip": "false"},
    },
    "spec": {"hosts": ["my-httpbin.default.extsvc.internal"], "endpoints": [{"address": "httpbin.org."}]},
}


def change(action: Action, resource: Resource, name: str = "my-httpbin") -> Change:
    return Change(action, resource, ObjectRef(resource.kind, "default", name), None)


@pytest.mark.parametrize(
    ("what", "dry_run", "line"),
    [
        (change(Action.CREATE, SERVICES), "none", "service/my-httpbin created"),
        (change(Action.CREATE, SERVICES), "client", "service/my-httpbin created (dry run)"),
        (change(Action.CREATE, SERVICES), "server", "service/my-httpbin created (server dry run)"),
        (change(Action.UNCHANGED, SERVICES), "none", "service/my-httpbin unchanged"),
        (
            change(Action.CREATE, SERVICE_ENTRIES),
            "none",
            "serviceentry.networking.istio.io/my-httpbin created",
        ),
        (
            change(Action.CONFIGURE, DESTINATION_RULES),
            "server",
            "destinationrule.networking.istio.io/my-httpbin configured (server dry run)",
        ),
        (change(Action.DELETE, SERVICES), "none", 'service "my-httpbin" deleted'),
        (change(Action.DELETE, SERVICES), "client", 'service "my-httpbin" deleted (dry run)'),
        (
            change(Action.DELETE, DESTINATION_RULES),
            "server",
            'destinationrule.networking.istio.io "my-httpbin" deleted (server dry run)',
        ),
    ],
)
def test_change_is_told_in_kubectl_s_words(what: Change, dry_run: str, line: str) -> None:
    assert change_line(what, dry_run=dry_run) == line


@pytest.mark.parametrize("action", Action)
def test_output_name_leaves_the_verb_out(action: Action) -> None:
    line = change_line(change(action, SERVICE_ENTRIES), dry_run="client", output="name")
    assert line == "serviceentry.networking.istio.io/my-httpbin"


def test_name_of_an_object_cannot_hide_the_line() -> None:
    assert change_line(change(Action.CREATE, SERVICES, "x\x1b[2K\r\ny")) == "service/x[2K y created"


def test_yaml_has_a_document_for_each_object() -> None:
    text = manifests([SERVICE, SERVICE_ENTRY], "yaml")
    assert text == (
        "apiVersion: v1\n"
        "kind: Service\n"
        "metadata:\n"
        "  name: my-httpbin\n"
        "  namespace: default\n"
        "  labels:\n"
        "    extsvc.dev/alias: '1e3'\n"
        "spec:\n"
        "  type: ExternalName\n"
        "  externalName: httpbin.org\n"
        "  ports:\n"
        "  - name: http\n"
        "    port: 80\n"
        "---\n"
        "apiVersion: networking.istio.io/v1\n"
        "kind: ServiceEntry\n"
        "metadata:\n"
        "  name: my-httpbin\n"
        "  namespace: default\n"
        "  annotations:\n"
        "    networking.istio.io/enable-autoallocate-ip: 'false'\n"
        "spec:\n"
        "  hosts:\n"
        "  - my-httpbin.default.extsvc.internal\n"
        "  endpoints:\n"
        "  - address: httpbin.org.\n"
    )
    assert list(yaml.safe_load_all(text)) == [SERVICE, SERVICE_ENTRY]


def test_json_of_several_objects_is_a_list() -> None:
    assert json.loads(manifests([SERVICE, SERVICE_ENTRY], "json")) == {
        "apiVersion": "v1",
        "kind": "List",
        "items": [SERVICE, SERVICE_ENTRY],
    }


def test_json_of_one_object_is_the_object() -> None:
    assert json.loads(manifests([SERVICE], "json")) == SERVICE


def test_yaml_of_no_object_is_nothing() -> None:
    assert manifests([], "yaml") == ""


def test_each_manifest_says_above_it_why_it_is_there() -> None:
    text = manifests([SERVICE, SERVICE_ENTRY], "yaml", ["the local name", "what \x1b[31mit\nstands for"])
    first, second = text.split("---\n")
    assert first.splitlines()[0] == "# the local name"
    assert second.splitlines()[0] == "# what [31mit stands for"
    assert [yaml.safe_load(document) for document in (first, second)] == [SERVICE, SERVICE_ENTRY]
