"""The EndpointSlices that Kubernetes keeps for hand-written v1 Endpoints (pkg/controller/endpointslicemirroring)."""

import json

from kubectl_extsvc.model.marks import MIRRORING_CONTROLLER, SERVICE_NAME_LABEL, SLICE_MANAGED_BY_LABEL
from kubectl_extsvc.model.resources import Json

SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"
_NOT_MIRRORED = (
    "endpoints.kubernetes.io/last-change-trigger-time",
    "kubectl.kubernetes.io/last-applied-configuration",
)


def is_mirrored(endpoints: Json, service: Json | None) -> bool:
    """Only for a Service of the same name that has no selector, and unless a label says no."""
    labels = endpoints["metadata"].get("labels") or {}
    return service is not None and not service["spec"].get("selector") and labels.get(SKIP_MIRROR) != "true"


def metadata_of_mirrors(endpoints: Json) -> Json:
    """Labels and annotations of the slices."""
    metadata = endpoints["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    return {
        "labels": {**labels, SLICE_MANAGED_BY_LABEL: MIRRORING_CONTROLLER, SERVICE_NAME_LABEL: metadata["name"]},
        "annotations": {key: value for key, value in annotations.items() if key not in _NOT_MIRRORED},
    }


def mirrored_slices(endpoints: Json) -> list[Json]:
    """Slices that say the same as v1 Endpoints: one for each set of ports and family, each as addressType … ports."""
    found: dict[tuple[str, str], Json] = {}
    for subset in endpoints.get("subsets") or ():
        ports = sorted(({"name": "", **port} for port in subset.get("ports") or ()), key=lambda port: port["name"])
        for group, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in sorted(subset.get(group) or (), key=lambda address: address["ip"]):
                family = "IPv6" if ":" in address["ip"] else "IPv4"
                shape = found.setdefault(
                    (family, json.dumps(ports)), {"addressType": family, "endpoints": [], "ports": ports or None}
                )
                kept = {key: address[key] for key in ("hostname", "nodeName", "targetRef") if address.get(key)}
                conditions = {"ready": ready}
                shape["endpoints"].append({"addresses": [address["ip"]], "conditions": conditions, **kept})
    return list(found.values())
