"""The exit code of verify: findings × --fail-on × gaps × --strict × rules that broke."""

import pytest

from kubectl_extsvc.cli import said
from kubectl_extsvc.commands.verify import exit_code
from kubectl_extsvc.errors import ApiError, ClusterError, ConfigurationError, ExecError, ExtsvcError, Refused, TimedOut
from kubectl_extsvc.model.alias import Alias, HostTarget
from kubectl_extsvc.model.finding import Finding, Judgement, Severity, Skipped
from kubectl_extsvc.model.observation import Stage
from kubectl_extsvc.model.report import AliasReport, Report
from kubectl_extsvc.model.snapshot import Mesh

ALIAS = Alias("default", "a", HostTarget("a.example"), ())
WELL, SKIPPED, BROKEN = "well", "skipped", "broken"


def report(*severities: str, incomplete: bool = False, rules: str = WELL) -> Report:
    """One alias that is well, and one with findings of the severities."""
    findings = tuple(Finding("XS0101", Severity(s), Stage.NAME, ALIAS.service, "") for s in severities)
    gaps = (Skipped("XS0102", "no right", "list x"),)
    judgement = Judgement(findings, gaps if rules == SKIPPED else (), (), gaps if rules == BROKEN else ())
    aliases = (Judgement((), (), ()), judgement)
    return Report(
        tuple(AliasReport(ALIAS, "", (), judgement, None) for judgement in aliases),
        Mesh(installed=False),
        0.0,
        incomplete=incomplete,
    )


@pytest.mark.parametrize(
    ("seen", "fail_on", "strict", "code"),
    [
        (report(), "info", True, 0),
        (report("error"), "error", False, 1),
        (report("warning"), "error", False, 0),
        (report("warning"), "warning", False, 1),
        (report("error"), "warning", False, 1),
        (report("info"), "error", False, 0),
        (report("info"), "warning", False, 0),
        (report("info"), "info", False, 1),
        (report("info", "error", "warning"), "error", False, 1),
        (report(incomplete=True), "error", False, 3),
        (report("warning", incomplete=True), "error", False, 3),
        (report("error", incomplete=True), "error", True, 1),
        (report(rules=SKIPPED), "error", False, 0),
        (report(rules=SKIPPED), "error", True, 3),
        (report("warning", rules=SKIPPED), "error", True, 3),
        (report("error", rules=SKIPPED), "error", True, 1),
        (report(rules=BROKEN), "error", False, 3),
        (report("error", rules=BROKEN), "error", False, 1),
    ],
)
def test_exit_code(seen: Report, fail_on: str, strict: bool, code: int) -> None:
    assert exit_code(seen, fail_on, strict=strict) == code


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Refused("no"), "error: no"),
        (TimedOut("late"), "error: late"),
        (ExecError("exec"), "error: exec"),
        (ExtsvcError("x"), "error: x"),
        (
            ConfigurationError("Error in configuration: context was not found"),
            "Error in configuration: context was not found",
        ),
        (ConfigurationError("bad key"), "error: bad key"),
        (ClusterError("The connection to the server x was refused"), "The connection to the server x was refused"),
        (ApiError("Error from server (NotFound): no", code=404, reason="NotFound"), "Error from server (NotFound): no"),
    ],
)
def test_a_user_is_told_in_kubectls_words(error: ExtsvcError, line: str) -> None:
    assert said(error) == line
