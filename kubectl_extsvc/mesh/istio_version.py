"""Which Istio is installed, from the little that says it."""

import re

from kubectl_extsvc.model.resources import Json

Version = tuple[int, int]
"""Major and minor."""

_VERSION = re.compile(r"v?(\d{1,3})\.(\d{1,4})(?![0-9])")
_VERSION_LABELS = ("app.kubernetes.io/version", "operator.istio.io/version")
_CHART_LABEL = "helm.sh/chart"
"""Its value: istiod-1.31.0."""


def version_in(text: str) -> Version | None:
    """Of a version as Istio writes it: 1.31.0, 1.31-alpha.5dd1e5c, v1.22.3-distroless; None for unknown or a digest."""
    found = _VERSION.match(text.strip())
    return (int(found[1]), int(found[2])) if found else None


def version_of_node(metadata: Json) -> Version | None:
    """Of a proxy, from the node metadata in its bootstrap (ISTIO_VERSION)."""
    return version_in(str(metadata.get("ISTIO_VERSION") or ""))


def version_of_image(image: str) -> Version | None:
    """From the tag of an image; a registry's port or a digest is no tag."""
    name = image.partition("@")[0].rpartition("/")[2]
    return version_in(name.partition(":")[2])


def version_of_istiod(obj: Json) -> Version | None:
    """Of an istiod pod or Deployment: from its image, else from the labels that the chart and the operator write."""
    spec = obj.get("spec") or {}
    pod_spec = (spec.get("template") or {}).get("spec") or spec
    labels = obj["metadata"].get("labels") or {}
    images = [c.get("image", "") for c in pod_spec.get("containers") or () if c["name"] in ("discovery", "istiod")]
    chart = str(labels.get(_CHART_LABEL, "")).removeprefix("istiod-").removeprefix("istio-discovery-")
    said = [*map(version_of_image, images), *(version_in(labels.get(key, "")) for key in _VERSION_LABELS)]
    return next((version for version in (*said, version_in(chart)) if version is not None), None)
