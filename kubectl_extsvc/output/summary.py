"""A report in numbers, the same for every format."""

from dataclasses import dataclass

from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.report import Report


@dataclass(frozen=True, slots=True)
class Summary:
    errors: int
    warnings: int
    infos: int
    passed: int
    """Rules that looked and found nothing, summed over the aliases."""
    skipped: int
    broken: int
    unlocks: tuple[str, ...]
    """What would let the skipped rules judge (a right, a flag), each once, in order; else why they did not."""


def summary(report: Report) -> Summary:
    severities = [finding.severity for alias in report.aliases for finding in alias.findings]
    skipped = [skipped for alias in report.aliases for skipped in alias.judgement.skipped]
    return Summary(
        errors=severities.count(Severity.ERROR),
        warnings=severities.count(Severity.WARNING),
        infos=severities.count(Severity.INFO),
        passed=sum(len(alias.judgement.passed) for alias in report.aliases),
        skipped=len(skipped),
        broken=sum(len(alias.judgement.broken) for alias in report.aliases),
        unlocks=tuple(dict.fromkeys(rule.unlock or rule.reason for rule in skipped)),
    )
