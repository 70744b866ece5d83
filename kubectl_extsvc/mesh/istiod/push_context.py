"""The objects of a snapshot in the order in which istiod looks at them; made once, and shared by all clients.

Source: istio pilot/pkg/model/push_context.go, branch release-1.31.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import groupby
from typing import Any

from kubectl_extsvc.mesh.by_identity import ByIdentity
from kubectl_extsvc.mesh.export_to import default_export_to, exported_to
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.istiod.services import MeshService, Resolution, age, service_of, services_of_entry
from kubectl_extsvc.mesh.istiod.virtual_services import VirtualService, read_virtual_services
from kubectl_extsvc.mesh.rule_lookup import Merged, Rule, look_up, read_rule
from kubectl_extsvc.mesh.sources import addresses_of
from kubectl_extsvc.model.marks import SERVICE_NAME_LABEL
from kubectl_extsvc.model.resources import DESTINATION_RULES, SERVICES, VIRTUAL_SERVICES, Json
from kubectl_extsvc.model.route import RuleDecision
from kubectl_extsvc.model.snapshot import Snapshot

MOST_ORDERS = 4
"""Of services that nothing puts in order; each costs as much as the first."""


@dataclass(frozen=True, eq=False)
class PushContext:
    """Each part is made when it is first asked for."""

    snapshot: Snapshot
    turn: int = 0
    """By how many places services that nothing puts in order are turned, see other_orders."""
    scopes: dict[tuple[object, ...], Any] = field(default_factory=dict)
    """What is already known of a client, by its key."""

    @cached_property
    def kubernetes(self) -> Mapping[str, MeshService]:
        """FQDN → Service."""
        domain, alias_mode = self.snapshot.cluster_domain, self.snapshot.mesh.alias_mode
        found = (service_of(s, cluster_domain=domain, alias_mode=alias_mode) for s in self.snapshot.services)
        return {service.host: service for service in found}

    @cached_property
    def external_names(self) -> Mapping[str, str]:
        """FQDN of an ExternalName Service → its externalName."""
        return {s.host: s.external_name for s in self.kubernetes.values() if s.resolution is Resolution.ALIAS}

    @cached_property
    def services(self) -> tuple[MeshService, ...]:
        """Of Services and ServiceEntries, oldest first."""
        entries = (service for entry in self.snapshot.service_entries for service in services_of_entry(entry))
        found = sorted((*self.kubernetes.values(), *entries), key=_order)
        if self.turn:
            found = [service for _, tied in groupby(found, _order) for service in _turned([*tied], self.turn)]
        aliases = self._aliases()
        return tuple(replace(s, aliases=aliases[s.host]) if s.host in aliases else s for s in found)

    @cached_property
    def tied(self) -> tuple[tuple[MeshService, ...], ...]:
        """Services of one host, namespace and second, which istiod looks at in the order of a map: ServiceEntries, and
        the addresses of one (SortServicesByCreationTime, and Services in serviceentry/controller.go)."""
        groups = (tuple(group) for _, group in groupby(self.services, _order))
        return tuple(group for group in groups if len(group) > 1)

    @cached_property
    def other_orders(self) -> "tuple[PushContext, ...]":
        """The same objects, with others of those that are tied at the head."""
        most = max(map(len, self.tied), default=1)
        return tuple(PushContext(self.snapshot, turn) for turn in range(1, min(most, MOST_ORDERS)))

    def _aliases(self) -> dict[str, tuple[str, ...]]:
        """Host → FQDNs of the ExternalName Services that stand for it in the end; a loop stands for nothing.

        Hosts are compared as they are written: a final dot is not forgiven (resolveServiceAliases).
        """
        leading: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for fqdn, external_name in self.external_names.items():
            if (end := end_of_chain(external_name, self.external_names)) is not None:
                leading[end].append((self.kubernetes[fqdn].namespace, fqdn))
        return {host: tuple(fqdn for _, fqdn in sorted(those)) for host, those in leading.items()}

    @cached_property
    def by_host(self) -> Mapping[str, tuple[MeshService, ...]]:
        found: dict[str, list[MeshService]] = defaultdict(list)
        for service in self.services:
            found[service.host].append(service)
        return {host: tuple(those) for host, those in found.items()}

    @cached_property
    def namespaces_read(self) -> frozenset[str]:
        """Those of whose Services some are known."""
        return frozenset(service.namespace for service in self.services if service.kubernetes)

    @cached_property
    def virtual_services(self) -> tuple[VirtualService, ...]:
        """Oldest first."""
        default = default_export_to(VIRTUAL_SERVICES, self.mesh_config)
        return tuple(read_virtual_services(self.snapshot.virtual_services, default, self.cluster_domain))

    @cached_property
    def sidecars(self) -> tuple[Json, ...]:
        """Those with a workloadSelector first, then oldest first."""
        return tuple(sorted(self.snapshot.sidecars, key=lambda s: (_spec(s).get("workloadSelector") is None, *age(s))))

    @cached_property
    def slices(self) -> Mapping[tuple[str, str], tuple[Json, ...]]:
        """(namespace, Service) → EndpointSlices."""
        found: dict[tuple[str, str], list[Json]] = defaultdict(list)
        for endpoint_slice in self.snapshot.endpoint_slices:
            metadata = endpoint_slice["metadata"]
            if name := (metadata.get("labels") or {}).get(SERVICE_NAME_LABEL):
                found[metadata.get("namespace", ""), name].append(endpoint_slice)
        return {key: tuple(those) for key, those in found.items()}

    @cached_property
    def pods(self) -> Mapping[tuple[str, str], Json]:
        """(namespace, address) → pod."""
        return {
            (pod["metadata"].get("namespace", ""), ip): pod for pod in self.snapshot.pods for ip in addresses_of(pod)
        }

    @cached_property
    def rules(self) -> Mapping[str, tuple[Rule, ...]]:
        """Resolved host, perhaps a wildcard → DestinationRules."""
        private = bool(default_export_to(DESTINATION_RULES, self.mesh_config))
        found: dict[str, list[Rule]] = defaultdict(list)
        for obj in self.snapshot.destination_rules:
            rule = read_rule(obj, self.cluster_domain, private_by_default=private)
            found[rule.host].append(rule)
        return {host: tuple(those) for host, those in found.items()}

    @cached_property
    def wildcard_rules(self) -> tuple[Rule, ...]:
        return tuple(rule for host, those in self.rules.items() if host.startswith("*") for rule in those)

    @property
    def mesh_config(self) -> Json:
        return self.snapshot.mesh_config

    @property
    def root_namespace(self) -> str:
        return str(self.mesh_config.get("rootNamespace") or self.snapshot.mesh.root_namespace)

    @property
    def cluster_domain(self) -> str:
        return self.snapshot.cluster_domain

    def seen_from(self, namespace: str) -> list[MeshService]:
        """What clients of a namespace may see: services for fewer than all first (servicesExportedToNamespace)."""
        exported = [s for s in self.services if not self.is_public(s) and self.is_visible(s, namespace)]
        public = [service for service in self.services if self.is_public(service)]
        return [*exported, *public]

    def is_visible(self, service: MeshService, namespace: str) -> bool:
        """Whether clients of a namespace may see a service at all."""
        return exported_to(self._export_to(service), service.namespace, namespace)

    def is_public(self, service: MeshService) -> bool:
        """Exported to all namespaces."""
        export_to = self._export_to(service)
        return not export_to or "*" in export_to

    def _export_to(self, service: MeshService) -> Sequence[str]:
        return service.export_to or default_export_to(SERVICES, self.mesh_config)

    def rules_on(self, host: str) -> tuple[Rule, ...]:
        """DestinationRules that may decide for a host of the registry."""
        own = () if host.startswith("*") else self.rules.get(host, ())
        return (*own, *self.wildcard_rules)

    def decision(self, host: str, namespace: str, port: int, client: Client) -> tuple[RuleDecision, Merged | None]:
        """The DestinationRule that decides at a client for a port of a host, and all the rules that it was merged of.

        namespace is that of the host's Service or ServiceEntry.
        """
        return look_up(
            self.rules_on(host),
            host=host,
            port=port,
            service_namespace=namespace,
            client_namespace=client.namespace,
            client_labels=client.labels,
            root_namespace=self.root_namespace,
        )


def push_context(snapshot: Snapshot) -> PushContext:
    """The context of a snapshot, the same one each time it is asked for."""
    return _made(ByIdentity(snapshot))


@lru_cache(maxsize=4)
def _made(key: ByIdentity[Snapshot]) -> PushContext:
    return PushContext(key.value)


def _order(service: MeshService) -> tuple[str, str, str]:
    return service.created, service.name, service.namespace


def _turned(services: list[MeshService], places: int) -> list[MeshService]:
    first = places % len(services)
    return services[first:] + services[:first]


def _spec(obj: Json) -> Json:
    return obj.get("spec") or {}


def end_of_chain(host: str, target: Mapping[str, str]) -> str | None:
    """The first host that is no alias; target is FQDN → externalName. None for a loop."""
    seen: set[str] = set()
    while host in target:
        if host in seen:
            return None
        seen.add(host)
        host = target[host]
    return host
