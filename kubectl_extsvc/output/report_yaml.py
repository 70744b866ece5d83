"""The document of a report as YAML."""

from kubectl_extsvc.model.report import Report
from kubectl_extsvc.output.report_json import report_document
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.output.yaml_text import to_yaml


def report_yaml(report: Report, style: Style) -> str:
    return to_yaml(report_document(report))
