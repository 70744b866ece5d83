"""What one proxy sees of the mesh: the hosts it knows, and the rules about them.

Source throughout: istio pilot/pkg/model (push_context.go, sidecar.go), branch release-1.31.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import yaml

from kubectl_extsvc.mesh.hosts import covers, resolve_host, service_fqdn
from kubectl_extsvc.mesh.registry import Registered, RegistryPort, age, alias_target, is_external_name, registered
from kubectl_extsvc.mesh.rule_lookup import decide
from kubectl_extsvc.model.alias import AppProtocol
from kubectl_extsvc.model.marks import SERVICE_NAME_LABEL
from kubectl_extsvc.model.resources import (
    CONFIG_MAPS,
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    PODS,
    SERVICE_ENTRIES,
    SERVICES,
    SIDECARS,
    VIRTUAL_SERVICES,
    Json,
    Resource,
)
from kubectl_extsvc.model.route import RuleDecision
from kubectl_extsvc.model.snapshot import Mesh, Snapshot
from kubectl_extsvc.sandbox.api.store import Store

ISTIO_NAMESPACE = "istio-system"
"""Where istiod is and what its meshConfig has as rootNamespace."""
TLS_MODE_LABEL = "security.istio.io/tlsMode"

LOOKED_AT = frozenset(
    resource.qualified_plural
    for resource in (
        CONFIG_MAPS,
        DESTINATION_RULES,
        ENDPOINT_SLICES,
        PODS,
        SERVICE_ENTRIES,
        SERVICES,
        SIDECARS,
        VIRTUAL_SERVICES,
    )
) | {"secrets"}
"""Resources of the store that a proxy's configuration is made of."""


@dataclass(frozen=True, slots=True)
class Client:
    """The pod that a proxy belongs to."""

    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ip: str = "127.0.0.1"

    @classmethod
    def of(cls, pod: Json) -> "Client":
        metadata = pod["metadata"]
        return cls(metadata["namespace"], metadata["name"], metadata.get("labels") or {}, pod["status"]["podIP"])


class Resolution(StrEnum):
    """Envoy's word for the way in which a host's endpoints are found (Cluster.DiscoveryType)."""

    EDS = "EDS"
    STRICT_DNS = "STRICT_DNS"
    ORIGINAL_DST = "ORIGINAL_DST"


@dataclass(frozen=True, slots=True)
class MeshHost:
    """A Service or ServiceEntry as the proxy knows it: one name of the registry."""

    host: str
    namespace: str
    name: str
    ports: tuple[RegistryPort, ...]
    addresses: tuple[str, ...]
    """Virtual ones, perhaps in CIDR form; none: any address."""
    resolution: Resolution
    external: bool
    objects: tuple[Json, ...]
    """The Service, or the ServiceEntries, oldest first."""
    aliases: tuple[tuple[str, str], ...] = ()
    """(name, namespace) of the ExternalName Services that lead here."""

    @property
    def is_service(self) -> bool:
        return str(self.objects[0]["kind"]) == "Service"

    @property
    def headless(self) -> bool:
        return self.is_service and self.resolution is Resolution.ORIGINAL_DST

    def port(self, number: int) -> RegistryPort | None:
        return next((port for port in self.ports if port.number == number), None)

    def cluster(self, port: int) -> str:
        return f"outbound|{port}||{self.host}"


@dataclass(frozen=True, slots=True)
class MeshView:
    client: Client
    config: Json
    """meshConfig."""
    registry_only: bool
    """Whether outboundTrafficPolicy keeps out what no host claims."""
    hosts: tuple[MeshHost, ...]
    """Oldest first."""
    aliases: Mapping[str, Json]
    """FQDN → ExternalName Service."""
    virtual_services: tuple[Json, ...]
    """Those of imported hosts."""
    slices: Mapping[tuple[str, str], tuple[Json, ...]]
    """(namespace, Service) → EndpointSlices."""
    mesh_pods: frozenset[tuple[str, str]]
    """(namespace, address) of pods that take the mesh's TLS."""
    rules: Mapping[str, tuple[Json, ...]]
    """Resolved host → DestinationRules."""
    wildcard_rules: tuple[Json, ...]

    def sends(self, header: str) -> bool:
        """Whether proxyHeaders of meshConfig leaves a header of Envoy's alone: requestId, attemptCount …"""
        headers = (self.config.get("defaultConfig") or {}).get("proxyHeaders") or {}
        return not (headers.get(header) or {}).get("disabled")

    def host(self, name: str) -> MeshHost | None:
        return next((host for host in self.hosts if host.host == name), None)

    def decision(self, host: MeshHost, port: int) -> tuple[RuleDecision, Json | None]:
        """The DestinationRule that decides, and its object."""
        rules = (*self.rules.get(host.host, ()), *self.wildcard_rules)
        decision = decide(
            rules,
            host=host.host,
            port=port,
            service_namespace=host.namespace,
            client_namespace=self.client.namespace,
            client_labels=self.client.labels,
            root_namespace=self.config.get("rootNamespace", ISTIO_NAMESPACE),
        )
        ref = decision.rule
        named = ((rule["metadata"].get("namespace", ""), rule["metadata"]["name"], rule) for rule in rules)
        rule = next((rule for *key, rule in named if ref and key == [ref.namespace, ref.name]), None)
        return decision, rule


