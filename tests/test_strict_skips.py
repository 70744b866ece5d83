"""The watch over skips, in a project of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WATCH = Path(__file__).with_name("strict_skips.py")

SKIPS = "import pytest\n\ndef test_good(): pass\n\ndef test_left_out(): pytest.skip('why')\n"
FAILS_AS_EXPECTED = "import pytest\n\ndef test_good(): pass\n\n@pytest.mark.xfail\ndef test_left_out(): assert False\n"
MODULE_SKIPS = "import pytest\n\npytest.skip('why', allow_module_level=True)\n"
GOOD = "def test_good(): pass\n"


def run(folder: Path, module: str, allowed: str = "", **env: str) -> tuple[int, list[str]]:
    """Exit code of pytest, and what the watch said."""
    shutil.copy(WATCH, folder / "conftest.py")
    (folder / "allowed_skips.txt").write_text(allowed)
    (folder / "test_one.py").write_text(module)
    clean = {name: value for name, value in os.environ.items() if name not in ("CI", "EXTSVC_STRICT_SKIPS")}
    clean["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={folder}", "."]
    done = subprocess.run(command, cwd=folder, env=clean | env, capture_output=True, text=True, check=False)
    said = [line for line in done.stdout.splitlines() if line.endswith("does not list it") or line == "no test passed"]
    return done.returncode, said


def unlisted(nodeid: str) -> str:
    return f"{nodeid} was skipped, and allowed_skips.txt does not list it"


@pytest.mark.parametrize("switch", ["CI", "EXTSVC_STRICT_SKIPS"])
def test_unlisted_skip_fails_the_run(tmp_path: Path, switch: str) -> None:
    assert run(tmp_path, SKIPS, **{switch: "true"}) == (1, [unlisted("test_one.py::test_left_out")])


def test_unlisted_expected_failure_fails_the_run(tmp_path: Path) -> None:
    assert run(tmp_path, FAILS_AS_EXPECTED, CI="true") == (1, [unlisted("test_one.py::test_left_out")])


def test_skip_of_a_whole_module_counts(tmp_path: Path) -> None:
    (tmp_path / "test_two.py").write_text(GOOD)
    assert run(tmp_path, MODULE_SKIPS, CI="true") == (1, [unlisted("test_one.py")])


def test_listed_skip_is_accepted(tmp_path: Path) -> None:
    assert run(tmp_path, SKIPS, "# all\ntest_one.py::test_left_*  # the reason\n", CI="true") == (0, [])


def test_run_of_skips_alone_fails(tmp_path: Path) -> None:
    module = "import pytest\n\ndef test_left_out(): pytest.skip('why')\n"
    assert run(tmp_path, module, "*\n", CI="true") == (1, ["no test passed"])


def test_skips_are_free_outside_of_ci(tmp_path: Path) -> None:
    assert run(tmp_path, SKIPS) == (0, [])
