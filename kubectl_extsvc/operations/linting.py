"""lint: manifests judged as if they were applied, without a cluster or on top of what one has."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.mesh.aliases import aliases_in, find_alias
from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.finding import Finding, Skipped
from kubectl_extsvc.model.fix import JsonPatch, Label, MergePatch, RemoveAnnotation
from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.lint import LintReport, Located, Place, Problem
from kubectl_extsvc.model.resources import BY_KIND, Json, ObjectRef
from kubectl_extsvc.model.snapshot import Mesh, Snapshot
from kubectl_extsvc.operations.manifests import Manifest, parse
from kubectl_extsvc.plans.fixes import SNAPSHOT_FIELDS, Edit, is_planned, objects_in, with_edits
from kubectl_extsvc.rules.unprobed import by_objects

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "stdin"
NO_CLUSTER = Snapshot(mesh=Mesh(installed=True, api_version="v1"), all_namespaces=True)
"""The files are the whole world, with a mesh of today around them."""
NO_MESH = Snapshot(all_namespaces=True)

MALFORMED = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What comes of a field of another type than the API server would let in."""

Files = Mapping[ObjectRef, Manifest]


def read_files(words: Sequence[str]) -> list[tuple[str, str]]:
    """(name, text) of each file; - is standard input, a folder stands for all manifests below it.

    Raises UsageError for what is not there, in kubectl's words.
    """
    found: list[tuple[str, str]] = []
    for word in words:
        path = Path(word)
        if word == "-":
            found.append((STDIN, sys.stdin.read()))
        elif path.is_dir():
            found += [(str(file), _text(file)) for file in sorted(path.rglob("*")) if file.suffix in SUFFIXES]
        elif path.exists():
            found.append((word, _text(path)))
        else:
            raise UsageError(f'the path "{word}" does not exist')
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f'the path "{path}" cannot be read: {error}') from error


def lint(files: Sequence[tuple[str, str]], namespace: str, around: Snapshot = NO_CLUSTER) -> LintReport:
    """Judge the aliases that the files are about, each object taken as the API server would complete it.

    namespace is that of objects that name none; around is what is there already.
    """
    manifests, problems = _parsed(files)
    known: dict[ObjectRef, Manifest] = {}
    for manifest in manifests:
        trouble = _trouble(manifest)
        if trouble is not None:
            problems.append(trouble)
        elif _is_known(manifest.obj):
            obj = _in_namespace(manifest.obj, namespace)
            known[ObjectRef.of(obj)] = replace(manifest, obj=obj)
    try:
        snapshot = _world(known, around)
        aliases = _aliases(snapshot, known)
    except MALFORMED as error:
        return LintReport((), (*problems, _malformed(Place(files[0][0]), error)), len(files), 0)
    findings: list[Located] = []
    skipped: dict[str, Skipped] = {}
    concerned = 0
    for alias in aliases:
        where = known[alias.service].place() if alias.service in known else Place(files[0][0])
        concerned += alias.service in known or any(slice_ref in known for slice_ref in alias.slices)
        try:
            judgement = by_objects(alias, snapshot)
        except MALFORMED as error:
            problems.append(_malformed(where, error))
            continue
        said = [finding for finding in judgement.findings if around.services or not _needs_the_rest(finding)]
        findings += _located(alias, said, known)
        skipped |= {each.code: each for each in judgement.skipped}
        problems += [Problem(where, f"rule {each.code} broke: {each.reason}") for each in judgement.broken]
    return LintReport(
        tuple(sorted(findings, key=lambda located: (located.place, located.finding.code))),
        tuple(sorted(problems, key=lambda problem: problem.place)),
        len(files),
        concerned,
        tuple(skipped.values()),
    )


def _malformed(place: Place, error: Exception) -> Problem:
    return Problem(place, f"an object is not as Kubernetes takes it: {type(error).__name__}: {one_line(str(error))}")


def _parsed(files: Iterable[tuple[str, str]]) -> tuple[list[Manifest], list[Problem]]:
    manifests: list[Manifest] = []
    problems: list[Problem] = []
    for name, text in files:
        found, wrong = parse(text, name)
        manifests += found
        problems += wrong
    return manifests, problems


def _is_known(obj: Json) -> bool:
    """Of a kind that bears on aliases. Another group's Service (Knative's) is another kind."""
    kind, group = str(obj.get("kind")), str(obj.get("apiVersion", "")).rpartition("/")[0]
    return (kind in SNAPSHOT_FIELDS or kind == "Endpoints") and BY_KIND[kind].group == group


