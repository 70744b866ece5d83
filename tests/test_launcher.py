"""bin/kubectl-extsvc, in checkouts whose Python only says how it was called."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

LAUNCHER = Path(__file__).parent.parent / "bin" / "kubectl-extsvc"
PYTHON = """#!/bin/sh
readlink -f "$0"
for word; do printf '<%s>' "$word"; done
cat
exit 7
"""
CALL = ("extsvc's launcher", "--name=a b", "", "*", "--", "-n")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a space in its name and an environment that is complete."""
    root = tmp_path / "check out"
    for folder in (root / "bin", root / ".venv" / "bin", tmp_path / "elsewhere"):
        folder.mkdir(parents=True)
    shutil.copy(LAUNCHER, root / "bin")
    python = root / ".venv" / "bin" / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    (root / ".venv" / "bin" / "kubectl-extsvc").touch()
    return root


def call(
    program: str, *args: str, cwd: Path, executable: Path | None = None, path: str = ""
) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.pathsep.join(filter(None, (path, os.defpath)))}
    return subprocess.run(
        [program, *args],
        executable=executable,
        cwd=cwd,
        env=env,
        input="stdin",
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def answer(checkout: Path) -> str:
    """What the checkout's Python says to CALL."""
    words = "".join(f"<{word}>" for word in ("-P", "-m", "kubectl_extsvc", *CALL))
    return f"{checkout}/.venv/bin/python\n{words}stdin"


def told(done: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


def test_arguments_stdin_and_exit_code_pass_through_unchanged(checkout: Path) -> None:
    done = call(str(checkout / "bin" / "kubectl-extsvc"), *CALL, cwd=checkout.parent)
    assert told(done) == (7, answer(checkout), "")


def test_found_on_path_from_any_folder(checkout: Path) -> None:
    elsewhere = checkout.parent / "elsewhere"
    done = call("env", "kubectl-extsvc", *CALL, cwd=elsewhere, path=str(checkout / "bin"))
    assert told(done) == (7, answer(checkout), "")


def test_found_on_a_relative_path(checkout: Path) -> None:
    done = call("env", "kubectl-extsvc", *CALL, cwd=checkout / "bin", path=".")
    assert told(done) == (7, answer(checkout), "")


def test_given_to_a_shell_by_its_bare_name(checkout: Path) -> None:
    done = call("sh", "kubectl-extsvc", *CALL, cwd=checkout / "bin")
    assert told(done) == (7, answer(checkout), "")


def test_follows_absolute_and_relative_links_to_itself(checkout: Path) -> None:
    elsewhere = checkout.parent / "elsewhere"
    (elsewhere / "first").symlink_to(checkout / "bin" / "kubectl-extsvc")
    (elsewhere / "kubectl-extsvc").symlink_to("first")
    (checkout.parent / "relative").symlink_to(Path("elsewhere") / "kubectl-extsvc")
    for link in (elsewhere / "kubectl-extsvc", checkout.parent / "relative"):
        assert told(call(str(link), *CALL, cwd=elsewhere)) == (7, answer(checkout), "")


def test_works_in_a_folder_that_is_reached_through_a_link(checkout: Path) -> None:
    link = checkout.parent / "elsewhere" / "bin"
    link.symlink_to(checkout / "bin")
    assert told(call(str(link / "kubectl-extsvc"), *CALL, cwd=checkout)) == (7, answer(checkout), "")


def test_without_an_environment_says_what_to_do(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    link = checkout.parent / "elsewhere" / "kubectl-extsvc"
    link.symlink_to(checkout / "bin" / "kubectl-extsvc")
    expected = f'kubectl-extsvc: no environment in {checkout}; run "make env" there first\n'
    assert told(call(str(link), "version", cwd=checkout.parent)) == (2, "", expected)


def test_half_made_environment_counts_as_none(checkout: Path) -> None:
    (checkout / ".venv" / "bin" / "kubectl-extsvc").unlink()
    expected = f'kubectl-extsvc: no environment in {checkout}; run "make env" there first\n'
    assert told(call(str(checkout / "bin" / "kubectl-extsvc"), cwd=checkout.parent)) == (2, "", expected)


def test_file_in_the_current_folder_is_not_imported(tmp_path: Path) -> None:
    """With this checkout's own Python and code."""
    (tmp_path / "kubectl_extsvc").mkdir()
    (tmp_path / "kubectl_extsvc" / "__init__.py").write_text("raise SystemExit('imported from the current folder')")
    done = call(str(LAUNCHER), "--help", cwd=tmp_path)
    assert "imported from the current folder" not in done.stderr
