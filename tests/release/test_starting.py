"""How the archives' programs start."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from release.bundle import give_back

LAUNCHER = Path(__file__).resolve().parent.parent.parent / "release" / "launcher.py"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree whose program says how it was called."""
    lib = tmp_path / "a tree" / "lib" / "kubectl_extsvc"
    lib.mkdir(parents=True)
    (lib / "__init__.py").touch()
    (lib / "cli.py").write_text("import sys\n\ndef main():\n    print(sys.argv[1:])\n    return 7\n")
    shutil.copy(LAUNCHER, tmp_path / "a tree" / "kubectl-extsvc")
    return tmp_path / "a tree"


def folder_of(path: Path, **programs: str) -> Path:
    """Programs, each a shell script."""
    path.mkdir()
    for name, script in programs.items():
        program = path / name.replace("_", ".")
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    return path


def started(program: Path, path: str, cwd: Path, *, old: bool = False) -> tuple[int, str, str]:
    """By our Python, which takes itself for an old one if told so."""
    command = [sys.executable, str(program), "verify", "a b"]
    if old:
        pretend = "import runpy, sys; sys.version_info = (3, 9, 6); sys.argv = sys.argv[1:]; "
        command[1:1] = ["-c", f"{pretend}runpy.run_path(sys.argv[0], run_name='__main__')"]
    done = subprocess.run(command, cwd=cwd, env={"PATH": path}, capture_output=True, text=True, check=False, timeout=20)
    return done.returncode, done.stdout, done.stderr


def test_the_launcher_finds_its_lib_through_links_and_not_in_the_current_folder(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "kubectl_extsvc").mkdir()
    (tmp_path / "kubectl_extsvc" / "__init__.py").write_text("raise SystemExit('imported from the current folder')")
    link = tmp_path / "kubectl-extsvc"
    link.symlink_to(tree / "kubectl-extsvc")
    for program in (tree / "kubectl-extsvc", link):
        assert started(program, "", tmp_path) == (7, "['verify', 'a b']\n", "")


def test_an_old_python_looks_for_a_newer_one_under_its_own_name(tree: Path, tmp_path: Path) -> None:
    stand_in = "echo no such version >&2; exit 127"
    path = folder_of(tmp_path / "bin", python3_14=stand_in, python3_13=f'exec {sys.executable} "$@"')
    assert started(tree / "kubectl-extsvc", str(path), tmp_path, old=True) == (7, "['verify', 'a b']\n", "")


def test_an_old_python_alone_says_how_to_get_a_newer_one(tree: Path, tmp_path: Path) -> None:
    path = folder_of(tmp_path / "bin", python3_14="exit 127")
    code, out, err = started(tree / "kubectl-extsvc", str(path), tmp_path, old=True)
    assert (code, out) == (2, "")
    assert err.startswith("kubectl extsvc needs Python 3.11 or newer, and python3 is 3.9.6 here. To get one:\n  macOS")


def test_every_python_3_understands_the_launcher() -> None:
    """As far as the grammar goes; and nothing of a newer library is used before the version is known."""
    tree = ast.parse(LAUNCHER.read_text(), feature_version=(3, 6))
    imported = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"os", "subprocess", "sys"}


@pytest.mark.parametrize(
    ("loaded", "given_back"),
    [
        ({"LD_LIBRARY_PATH": "/b/_internal", "_PYI_ARCHIVE_FILE": "/b/kubectl-extsvc", "A": "1"}, {"A": "1"}),
        ({"LD_LIBRARY_PATH": "/b/_internal:/mine", "LD_LIBRARY_PATH_ORIG": "/mine"}, {"LD_LIBRARY_PATH": "/mine"}),
        ({"LD_LIBRARY_PATH": "/b/_internal", "LD_LIBRARY_PATH_ORIG": ""}, {"LD_LIBRARY_PATH": ""}),
        ({"LD_LIBRARY_PATH": "/mine"}, {"LD_LIBRARY_PATH": "/mine"}),
    ],
)
def test_a_bundle_gives_the_environment_back(loaded: dict[str, str], given_back: dict[str, str]) -> None:
    environ = dict(loaded)
    give_back(environ)
    assert environ == given_back
