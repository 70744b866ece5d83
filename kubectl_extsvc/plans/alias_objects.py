"""The objects that an alias consists of, in the order in which they are applied.

Which objects, and why these, was proven on Istio 1.31. The order keeps every request encrypted that is to be encrypted:
the rules are there before the first endpoint is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from kubectl_extsvc.mesh.export_to import EXPORT_TO_ANNOTATION
from kubectl_extsvc.mesh.hosts import service_fqdn
from kubectl_extsvc.model.alias import AddressTarget, AliasPort, HostTarget, Intent, TlsMode, TlsSettings
from kubectl_extsvc.model.marks import (
    ALIAS_LABEL,
    MANAGED_BY_LABEL,
    MANAGER,
    SERVICE_NAME_LABEL,
    SLICE_MANAGED_BY_LABEL,
    private_host,
)
from kubectl_extsvc.model.resources import (
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    SERVICE_ENTRIES,
    SERVICES,
    VIRTUAL_SERVICES,
    Json,
    Resource,
)
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.plans.egress import ports_to_register
from kubectl_extsvc.plans.intents import annotations_of
from kubectl_extsvc.plans.naming import is_in_cluster
from kubectl_extsvc.plans.tls import originating_ports

NO_AUTOMATIC_ADDRESS = {"networking.istio.io/enable-autoallocate-ip": "false"}
"""Label of a ServiceEntry. With DNS capture an automatic address detaches the alias: its clients dial the real one."""


TARGET_SUFFIX = ".target"
"""Of the name of a ServiceEntry on the target itself; no alias's name can have a dot."""


@dataclass(frozen=True, slots=True)
class Planned:
    """An object as it is to be applied, without ownerReferences."""

    resource: Resource
    obj: Json
    why: str
    """One line for the reader."""


def objects_of(
    intent: Intent,
    mesh: Mesh,
    *,
    cluster_domain: str = "cluster.local",
    registry_only: bool = False,
    service_entries: Sequence[Json] = (),
) -> tuple[Planned, ...]:
    """All objects of an alias, the Service first and the EndpointSlices last.

    registry_only is the outbound traffic policy of the clients, service_entries are those of the cluster; both matter
    for TLS and TCP ports of the ExternalName form only. Raises Refused where such a port cannot be let through.
    """
    objects = _AliasObjects(intent, mesh, service_fqdn(intent.name, intent.namespace, cluster_domain))
    match intent.target:
        case AddressTarget():
            return tuple(objects.of_addresses())
        case HostTarget(host) if not intent.mesh or is_in_cluster(host, cluster_domain):
            # Istio resolves an alias of a Service of the cluster by itself, mutual TLS included.
            return (objects.external_name_service(),)
        case HostTarget():
            if not mesh.alias_mode:
                return tuple(objects.of_legacy_external_name())
            registered = ports_to_register(intent, registry_only=registry_only, service_entries=service_entries)
            return tuple(objects.of_external_name(registered))


def with_owner(obj: Json, service_uid: str) -> Json:
    """The object owned by the alias's Service: whoever deletes that deletes all.

    blockOwnerDeletion is false, so no right on the Service's finalizers is needed
    (kubernetes plugin/pkg/admission/gc).
    """
    metadata = obj["metadata"]
    owner = {
        "apiVersion": SERVICES.api_version,
        "kind": SERVICES.kind,
        "name": metadata["labels"][ALIAS_LABEL],
        "uid": service_uid,
        "blockOwnerDeletion": False,
    }
    return obj | {"metadata": metadata | {"ownerReferences": [owner]}}


