"""JUnit XML, read back with the parser that CI systems' readers stand on."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kubectl_extsvc.model.report import Report
from kubectl_extsvc.output import REPORT_FORMATS, Style

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", ["broken", "incomplete", "no-sources"])
def test_report_is_written_as_in_its_golden_file(name: str, reports: Mapping[str, Report]) -> None:
    assert REPORT_FORMATS["junit"](reports[name], Style()) == (GOLDEN / f"{name}.junit.xml").read_text()


def test_there_is_a_suite_for_each_alias(reports: Mapping[str, Report]) -> None:
    root = ElementTree.fromstring(REPORT_FORMATS["junit"](reports["several-aliases"], Style()))
    assert [suite.attrib for suite in root] == [
        {"name": "my-httpbin.default", "tests": "26", "failures": "0", "errors": "0", "skipped": "2"},
        {"name": "my-pay.shop", "tests": "29", "failures": "2", "errors": "0", "skipped": "6"},
        {"name": "notes", "tests": "0", "failures": "0", "errors": "0", "skipped": "0"},
    ]
    assert root.attrib == {
        "name": "kubectl-extsvc",
        "time": "1.400",
        "tests": "55",
        "failures": "2",
        "errors": "0",
        "skipped": "8",
    }


def test_warning_is_told_but_no_failure(reports: Mapping[str, Report]) -> None:
    root = ElementTree.fromstring(REPORT_FORMATS["junit"](reports["not-served"], Style()))
    cases = [case for case in root.iter("testcase") if "XS0409" in case.attrib["name"]]
    assert [(case.attrib["name"], [(child.tag, child.text) for child in case]) for case in cases] == [
        (
            "XS0409 service/my-pay",
            [
                (
                    "system-out",
                    "warning: plain pods reach api.pay.example:80 unencrypted\n"
                    "source: shop/cron-55\n"
                    "cure: give them a sidecar",
                )
            ],
        )
    ]
    assert list(root.iter("failure")) == []


@pytest.mark.parametrize("name", ["hostile", "rich"])
def test_text_from_outside_is_valid_xml_and_printable(name: str, reports: Mapping[str, Report]) -> None:
    text = REPORT_FORMATS["junit"](reports[name], Style())
    assert {char for char in text if not " " <= char <= "~"} == {"\n"}
    root = ElementTree.fromstring(text)
    assert Counter(element.tag for element in root)["testsuite"] == len(root)


def test_hostile_text_keeps_what_is_harmless(reports: Mapping[str, Report]) -> None:
    root = ElementTree.fromstring(REPORT_FORMATS["junit"](reports["hostile"], Style()))
    failure = root.find(".//failure[@type='XS0403']")
    assert failure is not None
    assert failure.attrib["message"] == "[2J]0;owned31mgnp.exe FAKE ✓ all well \ufffd <&\"'>]]>"
