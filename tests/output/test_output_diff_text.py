"""One object before and after, as a person reads it."""

from typing import Any

from kubectl_extsvc.model.resources import DESTINATION_RULES, SERVICES, Json, Resource
from kubectl_extsvc.output.diff_text import diff_text

HEADS = [
    "--- destinationrule.networking.istio.io/my-pay  namespace shop",
    "+++ destinationrule.networking.istio.io/my-pay  namespace shop",
]


def rule(spec: Json, **metadata: Any) -> Json:
    return {"kind": "DestinationRule", "metadata": {"name": "my-pay", "namespace": "shop", **metadata}, "spec": spec}


def lines(before: Json | None, after: Json | None, resource: Resource = DESTINATION_RULES) -> list[str]:
    return diff_text(resource, before, after).splitlines()


def test_only_fields_that_change_are_shown_under_those_that_they_stand_in() -> None:
    before = rule({"host": "x", "trafficPolicy": {"tls": {"mode": "SIMPLE", "sni": "old", "gone": True}, "a": 1}})
    after = rule({"host": "x", "trafficPolicy": {"tls": {"mode": "SIMPLE", "sni": "new", "names": ["name"]}, "a": 1}})
    assert lines(before, after) == [
        *HEADS,
        "  spec:",
        "    trafficPolicy:",
        "      tls:",
        "-       sni: old",
        "+       sni: new",
        "-       gone: true",
        "+       names:",
        "+       - name",
    ]


def test_of_a_list_the_elements_that_go_and_come_and_those_that_change_in_part_by_index() -> None:
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    before = rule({"ports": ports, "names": ["a.example", "b.example"], "empty": []})
    after = rule(
        {"ports": [{"port": 1, "name": "a"}, {"name": "c", "port": 2}], "names": ["b.example", "z"], "empty": ["e"]}
    )
    assert lines(before, after) == [
        *HEADS,
        "  spec:",
        "    ports:",
        "      [1]:",
        "-       name: b",
        "+       name: c",
        "    names:",
        "-     - a.example",
        "+     - z",
        "-   empty: []",
        "+   empty:",
        "+   - e",
    ]


def test_a_new_object_and_one_that_goes_are_shown_whole() -> None:
    assert lines(None, rule({"host": "x"})) == [
        "--- /dev/null",
        HEADS[1],
        "+ kind: DestinationRule",
        "+ metadata:",
        "+   name: my-pay",
        "+   namespace: shop",
        "+ spec:",
        "+   host: x",
    ]
    assert lines(rule({"host": "x"}), None)[:3] == [HEADS[0], "+++ /dev/null", "- kind: DestinationRule"]


def test_what_the_server_counts_for_itself_is_no_change() -> None:
    last = {"kubectl.kubernetes.io/last-applied-configuration": "{...}"}
    before = {**rule({"a": 1}, resourceVersion="1", managedFields=[1], annotations=last), "status": {"x": 1}}
    after = {**rule({"a": 1}, resourceVersion="2", managedFields=[2], generation=3), "status": {"x": 2}}
    assert diff_text(DESTINATION_RULES, before, after) == ""


def test_values_of_secrets_are_never_shown() -> None:
    before = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"tls.key": "b2xk"}, "stringData": {"a": "old"}}
    after = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"tls.key": "bmV3"}, "stringData": {"a": "new"}}
    assert lines(before, after, Resource("", "v1", "secrets", "Secret"))[2:] == [
        "  data:",
        "-   tls.key: '*** (before)'",
        "+   tls.key: '*** (after)'",
        "  stringData:",
        "-   a: '*** (before)'",
        "+   a: '*** (after)'",
    ]


def test_a_value_cannot_speak_to_the_terminal() -> None:
    hostile = {
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"externalName": "\x1b[2J\nx", "\x1b[31m": {"a": 1}},
    }
    text = diff_text(SERVICES, {**hostile, "spec": {"\x1b[31m": {"a": 2}}}, hostile)
    assert "\x1b" not in text
    assert len(text.splitlines()) == 7