@dataclass(frozen=True, slots=True)
class _AliasObjects:
    """Builds the objects of one alias."""

    intent: Intent
    mesh: Mesh
    fqdn: str

    def of_addresses(self) -> Iterator[Planned]:
        yield self.selectorless_service()
        if self.intent.mesh:
            yield self.destination_rule(self.fqdn, self.intent.ports)
            http = [port for port in self.originating() if port.protocol.is_http]
            if http:
                yield self.virtual_service(self.fqdn, http)
        yield from self.endpoint_slices()

    def of_legacy_external_name(self) -> Iterator[Planned]:
        """Istio < 1.21, where an ExternalName Service is a service of its own."""
        yield self.external_name_service()
        yield self.destination_rule(self.fqdn, self.intent.ports)

    def of_external_name(self, registered: Sequence[AliasPort]) -> Iterator[Planned]:
        """Istio ≥ 1.21, where an ExternalName Service is only one more name of its target (istio #47664)."""
        yield self.external_name_service()
        http = [port for port in self.intent.ports if port.protocol.is_http]
        host = private_host(self.intent.name, self.intent.namespace)
        if http:
            yield self.private_service_entry(host, http)
        if registered:
            yield self.target_service_entry(registered)
        if http:
            yield self.destination_rule(host, http)
            yield self.virtual_service(host, http)

    def originating(self) -> tuple[AliasPort, ...]:
        return originating_ports(self.intent.tls, self.intent.ports)

    def external_name_service(self) -> Planned:
        host = self.intent.target.host
        spec = {
            "type": "ExternalName",
            "externalName": host,
            "ports": [
                {"name": port.name, "protocol": "TCP", "port": port.number} for port in self.intent.ports
            ],
        }  # fmt: skip
        why = f"the cluster's DNS answers {self.fqdn} with {host}"
        passing = [str(port) for port in self.intent.ports if not port.protocol.is_http]
        if self.intent.mesh and self.mesh.alias_mode and passing:
            why += f"; sidecars pass {', '.join(passing)} through as it comes, which is right"
        return self._planned(SERVICES, self.intent.name, {"spec": spec}, why, annotations=self._annotations())

    def selectorless_service(self) -> Planned:
        spec: Json = {
            # Said aloud: where an ExternalName Service of others is taken over, a default would leave it as it is.
            "type": "ClusterIP",
            "ports": [
                {"name": port.name, "protocol": "TCP", "port": port.number, "targetPort": port.target_port}
                for port in self.intent.ports
            ],
        }
        families = sorted(self._families())
        # A Service gets the cluster's first family only, and kube-proxy looks at slices of the Service's families.
        if families == [4, 6]:
            spec["ipFamilyPolicy"] = "PreferDualStack"
        elif families == [6]:
            spec |= {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]}
        why = f"gives {self.fqdn} an address in the cluster; without selector, so that its endpoints are ours to write"
        return self._planned(SERVICES, self.intent.name, {"spec": spec}, why, annotations=self._annotations())

    def private_service_entry(self, host: str, ports: Sequence[AliasPort]) -> Planned:
        spec = self._service_entry_spec(host, ports)
        why = (
            f"makes {self.intent.target.host} known to sidecars under a host that only this alias uses, "
            "so direct calls of the target stay as they are"
        )
        return self._service_entry(self.intent.name, spec | self._export_to(), why)

    def target_service_entry(self, ports: Sequence[AliasPort]) -> Planned:
        target = self.intent.target.host
        spec = self._service_entry_spec(target, ports) | {"exportTo": ["."]}
        why = f"lets TLS to {target} out of this namespace, where only registered hosts are (REGISTRY_ONLY)"
        return self._service_entry(self.intent.name + TARGET_SUFFIX, spec, why)

    def destination_rule(self, host: str, ports: Sequence[AliasPort]) -> Planned:
        originating = [port for port in self.originating() if port in ports]
        disable: Json = {"mode": TlsMode.DISABLE.value}
        policy: Json = {"tls": disable}
        why = "no TLS of the sidecar's own, whatever wider rule asks for the mesh's mutual TLS"
        if originating:
            tls = _tls_block(self.intent.tls)
            names = "all ports" if len(originating) == len(ports) else ", ".join(map(str, originating))
            why = f"the sidecar adds TLS ({self.intent.tls.mode}) for {self.intent.tls.sni} on {names}"
            if len(originating) == len(ports):
                policy = {"tls": tls}
            else:
                # A port's settings replace the general ones as a whole (istio.io/api destination_rule.proto).
                policy["portLevelSettings"] = [{"port": {"number": port.number}, "tls": tls} for port in originating]
        spec = {"host": host, "trafficPolicy": policy} | self._export_to()
        return self._planned(DESTINATION_RULES, self.intent.name, {"spec": spec}, why)

    def virtual_service(self, host: str, ports: Sequence[AliasPort]) -> Planned:
        originating = self.originating()
        routes: list[Json] = []
        for port in ports:
            route: Json = {"route": [{"destination": {"host": host, "port": {"number": port.number}}}]}
            if len(ports) > 1:
                route["match"] = [{"port": port.number}]
            if port in originating:
                route["rewrite"] = {"authority": self.intent.target.host or self.intent.tls.sni}
                # Servers that are told http redirect to https for ever.
                route["headers"] = {"request": {"set": {"x-forwarded-proto": "https"}}}
            routes.append(route)
        spec = {"hosts": [self.fqdn], "http": routes} | self._export_to()
        reasons = []
        if host != self.fqdn:
            reasons.append(f"leads requests for the alias to {host}")
        if originating:
            reasons.append(
                f"gives them the Host that the server knows, {self.intent.target.host or self.intent.tls.sni}"
            )
        return self._planned(VIRTUAL_SERVICES, self.intent.name, {"spec": spec}, " and ".join(reasons))

    def endpoint_slices(self) -> Iterator[Planned]:
        ports = [{"name": port.name, "port": port.target_port, "protocol": "TCP"} for port in self.intent.ports]
        for version, addresses in self._families().items():
            body = {
                "addressType": f"IPv{version}",
                "ports": ports,
                # kube-proxy reads the first address of an endpoint only.
                "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
            }
            why = f"the endpoints: {', '.join(addresses[:3])}{', …' if len(addresses) > 3 else ''}"
            labels = {SERVICE_NAME_LABEL: self.intent.name, SLICE_MANAGED_BY_LABEL: MANAGER}
            yield self._planned(ENDPOINT_SLICES, f"{self.intent.name}-ipv{version}", body, why, labels=labels)

    def _families(self) -> dict[int, list[str]]:
        """Addresses by IP version, 4 first."""
        assert isinstance(self.intent.target, AddressTarget)
        families: dict[int, list[str]] = {4: [], 6: []}
        for address in self.intent.target.addresses:
            families[ip_address(address).version].append(address)
        return {version: addresses for version, addresses in families.items() if addresses}

    def _service_entry_spec(self, host: str, ports: Sequence[AliasPort]) -> Json:
        return {
            "hosts": [host],
            "location": "MESH_EXTERNAL",
            "resolution": "DNS",
            "ports": [_service_entry_port(port) for port in ports],
            # The final dot: Envoy resolves with the pod's search list, where a Service httpbin in a namespace org
            # would be found first.
            "endpoints": [{"address": f"{self.intent.target.host}."}],
        }

    def _service_entry(self, name: str, spec: Json, why: str) -> Planned:
        return self._planned(SERVICE_ENTRIES, name, {"spec": spec}, why, labels=NO_AUTOMATIC_ADDRESS)

    def _annotations(self) -> dict[str, str]:
        annotations = annotations_of(self.intent)
        if self.intent.export_to:
            annotations[EXPORT_TO_ANNOTATION] = ",".join(self.intent.export_to)
        return annotations

    def _export_to(self) -> Json:
        """As the Service is: a caller that sees the alias must see its rules, or it sends in clear."""
        return {"exportTo": list(self.intent.export_to)} if self.intent.export_to else {}

    def _planned(
        self,
        resource: Resource,
        name: str,
        body: Json,
        why: str,
        *,
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
    ) -> Planned:
        if resource.group == DESTINATION_RULES.group:
            resource = resource.at_version(self.mesh.api_version)
        metadata: Json = {
            "name": name,
            "namespace": self.intent.namespace,
            "labels": {MANAGED_BY_LABEL: MANAGER, ALIAS_LABEL: self.intent.name} | (labels or {}),
        }
        if annotations:
            metadata["annotations"] = annotations
        return Planned(
            resource, {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata} | body, why
        )


def _service_entry_port(port: AliasPort) -> Json:
    entry: Json = {"name": port.name, "number": port.number, "protocol": port.protocol.value.upper()}
    if port.target_port != port.number:
        entry["targetPort"] = port.target_port
    return entry


def _tls_block(tls: TlsSettings) -> Json:
    """trafficPolicy.tls; what is empty is left out."""
    block: Json = {
        "mode": tls.mode.value,
        "sni": tls.sni,
        "subjectAltNames": list(tls.subject_alt_names),
        "caCertificates": tls.ca_certificates,
        "credentialName": tls.credential_name,
        "clientCertificate": tls.client_certificate,
        "privateKey": tls.private_key,
    }
    return {key: value for key, value in block.items() if value}
