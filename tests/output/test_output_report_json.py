"""The document of a report and the schema that promises its form."""

import copy
import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kubectl_extsvc.model.alias import AppProtocol, Form, TlsMode
from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.observation import Stage, StageState
from kubectl_extsvc.model.probe import Purpose, Scheme, Trust
from kubectl_extsvc.model.report import Report
from kubectl_extsvc.model.resolution import Reply
from kubectl_extsvc.model.route import OutboundTls, RouteKind
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.output import REPORT_FORMATS, Style
from kubectl_extsvc.output.report_json import report_document

Path = tuple[str | int, ...]

ENUMS: Mapping[str, type[StrEnum]] = {
    "form": Form,
    "tlsMode": TlsMode,
    "appProtocol": AppProtocol,
    "severity": Severity,
    "stage": Stage,
    "stageState": StageState,
    "scheme": Scheme,
    "purpose": Purpose,
    "outboundTls": OutboundTls,
    "routeKind": RouteKind,
    "meshMode": MeshMode,
    "trust": Trust,
    "reply": Reply,
}

ONE_OF_A_FEW = {
    "apiVersion",
    "kind",
    "worstSeverity",
    "mesh.version",
    "aliases.form",
    "aliases.createdAt",
    "aliases.ports.protocol",
    "aliases.firstDifference",
    "aliases.sources.mode",
    "aliases.sources.port.protocol",
    "aliases.sources.contract.scheme",
    "aliases.sources.stages.stage",
    "aliases.sources.stages.state",
    "aliases.sources.route.kind",
    "aliases.sources.route.tls.mode",
    "aliases.sources.decision.mode",
    "aliases.sources.resolution.tool",
    "aliases.sources.resolution.attempts.record",
    "aliases.sources.resolution.attempts.reply",
    "aliases.sources.shortResolution.tool",
    "aliases.sources.shortResolution.attempts.record",
    "aliases.sources.shortResolution.attempts.reply",
    "aliases.sources.targetResolution.tool",
    "aliases.sources.targetResolution.attempts.record",
    "aliases.sources.targetResolution.attempts.reply",
    "aliases.sources.computedRoute.kind",
    "aliases.sources.computedRoute.tls.mode",
    "aliases.sources.outcomes.answer.handshake.trust",
    "aliases.sources.outcomes.transfer.purpose",
    "aliases.sources.outcomes.transfer.scheme",
    "aliases.findings.code",
    "aliases.findings.severity",
    "aliases.findings.stage",
    "aliases.passed.*",
    "aliases.skipped.code",
    "aliases.broken.code",
}
"""Members whose words are enumerated, fixed or of a pattern; all other strings are free."""

