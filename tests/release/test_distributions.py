"""What the archives are made of."""

import json
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from release.distributions import closure, files_to_run, licences
from release.sbom import sbom


def distribution(folder: Path, name: str, requires: str = "", files: tuple[str, ...] = ()) -> Distribution:
    """An installed distribution in folder."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    lines = [f"Requires-Dist: {line}" for line in requires.split("\n") if line]
    text = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", "License-Expression: MIT", *lines, ""])
    (info / "METADATA").write_text(text)
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    return Distribution.at(info)


@pytest.fixture
def site_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    return tmp_path


def test_closure_follows_extras_and_what_any_of_our_pythons_and_systems_needs(site_packages: Path) -> None:
    needs = (
        'Light[shiny]>=1\nold; python_version < "3.12"\nnew; python_version >= "3.14"\nmac; sys_platform == "darwin"'
    )
    distribution(site_packages, "root", f'{needs}\nwin; sys_platform == "win32"\nextra; extra == "more"')
    distribution(site_packages, "light", 'lamp; extra == "shiny"\ncandle; extra == "dim"\nroot')
    for name in ("old", "new", "mac", "lamp"):
        distribution(site_packages, name)
    assert list(closure("root")) == ["lamp", "light", "mac", "new", "old", "root"]


def test_what_is_needed_and_not_installed_is_an_error(site_packages: Path) -> None:
    distribution(site_packages, "root", "lost")
    with pytest.raises(ModuleNotFoundError, match="lost"):
        closure("root")


def test_files_to_run_are_for_every_machine_and_say_nothing_of_this_one(tmp_path: Path) -> None:
    kept = ("p/__init__.py", "p/data.dat", "p-1.0.dist-info/METADATA", "p-1.0.dist-info/licenses/LICENSE.txt")
    dropped = (
        "p/fast.cpython-311-x86_64-linux-gnu.so", "p/fast.abi3.so", "p/fast.pyx", "p/fast.c", "../../../bin/p",
        "p/__pycache__/__init__.cpython-311.pyc", "p-1.0.dist-info/RECORD", "p-1.0.dist-info/direct_url.json",
    )  # fmt: skip
    one = distribution(tmp_path, "p", files=(*kept, *dropped))
    assert [str(file) for file in files_to_run(one)] == list(kept)
    assert [str(file) for file in licences(one)] == ["p-1.0.dist-info/licenses/LICENSE.txt"]


def test_the_bill_names_every_material_and_nothing_of_the_day_it_was_written(site_packages: Path) -> None:
    distribution(site_packages, "kubectl-extsvc", "some_thing")
    distribution(site_packages, "some_thing")
    bill = sbom(closure("kubectl-extsvc"), 0)
    assert bill == sbom(closure("kubectl-extsvc"), 0)
    document = json.loads(bill)
    assert document["metadata"]["timestamp"] == "1970-01-01T00:00:00Z"
    assert document["metadata"]["component"]["purl"] == "pkg:pypi/kubectl-extsvc@1.0"
    assert document["components"] == [
        {
            "type": "library",
            "bom-ref": "pkg:pypi/some-thing@1.0",
            "name": "some-thing",
            "version": "1.0",
            "purl": "pkg:pypi/some-thing@1.0",
            "licenses": [{"expression": "MIT"}],
        }
    ]
