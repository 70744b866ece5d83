"""kubectl-extsvc and what it needs to run, as installed in this environment."""

from collections.abc import Iterator
from importlib.metadata import Distribution, PackagePath

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = "kubectl-extsvc"

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = (("linux", "Linux"), ("darwin", "Darwin"))
"""sys_platform and platform_system."""

OF_THE_INSTALLER = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
"""Files of a .dist-info that tell of this installation, not of the distribution."""
COMPILED = (".so", ".dylib", ".pyd")
OF_COMPILERS = (".pyx", ".pxd", ".pxi", ".c", ".h")


def closure(root: str = OURS) -> dict[str, Distribution]:
    """Name → distribution: root and all that it needs on any of our Pythons and systems, by name.

    Raises PackageNotFoundError where one of them is not installed: some are needed by older Pythons only, so this
    environment's should be the oldest.
    """
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(root), "")]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        distribution = found.setdefault(name, Distribution.from_name(name))
        for requirement in map(Requirement, distribution.requires or ()):
            if _applies(requirement, extra):
                waiting += [(canonicalize_name(requirement.name), wanted) for wanted in ("", *requirement.extras)]
    return dict(sorted(found.items()))


def _applies(requirement: Requirement, extra: str) -> bool:
    """Whether it is needed on any of our Pythons and systems."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**places, "extra": extra}) for places in _places())


def _places() -> Iterator[dict[str, str]]:
    here = {name: str(value) for name, value in default_environment().items()}
    for python in PYTHONS:
        for platform, system in PLATFORMS:
            yield {
                **here,
                "python_version": python,
                "python_full_version": f"{python}.0",
                "implementation_version": f"{python}.0",
                "sys_platform": platform,
                "platform_system": system,
            }


def files_to_run(distribution: Distribution) -> Iterator[PackagePath]:
    """Its files below site-packages, without what only this machine, this Python or a compiler can use."""
    for file in distribution.files or ():
        outside = ".." in file.parts or file.is_absolute()
        of_this_python = file.suffix in (*COMPILED, ".pyc")
        of_the_installer = file.parts[0].endswith(".dist-info") and file.name in OF_THE_INSTALLER
        if not (outside or of_this_python or of_the_installer or file.suffix in OF_COMPILERS):
            yield file


def licences(distribution: Distribution) -> Iterator[PackagePath]:
    """The files that must go along with its code."""
    for file in distribution.files or ():
        if file.parts[0].endswith(".dist-info") and file.name.upper().startswith(
            ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS")
        ):
            yield file
