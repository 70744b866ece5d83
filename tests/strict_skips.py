"""With CI or EXTSVC_STRICT_SKIPS set, a skip or an expected failure that is not in allowed_skips.txt fails the run."""

import os
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ALLOWED = Path(__file__).with_name("allowed_skips.txt")


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("CI") or os.environ.get("EXTSVC_STRICT_SKIPS"):
        lines = (line.partition("#")[0].strip() for line in ALLOWED.read_text().splitlines())
        config.pluginmanager.register(StrictSkips([line for line in lines if line]), "strict-skips")


class StrictSkips:
    """Fails a run with unlisted skips, or in which no test passed."""

    def __init__(self, allowed: list[str]) -> None:
        self.allowed = allowed
        self.unlisted: list[str] = []
        self.passed = 0

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        excused = report.skipped or hasattr(report, "wasxfail")
        if excused and not any(fnmatchcase(report.nodeid, pattern) for pattern in self.allowed):
            self.unlisted.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.note(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.note(report)
        self.passed += report.when == "call" and report.passed

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus == pytest.ExitCode.OK and (self.unlisted or not self.passed):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for nodeid in self.unlisted:
            terminalreporter.write_line(f"{nodeid} was skipped, and {ALLOWED.name} does not list it", red=True)
        if not self.passed:
            terminalreporter.write_line("no test passed", red=True)
