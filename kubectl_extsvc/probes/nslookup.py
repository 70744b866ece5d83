"""nslookup as a resolver that shows its way, for images with busybox (alpine) or bind's tools, and without Python.

It takes one name a run, so xargs runs it for all names of its standard input, some at a time: one exec, and no shell.
Each name is absolute; the search list is ours to follow (resolv_conf). Runs may print between each other's lines, but
what counts has the name in it, or stands in one write with the line that has.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.resolution import Attempt, Reply, Resolution
from kubectl_extsvc.probes.resolv_conf import ResolvConf, canonical_address

SECONDS = 4
"""For the first few names. Alone, a silent name server holds nslookup for 10 s and more."""
MOST_SECONDS = 8
"""For any number of them: what is not told by then is not known."""
NAMES_A_SECOND = 50
OUT_OF_TIME = (124, 143)
"""Exit codes of timeout: of coreutils, and of busybox."""

_CNAME = re.compile(r"(\S+)\tcanonical name = (\S+)")
_NOT_FOUND = re.compile(r"\*\* server can't find (\S+): (\S+)")
_NO_ANSWER = re.compile(r"\*\*\* Can't find (\S+): No answer")
_NAME = re.compile(r"Name:\t(\S+)")
_ADDRESS = re.compile(r"Address(?: \d+)?: (\S+)")

_SOME_FAILED = 123
"""xargs(1): a run ended with an exit code of its own, as nslookup does for a name that is not there."""
_MOST_CNAMES = 16
_MOST_ADDRESSES = 64


@dataclass(frozen=True, slots=True)
class _Said:
    """What all runs said, by name in lower case without final dot."""

    cnames: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """NXDOMAIN, SERVFAIL, …; "" for no data."""


def seconds_of(names: Sequence[str], conf: ResolvConf) -> int:
    """The longest that the command takes."""
    return min(SECONDS + len(_every(names, conf)) // NAMES_A_SECOND, MOST_SECONDS)


def command(names: Sequence[str], conf: ResolvConf) -> tuple[str, ...]:
    """argv. A run of nslookup that is killed by itself would end xargs, and with it all that are still to come."""
    return ("timeout", f"{seconds_of(names, conf)}", "xargs", "-n", "1", "-P", "16", "nslookup")


def stdin_of(names: Sequence[str], conf: ResolvConf) -> bytes:
    """What xargs reads: every name that a resolver might ask for."""
    return "".join(f"{name}.\n" for name in _every(names, conf)).encode()


def _every(names: Sequence[str], conf: ResolvConf) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for name in names for one in conf.candidates(name)))


def resolutions_in(
    names: Sequence[str], conf: ResolvConf, stdout: bytes, exit_code: int | None
) -> dict[str, Resolution]:
    """Name → its way; {} if no nslookup that we know has spoken. exit_code is None if the stream was lost.

    A name without a word is absent if the time was up, since it may not have been asked; but where no name has got one,
    the name servers are silent.
    """
    text = stdout.decode("utf-8", "replace")
    silent = exit_code in OUT_OF_TIME and not text.strip()
    if not silent and not re.search(r"^(Server:|\*\* server can't find )", text, re.MULTILINE):
        return {}
    said = _said(text)
    whole = silent or exit_code in (0, _SOME_FAILED)
    found = {}
    for name in names:
        written = conf.addresses_of(name)
        candidates = () if written else conf.candidates(name)
        attempts = _way(candidates, said, silent=silent)
        if whole or written or _told(attempts, said):
            last = attempts[-1].name if attempts else ""
            addresses = written or tuple(a for attempt in attempts if attempt.name == last for a in attempt.addresses)
            found[name] = Resolution(
                name, "nslookup", attempts, addresses, conf.name_servers, conf.search, conf.ndots, bool(written)
            )
    return found


def _way(candidates: Sequence[str], said: _Said, *, silent: bool) -> tuple[Attempt, ...]:
    """The attempts up to the first that finds something, or that nobody answers."""
    attempts: list[Attempt] = []
    for candidate in candidates:
        attempts += _attempts(candidate, said, silent=silent)
        if silent or any(attempt.addresses for attempt in attempts[-2:]):
            break
    return tuple(attempts)


def _told(attempts: Sequence[Attempt], said: _Said) -> bool:
    """Whether a word was said about each name that counts."""
    tried = dict.fromkeys(attempt.name for attempt in attempts)
    known = said.cnames.keys() | said.addresses.keys() | said.failed.keys()
    return all(_plain(name) in known for name in tried) and bool(tried)


def _said(text: str) -> _Said:
    said = _Said()
    owner = ""
    for line in text.splitlines():
        if found := _CNAME.fullmatch(line):
            said.cnames[_plain(found[1])] = _plain(found[2])
        elif found := _NOT_FOUND.match(line):
            said.failed[_plain(found[1])] = found[2]
        elif found := _NO_ANSWER.match(line):
            said.failed[_plain(found[1])] = ""
        elif found := _NAME.match(line):
            owner = _plain(found[1])
        elif found := _ADDRESS.match(line):
            address = canonical_address(found[1])
            known = said.addresses.setdefault(owner, [])
            if owner and address and address not in known:
                known.append(address)
    return said


def _attempts(name: str, said: _Said, *, silent: bool) -> tuple[Attempt, Attempt]:
    """Of A and of AAAA."""
    plain = _plain(name)
    cnames = _chain(plain, said.cnames)
    addresses = said.addresses.get(cnames[-1] if cnames else plain, [])[:_MOST_ADDRESSES]
    four = tuple(address for address in addresses if ":" not in address)
    six = tuple(address for address in addresses if ":" in address)
    if plain in said.failed and not addresses:
        word = said.failed[plain]
        reply = {"NXDOMAIN": Reply.NO_SUCH_NAME, "": Reply.NO_DATA}.get(word, Reply.FAILED)
    else:
        # busybox prints no word about a name that has no address; bind says so.
        reply = Reply.SILENT if silent else Reply.NO_DATA
    return (
        Attempt(name, "A", Reply.FOUND if four else reply, cnames, four),
        Attempt(name, "AAAA", Reply.FOUND if six else reply, cnames, six),
    )


def _chain(name: str, cnames: Mapping[str, str]) -> tuple[str, ...]:
    chain: list[str] = []
    while name in cnames and len(chain) < _MOST_CNAMES:
        name = cnames[name]
        chain.append(name)
    return tuple(chain)


def _plain(name: str) -> str:
    return one_line(name, 255).removesuffix(".").lower()
