"""The tables that kubectl get prints, made by the server as the real one does.

Columns and cells: kubernetes pkg/printers/internalversion/printers.go; of Istio's kinds the additionalPrinterColumns of
its CustomResourceDefinitions (istio/api kubernetes/customresourcedefinitions.gen.yaml).
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.kinds import ServedKind

Cells = list[Any]
NONE, UNSET, UNKNOWN = "<none>", "<unset>", "<unknown>"
MOST_LISTED = 3
"""Endpoints and ports in one cell."""


def table(
    kind: ServedKind, objects: Iterable[Json], metadata: Json, include: str, now: datetime, headed: bool = True
) -> Json:
    """A meta.k8s.io/v1 Table. include: Metadata, Object or None, what each row carries of its object."""
    columns, cells = _TABLES.get(kind.resource, _PLAIN)
    rows = []
    for obj in objects:
        row: Json = {"cells": cells(obj, now)}
        if include != "None":
            row["object"] = obj if include == "Object" else partial(obj)
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [_definition(kind, column) for column in columns.split(",")] if headed else None,
        "rows": rows,
    }


def partial(obj: Json) -> Json:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _definition(kind: ServedKind, column: str) -> Json:
    """+ before a name: only with -o wide; # before it: a number."""
    name = column.lstrip("+#")
    type_ = "integer" if "#" in column else "date" if name == "Age" and kind.custom else "string"
    format_ = "name" if name == "Name" else ""
    return {"name": name, "type": type_, "format": format_, "description": "", "priority": int(column.startswith("+"))}


