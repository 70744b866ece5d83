"""Changes in kubectl's words, and wanted objects as `kubectl apply -f -` takes them."""

from collections.abc import Sequence

from kubectl_extsvc.model.plan import Action, Change
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.output.report_json import to_json
from kubectl_extsvc.output.rows import clean_line
from kubectl_extsvc.output.yaml_text import to_yaml

# kubectl pkg/cmd/util/helpers.go PrintFlagsWithDryRunStrategy, and pkg/cmd/delete/delete.go PrintObj.
_SUFFIXES = {"none": "", "client": " (dry run)", "server": " (server dry run)"}


def change_line(change: Change, *, dry_run: str = "none", output: str = "") -> str:
    """service/my-httpbin created; of a deletion, service "my-httpbin" deleted. No newline at its end.

    dry_run is --dry-run's value; output "name" leaves the verb out.
    """
    kind, name = change.resource.qualified, clean_line(change.ref.name)
    if output == "name":
        return f"{kind}/{name}"
    said = f'{kind} "{name}"' if change.action is Action.DELETE else f"{kind}/{name}"
    return f"{said} {change.action}{_SUFFIXES[dry_run]}"


def manifests(objects: Sequence[Json], output: str, why: Sequence[str] = ()) -> str:
    """Objects for `kubectl apply -f -`: "yaml" gives a document each, "json" the object or a v1 List of several.

    why has a line for each object, which YAML shows as a comment above it.
    """
    if output == "yaml":
        reasons = [f"# {clean_line(reason)}\n" if reason else "" for reason in why] or [""] * len(objects)
        return "---\n".join(reason + to_yaml(obj) for reason, obj in zip(reasons, objects, strict=True))
    return to_json(objects[0] if len(objects) == 1 else {"apiVersion": "v1", "kind": "List", "items": [*objects]})