def mesh_view(store: Store, client: Client) -> MeshView:
    """The mesh as the store has it now, for one proxy."""

    def of(resource: Resource) -> tuple[Json, ...]:
        return tuple(store.items(resource.qualified_plural))

    config = _mesh_config(store)
    services, entries = of(SERVICES), of(SERVICE_ENTRIES)
    scope = _sidecar(of(SIDECARS), client, config.get("rootNamespace", ISTIO_NAMESPACE))
    imports = _imports(scope, client.namespace)
    aliases = {_fqdn(service): service for service in services if is_external_name(service)}
    snapshot = Snapshot(services=services, service_entries=entries, mesh=Mesh(True, "v1", (1, 31)))
    hosts = _with_aliases(_hosts(snapshot, client.namespace), snapshot, aliases, imports)
    rules, wildcards = _rules(of(DESTINATION_RULES))
    policy = (scope or {}).get("outboundTrafficPolicy") or config.get("outboundTrafficPolicy") or {}
    return MeshView(
        client=client,
        config=config,
        registry_only=policy.get("mode") == "REGISTRY_ONLY",
        hosts=hosts,
        aliases=aliases,
        virtual_services=tuple(obj for obj in of(VIRTUAL_SERVICES) if _leads_imported(obj, imports)),
        slices=_slices(of(ENDPOINT_SLICES)),
        mesh_pods=frozenset(
            (pod["metadata"].get("namespace", ""), (pod.get("status") or {}).get("podIP", ""))
            for pod in of(PODS)
            if (pod["metadata"].get("labels") or {}).get(TLS_MODE_LABEL) == "istio"
        ),
        rules=rules,
        wildcard_rules=wildcards,
    )


def _mesh_config(store: Store) -> Json:
    """meshConfig; {} where there is none or it cannot be read, as istiod then keeps its defaults."""
    config_map = store.get(CONFIG_MAPS.qualified_plural, ISTIO_NAMESPACE, "istio") or {}
    try:
        config = yaml.safe_load((config_map.get("data") or {}).get("mesh", ""))
    except yaml.YAMLError:
        return {}
    return config if isinstance(config, dict) else {}


def _fqdn(service: Json) -> str:
    return service_fqdn(service["metadata"]["name"], service["metadata"].get("namespace", ""))


def _rules(rules: Iterable[Json]) -> tuple[dict[str, tuple[Json, ...]], tuple[Json, ...]]:
    by_host: dict[str, tuple[Json, ...]] = defaultdict(tuple)
    for rule in rules:
        host = resolve_host((rule.get("spec") or {}).get("host", ""), rule["metadata"].get("namespace", ""))
        by_host[host] += (rule,)
    wildcards = tuple(rule for host, those in by_host.items() if host.startswith("*") for rule in those)
    return {host: those for host, those in by_host.items() if not host.startswith("*")}, wildcards


def _slices(slices: Iterable[Json]) -> dict[tuple[str, str], tuple[Json, ...]]:
    by_service: dict[tuple[str, str], tuple[Json, ...]] = defaultdict(tuple)
    for endpoint_slice in slices:
        metadata = endpoint_slice["metadata"]
        if name := (metadata.get("labels") or {}).get(SERVICE_NAME_LABEL):
            by_service[metadata.get("namespace", ""), name] += (endpoint_slice,)
    return dict(by_service)


Imports = Mapping[str, tuple[str, ...]]
"""Namespace, or "*", → patterns of hosts that a Sidecar resource lets in."""

EVERYTHING: Imports = {"*": ("*",)}