def age(timestamp: str | None, now: datetime) -> str:
    """Since an RFC 3339 time, in kubectl's short form (apimachinery util/duration, HumanDuration)."""
    if not timestamp:
        return UNKNOWN
    seconds = int((now - datetime.fromisoformat(timestamp)).total_seconds())
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400

    def two(big: int, unit: str, small: int, small_unit: str) -> str:
        return f"{big}{unit}{small}{small_unit}" if small else f"{big}{unit}"

    if seconds < 0:
        return "0s" if seconds >= -1 else "<invalid>"
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return two(days // 365, "y", days % 365, "d") if days < 2920 else f"{days // 365}y"


def _name(obj: Json) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: Json, now: datetime) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def _pairs(labels: dict[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def _selector(selector: Json | None) -> str:
    """metav1.FormatLabelSelector, of matchLabels."""
    return _pairs((selector or {}).get("matchLabels"))


def _some(texts: Sequence[str], nothing: str) -> str:
    more = len(texts) - MOST_LISTED
    return (",".join(texts[:MOST_LISTED]) + (f" + {more} more..." if more > 0 else "")) or nothing


def _service(obj: Json, now: datetime) -> Cells:
    spec = obj["spec"]
    type_ = spec.get("type", "ClusterIP")
    external = list(spec.get("externalIPs") or [])
    if type_ == "ExternalName":
        external = [spec.get("externalName", "")]
    elif type_ == "LoadBalancer":
        external = external or ["<pending>"]
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP") or NONE]
    ports = [
        f"{port['port']}{':' + str(port['nodePort']) if port.get('nodePort') else ''}/{port.get('protocol', 'TCP')}"
        for port in spec.get("ports") or []
    ]
    return [
        _name(obj), type_, addresses[0], ",".join(external) or NONE, ",".join(ports) or NONE, _age(obj, now),
        _pairs(spec.get("selector")),
    ]  # fmt: skip


def _endpoints(obj: Json, now: datetime) -> Cells:
    subsets = obj.get("subsets") or []
    texts: list[str] = []
    for subset in subsets:
        addresses = [address["ip"] for address in subset.get("addresses") or []]
        for port in subset.get("ports") or []:
            texts += [f"[{ip}]:{port['port']}" if ":" in ip else f"{ip}:{port['port']}" for ip in addresses]
        if not subset.get("ports"):
            texts += addresses
    return [_name(obj), _some(texts, "" if subsets else NONE), _age(obj, now)]


def _endpoint_slice(obj: Json, now: datetime) -> Cells:
    ports = [str(port.get("port") or port.get("name") or "*") for port in obj.get("ports") or []]
    addresses = [address for endpoint in obj.get("endpoints") or [] for address in endpoint["addresses"]]
    return [_name(obj), obj["addressType"], _some(ports, UNSET), _some(addresses, UNSET), _age(obj, now)]


def _pod(obj: Json, now: datetime) -> Cells:
    """Pods run from their first moment on, see controllers."""
    spec, status = obj["spec"], obj.get("status") or {}
    sidecars = {one["name"] for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always"}
    init_statuses = [one for one in status.get("initContainerStatuses") or [] if one["name"] in sidecars]
    both = [*init_statuses, *(status.get("containerStatuses") or [])]
    state = "Terminating" if obj["metadata"].get("deletionTimestamp") else status.get("phase", "Pending")
    return [
        _name(obj), f"{sum(one['ready'] for one in both)}/{len(spec['containers']) + len(sidecars)}", state,
        str(sum(one["restartCount"] for one in both)), _age(obj, now), status.get("podIP") or NONE,
        spec.get("nodeName") or NONE, NONE, NONE,
    ]  # fmt: skip


def _template(obj: Json) -> Cells:
    containers = obj["spec"]["template"]["spec"].get("containers") or []
    return [",".join(one["name"] for one in containers), ",".join(one.get("image", "") for one in containers)]


def _deployment(obj: Json, now: datetime) -> Cells:
    spec, status = obj["spec"], obj.get("status") or {}
    return [
        _name(obj), f"{status.get('readyReplicas', 0)}/{spec['replicas']}", status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0), _age(obj, now), *_template(obj), _selector(spec.get("selector")),
    ]  # fmt: skip


def _replica_set(obj: Json, now: datetime) -> Cells:
    spec, status = obj["spec"], obj.get("status") or {}
    return [
        _name(obj), spec["replicas"], status.get("replicas", 0), status.get("readyReplicas", 0), _age(obj, now),
        *_template(obj), _selector(spec.get("selector")),
    ]  # fmt: skip


def _event(obj: Json, now: datetime) -> Cells:
    about = obj.get("involvedObject") or {}
    seen = age(obj.get("lastTimestamp") or obj.get("eventTime"), now)
    subject = f"{about.get('kind', '').lower()}/{about.get('name', '')}"
    return [seen, obj.get("type", ""), obj.get("reason", ""), subject, obj.get("message", "").strip()]


def _namespace(obj: Json, now: datetime) -> Cells:
    return [_name(obj), (obj.get("status") or {}).get("phase", ""), _age(obj, now)]


def _config_map(obj: Json, now: datetime) -> Cells:
    return [_name(obj), len(obj.get("data") or {}) + len(obj.get("binaryData") or {}), _age(obj, now)]


def _secret(obj: Json, now: datetime) -> Cells:
    return [_name(obj), obj.get("type", "Opaque"), len(obj.get("data") or {}), _age(obj, now)]


def _service_account(obj: Json, now: datetime) -> Cells:
    return [_name(obj), len(obj.get("secrets") or []), _age(obj, now)]


def _plain(obj: Json, now: datetime) -> Cells:
    return [_name(obj), _age(obj, now)]


def _of_spec(*keys: str) -> Callable[[Json, datetime], Cells]:
    """Name, some fields of spec by dotted path, age; what is absent is an empty cell, a list is printed as JSON."""

    def cells(obj: Json, now: datetime) -> Cells:
        found: Cells = []
        for key in keys:
            value: Any = obj.get("spec")
            for part in key.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            found.append(json.dumps(value, separators=(",", ":")) if isinstance(value, list) else value)
        return [_name(obj), *found, _age(obj, now)]

    return cells


def _workload_entry(obj: Json, now: datetime) -> Cells:
    return [_name(obj), _age(obj, now), obj["spec"].get("address")]


_PLAIN = ("Name,Age", _plain)
_OF_TEMPLATE = "+Containers,+Images,+Selector"
_TABLES: dict[str, tuple[str, Callable[[Json, datetime], Cells]]] = {
    "configmaps": ("Name,Data,Age", _config_map),
    "deployments.apps": (f"Name,Ready,Up-to-date,Available,Age,{_OF_TEMPLATE}", _deployment),
    "destinationrules.networking.istio.io": ("Name,Host,Age", _of_spec("host")),
    "endpoints": ("Name,Endpoints,Age", _endpoints),
    "endpointslices.discovery.k8s.io": ("Name,AddressType,Ports,Endpoints,Age", _endpoint_slice),
    "events": ("Last Seen,Type,Reason,Object,Message", _event),
    "namespaces": ("Name,Status,Age", _namespace),
    "peerauthentications.security.istio.io": ("Name,Mode,Age", _of_spec("mtls.mode")),
    "pods": ("Name,Ready,Status,Restarts,Age,+IP,+Node,+Nominated Node,+Readiness Gates", _pod),
    "replicasets.apps": (f"Name,#Desired,#Current,#Ready,Age,{_OF_TEMPLATE}", _replica_set),
    "secrets": ("Name,Type,Data,Age", _secret),
    "serviceaccounts": ("Name,Secrets,Age", _service_account),
    "serviceentries.networking.istio.io": (
        "Name,Hosts,Location,Resolution,Age", _of_spec("hosts", "location", "resolution"),
    ),
    "services": ("Name,Type,Cluster-IP,External-IP,Port(s),Age,+Selector", _service),
    "virtualservices.networking.istio.io": ("Name,Gateways,Hosts,Age", _of_spec("gateways", "hosts")),
    "workloadentries.networking.istio.io": ("Name,Age,Address", _workload_entry),
}  # fmt: skip
