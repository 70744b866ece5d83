"""What pip, pipx and uv install: built here, and run in an environment that has it and what it declares, no more."""

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from kubectl_extsvc import __version__
from release.distributions import OURS, closure

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.timeout(120)


def built(kind: str, source: Path, folder: Path) -> Path:
    """By hatchling of this environment: no network. kind is wheel or sdist."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(command, cwd=source, env=env, check=True, capture_output=True, timeout=60)
    (file,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, and with links to what its metadata asks for, as installed here."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site_packages = folder / "lib" / python / "site-packages"
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    alone = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", str(wheel)]
    subprocess.run([*pip, *alone], check=True, timeout=60)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site_packages)  # the wheel's own word on what it needs
        needed = closure()
    for name, distribution in needed.items():
        for top in sorted(top_levels(distribution)) if name != OURS else ():
            if not (site_packages / top.name).exists():
                (site_packages / top.name).symlink_to(top)
    return folder


def top_levels(distribution: Distribution) -> Iterator[Path]:
    """Folders and modules of a distribution in its site-packages."""
    names = {file.parts[0] for file in distribution.files or () if ".." not in file.parts}
    for name in names - {"__pycache__"}:
        yield Path(str(distribution.locate_file(name)))


def run(environment: Path, program: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env: Mapping[str, str] = {"PATH": os.environ["PATH"], "HOME": str(cwd), "LANG": "C.UTF-8"}
    return subprocess.run(
        [str(environment / "bin" / program), *words],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    tracked = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "kubectl_extsvc").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    info = f"kubectl_extsvc-{__version__}.dist-info"
    around = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    assert packed == tracked | {f"{info}/{name}" for name in around}
    for kind in ("py.typed", "tui/look.tcss", "output/schema/report.v1alpha1.json", "sandbox/scenarios/mesh.yaml"):
        assert f"kubectl_extsvc/{kind}" in packed


def test_the_sdist_gives_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert built("wheel", source, tmp_path / "again").read_bytes() == wheel.read_bytes()
    for name in (
        "Makefile",
        "requirements.lock",
        "requirements-dist.lock",
        ".krew.yaml",
        "LICENSE",
        "tests/test_house.py",
    ):
        assert (source / name).exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["version"], f"Client Version: v{__version__}\n"),
        (["--help"], "kubectl extsvc create"),
        (["create", "--external-name", "httpbin.org", "--mesh", "none", "--dry-run=client", "-o", "yaml"],
         "externalName: httpbin.org"),
        (["explain", "XS0403"], "XS0403"),
        (["tui", "--help"], "kubectl extsvc tui"),
        (["sandbox", "--scenario", "address-as-name", "--list"], "sni-missing"),
    ],
)  # fmt: skip
def test_installed_it_runs(environment: Path, tmp_path: Path, words: list[str], expected: str) -> None:
    done = run(environment, "kubectl-extsvc", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_installed_it_verifies_in_its_sandbox(environment: Path, tmp_path: Path) -> None:
    words = ("sandbox", "--scenario", "address-as-name", "--", "verify", "my-httpbin", "-o", "json")
    done = run(environment, "kubectl-extsvc", *words, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "XS0101" in done.stdout


def test_installed_it_completes_for_kubectl(environment: Path, tmp_path: Path) -> None:
    done = run(environment, "kubectl_complete-extsvc", "ver", cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.partition("\t")[0] for line in lines] == ["verify", "version", ":4"]


def test_installed_every_module_can_be_imported(environment: Path, tmp_path: Path) -> None:
    """So nothing is imported that is not declared."""
    program = (
        "import importlib, pkgutil, kubectl_extsvc as package; "
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(package.__path__, 'kubectl_extsvc.')]; "
        "print(package.__file__)"
    )
    done = run(environment, "python", "-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(environment))
