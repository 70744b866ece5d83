"""istiod's configuration, bent to what the sandbox has instead of a network: loopback ports, and REST discovery."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kubectl_extsvc.mesh.envoy_dump import VIRTUAL_OUTBOUND, EnvoyConfig
from kubectl_extsvc.mesh.hosts import is_address
from kubectl_extsvc.mesh.istiod.envoy_words import ADS, SDS, extension
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.outside.hosts import addresses_of
from kubectl_extsvc.sandbox.outside.network import LOOPBACK, Network
from kubectl_extsvc.sandbox.sidecar.discovery import Configuration, config_source

EDS_DELAY = "1s"
"""Until an Envoy cluster asks for its endpoints anew: in a large mesh all of them ask, and Envoy is slow at asking."""

REAL_DESTINATION = extension(
    "set_filter_state",
    "filters.network.set_filter_state.v3.Config",
    {
        "on_new_connection": [
            {
                "object_key": "envoy.network.transport_socket.original_dst_address",
                "format_string": {"text_format_source": {"inline_string": f"{LOOPBACK}:%DOWNSTREAM_REMOTE_PORT%"}},
            }
        ]
    },
)
"""Where ORIGINAL_DST clusters lead to: the client's pretended port is the local port that plays its destination.

Of what the PROXY header tells, addresses alone are handed from virtualOutbound to another listener with the connection;
dynamic metadata stays behind (envoy source/common/listener_manager/active_tcp_socket.cc:newConnection)."""


def bent(config: EnvoyConfig, network: Network, *, access_log: Path, capture: Path) -> Configuration:
    """access_log: file for it; capture: socket that connections of the pod come to."""
    assignments = {name: _local(assignment, network) for name, assignment in config.endpoints.items()}
    clusters = {name: _cluster(cluster, assignments.get(name)) for name, cluster in config.clusters.items()}
    listeners = [_listener(listener, access_log, capture) for listener in config.listeners]
    return {
        "listeners": {listener["name"]: listener for listener in listeners},
        "routes": dict(config.route_configs),
        "clusters": clusters,
        "endpoints": {name: assignments[name] for name, cluster in clusters.items() if cluster.get("type") == "EDS"},
    }


def _cluster(cluster: Json, assignment: Json | None) -> Json:
    made: Json = _asking_here(cluster)
    # Where a connection leads is known before the proxy sees it.
    made.pop("original_dst_lb_config", None)
    if "cluster_type" in made:
        # A dynamic forward proxy would ask the real DNS.
        del made["cluster_type"]
        made["type"] = "ORIGINAL_DST"
    if "eds_cluster_config" in made:
        made["eds_cluster_config"] = made["eds_cluster_config"] | {"eds_config": config_source(EDS_DELAY)}
    if "load_assignment" in made:
        # The addresses are numbers already: what a name's are is the outside's to say, not the real DNS's.
        made["load_assignment"] = assignment
        if made["type"] == "LOGICAL_DNS" and assignment is not None and assignment["endpoints"]:
            locality = assignment["endpoints"][0]
            made["load_assignment"] = {
                **assignment, "endpoints": [{**locality, "lb_endpoints": locality["lb_endpoints"][:1]}]
            }  # fmt: skip
    return made


def _local(assignment: Json, network: Network) -> Json:
    """A ClusterLoadAssignment of the local ports that play its endpoints."""
    localities = [
        {**locality, "lb_endpoints": found, "load_balancing_weight": len(found)}
        for locality in assignment.get("endpoints") or ()
        if (found := [*_lb_endpoints(locality["lb_endpoints"], network)])
    ]
    return {"cluster_name": assignment["cluster_name"], "endpoints": localities}


def _lb_endpoints(lb_endpoints: Iterable[Json], network: Network) -> Iterator[Json]:
    for lb_endpoint in lb_endpoints:
        socket = lb_endpoint["endpoint"]["address"]["socket_address"]
        name, port = socket["address"], socket["port_value"]
        for address in (name,) if is_address(name) else addresses_of(name):
            local = {"address": LOOPBACK, "port_value": network.port_of(address, port)}
            named = {"hostname": name} if address != name else {}
            yield lb_endpoint | {"endpoint": {"address": {"socket_address": local}, **named}}


def _listener(listener: Json, access_log: Path, capture: Path) -> Json:
    made: Json = _logging_to(_asking_here(listener), str(access_log))
    for chain in (*made["filter_chains"], made.get("default_filter_chain", {})):
        if chain and chain.get("name") != "virtualOutbound-blackhole":
            chain["filters"] = [REAL_DESTINATION, *chain["filters"]]
    if made["name"] == VIRTUAL_OUTBOUND:
        # On a TCP socket use_original_dst asks the kernel for the destination too, after the PROXY header did; where
        # connections are tracked (Docker does) it answers with this very listener (original_dst.cc:onAccept).
        made["address"] = {"pipe": {"path": str(capture), "mode": 0o600}}
        message = "filters.listener.proxy_protocol.v3.ProxyProtocol"
        made["listener_filters"] = [extension("envoy.filters.listener.proxy_protocol", message)]
    elif made.get("bind_to_port") is not False:
        # Nobody binds to the pretended pod's ports.
        made["bind_to_port"] = False
    return made


def _asking_here(value: Any) -> Any:
    """A copy that asks our control plane for what istiod would be asked for."""
    if value is ADS or value is SDS:
        return config_source()
    if isinstance(value, dict):
        return {key: _asking_here(part) for key, part in value.items()}
    return [_asking_here(part) for part in value] if isinstance(value, list) else value


def _logging_to(value: Any, path: str) -> Any:
    """A copy whose access logs go to a file."""
    if isinstance(value, dict):
        if str(value.get("@type", "")).endswith("FileAccessLog"):
            return value | {"path": path}
        return {key: _logging_to(part, path) for key, part in value.items()}
    return [_logging_to(part, path) for part in value] if isinstance(value, list) else value