def _trouble(manifest: Manifest) -> Problem | None:
    """What keeps an object of a known kind from being read at all."""
    obj = manifest.obj
    if not _is_known(obj):
        return None
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        return Problem(manifest.place(("metadata",)), f"{obj['kind']} has no metadata.name")
    if not isinstance(metadata.get("namespace") or "", str):
        return Problem(manifest.place(("metadata", "namespace")), "metadata.namespace must be a word")
    for path in (("metadata", "labels"), ("metadata", "annotations"), ("spec",)):
        value = obj.get(path[0])
        value = value.get(path[1]) if len(path) > 1 and isinstance(value, dict) else value
        if value is not None and not isinstance(value, dict):
            return Problem(manifest.place(path), f"{'.'.join(path)} must be an object")
    if obj["kind"] not in ("Endpoints", "EndpointSlice") and not obj.get("spec"):
        return Problem(manifest.place(), f"{obj['kind']} {metadata['name']} has no spec")
    parents = ("spec", "ports") if obj["kind"] == "Service" else ("ports",)
    ports = ((obj.get("spec") or {}) if obj["kind"] == "Service" else obj).get("ports")
    for index, port in enumerate(ports if isinstance(ports, list) else [ports] if ports else []):
        number = port.get("port") if isinstance(port, dict) else ""
        if not isinstance(number, int) and not (number is None and obj["kind"] == "EndpointSlice"):
            return Problem(manifest.place((*parents, index, "port")), "port must be a number")
    return None


def _in_namespace(obj: Json, namespace: str) -> Json:
    metadata = obj["metadata"]
    return {**obj, "metadata": {**metadata, "namespace": metadata.get("namespace") or namespace}}


def _world(known: Files, around: Snapshot) -> Snapshot:
    """What would be there once the files are applied; slices follow their v1 Endpoints."""
    there = objects_in(around)
    edits = [
        Edit(BY_KIND[ref.kind], ref, there.get(ref), _completed(manifest.obj, there.get(ref), number))
        for number, (ref, manifest) in enumerate(known.items(), 1)
    ]
    applied = with_edits(around, [edit for edit in edits if edit.ref.kind != "Endpoints"])
    return with_edits(applied, [edit for edit in edits if edit.ref.kind == "Endpoints"])


def _aliases(snapshot: Snapshot, known: Files) -> list[Alias]:
    """The aliases, and Services whose only slices do not say whose they are: their names do."""
    found = {alias.service: alias for alias in aliases_in(snapshot)}
    endpoints = [ref for ref in known if ref.kind in ("EndpointSlice", "Endpoints")]
    for ref in known:
        if ref.kind == "Service" and ref not in found and any(_seems_of(ref, other) for other in endpoints):
            meant = find_alias(snapshot, ref.namespace, ref.name)
            if isinstance(meant, Alias):
                found[ref] = meant
    return list(found.values())


def _seems_of(service: ObjectRef, endpoints: ObjectRef) -> bool:
    named = endpoints.name == service.name or endpoints.name.startswith(f"{service.name}-")
    return named and endpoints.namespace == service.namespace


def _completed(obj: Json, live: Json | None, number: int) -> Json:
    """As the API server would keep it (pkg/apis/core/v1/defaults.go); an address that is not known is made up."""
    if obj["kind"] != "Service":
        return obj
    spec = obj["spec"]
    ports = [{"protocol": "TCP", "targetPort": port["port"], **port} for port in spec.get("ports") or ()]
    spec = {"type": "ClusterIP", **spec, **({"ports": ports} if ports else {})}
    if spec["type"] != "ExternalName" and not spec.get("clusterIP"):
        given = (live or {}).get("spec") or {}
        address = given.get("clusterIP") or f"10.96.{number // 250 % 256}.{number % 250 + 1}"
        spec |= {"clusterIP": address, "clusterIPs": given.get("clusterIPs") or [address]}
    return {**obj, "spec": spec}


def _located(alias: Alias, findings: Iterable[Finding], known: Files) -> Iterator[Located]:
    """Those that the files are about: the subject, or what would have to change, stands in one of them."""
    for finding in findings:
        places = (known[ref].place(path) for ref, path in _candidates(finding) if ref in known)
        service = known[alias.service].place() if alias.service in known else None
        place = next(places, service)
        if place is not None:
            yield Located(finding, place)


def _needs_the_rest(finding: Finding) -> bool:
    """It says that an object is not there, which only the files may be without."""
    return finding.code in ("XS0105", "XS0304") and not is_planned(finding)


def _candidates(finding: Finding) -> Iterator[tuple[ObjectRef, tuple[str | int, ...]]]:
    for step in finding.fix:
        match step:
            case MergePatch(ref, patch):
                yield ref, tuple(_first_leaf(patch))
            case JsonPatch(ref, operations) if operations:
                yield ref, _pointer(operations[0]["path"])
            case Label(ref):
                yield ref, ("metadata", "labels")
            case RemoveAnnotation(ref, key):
                yield ref, ("metadata", "annotations", key)
            case _:
                pass
    yield finding.subject, ()


def _first_leaf(patch: Json) -> Iterator[str]:
    for key, value in patch.items():
        yield key
        if isinstance(value, dict):
            yield from _first_leaf(value)
        return


def _pointer(path: str) -> tuple[str | int, ...]:
    parts = (part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:])
    return tuple(int(part) if part.isdigit() else part for part in parts)
