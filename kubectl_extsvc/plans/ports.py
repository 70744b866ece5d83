"""Ports of an alias, as they are typed: [NAME:]PORT[:TARGETPORT]."""

from collections.abc import Sequence

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.mesh.ports import protocol_of
from kubectl_extsvc.model.alias import AliasPort, AppProtocol, Form, TlsMode
from kubectl_extsvc.plans.naming import Warnings, is_dns_label, quoted

MAX_PORTS = 100
"""Of one EndpointSlice (kubernetes pkg/apis/discovery/validation, maxPorts)."""

TLS_PORTS = (443, 8443)

CONVENTIONAL_NAMES = {
    22: "tcp-ssh",
    25: "tcp-smtp",
    80: "http",
    389: "tcp-ldap",
    443: "tls",
    465: "tls-smtp",
    587: "tcp-smtp",
    636: "tls-ldap",
    993: "tls-imap",
    1433: "tcp-mssql",
    1521: "tcp-oracle",
    3306: "tcp-mysql",
    5432: "tcp-postgres",
    5671: "tls-amqp",
    5672: "tcp-amqp",
    6379: "tcp-redis",
    8080: "http",
    8443: "tls",
    8883: "tls-mqtt",
    9092: "tcp-kafka",
    27017: "tcp-mongo",
}
"""Port number → name, whose part before the dash tells Istio the protocol.

Databases are tcp-…, never mysql, redis or mongo: with those words Envoy would parse a protocol that may be TLS inside.
"""


def parse_ports(texts: Sequence[str], *, flag: str = "--port") -> tuple[AliasPort, ...]:
    """The ports in the order given; a port without name gets the conventional one of its number. Raises UsageError."""
    if len(texts) > MAX_PORTS:
        raise UsageError(f"{flag}: {len(texts)} ports, at most {MAX_PORTS} fit into an EndpointSlice")
    split = [_split(text, flag) for text in texts]
    names = {name for name, _, _ in split if name}
    ports: list[AliasPort] = []
    for name, number, target_port in split:
        if not name:
            name = CONVENTIONAL_NAMES.get(number, "tcp")
            if name in names:
                name = f"{name}-{number}"
            names.add(name)
        ports.append(AliasPort(name, number, target_port, protocol_of(name, None, number)))
    _refuse_twice("port", [str(port.number) for port in ports], flag)
    _refuse_twice("port name", [port.name for port in ports], flag)
    return tuple(ports)


def default_ports(form: Form, mode: TlsMode | None = None) -> tuple[AliasPort, ...]:
    """What an alias without --port serves; mode is the TLS mode that was asked for by name, None for auto.

    Where the sidecar is to add the TLS, the client speaks plain HTTP.
    """
    if mode in (TlsMode.SIMPLE, TlsMode.MUTUAL):
        return parse_ports(["http:80:443"])
    return parse_ports(["http:80"] if form is Form.EXTERNAL_NAME else ["tls:443"])


def port_warnings(ports: Sequence[AliasPort], *, mesh: bool) -> Warnings:
    """What is allowed and still likely to be wrong about the names of ports."""
    warnings = []
    for port in ports:
        if port.protocol.is_http and port.number in TLS_PORTS:
            warnings.append(
                f'port {port.number} is named "{port.name}": sidecars read plain HTTP there, and a client\'s TLS goes '
                f"past every rule of the alias; if the client speaks TLS, use tls:{port.number} (XS0305)"
            )
        if mesh and port.protocol is AppProtocol.AUTO:
            warnings.append(
                f'port name "{port.name}" names no protocol that Istio knows: the sidecar waits for the first bytes of '
                f"the client, so a server that speaks first hangs; for TCP use tcp-{port.name}:{port.number}"
            )
    return tuple(warnings)


def _refuse_twice(what: str, values: Sequence[str], flag: str) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise UsageError(f"{flag}: {what} {value} is given twice")
        seen.add(value)


def _split(text: str, flag: str) -> tuple[str, int, int]:
    """(name, port, target port); name is "" if none was given."""
    parts = text.strip().split(":")
    name = ""
    if len(parts) == 3 or (len(parts) == 2 and not _is_number(parts[0])):
        name = _port_name(parts.pop(0), text, flag)
    if len(parts) not in (1, 2):
        raise UsageError(f"{flag}: {quoted(text)} is not [NAME:]PORT[:TARGETPORT]")
    number, *target = (_port_number(part, text, flag) for part in parts)
    return name, number, target[0] if target else number


def _port_name(name: str, text: str, flag: str) -> str:
    # A DNS label, by Service and EndpointSlice validation alike; digits alone would read as a port.
    if not is_dns_label(name) or name.isdigit():
        raise UsageError(
            f"{flag}: {quoted(name)} in {quoted(text)} is not a port name: "
            "at most 63 lower case letters, digits and '-', at least one letter"
        )
    if protocol_of(name, None, 0) is AppProtocol.UDP:
        raise UsageError(f"{flag}: {quoted(text)} is named for UDP, an alias carries TCP only")
    return name


def _port_number(part: str, text: str, flag: str) -> int:
    if not _is_number(part):
        raise UsageError(f"{flag}: {quoted(part)} in {quoted(text)} is not a port number: [NAME:]PORT[:TARGETPORT]")
    # Long rows of digits are not worth converting.
    number = int(part) if len(part) <= 5 else 0
    if not 1 <= number <= 65535:
        raise UsageError(f"{flag}: {quoted(part)} in {quoted(text)} is not between 1 and 65535")
    return number


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
