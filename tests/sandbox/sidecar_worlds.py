"""Recorded worlds as the sandbox's objects, and what the control plane makes of objects."""

import base64
import json
from functools import cache
from pathlib import Path

import yaml
from worlds.recorded import FOLDER, config_of

from kubectl_extsvc.mesh.envoy_dump import EnvoyConfig, read_dump
from kubectl_extsvc.mesh.istiod.client import Client
from kubectl_extsvc.model.resources import BY_KIND, Json
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.outside import pki
from kubectl_extsvc.sandbox.outside.network import Network
from kubectl_extsvc.sandbox.sidecar.control_plane import configuration_of
from kubectl_extsvc.sandbox.sidecar.discovery import Configuration
from kubectl_extsvc.sandbox.sidecar.envoy import bootstrap
from kubectl_extsvc.sandbox.sidecar.sidecars import pretended

CLIENT = Client("default", "curl-1", {"app": "curl"}, ("10.244.0.13",))
CAPTURE = Path("/nowhere/outbound")


def store_of(world: str) -> Store:
    """The world's objects, their Services with the ClusterIPs that they had, beside the mesh's own `curl`."""
    text = (FOLDER / f"{world}.yaml").read_text()
    store = Store()
    mode = next((line.split()[-1] for line in text.splitlines() if line.startswith("# mesh:")), "ALLOW_ANY")
    mesh = {"accessLogFile": "/dev/stdout", "outboundTrafficPolicy": {"mode": mode}}
    metadata = {"name": "istio", "namespace": "istio-system"}
    store.put("configmaps", {"kind": "ConfigMap", "metadata": metadata, "data": {"mesh": yaml.safe_dump(mesh)}})
    addresses = cluster_ips(world)
    objects = [obj for obj in yaml.safe_load_all(text) if obj]
    if any(listener["name"] == "0.0.0.0_80" for listener in config_of(world).listeners):
        objects.append(curl_service())
    if world == "mutual":
        objects.append(client_secret())
    for number, obj in enumerate(objects):
        metadata = {"namespace": "default", "creationTimestamp": f"2026-11-24T11:00:{number:02}Z", **obj["metadata"]}
        obj = {**obj, "metadata": metadata}
        if obj["kind"] == "Service" and obj["spec"].get("type") != "ExternalName":
            address = obj["spec"].get("clusterIP") or addresses.get(metadata["name"], "10.96.0.99")
            obj["spec"] = {**obj["spec"], "clusterIP": address, "clusterIPs": [address]}
        store.put(*(mirrored(obj) if obj["kind"] == "Endpoints" else (key_of(obj["kind"]), obj)))
    return store


def mirrored(endpoints: Json) -> tuple[str, Json]:
    """The slice that Kubernetes makes of Endpoints."""
    (subset,) = endpoints["subsets"]
    labels = {"kubernetes.io/service-name": endpoints["metadata"]["name"]}
    slice_ = {
        "kind": "EndpointSlice",
        "metadata": {**endpoints["metadata"], "labels": labels},
        "addressType": "IPv4",
        "ports": subset["ports"],
        "endpoints": [{"addresses": [address["ip"]]} for address in subset["addresses"]],
    }
    return "endpointslices.discovery.k8s.io", slice_


def client_secret() -> Json:
    """What the world had from elsewhere."""
    certificate, key = pki.CLIENT
    files = {"tls.crt": certificate, "tls.key": key, "ca.crt": pki.CA}
    data = {name: base64.b64encode(path.read_bytes()).decode() for name, path in files.items()}
    return {"kind": "Secret", "metadata": {"name": "rig-client"}, "data": data}


def key_of(kind: str) -> str:
    return BY_KIND[kind].qualified_plural if kind in BY_KIND else f"{kind.lower()}s"


def curl_service() -> Json:
    port = {"name": "http", "port": 80, "protocol": "TCP"}
    return {"kind": "Service", "metadata": {"name": "curl"}, "spec": {"clusterIP": "10.96.72.112", "ports": [port]}}


def cluster_ips(world: str) -> dict[str, str]:
    """Service → ClusterIP, as virtual hosts and listeners of the recording have it."""
    found = {}
    config = config_of(world)
    for table in config.route_configs.values():
        for virtual_host in table["virtual_hosts"]:
            name, address = virtual_host["name"].partition(".")[0], virtual_host["domains"][-1]
            if address.startswith("10.96."):
                found[name] = address
    for listener in config.listeners:
        address = listener["name"].rpartition("_")[0]
        if address.startswith("10.96."):
            cluster = json.dumps(listener).partition("outbound|")[2].partition('"')[0]
            found[cluster.split("|")[2].partition(".")[0]] = address
    return found


def dump_of(configuration: Configuration) -> Json:
    """A configuration in the shape of Envoy's config_dump."""
    start = bootstrap(CLIENT, admin=Path("/nowhere/admin"), control_plane=Path("/nowhere/istiod"))
    sections = {
        "dynamic_listeners": [{"active_state": {"listener": item}} for item in configuration["listeners"].values()],
        "dynamic_route_configs": [{"route_config": item} for item in configuration["routes"].values()],
        "dynamic_active_clusters": [{"cluster": item} for item in configuration["clusters"].values()],
        "dynamic_endpoint_configs": [
            {"endpoint_config": item}
            for item in (
                *configuration["endpoints"].values(),
                *(c["load_assignment"] for c in configuration["clusters"].values() if "load_assignment" in c),
            )
        ],
    }
    version = {"user_agent_build_version": {"version": {"major_number": 1, "minor_number": 40}}}
    told = {"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"}
    return {"configs": [{**told, "bootstrap": {"node": start["node"] | version}}, sections]}


@cache
def generated(world: str) -> EnvoyConfig:
    return made_of(store_of(world))


def made_of(store: Store, client: Client = CLIENT) -> EnvoyConfig:
    """What the control plane makes of the objects for a client's proxy."""
    network = Network()
    try:
        configuration = configuration_of(store, network, client, access_log=Path("/nowhere/log"), capture=CAPTURE)
        return read_dump(json.loads(pretended(json.dumps(dump_of(configuration)), network, client.ip, CAPTURE)))
    finally:
        network.close()
