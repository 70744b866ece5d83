"""getent, the last resort for a name's addresses: it says nothing of the way to them.

One exec for all names. `getent ahosts` prints the canonical name and not the name that was asked for, so a CNAME would
hide whose addresses these are; a literal address of our own between two hosts, which getent repeats without asking
anybody, keeps them apart:

    getent ahosts 127.249.0.0 api.pay.example 127.249.0.1 httpbin.org 127.249.0.2

glibc goes on after a host that is not found. A getent that stops there, or that knows no ahosts, is allowed for: hosts
that it said nothing about are simply not known.
"""

from collections.abc import Sequence

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.probes.curl import is_host_name
from kubectl_extsvc.probes.resolv_conf import canonical_address

_NOT_FOUND = 2
"""getent's exit code if a key was not found (getent(1))."""


def getent_command(hosts: Sequence[str]) -> tuple[str, ...]:
    """argv that looks all hosts up. Raises UsageError for what is no host name."""
    argv = ["getent", "ahosts", _separator(0)]
    for place, host in enumerate(hosts):
        argv += [_checked(host), _separator(place + 1)]
    return tuple(argv)


def getent_addresses(hosts: Sequence[str], stdout: str, exit_code: int | None) -> dict[str, tuple[str, ...]]:
    """The addresses of each host that was looked up, () for one that does not resolve; others are absent."""
    found: list[list[str]] = []
    for line in stdout.splitlines():
        words = line.split()
        address = canonical_address(words[0]) if words else ""
        if address == _separator(len(found)):
            found.append([])
        elif found and address not in ("", _separator(len(found) - 1), *found[-1]):
            # glibc prints each address three times: STREAM, DGRAM, RAW.
            found[-1].append(address)
    # Each host stands between its separator and the next. Behind the last separator that was seen, nothing is sure.
    known = {host: tuple(addresses) for host, addresses in zip(hosts, found[:-1], strict=False)}
    if exit_code == _NOT_FOUND and 0 < len(found) <= len(hosts) and not found[-1]:
        known[hosts[len(found) - 1]] = ()
    return known


def _separator(place: int) -> str:
    return f"127.249.{place // 256}.{place % 256}"


def _checked(host: str) -> str:
    """The name as it is: with a final dot, or else through the pod's search list (ndots 5)."""
    if not is_host_name(host):
        raise UsageError(f"{host!a} is not a host name; nothing was asked")
    return host
