"""How a pod's resolver came from the alias's name to addresses."""

from dataclasses import dataclass
from enum import StrEnum


class Reply(StrEnum):
    """What a name server said to one query."""

    FOUND = "found"
    NO_SUCH_NAME = "NXDOMAIN"
    NO_DATA = "no data"
    """The name exists and has no record of that type."""
    FAILED = "SERVFAIL"
    """Or another error of the server's."""
    SILENT = "no answer"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One name of the search list, asked for with one record type."""

    name: str
    """Absolute, without the final dot."""
    record: str
    """A or AAAA."""
    reply: Reply
    cnames: tuple[str, ...] = ()
    """Names that the answer leads through, in order, without final dots."""
    addresses: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Resolution:
    """The way of one name in one pod."""

    name: str
    """As the application asks for it; with a final dot it is absolute and no search list applies."""
    tool: str
    """What asked: python3, dig, nslookup or getent. getent tells the addresses alone."""
    attempts: tuple[Attempt, ...] = ()
    """In the order of resolv.conf(5); the resolver stops at the first that finds something. Empty with getent."""
    addresses: tuple[str, ...] = ()
    """What the application gets, IPv4 and IPv6."""
    name_servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 1


@dataclass(frozen=True, slots=True)
class ResolutionUnknown:
    reason: str
    """One line, with what would help."""
