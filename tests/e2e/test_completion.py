"""kubectl completes kubectl extsvc: kubectl's own __complete, by the script kubectl_complete-extsvc of the checkout."""

import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.sandbox
SAID_BY_KUBECTL = ("Completion ended with directive: ShellCompDirective", "[Debug] ")
"""Of cobra itself, whatever the plugin does; shells throw it away."""


@pytest.fixture(scope="module", autouse=True)
def _alias(extsvc: Run, foreign_namespaces: frozenset[str]) -> Iterator[None]:
    extsvc("create", "my-completed", "--external-name", "httpbin.org")
    yield
    extsvc("delete", "my-completed")


def completed(kubectl: Run, *words: str) -> list[str]:
    """Candidates without descriptions, and the directive. Names have a second: a busy machine may need another try."""
    end = time.monotonic() + 30
    while True:
        done = kubectl("__complete", "extsvc", *words)
        assert [line for line in done.stderr.splitlines() if not line.startswith(SAID_BY_KUBECTL)] == []
        lines = [line.partition("\t")[0] for line in done.stdout.splitlines()]
        if lines != [":4"] or time.monotonic() > end:
            return lines


def test_a_verb_and_a_flag(kubectl: Run) -> None:
    assert completed(kubectl, "verif") == ["verify", ":4"]
    assert completed(kubectl, "verify", "--fail") == ["--fail-on", ":4"]
    assert completed(kubectl, "verify", "--fail-on=w") == ["warning", ":4"]


@pytest.mark.parametrize("verb", ["verify", "fix", "delete", "tui", "list"])
def test_an_alias(kubectl: Run, verb: str) -> None:
    assert completed(kubectl, verb, "my-comp") == ["my-completed", ":4"]
    assert completed(kubectl, verb, "-n", "default", "my-comp") == ["my-completed", ":4"]


def test_a_namespace_a_context_and_a_code(kubectl: Run) -> None:
    assert completed(kubectl, "verify", "-n", "without") == ["without-istio", ":4"]
    context = kubectl("config", "current-context").stdout.strip()
    assert completed(kubectl, "verify", "--context", context[:3]) == [context, ":4"]
    assert completed(kubectl, "fix", "my-completed", "XS0403") == ["XS0403", ":4"]


def test_a_source(kubectl: Run, sidecar_pod: Any) -> None:
    assert completed(kubectl, "verify", "--from", "po") == ["pod/", ":6"]
    assert completed(kubectl, "verify", "--from", "pod/curl-") == [f"pod/{sidecar_pod.name}", ":4"]
    assert completed(kubectl, "verify", "--from", "deployment/cu") == ["deployment/curl", ":4"]
