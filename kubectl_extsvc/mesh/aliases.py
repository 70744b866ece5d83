"""Which Services are aliases, and what of."""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kubectl_extsvc.mesh.ports import protocol_of
from kubectl_extsvc.mesh.registry import Registered, alias_target, is_external_name, registered
from kubectl_extsvc.model.alias import AddressTarget, Alias, AliasPort, AppProtocol, HostTarget, Target
from kubectl_extsvc.model.marks import (
    HOST_ANNOTATION,
    MANAGED_BY_LABEL,
    MANAGER,
    MIRRORING_CONTROLLER,
    PORTS_ANNOTATION,
    SERVICE_NAME_LABEL,
    SLICE_MANAGED_BY_LABEL,
    is_ours,
    private_host,
)
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.model.snapshot import Snapshot

WRITTEN_BY_HAND = frozenset(("", MANAGER, MIRRORING_CONTROLLER, "staff", "cluster-admins"))
"""Values of endpointslice.kubernetes.io/managed-by that no other controller stands behind; "staff" and "cluster-admins"
are what Kubernetes proposes for slices of people's own (its page on Services, "Custom EndpointSlices")."""

_Slices = Mapping[tuple[str, str], Sequence[Json]]
"""(namespace, name of the Service) → its slices, by name."""


@dataclass(frozen=True, slots=True)
class NotAnAlias:
    """A Service that is there, and is no alias."""

    reason: str
    """One line, to follow "service/NAME is not an alias: "."""


def aliases_in(snapshot: Snapshot, namespace: str | None = None) -> tuple[Alias, ...]:
    """All aliases of a namespace (None: of all), by namespace and name.

    A selector-less Service of others that has no slice is left out: leader elections and operators have such Services,
    and nothing tells them from an alias whose slices were forgotten. find_alias takes it, because it was asked for.
    """
    slices = _slices_by_service(snapshot)
    found = [
        _read(service, snapshot, slices)
        for service in snapshot.services
        if namespace in (None, service["metadata"].get("namespace", ""))
        and _why_not_an_alias(service, slices, named=False) is None
    ]
    return tuple(sorted(found, key=lambda alias: (alias.namespace, alias.name)))


def find_alias(snapshot: Snapshot, namespace: str, name: str) -> Alias | NotAnAlias | None:
    """The alias of a name that somebody asked for; None if there is no such Service."""
    for service in snapshot.services:
        if (service["metadata"].get("namespace", ""), service["metadata"]["name"]) == (namespace, name):
            slices = _slices_by_service(snapshot)
            reason = _why_not_an_alias(service, slices, named=True)
            return NotAnAlias(reason) if reason is not None else _read(service, snapshot, slices)
    return None


def _why_not_an_alias(service: Json, slices: _Slices, *, named: bool) -> str | None:
    metadata, spec = service["metadata"], service.get("spec") or {}
    if _key(service) == ("default", "kubernetes"):
        return "it is the API server's own Service"
    if is_external_name(service):
        # A selector means nothing there; kubectl create service externalname writes one all the same.
        return None if spec.get("externalName") else "it has no externalName"
    if spec.get("selector"):
        return "it has a selector, so its endpoints are pods"
    if is_ours(service):
        return None
    maker = _operator_of(metadata)
    if maker is not None:
        return f"it is made by {maker}"
    own_slices = slices.get(_key(service), ())
    for endpoint_slice in own_slices:
        writer = _controller_of(endpoint_slice)
        if writer is not None:
            return f"its endpointslice/{endpoint_slice['metadata']['name']} is written by {writer}"
    if own_slices:
        return None
    if not spec.get("ports"):
        return "it has no selector, no EndpointSlice and no ports"
    return None if named else "it has no selector and no EndpointSlice"


def _controller_of(endpoint_slice: Json) -> str | None:
    """Who writes a slice, None if people do: by hand, by us, or as v1 Endpoints that Kubernetes mirrors.

    A mirrored slice belongs to its Endpoints and copies their labels (newEndpointSlice in kubernetes
    pkg/controller/endpointslicemirroring/utils.go), so that an operator's name on the Endpoints is seen here too.
    """
    metadata = endpoint_slice["metadata"]
    manager = (metadata.get("labels") or {}).get(SLICE_MANAGED_BY_LABEL, "")
    if manager not in WRITTEN_BY_HAND:
        return str(manager)
    for owner in metadata.get("ownerReferences") or ():
        if owner["kind"] not in ("Service", "Endpoints"):
            return f"{owner['kind'].lower()}/{owner['name']}"
    return _operator_of({"labels": metadata.get("labels")})


def _operator_of(metadata: Json) -> str | None:
    """The controller that an object says it is made by; a deployer such as Helm carries out what people wrote."""
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller"):
            return f"{owner['kind'].lower()}/{owner['name']}"
    manager = str((metadata.get("labels") or {}).get(MANAGED_BY_LABEL, ""))
    return manager if manager.lower().endswith(("operator", "controller", "controller-manager")) else None


def _key(service: Json) -> tuple[str, str]:
    return service["metadata"].get("namespace", ""), service["metadata"]["name"]


def _slices_by_service(snapshot: Snapshot) -> _Slices:
    found: dict[tuple[str, str], list[Json]] = {}
    for endpoint_slice in sorted(snapshot.endpoint_slices, key=lambda s: str(s["metadata"]["name"])):
        metadata = endpoint_slice["metadata"]
        service = (metadata.get("labels") or {}).get(SERVICE_NAME_LABEL)
        if service:
            found.setdefault((metadata.get("namespace", ""), service), []).append(endpoint_slice)
    return found


