"""How far pilot-oracle can be trusted: it is held against the recorded proxies of tests/worlds/envoy."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml
from oracle.program import answers
from oracle.ways import chosen
from worlds.recorded import FOLDER, NAMES, PROBES, Probe, config_of, dump_of

from kubectl_extsvc.mesh.envoy_dump import SPECIAL_CLUSTERS
from kubectl_extsvc.mesh.outbound_request import OutboundRequest, RequestKind
from kubectl_extsvc.model.marks import SERVICE_NAME_LABEL
from kubectl_extsvc.model.resources import Json

pytestmark = [pytest.mark.testbed, pytest.mark.usefixtures("program"), pytest.mark.timeout(300)]
"""The first test asks the program of all worlds, beside the tests on the cluster."""

RIG = {"PILOT_ENABLE_METADATA_EXCHANGE": "false", "PILOT_ENABLE_ALPN_FILTER": "false"}
"""As the recorded istiod had it: a stock Envoy lacks Istio's own filters."""
SPECIAL = (*SPECIAL_CLUSTERS, "allow_any", "block_all")
CURL: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "curl", "namespace": "default"},
    "spec": {"selector": {"app": "curl"}, "ports": [{"name": "http", "port": 80}]},
}
"""The mesh's own, that nearly all worlds had."""

Parts = dict[tuple[str, str], Any]
"""(kind, name) → what is compared as a whole."""


@cache
def asked() -> dict[str, Json]:
    """World → the program's answer; its calls are the world's probes."""
    worlds = (world_of(name) for name in NAMES)
    return {world["id"]: answer for world, answer in answers(worlds, RIG)}


@cache
def recorded(name: str) -> Parts:
    return parts_of(dump_of(name))


def test_all_worlds_are_understood() -> None:
    found = {name: (answer.get("error"), answer.get("invalid")) for name, answer in asked().items()}
    assert found == dict.fromkeys(NAMES, (None, None))


@pytest.mark.parametrize("name", NAMES)
def test_configuration_is_that_which_istiod_made(name: str) -> None:
    live, made = recorded(name), parts_of(asked()[name]["dump"])
    keys = [key for key in live if is_kept(name, key) and not is_by_dns(key, made)]
    keys += [key for key in made if key[0] == "cluster" and key[1].split("|")[-1] in kept_hosts(name)]
    assert len(keys) > 1
    assert {key: made.get(key) for key in keys} == {key: live.get(key) for key in keys}


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.key)
def test_call_goes_where_envoy_led_it(probe: Probe) -> None:
    number = [other.key for other in PROBES if other.world == probe.world].index(probe.key)
    told = asked()[probe.world]["calls"][number]
    # A cluster that waits for its secret is none to the one who calls it.
    missing = told.get("error") == "no_cluster" or chosen(told) in config_of(probe.world).warming
    missing = missing or told.get("direct_response")
    assert ("-" if missing else chosen(told), told.get("route", "-")) == (probe.log.cluster, probe.log.route)


# --- recorded worlds as the program wants them -----------------------------------------------------------------------


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text()


def world_of(name: str) -> Json:
    text, node = text_of(name), config_of(name).node
    kube: list[Json] = []
    istio: list[Json] = []
    # As if through JSON: YAML makes dates of what is only text.
    objects = json.loads(json.dumps([obj for obj in yaml.safe_load_all(text) if obj], default=str))
    for obj in [*objects, *([] if "remove: service/curl" in text else [CURL])]:
        obj = {**obj, "metadata": {"namespace": "default", **obj["metadata"]}}
        if "istio.io" in obj["apiVersion"]:
            istio.append(obj)
        elif obj["kind"] == "Endpoints":
            kube += mirrored(obj)
        elif obj["kind"] in ("Service", "EndpointSlice", "Namespace", "Pod"):
            kube.append(with_cluster_ip(obj, recorded(name)) if obj["kind"] == "Service" else obj)
    mesh: Json = {"accessLogFile": "/dev/stdout"}
    if mode := re.search(r"^# mesh: (\w+)$", text, re.MULTILINE):
        mesh["outboundTrafficPolicy"] = {"mode": mode[1]}
    proxy = {"namespace": node["NAMESPACE"], "labels": node["LABELS"], "ip": node["INSTANCE_IPS"].split(",")[0]}
    calls = [call_of(probe.request) for probe in PROBES if probe.world == name]
    return {"id": name, "kube": kube, "istio": istio, "mesh": mesh, "dump": True, "proxy": proxy, "calls": calls}


