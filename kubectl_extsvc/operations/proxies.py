"""What the sidecars of the sources hold, and what they logged: one exec a sidecar, more only where needed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import anyio

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.errors import ClusterError, ExecError
from kubectl_extsvc.mesh.destination_rules import route_host
from kubectl_extsvc.mesh.envoy_dump import EnvoyConfig, dump_query, merged, parse_dump
from kubectl_extsvc.mesh.outbound_request import UNKNOWN_ADDRESS, OutboundRequest, RequestKind
from kubectl_extsvc.mesh.routing import unasked
from kubectl_extsvc.model.alias import AddressTarget, Alias
from kubectl_extsvc.model.marks import private_host
from kubectl_extsvc.model.probe import Answer, Outcome, Purpose, Scheme
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import RouteUnknown
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import Source
from kubectl_extsvc.operations.asking import Question
from kubectl_extsvc.probes.access_log import AccessLogEntry, access_log_entries
from kubectl_extsvc.probes.proxy_admin import get

DUMP_SECONDS = 20.0
LOG_FLUSH_SECONDS = 1.1
"""Istio lets Envoy write its log every second (pilot-agent --file-flush-interval-msec 1000)."""
LOG_SECONDS = 15
LOG_BYTES = 1024 * 1024
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Proxy:
    config: EnvoyConfig | RouteUnknown
    logs_access: bool = False
    """The configuration speaks of an access log."""


async def read_proxies(
    cluster: Cluster, sidecars: Sequence[Source], aliases: Sequence[Alias], snapshot: Snapshot
) -> dict[str, Proxy]:
    """Source key → what its sidecar holds about the aliases."""
    found: dict[str, Proxy] = {}
    query = dump_query(_hosts(aliases, snapshot), _addresses(aliases), _ports(aliases))
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def read(source: Source) -> None:
        async with limit:
            found[source.key] = await _read(cluster, source, query)

    async with anyio.create_task_group() as group:
        for source in sidecars:
            group.start_soon(read, source)
    return found


async def complete(cluster: Cluster, source: Source, proxy: Proxy, requests: Iterable[OutboundRequest]) -> Proxy:
    """The proxy with what these requests lead to, asked for where the first dump did not hold it."""
    if isinstance(proxy.config, RouteUnknown):
        return proxy
    names = unasked(proxy.config, requests)
    if not names:
        return proxy
    more = await _read(cluster, source, dump_query((), (), (0,), names))
    if isinstance(more.config, RouteUnknown):
        return proxy
    return Proxy(merged(proxy.config, more.config), proxy.logs_access)


def outbound_request(question: Question, outcomes: Sequence[Outcome]) -> OutboundRequest:
    """The call of the alias as the sidecar saw it: where it went is what the probe says, else what the objects say."""
    call = question.transfers[0] if question.transfers else None
    answers = [o for o in outcomes if isinstance(o, Answer) and o.remote_ip]
    dialled = next((answer.remote_ip for answer in answers if answer.transfer.purpose is Purpose.ALIAS), "")
    alias, port, spoken = question.alias, question.port, question.contract
    address = dialled or next(iter(alias.cluster_ips), "") or next(iter(getattr(alias.target, "addresses", ())), "")
    address = address or UNKNOWN_ADDRESS
    match spoken.scheme if spoken.served else Scheme.TCP:
        case Scheme.HTTP:
            given = next((value for name, value in (call.headers if call else ()) if name.lower() == "host"), "")
            host = given or (spoken.host if port.number == 80 else f"{spoken.host}:{port.number}")
            path, method = (call.path, call.method) if call else ("/", "GET")
            return OutboundRequest(RequestKind.HTTP, address, port.number, host=host, path=path, method=method)
        case Scheme.HTTPS:
            return OutboundRequest(RequestKind.TLS, address, port.number, sni=spoken.host)
        case Scheme.TCP:
            return OutboundRequest(RequestKind.TCP, address, port.number)


async def _read(cluster: Cluster, source: Source, query: str) -> Proxy:
    try:
        result = await cluster.exec(
            source.namespace, source.pod, source.proxy_container, get(query), timeout=DUMP_SECONDS
        )
    except ExecError as error:
        verb = " (needs get and create on pods/exec)" if error.forbidden else ""
        return Proxy(RouteUnknown(f"{error}{verb}"))
    except ClusterError as error:
        return Proxy(RouteUnknown(str(error)))
    if result.exit_code != 0:
        why = result.lost or f"pilot-agent ended with exit code {result.exit_code}"
        return Proxy(RouteUnknown(f"the sidecar of pod/{source.pod} gave no configuration: {why}"))
    if result.truncated:
        return Proxy(RouteUnknown(f"the configuration of the sidecar of pod/{source.pod} is too large to be read"))
    return Proxy(parse_dump(result.stdout, query), b"envoy.access_loggers." in result.stdout)


def _hosts(aliases: Sequence[Alias], snapshot: Snapshot) -> tuple[str, ...]:
    """Hosts by which Istio may know what stands behind the aliases."""
    hosts: dict[str, None] = {}
    for alias in aliases:
        fqdn = alias.fqdn(snapshot.cluster_domain)
        hosts[fqdn] = None
        hosts[private_host(alias.name, alias.namespace)] = None
        if alias.host:
            hosts[alias.host] = None
        for port in alias.ports:
            target = route_host(alias, snapshot, port=port.number, client_namespace=alias.namespace)
            if target is not None:
                hosts[target.host] = None
        for virtual_service in snapshot.virtual_services:
            spec = virtual_service.get("spec") or {}
            if {fqdn, alias.host, alias.name} & set(spec.get("hosts") or ()):
                hosts.update(dict.fromkeys(_destinations(spec)))
    return tuple(hosts)


def _destinations(spec: Json) -> Iterable[str]:
    for kind in ("http", "tls", "tcp"):
        for route in spec.get(kind) or ():
            for destination in route.get("route") or ():
                host = (destination.get("destination") or {}).get("host", "")
                if host:
                    yield host


def _addresses(aliases: Sequence[Alias]) -> tuple[str, ...]:
    """Addresses that the aliases' names lead to, () for any: where a host resolves to, only the probe will tell."""
    addresses: dict[str, None] = {}
    for alias in aliases:
        if not isinstance(alias.target, AddressTarget):
            return ()
        addresses.update(dict.fromkeys(alias.cluster_ips or alias.target.addresses))
    return tuple(addresses)


def _ports(aliases: Sequence[Alias]) -> tuple[int, ...]:
    return tuple({port.number: None for alias in aliases for port in alias.ports}) or (0,)


async def read_access_logs(cluster: Cluster, sources: Sequence[Source]) -> dict[str, tuple[AccessLogEntry, ...]]:
    """Source key → what its sidecar logged of late. Evidence only: what may not be read is absent.

    Waits for the flush first; lines are not chosen by time, since the proxy's clock need not be ours.
    """
    logged: dict[str, tuple[AccessLogEntry, ...]] = {}
    if not sources:
        return logged
    await anyio.sleep(LOG_FLUSH_SECONDS)

    async def read(source: Source) -> None:
        try:
            text = await cluster.log(source.namespace, source.pod, source.proxy_container,
                                     since_seconds=LOG_SECONDS, limit_bytes=LOG_BYTES)  # fmt: skip
        except ClusterError:
            return
        logged[source.key] = access_log_entries(text)

    async with anyio.create_task_group() as group:
        for source in sources:
            group.start_soon(read, source)
    return logged
