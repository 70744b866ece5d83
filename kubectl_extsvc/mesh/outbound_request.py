"""One request of an application, as its sidecar sees it."""

from dataclasses import dataclass
from enum import StrEnum

UNKNOWN_ADDRESS = "192.0.2.0"
"""Stands for where a name leads that was not resolved: no listener can have it, so only wildcard ones match."""


class RequestKind(StrEnum):
    HTTP = "http"
    """Plain HTTP/1.1."""
    TLS = "tls"
    """The application speaks TLS itself."""
    TCP = "tcp"
    """Bytes that are neither."""


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    kind: RequestKind
    address: str
    """IP address that the application dials."""
    port: int
    host: str = ""
    """Host header, with a port if it has one; HTTP only."""
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers that are known to be sent, names in lower case."""
    sni: str = ""
    """TLS only."""
    alpn: tuple[str, ...] = ("h2", "http/1.1")
    """TLS only; curl's default."""
