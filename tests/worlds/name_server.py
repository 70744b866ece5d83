"""A DNS server on loopback, UDP and TCP, with records and bad habits as a test wishes."""

import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

A, CNAME, AAAA = 1, 5, 28
SERVFAIL, NXDOMAIN = 2, 3


@dataclass(frozen=True, slots=True)
class Zone:
    """What the server knows; all names in lower case without final dot."""

    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """() for a name that exists and has no address."""
    cnames: Mapping[str, str] = field(default_factory=dict)
    failing: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    tcp_only: frozenset[str] = frozenset()
    """Over UDP their answer is truncated."""
    forged: frozenset[str] = frozenset()
    """Answered with another id first, and with an address that must not be believed."""


@contextmanager
def name_server(zone: Zone, host: str = "127.0.0.1", port: int = 0) -> Iterator[tuple[int, list[tuple[str, int]]]]:
    """The port, and the (name, type) pairs that were asked for."""
    asked: list[tuple[str, int]] = []
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((host, port))
    bound = udp.getsockname()[1]
    tcp = socket.create_server((host, bound))

    def serve_udp() -> None:
        with suppress(OSError):
            while True:
                query, client = udp.recvfrom(4096)
                if not query:
                    return
                for message in answers(query, zone, asked, udp=True):
                    udp.sendto(message, client)

    def serve_tcp() -> None:
        with suppress(OSError):
            while True:
                connection, _ = tcp.accept()
                size = struct.unpack("!H", connection.recv(2))[0]
                for message in answers(connection.recv(size), zone, asked, udp=False):
                    connection.sendall(struct.pack("!H", len(message)) + message)
                connection.close()

    for serve in (serve_udp, serve_tcp):
        threading.Thread(target=serve, daemon=True).start()
    try:
        yield bound, asked
    finally:
        # close() alone does not wake a thread that waits in recvfrom.
        for listener in (udp, tcp):
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()


def answers(query: bytes, zone: Zone, asked: list[tuple[str, int]], *, udp: bool) -> Iterator[bytes]:
    name, end = _name(query, 12)
    (kind,) = struct.unpack("!H", query[end : end + 2])
    asked.append((name, kind))
    question = query[12 : end + 4]
    name = name.lower()
    if name in zone.silent:
        return
    if name in zone.failing:
        yield _message(query, question, SERVFAIL, b"", 0)
        return
    if name in zone.tcp_only and udp:
        yield _message(query, question, 0, b"", 0, truncated=True)
        return
    if name in zone.forged:
        wrong = bytes([query[0] ^ 255]) + query[1:]
        yield _message(wrong, question, 0, _record(name, A, socket.inet_aton("198.51.100.66")), 1)
    records, count, host = b"", 0, name
    while host in zone.cnames and count < 8:
        records += _record(host, CNAME, _encoded(zone.cnames[host]))
        count, host = count + 1, zone.cnames[host]
    if host not in zone.addresses and not count:
        yield _message(query, question, NXDOMAIN, b"", 0)
        return
    for address in zone.addresses.get(host, ()):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if kind == (AAAA if ":" in address else A):
            records += _record(host, kind, socket.inet_pton(family, address))
            count += 1
    yield _message(query, question, 0 if host in zone.addresses else NXDOMAIN, records, count)


def _message(query: bytes, question: bytes, code: int, records: bytes, count: int, *, truncated: bool = False) -> bytes:
    flags = 0x8180 | code | (0x0200 if truncated else 0)
    return query[:2] + struct.pack("!5H", flags, 1, count, 0, 0) + question + records


def _record(name: str, kind: int, data: bytes) -> bytes:
    return _encoded(name) + struct.pack("!2HIH", kind, 1, 30, len(data)) + data


def _encoded(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _name(message: bytes, place: int) -> tuple[str, int]:
    labels = []
    while size := message[place]:
        labels.append(message[place + 1 : place + 1 + size].decode())
        place += size + 1
    return ".".join(labels), place + 1
