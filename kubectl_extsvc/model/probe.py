"""Questions asked from a source, and their answers."""

from dataclasses import dataclass
from enum import StrEnum


class Scheme(StrEnum):
    HTTP = "http"
    HTTPS = "https"
    TCP = "tcp"
    """Connection only."""


class Purpose(StrEnum):
    """Why a transfer is made; rules pick answers by it."""

    ALIAS = "alias"
    """As an application should call the alias."""
    TARGET_HOST_HEADER = "target-host-header"
    """The same with the Host header of the target: does the origin care?"""
    ADDRESS = "address"
    """One endpoint address by itself."""
    TARGET = "target"
    """The target in clear, by its own name and without the user's words: nothing but XS0408 judges it."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One question: a URL and how to get there."""

    id: str
    """Unique within one exec; comes back with the answer."""
    purpose: Purpose
    scheme: Scheme
    host: str
    """In the URL: decides Host header, SNI and the name that a certificate is checked against."""
    port: int
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    connect_to: str = ""
    """HOST or ADDRESS to dial in place of host (curl --connect-to); port stays unless connect_port is set."""
    connect_port: int = 0
    insecure: bool = False
    """Do not check the certificate (curl -k)."""
    want_body: bool = False
    listen: bool = False
    """Of a bare connection: wait a moment for a server that speaks first. Some tools do so at all of them."""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path if self.scheme is not Scheme.TCP else ''}"


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from the start of the transfer, as curl's write-out gives them; 0.0 = not reached."""

    namelookup: float = 0.0
    connect: float = 0.0
    appconnect: float = 0.0
    starttransfer: float = 0.0
    total: float = 0.0


class Trust(StrEnum):
    """Does the pod's own bundle vouch for a certificate chain?"""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"
    NOT_CHECKED = "not checked"
    """The tool does not say, or the check was turned off."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One of the chain that a server showed; texts are cleaned."""

    subject: str
    issuer: str
    names: tuple[str, ...] = ()
    """DNS names and addresses of subjectAltName."""
    not_before: str = ""
    """RFC 3339, UTC."""
    not_after: str = ""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a client that speaks TLS itself saw of it. Behind a sidecar that passes TLS on, it is the server's."""

    sni: str = ""
    certificates: tuple[Certificate, ...] = ()
    """The server's first; empty: the tool does not show them."""
    trust: Trust = Trust.NOT_CHECKED
    version: str = ""
    """TLSv1.3."""
    alpn: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one transfer came to."""

    transfer: Transfer
    exit_code: int
    """curl's: 0, 6 name, 7 connect, 28 time, 35 TLS, 52 empty, 56 reset, 60 certificate …"""
    error: str = ""
    """curl's own words; cleaned of control characters."""
    status: int = 0
    """HTTP status, 0 if there was none."""
    http_version: str = ""
    remote_ip: str = ""
    remote_port: int = 0
    times: Times = Times()
    headers: tuple[tuple[str, str], ...] = ()
    """Response headers, names in lower case, in order; cleaned. Empty if the tool cannot give them."""
    body: str = ""
    """At most the first 64 KiB, only if asked for."""
    first_words: str = ""
    """What the server said at once on a bare connection (SMTP, MySQL); "" if it waits, or the tool cannot listen."""
    handshake: Handshake | None = None
    """None: the client spoke no TLS, or nothing is known of it."""

    @property
    def connected(self) -> bool:
        return self.times.connect > 0.0 or self.status > 0

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)


ANOTHER_SOURCE = "a source with curl, python3, wget or bash (--from, --ephemeral, --probe-pods)"
"""What helps where the container has no tool."""
BETTER_SOURCE = "a source with curl or python3 (--from, --ephemeral, --probe-pods)"
"""What helps with a transfer that the container's tool cannot ask."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A transfer of which nothing is known: no exec right, no tool, lost stream. Never a pass."""

    transfer: Transfer
    reason: str
    """One line for the user."""
    unlock: str = ""
    """The right or the source that would help, in a few words; "" if it is not known what would."""


Outcome = Answer | NoAnswer