NULL_OR = {
    "worstSeverity": "string",
    "mesh.apiVersion": "string",
    "mesh.version": "string",
    "unread.unlock": "string",
    "aliases.target.host": "string",
    "aliases.ports.name": "string",
    "aliases.externalName": "string",
    "aliases.createdAt": "string",
    "aliases.uid": "string",
    "aliases.tls": "string",
    "aliases.firstDifference": "string",
    "aliases.findings.cure": "string",
    "aliases.skipped.unlock": "string",
    "aliases.broken.unlock": "string",
    "aliases.sources.port.name": "string",
    "aliases.sources.contract.why": "string",
    "aliases.sources.route": "object",
    "aliases.sources.routeUnknown": "string",
    "aliases.sources.route.filterChain": "string",
    "aliases.sources.route.routeConfig": "string",
    "aliases.sources.route.virtualHost": "string",
    "aliases.sources.route.virtualService": "object",
    "aliases.sources.route.hostRewrite": "string",
    "aliases.sources.route.directResponse": "number",
    "aliases.sources.route.envoyCluster": "string",
    "aliases.sources.route.clusterType": "string",
    "aliases.sources.route.destinationRule": "object",
    "aliases.sources.route.tls.sni": "string",
    "aliases.sources.route.tls.ca": "string",
    "aliases.sources.decision": "object",
    "aliases.sources.decision.destinationRule": "object",
    "aliases.sources.decision.mode": "string",
    "aliases.sources.accessLog": "object",
    "aliases.sources.accessLog.details": "string",
    "aliases.sources.accessLog.transportFailure": "string",
    "aliases.sources.accessLog.upstreamHost": "string",
    "aliases.sources.accessLog.envoyCluster": "string",
    "aliases.sources.outcomes.transfer.connectTo": "string",
    "aliases.sources.outcomes.transfer.connectPort": "number",
    "aliases.sources.outcomes.answer.error": "string",
    "aliases.sources.outcomes.answer.status": "number",
    "aliases.sources.outcomes.answer.httpVersion": "string",
    "aliases.sources.outcomes.answer.remoteIP": "string",
    "aliases.sources.outcomes.answer.remotePort": "number",
    "aliases.sources.outcomes.answer.body": "string",
    "aliases.sources.resolution": "object",
    "aliases.sources.resolution.name": "string",
    "aliases.sources.resolution.tool": "string",
    "aliases.sources.resolution.ndots": "number",
    "aliases.sources.resolution.unknown": "string",
    "aliases.sources.resolution.attempts.seconds": "number",
    "aliases.sources.shortResolution": "object",
    "aliases.sources.shortResolution.name": "string",
    "aliases.sources.shortResolution.tool": "string",
    "aliases.sources.shortResolution.ndots": "number",
    "aliases.sources.shortResolution.unknown": "string",
    "aliases.sources.shortResolution.attempts.seconds": "number",
    "aliases.sources.targetResolution": "object",
    "aliases.sources.targetResolution.name": "string",
    "aliases.sources.targetResolution.tool": "string",
    "aliases.sources.targetResolution.ndots": "number",
    "aliases.sources.targetResolution.unknown": "string",
    "aliases.sources.targetResolution.attempts.seconds": "number",
    "aliases.sources.computedRoute.filterChain": "string",
    "aliases.sources.computedRoute.routeConfig": "string",
    "aliases.sources.computedRoute.virtualHost": "string",
    "aliases.sources.computedRoute.virtualService": "object",
    "aliases.sources.computedRoute.hostRewrite": "string",
    "aliases.sources.computedRoute.directResponse": "number",
    "aliases.sources.computedRoute.envoyCluster": "string",
    "aliases.sources.computedRoute.clusterType": "string",
    "aliases.sources.computedRoute.destinationRule": "object",
    "aliases.sources.computedRoute.tls.sni": "string",
    "aliases.sources.computedRoute.tls.ca": "string",
    "aliases.sources.computedRoute": "object",
    "at": "string",
    "aliases.sources.outcomes.answer.firstWords": "string",
    "aliases.sources.outcomes.answer.handshake": "object",
    "aliases.sources.outcomes.answer.handshake.sni": "string",
    "aliases.sources.outcomes.answer.handshake.version": "string",
    "aliases.sources.outcomes.answer.handshake.alpn": "string",
    "aliases.sources.outcomes.answer.handshake.certificates.notBefore": "string",
    "aliases.sources.outcomes.answer.handshake.certificates.notAfter": "string",
}
"""Members that may be null, and what else they are."""

MAY_BE_EMPTY = {
    "aliases.endpointSlices.namespace",
    "aliases.findings.evidence.*",
    "aliases.findings.subject.namespace",
    "aliases.sources.decision.destinationRule.namespace",
    "aliases.sources.decision.losers.destinationRule.namespace",
    "aliases.sources.outcomes.answer.headers.value",
    "aliases.sources.outcomes.transfer.path",
    "aliases.sources.resolution.search.*",
    "aliases.sources.resolution.attempts.name",
    "aliases.sources.resolution.attempts.cnames.*",
    "aliases.sources.shortResolution.search.*",
    "aliases.sources.shortResolution.attempts.name",
    "aliases.sources.shortResolution.attempts.cnames.*",
    "aliases.sources.targetResolution.search.*",
    "aliases.sources.targetResolution.attempts.name",
    "aliases.sources.targetResolution.attempts.cnames.*",
    "aliases.sources.computedRoute.listener",
    "aliases.sources.outcomes.answer.handshake.certificates.subject",
    "aliases.sources.outcomes.answer.handshake.certificates.issuer",
    "aliases.sources.outcomes.answer.handshake.certificates.names.*",
    "aliases.sources.route.destinationRule.namespace",
    "aliases.sources.route.listener",
    "aliases.sources.route.virtualService.namespace",
    "aliases.sources.stages.text",
}
"""Strings for which "" means something; elsewhere it is said by null."""

