"""What lint found: a line a finding as compilers write it, or JSON."""

from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.lint import LintReport, Located
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.output.report_json import API_VERSION, finding_json, to_json
from kubectl_extsvc.output.rows import clean_line


def lint_text(report: LintReport) -> str:
    """FILE:LINE:COLUMN: CODE severity: message, with the cure below it."""
    return "".join(f"{clean_line(line)}\n" for located in report.findings for line in _lines(located))


def _lines(located: Located) -> list[str]:
    finding = located.finding
    said = [f"{located.place}: {finding.code} {finding.severity}: {finding.message}"]
    return [*said, f"    cure  {finding.cure}"] if finding.cure else said


def lint_summary(report: LintReport) -> str:
    """One line: what there was, and what nobody could look at."""
    counts = [
        f"{number} {severity}{'s' * (number != 1 and severity is not Severity.INFO)}"
        for severity in Severity
        if (number := sum(located.finding.severity is severity for located in report.findings))
    ]
    aliases = f"{report.aliases} alias{'es' * (report.aliases != 1)}"
    files = f"{report.files} file{'s' * (report.files != 1)}"
    if not report.aliases and not report.findings:
        return f"no alias in {files}"
    skipped = f" · {len(report.skipped)} rules need a cluster (verify)" if report.skipped else ""
    return f"{', '.join(counts) or 'nothing wrong'} in {aliases}, {files}{skipped}"


def lint_json(report: LintReport) -> str:
    findings: list[Json] = [
        {**finding_json(each.finding), "file": each.place.file, "line": each.place.line, "column": each.place.column}
        for each in report.findings
    ]
    problems: list[Json] = [
        {"file": p.place.file, "line": p.place.line, "column": p.place.column, "message": p.message}
        for p in report.problems
    ]
    return to_json(
        {
            "apiVersion": API_VERSION,
            "kind": "LintReport",
            "files": report.files,
            "aliases": report.aliases,
            "findings": findings,
            "problems": problems,
            "skipped": [{"code": each.code, "reason": each.reason} for each in report.skipped],
        }
    )
