"""The recorded worlds of tests/worlds/envoy as cases: objects, the sidecar's configuration and the curls."""

import json
import re
from dataclasses import replace
from functools import cache

import yaml
from worlds.recorded import FOLDER, PROBES, Probe, config_of

from kubectl_extsvc.mesh.aliases import find_alias
from kubectl_extsvc.mesh.contracts import contract
from kubectl_extsvc.mesh.destination_rules import decision_for
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.mesh.istiod.computed import computed_route
from kubectl_extsvc.mesh.routing import route_of
from kubectl_extsvc.model.alias import Alias, AliasPort
from kubectl_extsvc.model.marks import HOST_ANNOTATION, MIRRORING_CONTROLLER, SERVICE_NAME_LABEL, SLICE_MANAGED_BY_LABEL
from kubectl_extsvc.model.observation import AccessLogLine, Case, Observation
from kubectl_extsvc.model.probe import Answer, Purpose, Scheme, Times, Transfer
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Mesh, Snapshot
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.probes.access_log import access_log_entries

SIDECAR = Source("default", "curl-1", "curl", MeshMode.SIDECAR, (("app", "curl"),))
PLAIN = Source("without-istio", "curl-2", "curl", MeshMode.PLAIN, (("app", "curl"),))

CURL: Json = {
    "kind": "Service",
    "metadata": {"name": "curl", "namespace": "default"},
    "spec": {"clusterIP": "10.96.77.77", "selector": {"app": "curl"}, "ports": [{"name": "http", "port": 80}]},
}
"""The mesh's own, that nearly all worlds had: it makes port 80 one of HTTP."""

OUTSIDE = {
    "203.0.113.10": "httpbin.org",
    "203.0.113.20": "api.pay.example",
    "198.51.100.26": "en.wikipedia.org",
    "198.51.100.27": "en.wikipedia.org",
}


def recorded_case(key: str, *, hosts: bool = True, access_log: bool = True) -> Case:
    """The case of a probe, "WORLD/PROBE", as verify would have seen it: alias, both sources, contract, route, log.

    hosts: the outside names are recorded on Services with addresses. A source that is not served is only connected to.
    """
    probe = next(probe for probe in PROBES if probe.key == key)
    snapshot = snapshot_of(probe, hosts=hosts)
    url_host, port_number = _called(probe)
    name, namespace = url_host.split(".")[:2]
    alias = find_alias(snapshot, namespace, name)
    assert isinstance(alias, Alias), alias
    port = next(port for port in alias.ports if port.number == port_number)
    observations = tuple(_observation(probe, side, alias, port, snapshot, access_log) for side in (SIDECAR, PLAIN))
    return Case(alias, snapshot, observations)


def snapshot_of(probe: Probe, *, hosts: bool) -> Snapshot:
    kinds: dict[str, list[Json]] = {}
    for obj in _objects(probe.world):
        kinds.setdefault(obj["kind"], []).append(obj)
    slices = [*kinds.get("EndpointSlice", ()), *map(_mirrored, kinds.get("Endpoints", ()))]
    services = [_service(obj, probe, slices, hosts) for obj in kinds["Service"]]
    text = _text(probe.world)
    services += [] if "# remove: service/curl" in text else [CURL]
    resolved: dict[str, tuple[str, ...]] = {}
    for address, host in OUTSIDE.items():
        resolved[host] = (*resolved.get(host, ()), address)
    return Snapshot(
        services=tuple(services),
        endpoint_slices=tuple(slices),
        destination_rules=tuple(kinds.get("DestinationRule", ())),
        virtual_services=tuple(kinds.get("VirtualService", ())),
        service_entries=tuple(kinds.get("ServiceEntry", ())),
        sidecars=tuple(kinds.get("Sidecar", ())),
        mesh_config=_mesh_config(text),
        all_namespaces=True,
        mesh=Mesh(installed=True, api_version="v1", version=(1, 31)),
        resolved=resolved,
    )


def _text(world: str) -> str:
    return (FOLDER / f"{world}.yaml").read_text()


def _mesh_config(text: str) -> Json:
    """What the recorded istiod was told: an access log for all, and the world's outbound policy."""
    mode = re.search(r"^# mesh: (\w+)$", text, re.MULTILINE)
    return {"accessLogFile": "/dev/stdout"} | ({"outboundTrafficPolicy": {"mode": mode[1]}} if mode else {})