def call_of(request: OutboundRequest) -> Json:
    call: Json = {"address": request.address, "port": request.port, "protocol": "http"}
    if request.kind is RequestKind.TLS:
        return {**call, "tls": "tls", "host": request.sni, "sni": request.sni}
    return {**call, "host": request.host, "path": request.path}


def mirrored(endpoints: Json) -> Iterator[Json]:
    """The slices that Kubernetes makes of Endpoints."""
    name, namespace = endpoints["metadata"]["name"], endpoints["metadata"]["namespace"]
    for number, subset in enumerate(endpoints["subsets"]):
        metadata = {"name": f"{name}-{number}", "namespace": namespace, "labels": {SERVICE_NAME_LABEL: name}}
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": "IPv4",
            "ports": subset["ports"],
            "endpoints": [{"addresses": [address["ip"]]} for address in subset["addresses"]],
        }


def with_cluster_ip(service: Json, live: Parts) -> Json:
    """With the address that it had; one that shows nowhere does not count."""
    spec, metadata = service["spec"], service["metadata"]
    if spec.get("type") == "ExternalName" or "clusterIP" in spec:
        return service
    fqdn = f"{metadata['name']}.{metadata['namespace']}.svc.cluster.local"
    address = "10.96.77.77"
    for (kind, name), value in live.items():
        if kind == "virtual host" and name.split(" ")[1].rsplit(":", 1)[0] == fqdn:
            address = next((d for d in value["domains"] if re.fullmatch(r"[\d.]+", d)), address)
        elif kind == "listener" and not name.startswith("0.0.0.0") and fqdn in json.dumps(value):
            address = name.rpartition("_")[0]
    return {**service, "spec": {**spec, "clusterIP": address}}


# --- dumps in comparable parts ---------------------------------------------------------------------------------------


def parts_of(dump: Json) -> Parts:
    parts: Parts = {}
    clusters = section(dump, "ClustersConfigDump")
    # The cluster that waits for a secret is the same object, in another place.
    for item in (*clusters.get("dynamic_active_clusters", ()), *clusters.get("dynamic_warming_clusters", ())):
        parts["cluster", item["cluster"]["name"]] = item["cluster"]
    for item in section(dump, "EndpointsConfigDump").get("dynamic_endpoint_configs", ()):
        parts["endpoints", item["endpoint_config"]["cluster_name"]] = endpoints_of(item["endpoint_config"])
    for item in section(dump, "RoutesConfigDump").get("dynamic_route_configs", ()):
        for host in item["route_config"].get("virtual_hosts", ()):
            name = f"{item['route_config']['name']} {host['name']}"
            parts["virtual host", name] = {**host, "domains": sorted(host["domains"])}
    for item in section(dump, "ListenersConfigDump").get("dynamic_listeners", ()):
        if "active_state" in item:
            parts["listener", item["name"]] = item["active_state"]["listener"]
    return parts


def section(dump: Json, name: str) -> Json:
    return next((part for part in dump["configs"] if part["@type"].endswith(f".{name}")), {})


def endpoints_of(assignment: Json) -> list[tuple[str, int, str]]:
    """Address, port and tlsMode; Envoy does not keep those that are UNHEALTHY from the start."""
    found = [e for locality in assignment.get("endpoints", ()) for e in locality.get("lb_endpoints", ())]
    healthy = [endpoint for endpoint in found if endpoint.get("health_status") != "UNHEALTHY"]
    sockets = [endpoint["endpoint"]["address"]["socket_address"] for endpoint in healthy]
    metadata = [endpoint.get("metadata", {}).get("filter_metadata", {}) for endpoint in healthy]
    modes = [told.get("envoy.transport_socket_match", {}).get("tlsMode", "") for told in metadata]
    return sorted((s["address"], s["port_value"], mode) for s, mode in zip(sockets, modes, strict=True))


def kept_hosts(name: str) -> tuple[str, ...]:
    """Hosts that the recording was cut down to."""
    kept = re.search(r"^# keep: (.*)$", text_of(name), re.MULTILINE)
    return tuple(kept[1].split()) if kept else ()


def is_kept(name: str, key: tuple[str, str]) -> bool:
    """Whether the recording has it as it was: what is about other hosts may stand in it cut."""
    words = (*SPECIAL, *kept_hosts(name))
    return key[1].startswith("virtual") or any(word in json.dumps([key, recorded(name)[key]]) for word in words)


def is_by_dns(key: tuple[str, str], made: Parts) -> bool:
    """Endpoints that Envoy found by a name; the program resolves none."""
    cluster = made.get(("cluster", key[1]))
    return key[0] == "endpoints" and cluster is not None and cluster.get("type") != "EDS"
