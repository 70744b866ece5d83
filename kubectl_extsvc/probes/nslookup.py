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
"""For all names. Alone, a silent name server holds nslookup for 10 s and more."""
# A run of nslookup that is killed by itself would end xargs, and with it all names that are still to come.
COMMAND = ("timeout", f"{SECONDS}", "xargs", "-n", "1", "-P", "16", "nslookup")

_CNAME = re.compile(r"(\S+)\tcanonical name = (\S+)")
_NOT_FOUND = re.compile(r"\*\* server can't find (\S+): (\S+)")
_NO_ANSWER = re.compile(r"\*\*\* Can't find (\S+): No answer")
_NAME = re.compile(r"Name:\t(\S+)")
_ADDRESS = re.compile(r"Address(?: \d+)?: (\S+)")

_MOST_CNAMES = 16
_MOST_ADDRESSES = 64


@dataclass(frozen=True, slots=True)
class _Said:
    """What all runs said, by name in lower case without final dot."""

    cnames: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """NXDOMAIN, SERVFAIL, …; "" for no data."""


def stdin_of(names: Sequence[str], conf: ResolvConf) -> bytes:
    """What xargs reads: every name that a resolver might ask for."""
    every = dict.fromkeys(one for name in names for one in conf.candidates(name))
    return "".join(f"{name}.\n" for name in every).encode()


def resolutions_in(
    names: Sequence[str], conf: ResolvConf, stdout: bytes, exit_code: int | None
) -> dict[str, Resolution]:
    """Name → its way; {} if no nslookup that we know has spoken. exit_code is None if the stream was lost."""
    text = stdout.decode("utf-8", "replace")
    if not re.search(r"^(Server:|\*\* server can't find )", text, re.MULTILINE):
        return {}
    said = _said(text)
    # The last exit codes are those of a run that was ended by its time, or of one that xargs saw killed.
    cut = exit_code is None or exit_code in (124, 125, 137, 143)
    found = {}
    for name in names:
        attempts: list[Attempt] = []
        written = conf.addresses_of(name)
        for candidate in () if written else conf.candidates(name):
            attempts += _attempts(candidate, said, cut=cut)
            if any(a.addresses or a.reply is Reply.SILENT for a in attempts[-2:]):
                break
        last = attempts[-1].name if attempts else ""
        addresses = written or tuple(a for attempt in attempts if attempt.name == last for a in attempt.addresses)
        found[name] = Resolution(
            name, "nslookup", tuple(attempts), addresses, conf.name_servers, conf.search, conf.ndots, bool(written)
        )
    return found


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


def _attempts(name: str, said: _Said, *, cut: bool) -> tuple[Attempt, Attempt]:
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
        reply = Reply.NO_DATA if addresses or cnames or not cut else Reply.SILENT
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