def _read(service: Json, snapshot: Snapshot, slices: _Slices) -> Alias:
    metadata, spec = service["metadata"], service["spec"]
    own_slices = () if is_external_name(service) else slices.get(_key(service), ())
    headless = spec.get("clusterIP") == "None"
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP") or ""]
    return Alias(
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        target=_target(service, own_slices),
        ports=_external_ports(service, snapshot)
        if is_external_name(service)
        else tuple(_endpoint_port(port, own_slices, headless=headless) for port in spec.get("ports") or ()),
        cluster_ips=tuple(address for address in addresses if address not in ("", "None")),
        headless=headless,
        managed=is_ours(service),
        slices=tuple(ObjectRef("EndpointSlice", *_key(endpoint_slice)) for endpoint_slice in own_slices),
        external_name_raw=spec["externalName"] if is_external_name(service) else "",
        created_at=metadata.get("creationTimestamp") or "",
        uid=metadata.get("uid", ""),
    )


def _target(service: Json, slices: Iterable[Json]) -> Target:
    if is_external_name(service):
        return HostTarget(_host(service["spec"]["externalName"]))
    host = (service["metadata"].get("annotations") or {}).get(HOST_ANNOTATION, "")
    return AddressTarget(addresses=_addresses(slices), host=_host(host))


def _host(text: str) -> str:
    """The host in its one spelling, "" for what cannot be one: people write annotations too."""
    host = text.strip().lower().removesuffix(".")
    return host if re.fullmatch(r"[0-9a-z_-]+(\.[0-9a-z_-]+)*", host) and len(host) <= 253 else ""


def _addresses(slices: Iterable[Json]) -> tuple[str, ...]:
    """Addresses that clients are sent to: of ready endpoints in slices of an IP family.

    An absent ready counts as true; slices of type FQDN are ignored by kube-proxy and Istio alike.
    """
    found: dict[str, None] = {}
    for endpoint_slice in slices:
        if endpoint_slice.get("addressType") == "FQDN":
            continue
        for endpoint in endpoint_slice.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is False:
                continue
            for address in endpoint.get("addresses") or ():
                found.setdefault(_canonical(address))
    return tuple(found)


def _canonical(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address


def _endpoint_port(port: Json, slices: Iterable[Json], *, headless: bool) -> AliasPort:
    """A port of a Service without selector; the slices' port of the same name is dialled, not targetPort.

    Source: buildIstioEndpoint in istio; kube-proxy does likewise. At a headless Service clients dial the endpoint
    themselves, and so the Service's own number.
    """
    name, number = port.get("name", ""), port["port"]
    target = port.get("targetPort")
    dialled = target if isinstance(target, int) and target else number
    for endpoint_slice in slices:
        of_that_name = [p for p in endpoint_slice.get("ports") or () if (p.get("name") or "") == name and p.get("port")]
        if of_that_name:
            dialled = of_that_name[0]["port"]
            break
    return AliasPort(name, number, number if headless else dialled, _protocol(port))


def _external_ports(service: Json, snapshot: Snapshot) -> tuple[AliasPort, ...]:
    """Ports of an ExternalName alias: those of the Service or, since it needs none, those that its target has.

    If neither names one, it is port 80: a bare name is called by http first, as in Istio's task.
    targetPort of the Service means nothing. A client dials the number; behind a sidecar our private ServiceEntry, or
    the one of the target, may say another. Of an alias of ours its annotation tells, where those may not be read: a
    port that is meant for sidecars only must never be taken for one of everybody.
    """
    behind = _behind(service, snapshot)
    ours = _annotated_targets(service) if is_ours(service) else {}
    declared = service["spec"].get("ports") or ()
    if not declared:
        ports = behind.ports if behind is not None else ()
        known_ports = tuple(AliasPort("", port.number, port.target_port, port.protocol) for port in ports)
        return known_ports or (AliasPort("", 80, 80, AppProtocol.AUTO),)
    found = []
    for port in declared:
        known = behind.port(port["port"]) if behind is not None else None
        found.append(
            AliasPort(
                name=port.get("name", ""),
                number=port["port"],
                target_port=known.target_port if known is not None else ours.get(port["port"], port["port"]),
                protocol=_protocol(port),
            )
        )
    return tuple(found)


def _annotated_targets(service: Json) -> dict[int, int]:
    """Port → target port, as create wrote it: http:80:443,tls:443."""
    text = (service["metadata"].get("annotations") or {}).get(PORTS_ANNOTATION, "")
    found = (re.fullmatch(r"(?:[a-z0-9-]+:)?([0-9]{1,5})(?::([0-9]{1,5}))?", part) for part in text.split(","))
    return {int(port[1]): int(port[2] or port[1]) for port in found if port}


def _behind(service: Json, snapshot: Snapshot) -> Registered | None:
    """What the registry has for an ExternalName alias: its private host, made for nothing else, or its target."""
    if not (snapshot.mesh.installed and snapshot.mesh.alias_mode):
        return None
    namespace, name = _key(service)
    private = registered(private_host(name, namespace), snapshot, namespace)
    if private is not None:
        return private
    target = alias_target(service["spec"]["externalName"], snapshot)
    return registered(target, snapshot, namespace) if target else None


def _protocol(port: Json) -> AppProtocol:
    return protocol_of(port.get("name", ""), port.get("appProtocol"), port["port"], port.get("protocol", "TCP"))