@cache
def _objects(world: str) -> tuple[Json, ...]:
    """The world's objects. Its slices count as written by hand, whatever name the recording gave to that hand."""
    loaded: list[Json] = list(yaml.safe_load_all(_text(world)))
    for obj in loaded:
        (obj["metadata"].get("labels") or {}).pop(SLICE_MANAGED_BY_LABEL, None)
    return tuple(loaded)


@cache
def recorded_of(world: str) -> Json:
    recorded: Json = json.loads((FOLDER / f"{world}.probe.json").read_text())
    return recorded


def _service(obj: Json, probe: Probe, slices: list[Json], hosts: bool) -> Json:
    """The Service as the API server keeps it, with a ClusterIP: the address that the sidecar was asked for."""
    spec, metadata = dict(obj["spec"]), dict(obj["metadata"])
    if spec.get("type") != "ExternalName":
        spec.setdefault("clusterIP", probe.sidecar["remote"].rpartition(":")[0])
        addresses = [
            address
            for item in slices
            if (item["metadata"].get("labels") or {}).get(SERVICE_NAME_LABEL) == metadata["name"]
            for endpoint in item["endpoints"]
            for address in endpoint["addresses"]
        ]
        if hosts and addresses and addresses[0] in OUTSIDE:
            metadata["annotations"] = {HOST_ANNOTATION: OUTSIDE[addresses[0]]}
    return {**obj, "metadata": metadata, "spec": spec}


def _mirrored(endpoints: Json) -> Json:
    """The slice that Kubernetes writes for v1 Endpoints."""
    name, namespace = endpoints["metadata"]["name"], endpoints["metadata"]["namespace"]
    labels = {SERVICE_NAME_LABEL: name, SLICE_MANAGED_BY_LABEL: MIRRORING_CONTROLLER}
    subset = endpoints["subsets"][0]
    return {
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-x", "namespace": namespace, "labels": labels},
        "addressType": "IPv4",
        "ports": subset["ports"],
        "endpoints": [{"addresses": [address["ip"]]} for address in subset["addresses"]],
    }


def _called(probe: Probe) -> tuple[str, int]:
    """The alias's FQDN and the port that the curl was for; --connect-to and --resolve stand before the URL."""
    request = probe.request
    words = probe.sidecar["args"].replace("/", " ").replace(":", " ").split()
    fqdn = next((word for word in words if word.endswith(".svc.cluster.local")), "")
    if not fqdn:
        service = next(obj for obj in _objects(probe.world) if obj["kind"] == "Service")
        fqdn = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc.cluster.local"
    return fqdn, request.port


def _observation(
    probe: Probe, source: Source, alias: Alias, port: AliasPort, snapshot: Snapshot, access_log: bool
) -> Observation:
    spoken = contract(alias, port, source, snapshot)
    recorded = probe.sidecar if source is SIDECAR else probe.plain
    answer = _answer(recorded, alias, port, spoken.scheme, spoken.host)
    if not spoken.served:
        connected = recorded["timings"]["time_connect"] > 0
        answer = replace(answer, exit_code=0 if connected else recorded["exit"], status=0, headers=(), body="")
    observation = Observation(source, port, spoken, (answer,))
    if source is PLAIN:
        return observation
    config = config_of(probe.world)
    return replace(
        observation,
        route=route_of(config, probe.request),
        computed=computed_route(snapshot, Client.of_source(SIDECAR, config.node), probe.request),
        decision=decision_for(alias, port.number, source, snapshot),
        access_log=_log_of(probe) if access_log else None,
    )


def _answer(recorded: Json, alias: Alias, port: AliasPort, scheme: Scheme, host: str) -> Answer:
    transfer = Transfer("1", Purpose.ALIAS, scheme, host, port.number, path="/headers")
    if host != alias.fqdn():
        transfer = replace(transfer, connect_to=alias.fqdn())
    address, _, number = recorded["remote"].rpartition(":")
    timings = {name.removeprefix("time_"): value for name, value in recorded["timings"].items()}
    return Answer(
        transfer,
        exit_code=recorded["exit"],
        error=recorded["error"] or "",
        status=recorded["status"],
        remote_ip=address,
        remote_port=int(number),
        times=Times(**timings),
        headers=tuple(recorded["headers"].items()),
    )


def _log_of(probe: Probe) -> AccessLogLine | None:
    entries = access_log_entries("\n".join(recorded_of(probe.world)["access_log"]))
    same = [entry for entry in entries if entry.original_destination == probe.sidecar["remote"]]
    return next(
        (entry.line for entry in same if entry.status == (probe.sidecar["status"] if entry.method else 0)), None
    )
