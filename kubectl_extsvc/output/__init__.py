"""Reports and plans as text; one more format is one more row."""

import importlib
from collections.abc import Callable, Mapping

from kubectl_extsvc.model.report import Report
from kubectl_extsvc.output.style import Style

__all__ = ["REPORT_FORMATS", "Style"]

ReportFormat = Callable[[Report, Style], str]


def _loaded_on_use(module: str, function: str) -> ReportFormat:
    """A format whose module is imported when it is asked for: XML and YAML are no business of text."""

    def write(report: Report, style: Style) -> str:
        written: ReportFormat = getattr(importlib.import_module(f"kubectl_extsvc.output.{module}"), function)
        return written(report, style)

    return write


REPORT_FORMATS: Mapping[str, ReportFormat] = {
    "text": _loaded_on_use("report_text", "report_text"),
    "wide": _loaded_on_use("report_wide", "report_wide"),
    "json": _loaded_on_use("report_json", "report_json"),
    "yaml": _loaded_on_use("report_yaml", "report_yaml"),
    "junit": _loaded_on_use("report_junit", "report_junit"),
}
"""Values of verify's -o."""
