"""krew's rules for a plugin, restated: what krew and the checks of its index refuse, a sentence each.

Sources in kubernetes-sigs/krew: internal/index/validation/validate.go, cmd/validate-krew-manifest,
internal/download/downloader.go, internal/installation.
"""

import re
import tarfile
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from release.archives import sha256

Json = Mapping[str, Any]

PLATFORMS = tuple(
    f"{system}/{arch}"
    for system, archs in (
        ("windows", ("386", "amd64", "arm64")),
        ("linux", ("386", "amd64", "arm", "arm64", "ppc64le")),
        ("darwin", ("386", "amd64", "arm64")),
    )
    for arch in archs
)
"""Those that the index looks at (validate-krew-manifest)."""

SEMVER = re.compile(
    r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?"
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)
LICENCE_FILES = {f"{name}{suffix}" for name in ("LICENSE", "LICENSES", "COPYING") for suffix in ("", ".txt", ".md")}


def matches(selector: Json, platform: str) -> bool:
    """A Kubernetes label selector over os and arch."""
    labels = dict(zip(("os", "arch"), platform.split("/"), strict=True))
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions", ())
    )


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(f"no such operator: {expression['operator']}")


def platform_of(manifest: Json, platform: str) -> Json | None:
    """The entry that krew installs there."""
    return next((entry for entry in manifest["spec"]["platforms"] if matches(entry["selector"], platform)), None)


def problems_of_manifest(manifest: Json, file_name: str) -> Iterator[str]:
    if manifest.get("apiVersion") != "krew.googlecontainertools.github.com/v1alpha2":
        yield f"apiVersion is {manifest.get('apiVersion')!r}"
    if manifest.get("kind") != "Plugin":
        yield f"kind is {manifest.get('kind')!r}"
    name = manifest["metadata"]["name"]
    if not re.fullmatch(r"[\w-]+", name):
        yield f"name {name!r} has signs that are not allowed"
    if file_name != f"{name}.yaml":
        yield f"{file_name} is not called {name}.yaml"
    spec = manifest["spec"]
    if not SEMVER.fullmatch(str(spec.get("version", ""))):
        yield f"version {spec.get('version')!r} is not v and a semantic version"
    short = spec.get("shortDescription") or ""
    if not short or "\n" in short:
        yield "shortDescription is not one line"
    platforms = spec.get("platforms") or ()
    if not platforms:
        yield "there are no platforms"
    for entry in platforms:
        yield from _problems_of_platform(entry)
    for one, other in combinations(platforms, 2):
        for platform in PLATFORMS:
            if matches(one["selector"], platform) and matches(other["selector"], platform):
                yield f"two selectors match {platform}"


def _problems_of_platform(entry: Json) -> Iterator[str]:
    uri, selector = entry.get("uri", ""), entry.get("selector") or {}
    if not uri:
        yield "a platform has no uri"
    if not re.fullmatch(r"[0-9a-f]{64}", str(entry.get("sha256", ""))):
        yield f"sha256 of {uri} is {entry.get('sha256')!r}"
    if not entry.get("bin"):
        yield f"{uri} has no bin"
    if "files" in entry and not entry["files"]:
        yield f"files of {uri} is empty"
    for operation in entry.get("files") or ():
        for key in ("from", "to"):
            if not operation.get(key):
                yield f"files of {uri}: {key} is empty"
    expressions = selector.get("matchExpressions", ())
    keys = {*selector.get("matchLabels", {}), *(expression["key"] for expression in expressions)}
    if not keys or keys - {"os", "arch"}:
        yield f"selector of {uri} is about {', '.join(sorted(keys)) or 'nothing'}"
    elif not any(matches(selector, platform) for platform in PLATFORMS):
        yield f"selector of {uri} matches none of krew's platforms"


def problems_of_archive(archive: Path, entry: Json) -> Iterator[str]:
    """What would keep krew from installing entry (of spec.platforms) from archive; without files, all is installed."""
    if sha256(archive) != entry["sha256"]:
        yield f"{archive.name}: its sha256 is not the manifest's"
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar}
    for member in members.values():
        if not (member.isfile() or member.isdir()):
            yield f"{archive.name}: {member.name} is neither a file nor a folder"
        if ".." in member.name or member.name.startswith("/"):
            yield f'{archive.name}: {member.name} has ".." in it, or begins with "/"'
    program = members.get(entry["bin"])
    if program is None or not program.isfile():
        yield f"{archive.name}: bin {entry['bin']} is not there"
    elif not program.mode & 0o111:
        yield f"{archive.name}: bin {entry['bin']} may not be executed"
    if not LICENCE_FILES & set(members):
        yield f"{archive.name}: there is no licence in it"