MAY_BE_NEGATIVE = {"aliases.sources.outcomes.answer.exitCode"}

SAMPLES: Mapping[str, Any] = {
    "null": None,
    "boolean": True,
    "number": 443,
    "string": "damaged",
    "array": [],
    "object": {},
}


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads(resources.files("kubectl_extsvc.output").joinpath("schema/report.v1alpha1.json").read_text())


@pytest.fixture(scope="module")
def validator(schema: Any) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


NAMES = (
    "healthy",
    "broken",
    "not-served",
    "incomplete",
    "hostile",
    "several-ports",
    "several-aliases",
    "no-sources",
    "rich",
)


@pytest.mark.parametrize("name", NAMES)
def test_every_report_fulfils_the_schema(
    name: str, reports: Mapping[str, Report], validator: Draft202012Validator
) -> None:
    document = json.loads(REPORT_FORMATS["json"](reports[name], Style()))
    assert [error.message for error in validator.iter_errors(document)] == []


@pytest.mark.parametrize("name", ENUMS)
def test_schema_names_the_same_words_as_the_model(name: str, schema: Any) -> None:
    assert schema["$defs"][name]["enum"] == [member.value for member in ENUMS[name]]


def test_schema_lists_the_stages_in_order(schema: Any) -> None:
    items = schema["$defs"]["source"]["properties"]["stages"]["prefixItems"]
    assert [item["allOf"][1]["properties"]["stage"]["const"] for item in items] == list(Stage)


def test_each_object_of_the_schema_requires_all_it_knows_and_nothing_else(schema: Any) -> None:
    objects = [node for _, node in nodes(schema) if isinstance(node, dict) and node.get("type") == "object"]
    closed = [node for node in objects if "properties" in node]
    assert [node for node in closed if node["required"] != list(node["properties"])] == []
    assert [node for node in closed if node["additionalProperties"] is not False] == []
    # The other two are the conditions "answer is an object" and "route is an object".
    assert len(objects) - len(closed) == 4 - 2


def test_every_damage_to_a_document_is_refused(reports: Mapping[str, Report], validator: Draft202012Validator) -> None:
    document = json.loads(REPORT_FORMATS["json"](reports["rich"], Style()))
    seen: set[tuple[str, str]] = set()
    # A source of an alias at a time, since validation takes long.
    alone = [
        document | {"aliases": [alias | {"sources": [source]}]}
        for alias in document["aliases"]
        for source in alias["sources"]
    ]
    damages = [damage for document in alone for damage in damages_of(document, seen)]
    assert len(damages) > 1000
    assert [what for what, damaged in damages if validator.is_valid(damaged)] == []


def damages_of(document: Any, seen: set[tuple[str, str]]) -> Iterator[tuple[str, Any]]:
    """Each way in which a document can be wrong, with the document so damaged.

    A member is damaged once for each type of value that it has; seen holds those that were.
    """
    for path, value in nodes(document):
        field, type_name = field_of(path), type_of(value)
        if (field, type_name) in seen:
            continue
        seen.add((field, type_name))
        where = f"{field} ({type_name})"
        if path:
            allowed = {type_name} | ({"null", NULL_OR[field]} if field in NULL_OR else set())
            for other in SAMPLES.keys() - allowed:
                yield f"{where} becomes {other}", with_value(document, path, SAMPLES[other])
        match value:
            case dict():
                yield f"{where} gets an unknown member", with_value(document, path, value | {"surprise": 1})
                for key in value:
                    rest = {name: member for name, member in value.items() if name != key}
                    yield f"{where} loses {key}", with_value(document, path, rest)
            case list():
                yield f"{where} gets a strange item", with_value(document, path, [*value, [[]]])
            case str():
                if field in ONE_OF_A_FEW:
                    yield f"{where} becomes an unknown word", with_value(document, path, "damaged")
                if field not in MAY_BE_EMPTY:
                    yield f"{where} becomes empty", with_value(document, path, "")
            case bool():
                pass
            case int() | float():
                if field not in MAY_BE_NEGATIVE:
                    yield f"{where} becomes negative", with_value(document, path, -1)
                if isinstance(value, int):
                    yield f"{where} becomes a fraction", with_value(document, path, 0.5)


