"""Envoy listeners: one for each address and port that applications may dial, and the one for all the rest.

Source: istio pilot/pkg/networking/core/listener.go, listener_builder.go, tls.go, branch release-1.31.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kubectl_extsvc.mesh.envoy_dump import BLACK_HOLE, PASSTHROUGH, VIRTUAL_OUTBOUND
from kubectl_extsvc.mesh.hosts import name_forms
from kubectl_extsvc.mesh.registry import RegistryPort
from kubectl_extsvc.model.alias import AppProtocol
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.outside.network import LOOPBACK
from kubectl_extsvc.sandbox.sidecar.discovery import config_source, extension
from kubectl_extsvc.sandbox.sidecar.endpoints import endpoints_of
from kubectl_extsvc.sandbox.sidecar.mesh_view import MeshHost, MeshView

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 a listener's name, nothing is bound
CAPTURE_PORT = 15001

LOG_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    "%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% '
    '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" '
    '"%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% '
    "%DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)
"""Istio's default (EnvoyTextLogFormat in pilot/pkg/model/telemetry_logging.go)."""

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


@dataclass(slots=True)
class Chains:
    """What comes together at one address and port."""

    http: str = ""
    """Route table, "" without HTTP."""
    tcp: list[tuple[Json, str]] = field(default_factory=list)
    """Match ({} for all) and Envoy cluster."""
    default: str = ""
    """Envoy cluster of the Service itself that takes what is not HTTP."""

    def add(self, match: Json, cluster: str) -> None:
        """One more TCP chain; of two with the same conditions the older host's counts, and so does an SNI's."""
        taken = {name for other, _ in self.tcp for name in other.get("server_names", ())}
        if names := match.get("server_names"):
            match = {"server_names": [name for name in names if name not in taken]}
            if not match["server_names"]:
                return
        if all(match != other for other, _ in self.tcp):
            self.tcp.append((match, cluster))


def listeners_of(view: MeshView, access_log: Path, capture: Path) -> dict[str, Json]:
    """Listeners by name. access_log: file for it; capture: socket that connections of the pod come to."""
    log = _access_log(access_log) if view.config.get("accessLogFile") else []
    found = [_virtual_outbound(view, log, capture)]
    found += [_listener(view, *place, chains, log) for place, chains in _places(view).items()]
    return {listener["name"]: listener for listener in found}


def _places(view: MeshView) -> dict[tuple[str, int], Chains]:
    places: dict[tuple[str, int], Chains] = {}
    for host in view.hosts:
        for port in host.ports:
            cluster = host.cluster(port.number)
            if port.protocol.is_http:
                places.setdefault((ANY_ADDRESS, port.number), Chains()).http = str(port.number)
                continue
            for address, match in _bindings(view, host, port):
                chains = places.setdefault((address, port.number), Chains())
                if port.protocol is not AppProtocol.AUTO:
                    chains.add(match, cluster)
                elif not chains.http and not chains.tcp:
                    chains.http, chains.default = f"{host.host}:{port.number}", cluster
    return places


def _bindings(view: MeshView, host: MeshHost, port: RegistryPort) -> Iterable[tuple[str, Json]]:
    """Addresses that a port which is not HTTP is dialled at, each with the match of its filter chain."""
    if host.headless:
        # Whoever dials one of its endpoints, by whatever name, is taken for its client.
        return [(endpoint.address, {}) for endpoint in endpoints_of(view, host, port)]
    if host.addresses:
        return [_binding(address) for address in host.addresses]
    if not port.protocol.is_tls:
        return [(ANY_ADDRESS, {})]
    names = {host.host, *(form for alias in host.aliases for form in name_forms(*alias, view.client.namespace))}
    return [(ANY_ADDRESS, {"server_names": sorted(names)})]


def _binding(address: str) -> tuple[str, Json]:
    network = ipaddress.ip_network(address, strict=False)
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address), {}
    prefix = {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}
    return ANY_ADDRESS, {"prefix_ranges": [prefix]}


def _unknown(view: MeshView) -> str:
    """Envoy cluster of what no host claims."""
    return BLACK_HOLE if view.registry_only else PASSTHROUGH


