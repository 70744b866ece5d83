"""What a source's resolver says about outside hosts: are hand-written endpoints still where the host is?

One exec for all hosts. `getent ahosts` prints the canonical name and not the name that was asked for, so a CNAME would
hide whose addresses these are; a literal address of our own between two hosts, which getent repeats without asking
anybody, keeps them apart:

    getent ahosts 127.249.0.0 api.pay.example 127.249.0.1 httpbin.org 127.249.0.2

glibc goes on after a host that is not found. A getent that stops there, or that knows no ahosts, is allowed for: hosts
that it said nothing about are simply not known.
"""

import json
from collections.abc import Sequence
from ipaddress import ip_address

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.probes.batch import MISSING
from kubectl_extsvc.probes.curl import checked_host

_NOT_FOUND = 2
"""getent's exit code if a key was not found (getent(1))."""


def getent_command(hosts: Sequence[str]) -> tuple[str, ...]:
    """argv that looks all hosts up. Raises UsageError for what is no host name."""
    argv = ["getent", "ahosts", _separator(0)]
    for place, host in enumerate(hosts):
        argv += [_absolute(host), _separator(place + 1)]
    return tuple(argv)


def getent_addresses(hosts: Sequence[str], stdout: str, exit_code: int | None) -> dict[str, tuple[str, ...]]:
    """The addresses of each host that was looked up, () for one that does not resolve; others are absent."""
    found: list[list[str]] = []
    for line in stdout.splitlines():
        words = line.split()
        address = _canonical(words[0]) if words else ""
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


def python3_command(hosts: Sequence[str]) -> tuple[str, ...]:
    """The same by Python, for images without getent."""
    return ("python3", "-I", "-c", _PROGRAM, *(_absolute(host) for host in hosts))


def python3_addresses(hosts: Sequence[str], stdout: str) -> dict[str, tuple[str, ...]]:
    """Reads what python3_command printed: a JSON list a line."""
    known: dict[str, tuple[str, ...]] = {}
    for host, line in zip(hosts, stdout.split("\n")[:-1], strict=False):
        try:
            addresses = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(addresses, list):
            texts = (_canonical(address) for address in addresses if isinstance(address, str))
            known[host] = tuple(dict.fromkeys(text for text in texts if text))
    return known


def is_missing(exit_code: int | None) -> bool:
    """Whether the container has no such program."""
    return exit_code in MISSING


def _separator(place: int) -> str:
    return f"127.249.{place // 256}.{place % 256}"


def _absolute(host: str) -> str:
    # A final dot, or the pod's search list would be tried first (ndots 5).
    if ":" in host or checked_host(host).replace(".", "").isdigit():
        raise UsageError(f"{host!a} is not a host name; nothing was asked")
    return f"{host.rstrip('.')}."


def _canonical(address: str) -> str:
    """The address in its one spelling, "" if it is none."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)


_PROGRAM = """
import json, socket, sys
for host in sys.argv[1:]:
    try:
        found = [entry[4][0] for entry in socket.getaddrinfo(host, 0, 0, socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        found = []
    print(json.dumps(found), flush=True)
"""