def test_stages_are_all_there_and_in_order(reports: Mapping[str, Report], validator: Draft202012Validator) -> None:
    document = report_document(reports["broken"])
    stages = document["aliases"][0]["sources"][0]["stages"]
    for wrong in (stages[:-1], [*stages, stages[-1]], stages[::-1], []):
        assert not validator.is_valid(with_value(document, ("aliases", 0, "sources", 0, "stages"), wrong))


def test_an_outcome_has_an_answer_or_the_reason_why_not(
    reports: Mapping[str, Report], validator: Draft202012Validator
) -> None:
    document = report_document(reports["broken"])
    path: Path = ("aliases", 0, "sources", 0, "outcomes", 0)
    assert not validator.is_valid(with_value(document, (*path, "answer"), None))
    assert not validator.is_valid(with_value(document, (*path, "noAnswer"), "both"))


def test_a_route_is_known_or_unknown_but_not_both(
    reports: Mapping[str, Report], validator: Draft202012Validator
) -> None:
    document = report_document(reports["broken"])
    assert not validator.is_valid(with_value(document, ("aliases", 0, "sources", 0, "routeUnknown"), "forbidden"))


def test_document_tells_the_exit_code_s_reasons(reports: Mapping[str, Report]) -> None:
    told = {
        name: {key: report_document(report)[key] for key in ("incomplete", "worstSeverity", "summary")}
        for name, report in reports.items()
        if name in ("healthy", "incomplete", "several-aliases", "several-ports")
    }
    none = {"errors": 0, "warnings": 0, "infos": 0, "passed": 0, "skipped": 0, "broken": 0}
    assert told == {
        "healthy": {"incomplete": False, "worstSeverity": None, "summary": none | {"passed": 14}},
        "incomplete": {
            "incomplete": True,
            "worstSeverity": None,
            "summary": none | {"passed": 1, "skipped": 2, "broken": 1},
        },
        "several-aliases": {
            "incomplete": False,
            "worstSeverity": "error",
            "summary": none | {"errors": 1, "passed": 28, "skipped": 2},
        },
        "several-ports": {
            "incomplete": False,
            "worstSeverity": "warning",
            "summary": none | {"warnings": 1, "infos": 1, "passed": 3},
        },
    }


def test_json_keeps_values_of_request_headers_to_itself(reports: Mapping[str, Report]) -> None:
    text = REPORT_FORMATS["json"](reports["broken"], Style())
    assert "secret" not in text
    assert json.loads(text)["aliases"][0]["sources"][0]["outcomes"][0]["transfer"]["headerNames"] == ["Authorization"]


def test_json_of_hostile_text_is_printable_ascii_and_loses_nothing(reports: Mapping[str, Report]) -> None:
    text = REPORT_FORMATS["json"](reports["hostile"], Style())
    assert {char for char in text if not " " <= char <= "~"} == {"\n"}
    answer = reports["hostile"].aliases[0].sources[0].observation.answer
    assert answer is not None
    headers = json.loads(text)["aliases"][0]["sources"][0]["outcomes"][0]["answer"]["headers"]
    assert [(header["name"], header["value"]) for header in headers] == list(answer.headers)


def nodes(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value of a document with the way to it, the document itself first."""
    yield path, value
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from nodes(member, (*path, key))


def field_of(path: Path) -> str:
    """The way without indexes: aliases.sources.stages.text; an item of a list of words is aliases.passed.*."""
    if path and isinstance(path[-1], int):
        path = (*path[:-1], "*")
    return ".".join(part for part in path if isinstance(part, str))


def type_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def with_value(document: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    node = changed
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return changed