def _virtual_outbound(view: MeshView, log: list[Json], capture: Path) -> Json:
    blocked = {
        "name": "virtualOutbound-blackhole",
        "filter_chain_match": {"destination_port": CAPTURE_PORT},
        "filters": [_tcp_proxy(BLACK_HOLE, [])],
    }
    catchall = {"name": "virtualOutbound-catchall-tcp", "filters": _tcp_filters(_unknown(view), log)}
    return {
        "name": VIRTUAL_OUTBOUND,
        # On a TCP socket use_original_dst asks the kernel for the destination too, after the PROXY header did; where
        # connections are tracked (Docker does) it answers with this very listener (original_dst.cc:onAccept).
        "address": {"pipe": {"path": str(capture), "mode": 0o600}},
        "listener_filters": [
            extension("envoy.filters.listener.proxy_protocol", "filters.listener.proxy_protocol.v3.ProxyProtocol")
        ],
        "filter_chains": [blocked, catchall],
        "use_original_dst": True,
        "traffic_direction": "OUTBOUND",
    } | ({"access_log": [_without_route(entry) for entry in log]} if log else {})


def _listener(view: MeshView, address: str, port: int, chains: Chains, log: list[Json]) -> Json:
    name = f"{address}_{port}"
    filter_chains = [_chain(match, _tcp_filters(cluster, log)) for match, cluster in chains.tcp]
    inspectors = []
    if any("server_names" in match for match, _ in chains.tcp):
        message = "filters.listener.tls_inspector.v3.TlsInspector"
        inspectors.append(extension("envoy.filters.listener.tls_inspector", message))
    if chains.http:
        message = "filters.listener.http_inspector.v3.HttpInspector"
        inspectors.append(extension("envoy.filters.listener.http_inspector", message))
        match = {"transport_protocol": "raw_buffer", "application_protocols": ["http/1.1", "h2c"]}
        filter_chains.append(_chain(match, [REAL_DESTINATION, _http_manager(view, name, chains.http, log)]))
    default: Json = {}
    if chains.default:
        default = {"default_filter_chain": {"filters": _tcp_filters(chains.default, log)}}
    elif all(match for match, _ in chains.tcp):
        rest = {"name": "PassthroughFilterChain", "filters": _tcp_filters(_unknown(view), log)}
        default = {"default_filter_chain": rest}
    return {
        "name": name,
        "address": {"socket_address": {"address": address, "port_value": port}},
        "bind_to_port": False,
        "listener_filters": inspectors,
        "listener_filters_timeout": "0s",
        "continue_on_listener_filters_timeout": True,
        "traffic_direction": "OUTBOUND",
        "filter_chains": filter_chains,
        **default,
    }


def _chain(match: Json, filters: list[Json]) -> Json:
    return {"filters": filters, "transport_socket_connect_timeout": "15s"} | (
        {"filter_chain_match": match} if match else {}
    )


def _tcp_filters(cluster: str, log: list[Json]) -> list[Json]:
    return [REAL_DESTINATION, _tcp_proxy(cluster, log)]


def _tcp_proxy(cluster: str, log: list[Json]) -> Json:
    content = {"stat_prefix": cluster, "cluster": cluster, "access_log": log}
    return extension("envoy.filters.network.tcp_proxy", "filters.network.tcp_proxy.v3.TcpProxy", content)


def _http_manager(view: MeshView, listener: str, route_config: str, log: list[Json]) -> Json:
    quiet = {} if view.sends("envoyDebugHeaders") else {"suppress_envoy_headers": True}
    content: Json = {
        "stat_prefix": f"outbound_{listener};",
        "rds": {"config_source": config_source(), "route_config_name": route_config},
        "http_filters": [
            extension("envoy.filters.http.fault", "filters.http.fault.v3.HTTPFault"),
            extension("envoy.filters.http.cors", "filters.http.cors.v3.Cors"),
            extension("envoy.filters.http.router", "filters.http.router.v3.Router", quiet),
        ],
        # Without a provider it traces nothing, but is why x-envoy-decorator-operation is sent.
        "tracing": {
            "client_sampling": {"value": 100},
            "random_sampling": {"value": 1},
            "overall_sampling": {"value": 100},
        },
        "access_log": log,
        "use_remote_address": False,
        "proxy_100_continue": True,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "stream_idle_timeout": "0s",
        "normalize_path": True,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
    }
    if not view.sends("server"):
        content["server_header_transformation"] = "PASS_THROUGH"
    if not view.sends("requestId"):
        content["generate_request_id"] = False
    message = "filters.network.http_connection_manager.v3.HttpConnectionManager"
    return extension("envoy.filters.network.http_connection_manager", message, content)


def _access_log(path: Path) -> list[Json]:
    content = {"path": str(path), "log_format": {"text_format_source": {"inline_string": LOG_FORMAT}}}
    return [extension("envoy.access_loggers.file", "access_loggers.file.v3.FileAccessLog", content)]


def _without_route(log: Json) -> Json:
    return {**log, "filter": {"response_flag_filter": {"flags": ["NR"]}}}
