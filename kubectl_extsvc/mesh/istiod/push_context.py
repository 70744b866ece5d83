"""The objects of a snapshot in the order in which istiod looks at them; made once, and shared by all clients.

Source: istio pilot/pkg/model/push_context.go, branch release-1.31.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from kubectl_extsvc.mesh.istiod.services import MeshService, Resolution, age, service_of, services_of_entry
from kubectl_extsvc.mesh.istiod.virtual_services import VirtualService, read_virtual_services
from kubectl_extsvc.mesh.rule_lookup import Rule, read_rule
from kubectl_extsvc.model.marks import SERVICE_NAME_LABEL
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True, eq=False)
class PushContext:
    snapshot: Snapshot
    services: tuple[MeshService, ...]
    """Oldest first."""
    by_host: Mapping[str, tuple[MeshService, ...]]
    virtual_services: tuple[VirtualService, ...]
    """Oldest first."""
    sidecars: tuple[Json, ...]
    """Those with a workloadSelector first, then oldest first."""
    slices: Mapping[tuple[str, str], tuple[Json, ...]]
    """(namespace, Service) → EndpointSlices."""
    pods: Mapping[tuple[str, str], Json]
    """(namespace, address) → pod."""
    rules: Mapping[str, tuple[Rule, ...]]
    """Resolved host → DestinationRules."""
    wildcard_rules: tuple[Rule, ...]
    scopes: dict[tuple[object, ...], Any] = field(default_factory=dict)
    """What is already known of a client, by its key."""

    @property
    def mesh_config(self) -> Json:
        return self.snapshot.mesh_config

    @property
    def root_namespace(self) -> str:
        return str(self.mesh_config.get("rootNamespace") or self.snapshot.mesh.root_namespace)

    @property
    def cluster_domain(self) -> str:
        return self.snapshot.cluster_domain

    def is_visible(self, service: MeshService, namespace: str) -> bool:
        """Whether clients of a namespace may see a service at all."""
        export_to = service.export_to or tuple(self.mesh_config.get("defaultServiceExportTo") or ("*",))
        if "*" in export_to:
            return True
        own = "." in export_to and service.namespace == namespace
        return "~" not in export_to and (own or namespace in export_to)

    def rules_on(self, host: str) -> tuple[Rule, ...]:
        """DestinationRules that may decide for a host of the registry."""
        return (*self.rules.get(host, ()), *self.wildcard_rules)


class _Identity:
    """A snapshot as a key: it is the one that it is, since its objects cannot be hashed."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def __hash__(self) -> int:
        return id(self.snapshot)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.snapshot is self.snapshot


def push_context(snapshot: Snapshot) -> PushContext:
    """The context of a snapshot, the same one each time it is asked for."""
    return _made(_Identity(snapshot))


@lru_cache(maxsize=4)
def _made(key: _Identity) -> PushContext:
    snapshot = key.snapshot
    domain = snapshot.cluster_domain
    services = [
        *(service_of(s, cluster_domain=domain, alias_mode=snapshot.mesh.alias_mode) for s in snapshot.services),
        *(service for entry in snapshot.service_entries for service in services_of_entry(entry)),
    ]
    services.sort(key=lambda service: (service.created, service.name, service.namespace))
    aliases = _aliases(services)
    services = [replace(s, aliases=aliases[s.host]) if s.host in aliases else s for s in services]
    by_host: dict[str, list[MeshService]] = defaultdict(list)
    for service in services:
        by_host[service.host].append(service)
    rules = _rules(snapshot)
    return PushContext(
        snapshot=snapshot,
        services=tuple(services),
        by_host={host: tuple(those) for host, those in by_host.items()},
        virtual_services=tuple(
            read_virtual_services(
                snapshot.virtual_services, snapshot.mesh_config.get("defaultVirtualServiceExportTo") or (), domain
            )
        ),
        sidecars=tuple(sorted(snapshot.sidecars, key=lambda s: (_spec(s).get("workloadSelector") is None, *age(s)))),
        slices=_slices(snapshot.endpoint_slices),
        pods={
            (pod["metadata"].get("namespace", ""), address): pod for pod in snapshot.pods for address in _ips_of(pod)
        },
        rules={host: those for host, those in rules.items() if not host.startswith("*")},
        wildcard_rules=tuple(rule for host, those in rules.items() if host.startswith("*") for rule in those),
    )


def _spec(obj: Json) -> Json:
    return obj.get("spec") or {}


def _aliases(services: Iterable[MeshService]) -> dict[str, tuple[str, ...]]:
    """Host → FQDNs of the ExternalName Services that stand for it in the end; a loop stands for nothing.

    Hosts are compared as they are written: a final dot is not forgiven (resolveServiceAliases).
    """
    target = {s.host: s.external_name for s in services if s.resolution is Resolution.ALIAS}
    leading: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for service in services:
        if service.resolution is Resolution.ALIAS and (end := end_of_chain(service.external_name, target)) is not None:
            leading[end].append((service.namespace, service.host))
    return {host: tuple(fqdn for _, fqdn in sorted(those)) for host, those in leading.items()}


def end_of_chain(host: str, target: Mapping[str, str]) -> str | None:
    """The first host that is no alias; target is FQDN → externalName. None for a loop."""
    seen: set[str] = set()
    while host in target:
        if host in seen:
            return None
        seen.add(host)
        host = target[host]
    return host


def _slices(slices: Iterable[Json]) -> dict[tuple[str, str], tuple[Json, ...]]:
    by_service: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for endpoint_slice in slices:
        metadata = endpoint_slice["metadata"]
        if name := (metadata.get("labels") or {}).get(SERVICE_NAME_LABEL):
            by_service[metadata.get("namespace", ""), name].append(endpoint_slice)
    return {key: tuple(those) for key, those in by_service.items()}


def _ips_of(pod: Json) -> list[str]:
    status = pod.get("status") or {}
    ips = [entry.get("ip", "") for entry in status.get("podIPs") or ()]
    return ips or ([status["podIP"]] if status.get("podIP") else [])


def _rules(snapshot: Snapshot) -> dict[str, list[Rule]]:
    default = snapshot.mesh_config.get("defaultDestinationRuleExportTo")
    by_host: dict[str, list[Rule]] = defaultdict(list)
    for obj in snapshot.destination_rules:
        if default and not _spec(obj).get("exportTo"):
            obj = {**obj, "spec": {**_spec(obj), "exportTo": default}}
        rule = read_rule(obj, snapshot.cluster_domain)
        by_host[rule.host].append(rule)
    return dict(by_host)
