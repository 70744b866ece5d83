"""The tables that kubectl get prints, made by the server as the real one does.

Columns and cells: kubernetes pkg/printers/internalversion/printers.go; of Istio's kinds the additionalPrinterColumns of
its CustomResourceDefinitions (istio/api kubernetes/customresourcedefinitions.gen.yaml).
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
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
    return _duration(_time(timestamp), now) if timestamp else UNKNOWN


def _time(timestamp: str) -> datetime:
    return datetime.fromisoformat(timestamp).astimezone(UTC)


def _duration(start: datetime, end: datetime) -> str:
    seconds = int((end - start).total_seconds())
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
        ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        external = [one.get("ip") or one.get("hostname") for one in ingress] + external or ["<pending>"]
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
    spec, status = obj["spec"], obj.get("status") or {}
    sidecars = {one["name"] for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always"}
    init_statuses = [one for one in status.get("initContainerStatuses") or [] if one["name"] in sidecars]
    statuses = status.get("containerStatuses") or []
    reason = status.get("reason") or status.get("phase") or "Pending"
    for one in reversed(statuses):
        state = one.get("state") or {}
        ended = state.get("terminated") or {}
        told = (state.get("waiting") or {}).get("reason") or ended.get("reason")
        reason = told or (f"ExitCode:{ended.get('exitCode', 0)}" if ended else reason)
    if reason == "Completed" and any("running" in one.get("state", {}) for one in statuses):
        reason = "Running"
    if obj["metadata"].get("deletionTimestamp") and status.get("phase") not in ("Failed", "Succeeded"):
        reason = "Terminating"
    both = [*init_statuses, *statuses]
    ready = sum(bool(one.get("ready")) and "running" in one.get("state", {"running": {}}) for one in both)
    gates = spec.get("readinessGates") or []
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or []}
    open_gates = sum(conditions.get(gate["conditionType"]) == "True" for gate in gates)
    return [
        _name(obj), f"{ready}/{len(spec['containers']) + len(sidecars)}", reason,
        str(sum(one.get("restartCount", 0) for one in both)), _age(obj, now), status.get("podIP") or NONE,
        spec.get("nodeName") or NONE, status.get("nominatedNodeName") or NONE,
        f"{open_gates}/{len(gates)}" if gates else NONE,
    ]  # fmt: skip


def _template(obj: Json) -> Cells:
    containers = obj["spec"]["template"]["spec"].get("containers") or []
    return [",".join(one["name"] for one in containers), ",".join(one.get("image", "") for one in containers)]


def _workload(obj: Json) -> tuple[Json, Json]:
    return obj["spec"], obj.get("status") or {}


def _deployment(obj: Json, now: datetime) -> Cells:
    spec, status = _workload(obj)
    return [
        _name(obj), f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)}", status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0), _age(obj, now), *_template(obj), _selector(spec.get("selector")),
    ]  # fmt: skip


def _replica_set(obj: Json, now: datetime) -> Cells:
    spec, status = _workload(obj)
    return [
        _name(obj), spec.get("replicas", 1), status.get("replicas", 0), status.get("readyReplicas", 0), _age(obj, now),
        *_template(obj), _selector(spec.get("selector")),
    ]  # fmt: skip


def _stateful_set(obj: Json, now: datetime) -> Cells:
    spec, status = _workload(obj)
    return [_name(obj), f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)}", _age(obj, now), *_template(obj)]


def _daemon_set(obj: Json, now: datetime) -> Cells:
    spec, status = _workload(obj)
    counts = (
        "desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable",
    )  # fmt: skip
    nodes = _pairs(spec["template"]["spec"].get("nodeSelector"))
    numbers = [status.get(key, 0) for key in counts]
    return [_name(obj), *numbers, nodes, _age(obj, now), *_template(obj), _selector(spec.get("selector"))]


def _job(obj: Json, now: datetime) -> Cells:
    spec, status = _workload(obj)
    reached = [one["type"] for one in status.get("conditions") or [] if one["status"] == "True"]
    order = ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet")
    state = next((one for one in order if one in reached), "Running")
    if obj["metadata"].get("deletionTimestamp") and state not in ("Complete", "Failed"):
        state = "Terminating"
    started, completed = status.get("startTime"), status.get("completionTime")
    duration = _duration(_time(started), _time(completed) if completed else now) if started else ""
    done = f"{status.get('succeeded', 0)}/{spec.get('completions', 1)}"
    return [_name(obj), state, done, duration, _age(obj, now), *_template(obj), _selector(spec.get("selector"))]


def _node(obj: Json, now: datetime) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    ready = {one["type"]: one["status"] for one in status.get("conditions") or []}.get("Ready")
    state = {"True": "Ready", None: "Unknown"}.get(ready, "NotReady")
    state += ",SchedulingDisabled" if spec.get("unschedulable") else ""
    prefix = "node-role.kubernetes.io/"
    roles = sorted(key.removeprefix(prefix) for key in obj["metadata"].get("labels") or {} if key.startswith(prefix))
    addresses = {one["type"]: one["address"] for one in status.get("addresses") or []}
    info = status.get("nodeInfo") or {}
    return [
        _name(obj), state, ",".join(roles) or NONE, _age(obj, now), info.get("kubeletVersion", ""),
        addresses.get("InternalIP", NONE), addresses.get("ExternalIP", NONE), info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN, info.get("containerRuntimeVersion") or UNKNOWN,
    ]  # fmt: skip


def _event(obj: Json, now: datetime) -> Cells:
    first = age(obj.get("firstTimestamp") or obj.get("eventTime"), now)
    series = obj.get("series") or {}
    last = age(series.get("lastObservedTime") or obj.get("lastTimestamp"), now)
    about = obj.get("involvedObject") or {}
    subject = about.get("kind", "").lower() + (f"/{about['name']}" if about.get("name") else "")
    source = obj.get("source") or {}
    names = (source.get("component"), source.get("host"))
    if not source.get("component"):
        names = (obj.get("reportingComponent"), obj.get("reportingInstance"))
    return [
        first if last == UNKNOWN else last, obj.get("type", ""), obj.get("reason", ""), subject,
        about.get("fieldPath", ""), ", ".join(name for name in names if name), obj.get("message", "").strip(), first,
        series.get("count") or obj.get("count") or 1, _name(obj),
    ]  # fmt: skip


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
    "daemonsets.apps": (
        f"Name,#Desired,#Current,#Ready,#Up-to-date,#Available,Node Selector,Age,{_OF_TEMPLATE}", _daemon_set,
    ),
    "deployments.apps": (f"Name,Ready,Up-to-date,Available,Age,{_OF_TEMPLATE}", _deployment),
    "destinationrules.networking.istio.io": ("Name,Host,Age", _of_spec("host")),
    "endpoints": ("Name,Endpoints,Age", _endpoints),
    "endpointslices.discovery.k8s.io": ("Name,AddressType,Ports,Endpoints,Age", _endpoint_slice),
    "events": ("Last Seen,Type,Reason,Object,+Subobject,+Source,Message,+First Seen,+Count,+Name", _event),
    "jobs.batch": (f"Name,Status,Completions,Duration,Age,{_OF_TEMPLATE}", _job),
    "namespaces": ("Name,Status,Age", _namespace),
    "nodes": (
        "Name,Status,Roles,Age,Version,+Internal-IP,+External-IP,+OS-Image,+Kernel-Version,+Container-Runtime", _node,
    ),
    "peerauthentications.security.istio.io": ("Name,Mode,Age", _of_spec("mtls.mode")),
    "pods": ("Name,Ready,Status,Restarts,Age,+IP,+Node,+Nominated Node,+Readiness Gates", _pod),
    "replicasets.apps": (f"Name,#Desired,#Current,#Ready,Age,{_OF_TEMPLATE}", _replica_set),
    "secrets": ("Name,Type,Data,Age", _secret),
    "serviceaccounts": ("Name,Secrets,Age", _service_account),
    "serviceentries.networking.istio.io": (
        "Name,Hosts,Location,Resolution,Age", _of_spec("hosts", "location", "resolution"),
    ),
    "services": ("Name,Type,Cluster-IP,External-IP,Port(s),Age,+Selector", _service),
    "statefulsets.apps": ("Name,Ready,Age,+Containers,+Images", _stateful_set),
    "virtualservices.networking.istio.io": ("Name,Gateways,Hosts,Age", _of_spec("gateways", "hosts")),
    "workloadentries.networking.istio.io": ("Name,Age,Address", _workload_entry),
}  # fmt: skip
