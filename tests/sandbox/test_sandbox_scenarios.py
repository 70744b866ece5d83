"""Each scenario is as broken as it says, and verify says so through the sandbox's own API, pods and sidecars."""

import json
import os
import sys
from typing import Any

import anyio
import pytest

from kubectl_extsvc.sandbox.running import Sandbox, running
from kubectl_extsvc.sandbox.scenarios import names, scenario

ELSEWHERE = ("empty", "exec-forbidden", "large")
"""Scenarios of the tests below."""


async def verified(sandbox: Sandbox, *argv: str) -> tuple[int, Any]:
    env = {**os.environ, "KUBECONFIG": str(sandbox.kubeconfig)}
    command = [sys.executable, "-m", "kubectl_extsvc", "verify", *argv, "-o", "json"]
    done = await anyio.run_process(command, check=False, env=env)
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


def codes(report: Any) -> tuple[str, ...]:
    return tuple(finding["code"] for alias in report["aliases"] for finding in alias["findings"])


@pytest.mark.parametrize("name", [name for name in names() if name not in ELSEWHERE])
async def test_verify_says_what_the_scenario_is_for(name: str) -> None:
    async with running(name) as sandbox:
        code, report = await verified(sandbox)
    assert (codes(report), report["incomplete"]) == (scenario(name).verify, False), json.dumps(report, indent=1)
    assert code == (1 if report["worstSeverity"] == "error" else 0)


async def test_what_may_not_be_asked_is_told_as_not_seen() -> None:
    async with running("exec-forbidden") as sandbox:
        code, report = await verified(sandbox)
    (alias,) = report["aliases"]
    assert (code, codes(report), report["incomplete"]) == (3, (), True)
    reasons = {outcome["noAnswer"] for source in alias["sources"] for outcome in source["outcomes"]}
    assert len(reasons) == 2  # each names its pod
    assert all(reason.endswith("(needs get and create on pods/exec)") for reason in reasons), reasons


async def test_every_team_of_the_large_scenario_is_well() -> None:
    async with running("large") as sandbox:
        assert len(sandbox.store.items("namespaces")) == 54
        code, report = await verified(sandbox, "-n", "team-50")
    assert (code, codes(report), len(report["aliases"]), report["incomplete"]) == (0, (), 20, False)


async def test_a_wish_for_an_unknown_scenario_names_those_that_there_are() -> None:
    from kubectl_extsvc.errors import UsageError

    with pytest.raises(UsageError, match='no scenario is called "nonsense"; there are address-as-name, dead-address, '):
        async with running("nonsense"):
            pass
