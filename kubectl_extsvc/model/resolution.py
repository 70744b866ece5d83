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
    """What asked: python3, nslookup or getent. nslookup tells no times, and getent the addresses alone."""
    attempts: tuple[Attempt, ...] = ()
    """In the order of resolv.conf(5); the resolver stops at the first that finds something. Empty with getent, and
    where the hosts file answers."""
    addresses: tuple[str, ...] = ()
    """What the application gets, IPv4 and IPv6."""
    name_servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 1
    hosts_file: bool = False
    """The pod's /etc/hosts has the name, so that no name server is asked."""

    @property
    def found(self) -> str:
        """The absolute name that has the addresses, without final dot; "" if none has, or it is not known."""
        return next((attempt.name for attempt in self.attempts if attempt.addresses), "")

    @property
    def cnames(self) -> tuple[str, ...]:
        """Names that lead to the addresses or, if there are none, as far as any name led."""
        telling = [attempt for attempt in self.attempts if not self.found or attempt.name == self.found]
        return max((attempt.cnames for attempt in telling), key=len, default=())

    @property
    def silent(self) -> bool:
        """No name server told what is at the end of the way: no address was found, and that says nothing."""
        last = [attempt.reply for attempt in self.attempts if attempt.name == self.attempts[-1].name]
        return not self.addresses and Reply.SILENT in last and Reply.NO_SUCH_NAME not in last

    @property
    def tries(self) -> tuple[str, ...]:
        """Names that were asked for, in order."""
        return tuple(dict.fromkeys(attempt.name for attempt in self.attempts))

    @property
    def seconds(self) -> float:
        """What the name servers took; 0.0 if it is not known. A and AAAA are asked for at the same time."""
        return sum(max(a.seconds for a in self.attempts if a.name == name) for name in self.tries)

    @property
    def place(self) -> str:
        """Which of the names that the search list makes was found: 2nd of 4 search tries. "" if none was."""
        if not self.found:
            return ""
        possible = 1 if self.name.endswith(".") else len(self.search) + 1
        return f"{ordinal(self.tries.index(self.found) + 1)} of {possible} search tries"


@dataclass(frozen=True, slots=True)
class ResolutionUnknown:
    reason: str
    """One line, with what would help."""
    unlock: str = ""
    """The right or the source that would help, in a few words."""


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
