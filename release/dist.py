"""python -m release.dist: all that is released, into dist/. See `make dist`."""

import os
import platform
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

from kubectl_extsvc import __version__
from kubectl_extsvc.commands.completion import SCRIPT
from release.archives import pack
from release.distributions import closure, files_to_run, licences
from release.manifest import rendered
from release.sbom import sbom

ROOT = Path(__file__).resolve().parent.parent
TREE = "kubectl-extsvc-python.tar.gz"
"""For every Unix with Python 3.11 or newer."""
BEGIN_OF_ZIP = 315532800
"""1980, the first second that a wheel can tell: for a checkout without git."""


def onedir_name() -> str:
    """The archive with a Python of its own, for machines like this one."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"kubectl-extsvc-{sys.platform}-{machine}.tar.gz"


def main() -> None:
    parser = ArgumentParser(prog="python -m release.dist", description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "dist")
    parser.add_argument("--repository", required=True, help="OWNER/NAME that the manifest points to")
    args = parser.parse_args()
    into: Path = args.into.absolute()
    into.mkdir(parents=True, exist_ok=True)
    epoch = source_date_epoch()
    work = ROOT / "build" / into.name
    shutil.rmtree(work, ignore_errors=True)

    build_and_install_wheel(into)
    build_tree(work / "tree")
    pack(work / "tree", into / TREE, epoch)
    pack(build_onedir(work / "onedir", epoch), into / onedir_name(), epoch)
    (into / "sbom.cdx.json").write_text(sbom(closure(), epoch))
    manifest = into / "extsvc.yaml"
    template = (ROOT / ".krew.yaml").read_text()
    manifest.write_text(rendered(template, f"v{__version__}", args.repository, into))
    for path in sorted(into.iterdir()):
        print(f"{path.stat().st_size:>12,} {path.name}")


def source_date_epoch() -> int:
    """Seconds since 1970 that everything is dated to: of the environment, or of the last commit."""
    if "SOURCE_DATE_EPOCH" not in os.environ:
        asked = subprocess.run(
            ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        os.environ["SOURCE_DATE_EPOCH"] = asked.stdout.strip() or str(BEGIN_OF_ZIP)
    return int(os.environ["SOURCE_DATE_EPOCH"])


def build_and_install_wheel(into: Path) -> None:
    """Wheel and sdist; the archives are made of the wheel, as it is installed in this environment."""
    hatchling = [sys.executable, "-m", "hatchling", "build", "-d", str(into)]
    subprocess.run(hatchling, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = into.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-compile", "--force-reinstall", str(wheel)], check=True)


def build_tree(folder: Path) -> None:
    """Launcher and lib/: pure Python, so the same for every system and every Python that we run on.

    aiohttp, multidict, yarl and the others do without their compiled parts where those are missing.
    """
    for distribution in closure().values():
        for file in files_to_run(distribution):
            target = folder / "lib" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.locate(), target)
    program = folder / "kubectl-extsvc"
    shutil.copy(ROOT / "release" / "launcher.py", program)
    program.chmod(0o755)
    _beside_the_program(folder)


def build_onedir(folder: Path, epoch: int) -> Path:
    """The bundle, by PyInstaller; gives where it lies."""
    spec = ROOT / "release" / "onedir.spec"
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level", "WARN"]
    command += ["--distpath", str(folder), "--workpath", str(folder / "work"), str(spec)]
    # Sets are written in an order that hangs on the hash of strings.
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "0", "PYINSTALLER_CONFIG_DIR": str(folder)}
    folder.mkdir(parents=True)
    subprocess.run(command, env=env, check=True, cwd=folder)  # from elsewhere, so of the wheel and not of the checkout
    bundle = folder / "kubectl-extsvc"
    for name, distribution in closure().items():
        for file in licences(distribution):
            target = bundle / "licenses" / name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.locate(), target)
    _beside_the_program(bundle)
    return bundle


def _beside_the_program(folder: Path) -> None:
    shutil.copy(ROOT / "LICENSE", folder)
    completion = folder / "kubectl_complete-extsvc"
    completion.write_text(SCRIPT)
    completion.chmod(0o755)


if __name__ == "__main__":
    main()
