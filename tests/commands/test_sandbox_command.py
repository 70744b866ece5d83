"""kubectl extsvc sandbox."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import kubectl_extsvc
from kubectl_extsvc.commands.sandbox import argv_of, ourselves, scenario_table
from kubectl_extsvc.sandbox.scenarios import names

SANDBOX = [sys.executable, "-m", "kubectl_extsvc", "sandbox"]


def test_list_names_every_scenario_with_what_verify_says() -> None:
    lines = scenario_table().splitlines()
    assert lines[0].split() == ["NAME", "VERIFY", "WHAT", "IS", "WRONG"]
    assert tuple(line.split()[0] for line in lines[1:]) == names()
    assert "sni-missing          XS0403                 The sidecar makes TLS without an SNI" in scenario_table()


@pytest.mark.parametrize(
    ("words", "argv"),
    [
        (["verify", "my-pay", "-A"], [*ourselves(), "verify", "my-pay", "-A"]),
        (["kubectl", "extsvc", "get"], [*ourselves(), "get"]),
        (["--version"], [*ourselves(), "--version"]),
        (["kubectl", "get", "services"], ["kubectl", "get", "services"]),
    ],
)  # fmt: skip
def test_a_command_is_ours_by_its_verb_and_a_program_otherwise(words: list[str], argv: list[str]) -> None:
    assert argv_of(words) == argv


def test_we_start_ourselves_from_where_we_are_whatever_the_current_folder_holds(tmp_path: Path) -> None:
    (tmp_path / "kubectl_extsvc").mkdir()
    (tmp_path / "kubectl_extsvc" / "__init__.py").write_text("raise SystemExit('imported from the current folder')")
    package = shutil.copytree(Path(kubectl_extsvc.__file__).parent, tmp_path / "a lib" / "kubectl_extsvc")
    (package / "__init__.py").write_text('__version__ = "of the copy"')
    for argv, version in ((ourselves(), kubectl_extsvc.__version__), ([sys.executable, str(package)], "of the copy")):
        done = subprocess.run([*argv, "version"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=50)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"Client Version: v{version}\n", "")


def test_a_bundle_is_its_own_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert argv_of(["get"]) == [sys.executable, "get"]


def test_a_command_runs_inside_and_its_exit_code_is_the_sandboxs() -> None:
    done = subprocess.run([*SANDBOX, "--scenario", "address-as-name", "--", "verify", "my-httpbin"],
                          capture_output=True, text=True, check=False, timeout=50)  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    assert "XS0101" in done.stdout


def test_a_command_that_nobody_knows_is_a_usage_error() -> None:
    done = subprocess.run([*SANDBOX, "--", "no-such-program"], capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        'error: "no-such-program" is neither a command of kubectl extsvc nor a program on your PATH\n',
    )


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run([*SANDBOX, "--port", f"{port}"], capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: port {port} of 127.0.0.1 cannot be used: {os.strerror(errno.EADDRINUSE)}\n"


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_sandbox_leaves_no_file_and_no_process(signal_number: int) -> None:
    with subprocess.Popen(SANDBOX, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        kubeconfig = Path(line.strip().removeprefix("export KUBECONFIG="))
        assert kubeconfig.is_file()
        env = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        verify = [sys.executable, "-m", "kubectl_extsvc", "verify"]
        verified = subprocess.run(verify, env=env, capture_output=True, text=True, check=False, timeout=50)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        envoys = children_of(process.pid)
        assert len(envoys) == 1
        process.send_signal(signal_number)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, kubeconfig.parent.exists()) == (130, False), errors
    assert [pid for pid in envoys if is_alive(pid)] == []


def children_of(pid: int) -> list[int]:
    """Process ids, by ps, which Linux and macOS both have."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(child) for child, parent in map(str.split, listed.splitlines()) if int(parent) == pid]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
