"""The bill of materials: what is in the archives besides our own code, as CycloneDX."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import Distribution

from packaging.utils import canonicalize_name

from release.distributions import OURS


def sbom(distributions: Mapping[str, Distribution], epoch: int) -> str:
    """CycloneDX 1.6 JSON of a closure (release.distributions)."""
    ours = distributions[OURS]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z"),
            "component": {"type": "application", **_component(ours)},
        },
        "components": [
            {"type": "library", **_component(distribution)}
            for name, distribution in distributions.items()
            if name != OURS
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _component(distribution: Distribution) -> dict[str, object]:
    name = canonicalize_name(distribution.name)
    purl = f"pkg:pypi/{name}@{distribution.version}"
    component: dict[str, object] = {"bom-ref": purl, "name": name, "version": distribution.version, "purl": purl}
    if licence := distribution.metadata.json.get("license_expression"):
        component["licenses"] = [{"expression": licence}]
    return component
