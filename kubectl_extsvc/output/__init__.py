"""Reports and plans as text; one more format is one more row."""

from collections.abc import Callable, Mapping

from kubectl_extsvc.model.report import Report
from kubectl_extsvc.output.report_json import report_json
from kubectl_extsvc.output.report_junit import report_junit
from kubectl_extsvc.output.report_text import report_text
from kubectl_extsvc.output.report_wide import report_wide
from kubectl_extsvc.output.report_yaml import report_yaml
from kubectl_extsvc.output.style import Style

__all__ = ["REPORT_FORMATS", "Style"]

REPORT_FORMATS: Mapping[str, Callable[[Report, Style], str]] = {
    "text": report_text,
    "wide": report_wide,
    "json": report_json,
    "yaml": report_yaml,
    "junit": report_junit,
}
"""Values of verify's -o."""
