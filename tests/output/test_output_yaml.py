"""YAML that PyYAML and kubectl's Go library read alike."""

from collections.abc import Mapping

import pytest
import yaml

from kubectl_extsvc.model.report import Report
from kubectl_extsvc.output import REPORT_FORMATS, Style
from kubectl_extsvc.output.report_json import report_document
from kubectl_extsvc.output.yaml_text import to_yaml


@pytest.mark.parametrize("name", ["healthy", "broken", "several-ports", "incomplete", "no-sources"])
def test_yaml_of_a_report_is_its_document(name: str, reports: Mapping[str, Report]) -> None:
    assert yaml.safe_load(REPORT_FORMATS["yaml"](reports[name], Style())) == report_document(reports[name])


def test_yaml_of_hostile_text_is_printable_ascii(reports: Mapping[str, Report]) -> None:
    text = REPORT_FORMATS["yaml"](reports["hostile"], Style())
    assert {char for char in text if not " " <= char <= "~"} == {"\n"}


def test_keys_keep_their_order_and_enum_members_are_words(reports: Mapping[str, Report]) -> None:
    assert REPORT_FORMATS["yaml"](reports["several-ports"], Style()).splitlines()[:6] == [
        "apiVersion: extsvc.dev/v1alpha1",
        "kind: Report",
        "incomplete: false",
        "worstSeverity: warning",
        "at: '2026-11-24T10:00:00Z'",
        "seconds: 2.5",
    ]


def test_equal_parts_get_no_anchors() -> None:
    labels = {"app": "web"}
    assert to_yaml({"a": labels, "b": labels}) == "a:\n  app: web\nb:\n  app: web\n"


@pytest.mark.parametrize(
    "text",
    ["y", "N", "yes", "Off", "true", "NULL", "~", "", "1", "1e3", "12e4567", "0x1F", "0o7", "0b1", "1_000", ".5", "-1",
     ".inf", "2026-11-24", "2026-11-24T10:00:00Z", "10.96.4.7", "2001:db8::1", "12:30:45", "<<", "=", "*", "&x", "# no",
     "a: b", "a #b", "- x", "{}", "[x]", "!x", "@x", "`x`", "%x", " x", "x ", "x\ny", "?", "|", ">"],
)  # fmt: skip
def test_strings_that_look_like_something_else_are_quoted(text: str) -> None:
    (line,) = to_yaml({"k": text}).splitlines() if "\n" not in text else [to_yaml({"k": text})]
    assert line.startswith(("k: '", 'k: "'))
    assert yaml.safe_load(line) == {"k": text}


@pytest.mark.parametrize(
    "text",
    ["web", "my-httpbin", "networking.istio.io/v1", "Service", "/etc/certs/ca.pem", "outbound|80||web.default", "a, b"],
)
def test_words_stay_plain(text: str) -> None:
    assert to_yaml({"k": text}) == f"k: {text}\n"


def test_keys_that_look_like_something_else_are_quoted() -> None:
    assert to_yaml({"on": 1, "1": "x"}) == "'on': 1\n'1': x\n"


def test_long_texts_are_not_folded() -> None:
    assert to_yaml({"k": "word " * 500 + "end"}).count("\n") == 1
