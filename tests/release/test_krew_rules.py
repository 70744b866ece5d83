"""krew's rules, over small archives and our own manifest: each refuses what it is for, and nothing else."""

import copy
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl_extsvc import __version__
from release.archives import pack, sha256
from release.krew_rules import PLATFORMS, platform_of, problems_of_archive, problems_of_manifest
from release.manifest import rendered

ROOT = Path(__file__).resolve().parent.parent.parent
LINUX, TREE = "kubectl-extsvc-linux-amd64.tar.gz", "kubectl-extsvc-python.tar.gz"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    folder.mkdir()
    content = tmp_path / "content"
    content.mkdir()
    (content / "LICENSE").write_text("Apache-2.0")
    (content / "kubectl-extsvc").write_text("#!/bin/sh\n")
    (content / "kubectl-extsvc").chmod(0o755)
    for name in (LINUX, TREE):
        pack(content, folder / name, 0)
    return folder


@pytest.fixture
def manifest(dist: Path) -> dict[str, Any]:
    text = rendered((ROOT / ".krew.yaml").read_text(), f"v{__version__}", "some/one", dist)
    value = yaml.safe_load(text)
    assert isinstance(value, dict)
    return value


def test_our_manifest_is_as_krew_wants_it(manifest: dict[str, Any], dist: Path) -> None:
    assert list(problems_of_manifest(manifest, "extsvc.yaml")) == []
    tag = f"https://github.com/some/one/releases/download/v{__version__}"
    first, *others = manifest["spec"]["platforms"]
    assert (first["uri"], first["sha256"]) == (f"{tag}/{LINUX}", sha256(dist / LINUX))
    assert [(entry["uri"], entry["sha256"]) for entry in others] == [(f"{tag}/{TREE}", sha256(dist / TREE))] * 2


def test_linux_on_amd64_gets_the_bundle_other_unix_the_tree_and_windows_nothing(manifest: dict[str, Any]) -> None:
    given = {place: entry and entry["uri"].rpartition("/")[2] for place in PLATFORMS
             for entry in [platform_of(manifest, place)]}  # fmt: skip
    unix = {place: TREE for place in PLATFORMS if not place.startswith("windows/")}
    windows = {place: None for place in PLATFORMS if place.startswith("windows/")}
    assert given == {**unix, **windows, "linux/amd64": LINUX}


def _set(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        *parents, last = path
        at: Any = manifest
        for key in parents:
            at = at[key]
        at[last] = to

    return change


FIRST = ("spec", "platforms", 0)
AMD64 = {"matchLabels": {"os": "linux", "arch": "amd64"}}


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        (_set("apiVersion", to="v1"), ["apiVersion is 'v1'"]),
        (_set("kind", to="Plug"), ["kind is 'Plug'"]),
        (_set("metadata", "name", to="ext.svc"),
         ["name 'ext.svc' has signs that are not allowed", "extsvc.yaml is not called ext.svc.yaml"]),
        (_set("spec", "version", to="0.1.0"), ["version '0.1.0' is not v and a semantic version"]),
        (_set("spec", "version", to="v0.01.0"), ["version 'v0.01.0' is not v and a semantic version"]),
        (_set("spec", "shortDescription", to="two\nlines"), ["shortDescription is not one line"]),
        (_set("spec", "platforms", to=[]), ["there are no platforms"]),
        (_set(*FIRST, "uri", to=""), ["a platform has no uri"]),
        (_set(*FIRST, "bin", to=""), ["u has no bin"]),
        (_set(*FIRST, "sha256", to="not-built-here"), ["sha256 of u is 'not-built-here'"]),
        (_set(*FIRST, "files", to=[]), ["files of u is empty"]),
        (_set(*FIRST, "files", to=[{"from": "*", "to": ""}]), ["files of u: to is empty"]),
        (_set(*FIRST, "selector", to={}), ["selector of u is about nothing", *["two selectors match "] * 7]),
        (_set(*FIRST, "selector", to={"matchLabels": {"os": "plan9"}}),
         ["selector of u matches none of krew's platforms"]),
        (_set(*FIRST, "selector", to={"matchLabels": {"libc": "glibc"}}), ["selector of u is about libc"]),
        (_set("spec", "platforms", 1, "selector", to=AMD64), ["two selectors match linux/amd64"]),
    ],
)  # fmt: skip
def test_a_manifest_that_krew_refuses_is_refused(
    manifest: dict[str, Any], change: Callable[[dict[str, Any]], None], problems: list[str]
) -> None:
    manifest = copy.deepcopy(manifest)
    manifest["spec"]["platforms"][0]["uri"] = "u"
    change(manifest)
    found = list(problems_of_manifest(manifest, "extsvc.yaml"))
    assert len(found) == len(problems)
    assert [one[: len(other)] for one, other in zip(found, problems, strict=True)] == problems


def archive_of(path: Path, *members: tuple[str, bytes, int]) -> Path:
    """Name, type and mode of each."""
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, mode in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.linkname = kind, mode, "elsewhere"
            tar.addfile(entry, io.BytesIO())
    return path


PROGRAM = ("program", tarfile.REGTYPE, 0o755)
LICENCE = ("LICENSE", tarfile.REGTYPE, 0o644)


@pytest.mark.parametrize(
    ("members", "problems"),
    [
        ((PROGRAM, LICENCE), []),
        ((PROGRAM,), ["a.tar.gz: there is no licence in it"]),
        ((PROGRAM, ("doc/LICENSE", tarfile.REGTYPE, 0o644)), ["a.tar.gz: there is no licence in it"]),
        ((LICENCE,), ["a.tar.gz: bin program is not there"]),
        ((LICENCE, ("program", tarfile.REGTYPE, 0o644)), ["a.tar.gz: bin program may not be executed"]),
        ((PROGRAM, LICENCE, ("lib/link", tarfile.SYMTYPE, 0o777)),
         ["a.tar.gz: lib/link is neither a file nor a folder"]),
        ((PROGRAM, LICENCE, ("lib/hard", tarfile.LNKTYPE, 0o644)),
         ["a.tar.gz: lib/hard is neither a file nor a folder"]),
        ((PROGRAM, LICENCE, ("foo..bar", tarfile.REGTYPE, 0o644)),
         ['a.tar.gz: foo..bar has ".." in it, or begins with "/"']),
    ],
)  # fmt: skip
def test_an_archive_that_krew_refuses_is_refused(
    tmp_path: Path, members: tuple[tuple[str, bytes, int], ...], problems: list[str]
) -> None:
    archive = archive_of(tmp_path / "a.tar.gz", *members)
    entry = {"bin": "program", "sha256": sha256(archive)}
    assert list(problems_of_archive(archive, entry)) == problems


def test_an_archive_that_was_changed_is_refused(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a.tar.gz", PROGRAM, LICENCE)
    entry = {"bin": "program", "sha256": "0" * 64}
    assert list(problems_of_archive(archive, entry)) == ["a.tar.gz: its sha256 is not the manifest's"]
