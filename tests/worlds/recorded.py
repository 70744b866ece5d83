"""The recorded worlds of tests/worlds/envoy, see the README there."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kubectl_extsvc.mesh.envoy_dump import EnvoyConfig, read_dump
from kubectl_extsvc.mesh.outbound_request import OutboundRequest, RequestKind
from kubectl_extsvc.model.resources import Json

FOLDER = Path(__file__).parent / "envoy"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@dataclass(frozen=True)
class LogLine:
    """What the sidecar's access log says of a request; "-" where it says nothing."""

    status: str
    flags: str
    authority: str
    upstream: str
    cluster: str
    dialled: str
    server_name: str
    route: str


@dataclass(frozen=True)
class Probe:
    """One curl from the pod with the sidecar, the same from the pod without, and the sidecar's log line."""

    world: str
    name: str
    sidecar: Json
    plain: Json
    log: LogLine

    @property
    def key(self) -> str:
        return f"{self.world}/{self.name}"

    @property
    def request(self) -> OutboundRequest:
        """What the sidecar was asked for, from curl's arguments and the address that curl reached."""
        arguments = shlex.split(self.sidecar["args"])
        url = urlsplit(arguments[-1])
        address, _, port = self.log.dialled.rpartition(":")
        host = url.hostname or ""
        if url.scheme == "https":
            return OutboundRequest(RequestKind.TLS, address, int(port), sni=host)
        if "-H" in arguments:
            host = arguments[arguments.index("-H") + 1].removeprefix("Host: ")
        elif url.port is not None:
            host = f"{host}:{url.port}"
        return OutboundRequest(RequestKind.HTTP, address, int(port), host=host, path=url.path)

    def headers_at_origin(self, side: Json) -> frozenset[str] | None:
        """Names of the request headers that the origin echoes in its body, None if it did not answer so."""
        try:
            return frozenset(name.lower() for name in json.loads(side["body"])["headers"])
        except (ValueError, KeyError, TypeError):
            return None


def dump_of(world: str) -> Json:
    dump: Json = json.loads((FOLDER / f"{world}.json").read_text())
    return dump


def config_of(world: str) -> EnvoyConfig:
    return read_dump(dump_of(world))


def probes_of(world: str) -> tuple[Probe, ...]:
    """Its curls in order; name lookups, which no sidecar sees, are left out."""
    recorded = json.loads((FOLDER / f"{world}.probe.json").read_text())
    curls = [(name, sides) for name, sides in recorded["probes"].items() if isinstance(sides["sidecar"], dict)]
    lines = [_log_line(line) for line in recorded["access_log"]]
    # A connection that Envoy refuses may be logged once more; the dialled address tells what belongs together.
    probes = []
    for name, sides in curls:
        line = next(line for line in lines if line.dialled == sides["sidecar"]["remote"])
        lines.remove(line)
        probes.append(Probe(world, name, sides["sidecar"], sides["plain"], line))
    return tuple(probes)


def _log_line(line: str) -> LogLine:
    """Istio's default access log format (its last columns: local and remote addresses, SNI, route name)."""
    columns = re.findall(r'"[^"]*"|\[[^\]]*\]|\S+', line)
    words = [column.strip('"') for column in columns]
    cluster, _, dialled, _, server_name, route = words[-6:]
    return LogLine(words[2], words[3], words[-8], words[-7], cluster, dialled, server_name, route)


PROBES = tuple(probe for world in NAMES for probe in probes_of(world))
