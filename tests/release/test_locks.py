"""What is released is what was tested."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent.parent


def locked(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE))


def test_both_locks_have_the_same_versions_of_what_both_have() -> None:
    """make lock writes them."""
    tested, released = locked("requirements.lock"), locked("requirements-dist.lock")
    both = tested.keys() & released.keys()
    assert {"aiohttp", "kubernetes-asyncio", "textual", "hatchling"} <= both
    assert {name: released[name] for name in both} == {name: tested[name] for name in both}


def test_the_lock_of_the_release_has_all_that_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = [*project["project"]["dependencies"], *project["dependency-groups"]["dist"]]
    names = {str(canonicalize_name(Requirement(line).name)) for line in declared}
    assert names - locked("requirements-dist.lock").keys() == set()
