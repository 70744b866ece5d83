"""A report as JUnit XML: a suite an alias, a case for each stage of each source, and one for each rule.

A warning is no failure, as it is no exit 1. What could not be observed is an error and never a pass.
"""

import re
from typing import TYPE_CHECKING

from kubectl_extsvc.model.finding import Finding, Severity
from kubectl_extsvc.model.observation import StageState
from kubectl_extsvc.model.report import AliasReport, Report, SourceReport
from kubectl_extsvc.output.report_text import stage_text
from kubectl_extsvc.output.rows import clean_line
from kubectl_extsvc.output.source_names import short_names
from kubectl_extsvc.output.style import Style

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# XML 1.0 §2.2, Char, less the control characters that it would allow.
_INVALID = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def report_junit(report: Report, style: Style) -> str:
    from xml.etree import ElementTree

    root = ElementTree.Element("testsuites", name="kubectl-extsvc", time=f"{report.seconds:.3f}")
    for alias in report.aliases:
        _suite(root, alias, report)
    if report.unread or report.notes:
        said = [f"not read: {unread.what}: {unread.reason}; {unread.unlock}".rstrip("; ") for unread in report.unread]
        _notes(root, [*said, *report.notes])
    _count(root)
    ElementTree.indent(root)
    # ASCII, so that what is left of hostile text (direction marks) is written as a reference.
    body: bytes = ElementTree.tostring(root, encoding="us-ascii", xml_declaration=False)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body.decode("ascii")}\n'


def _suite(root: "Element", alias: AliasReport, report: Report) -> None:
    name = f"{alias.alias.name}.{alias.alias.namespace}"
    suite = _child(root, "testsuite", name=name)
    # Short names: those of pods change from run to run, and a case would have no history.
    names = short_names([source.observation.source for source in alias.sources])
    for source in alias.sources:
        _stage_cases(suite, f"{name}.{names[source.observation.source.key]}", source)
    if report.incomplete and not alias.sources:
        case = _child(suite, "testcase", classname=name, name="sources")
        _child(case, "error", type="incomplete", message="nothing was observed: no source")
    _rule_cases(suite, name, alias)


def _stage_cases(suite: "Element", classname: str, report: SourceReport) -> None:
    source, port = report.observation.source, report.observation.port
    for result in report.stages:
        case = _child(suite, "testcase", classname=classname, name=f"{result.stage} of port {port.number}")
        text = f"{stage_text(result)} (seen from {source.key})"
        match result.state:
            case StageState.OK:
                pass
            case StageState.FAILED:
                _child(case, "failure", type=result.state, message=text)
            case StageState.NOT_OBSERVED:
                _child(case, "error", type=result.state, message=text)
            case StageState.PENDING | StageState.NOT_SERVED | StageState.NOT_REACHED | StageState.NOT_APPLICABLE:
                _child(case, "skipped", message=stage_text(result))


def _rule_cases(suite: "Element", name: str, alias: AliasReport) -> None:
    classname = f"{name}.rules"
    for finding in alias.findings:
        case = _child(suite, "testcase", classname=classname, name=f"{finding.code} {finding.subject}")
        if finding.severity is Severity.ERROR:
            failure = _child(case, "failure", type=finding.code, message=finding.message)
            failure.text = _details(finding)
        else:
            _child(case, "system-out").text = f"{finding.severity}: {_valid(finding.message)}\n{_details(finding)}"
    for code in alias.judgement.passed:
        _child(suite, "testcase", classname=classname, name=code)
    for skipped in alias.judgement.skipped:
        case = _child(suite, "testcase", classname=classname, name=skipped.code)
        _child(case, "skipped", message=skipped.reason + (f"; needs {skipped.unlock}" if skipped.unlock else ""))
    for broken in alias.judgement.broken:
        case = _child(suite, "testcase", classname=classname, name=broken.code)
        _child(case, "error", type="defect", message=broken.reason)


def _details(finding: Finding) -> str:
    """Evidence, sources and cure, a line each."""
    lines = [f"evidence: {line}" for line in finding.evidence]
    lines += [f"source: {source}" for source in finding.sources]
    lines += [f"cure: {finding.cure}"] if finding.cure else []
    return "\n".join(_valid(line) for line in lines)


def _notes(root: "Element", lines: list[str]) -> None:
    suite = _child(root, "testsuite", name="notes")
    _child(suite, "system-out").text = "\n".join(_valid(line) for line in lines)


def _count(root: "Element") -> None:
    """The numbers that readers of JUnit expect on each suite and on the whole."""
    for element in (*root.findall("testsuite"), root):
        cases = list(element.iter("testcase"))
        element.set("tests", str(len(cases)))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            element.set(attribute, str(sum(case.find(tag) is not None for case in cases)))


def _child(parent: "Element", tag: str, **attributes: str) -> "Element":
    from xml.etree import ElementTree

    return ElementTree.SubElement(parent, tag, {key: _valid(value) for key, value in attributes.items()})


def _valid(text: str) -> str:
    """One line of what may stand in XML 1.0 at all."""
    return _INVALID.sub("", clean_line(text))