def _sidecar(sidecars: Iterable[Json], client: Client, root_namespace: str) -> Json | None:
    """spec of the Sidecar that holds for a proxy: the oldest of its namespace, else of the root's."""
    of_namespace = {sidecar["metadata"]["namespace"]: sidecar for sidecar in sorted(sidecars, key=age, reverse=True)}
    chosen = of_namespace.get(client.namespace) or of_namespace.get(root_namespace)
    return (chosen.get("spec") or {}) if chosen else None


def _imports(scope: Json | None, namespace: str) -> Imports:
    hosts = [host for egress in (scope or {}).get("egress") or () for host in egress.get("hosts") or ()]
    if not hosts:
        return EVERYTHING
    imports: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for entry in hosts:
        where, _, pattern = entry.partition("/")
        imports[namespace if where == "." else where] += (pattern,)
    return dict(imports)


def _imported(imports: Imports, namespace: str, *names: str) -> bool:
    """Whether one namespace's patterns let all these names in."""
    return any(
        all(any(covers(pattern, name) for pattern in patterns) for name in names)
        for where, patterns in imports.items()
        if where in ("*", namespace)
    )


def _hosts(snapshot: Snapshot, client_namespace: str) -> list[MeshHost]:
    """Every host that the client's namespace may see."""
    services: dict[str, tuple[Json, ...]] = defaultdict(tuple)
    entries: dict[str, tuple[Json, ...]] = defaultdict(tuple)
    for service in snapshot.services:
        if not is_external_name(service):
            services[_fqdn(service)] += (service,)
    for entry in sorted(snapshot.service_entries, key=age):
        for host in (entry.get("spec") or {}).get("hosts") or ():
            entries[host] += (entry,)
    found = []
    for host in {**services, **entries}:
        # Only what bears that name: the lookup goes through all it is given.
        part = Snapshot(services=services[host], service_entries=entries[host], mesh=snapshot.mesh)
        known = registered(host, part, client_namespace)
        if known is not None:
            found.append(_mesh_host(known, part))
    return sorted(found, key=lambda host: (age(host.objects[0]), host.host))


def _mesh_host(known: Registered, part: Snapshot) -> MeshHost:
    ports = tuple(port for port in known.ports if port.protocol is not AppProtocol.UDP)
    service = next((s for s in part.services if s["metadata"]["namespace"] == known.namespace), None)
    if service is not None:
        spec = service["spec"]
        address = spec.get("clusterIP", "None")
        headless = address in ("", "None")
        addresses = () if headless else tuple(spec.get("clusterIPs") or (address,))
        resolution = Resolution.ORIGINAL_DST if headless else Resolution.EDS
        name = service["metadata"]["name"]
        return MeshHost(known.host, known.namespace, name, ports, addresses, resolution, False, (service,))
    entries = tuple(e for e in part.service_entries if e["metadata"].get("namespace") == known.namespace)
    spec = entries[0]["spec"]
    kinds = {"STATIC": Resolution.EDS, "DNS": Resolution.STRICT_DNS, "DNS_ROUND_ROBIN": Resolution.STRICT_DNS}
    resolution = kinds.get(spec.get("resolution", "NONE"), Resolution.ORIGINAL_DST)
    addresses = tuple(spec.get("addresses") or ())
    external = spec.get("location", "MESH_EXTERNAL") == "MESH_EXTERNAL"
    return MeshHost(known.host, known.namespace, known.host, ports, addresses, resolution, external, entries)


def _with_aliases(
    hosts: Iterable[MeshHost], snapshot: Snapshot, aliases: Mapping[str, Json], imports: Imports
) -> tuple[MeshHost, ...]:
    """The imported hosts, each with its ExternalName Services, as far as a Sidecar resource does not trim them."""
    leading: dict[str, list[str]] = defaultdict(list)
    for fqdn, service in sorted(aliases.items()):
        name = str(service["spec"].get("externalName", ""))
        target = alias_target(name, snapshot) if name in aliases else name
        if target is not None:
            leading[target].append(fqdn)
    return tuple(
        replace(
            host,
            # The alias's name must come in by the entry that lets the target in (matchingAliasService in sidecar.go).
            aliases=tuple(
                (aliases[fqdn]["metadata"]["name"], aliases[fqdn]["metadata"]["namespace"])
                for fqdn in leading[host.host]
                if _imported(imports, host.namespace, host.host, fqdn)
            ),
        )
        for host in hosts
        if _imported(imports, host.namespace, host.host)
    )


def _leads_imported(virtual_service: Json, imports: Imports) -> bool:
    namespace, hosts = virtual_service["metadata"]["namespace"], (virtual_service.get("spec") or {}).get("hosts") or ()
    return any(_imported(imports, namespace, resolve_host(host, namespace)) for host in hosts)
