"""What a pod's /etc/resolv.conf and /etc/hosts make of a name."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from kubectl_extsvc.model.hostile_text import one_line

COMMAND = ("cat", "/etc/resolv.conf", "/etc/hosts")

_SEARCH_AT_MOST = 32
"""Kubernetes allows as many (pkg/apis/core/validation, MaxDNSSearchPaths)."""
_SERVERS_AT_MOST = 3
"""MAXNS of resolv.conf(5)."""


@dataclass(frozen=True, slots=True)
class ResolvConf:
    name_servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 1
    hosts: tuple[tuple[str, str], ...] = ()
    """(name in lower case, address) of /etc/hosts."""

    def addresses_of(self, name: str) -> tuple[str, ...]:
        """What /etc/hosts says of a name; it comes before any name server (nsswitch.conf(5), hosts: files dns)."""
        plain = name.removesuffix(".").lower()
        return tuple(dict.fromkeys(address for host, address in self.hosts if host == plain))

    def candidates(self, name: str) -> tuple[str, ...]:
        """Absolute names, without final dots, in the order in which a resolver asks for them (resolv.conf(5))."""
        if name.endswith("."):
            return (name.removesuffix("."),)
        searched = tuple(f"{name}.{domain}" for domain in self.search)
        every = (name, *searched) if name.count(".") >= self.ndots else (*searched, name)
        return tuple(dict.fromkeys(every))


def resolv_conf_of(text: str) -> ResolvConf:
    """Reads resolv.conf with /etc/hosts behind it: a line of the one begins with a word, of the other with an address.

    Never raises; what cannot be meant is left out.
    """
    servers: list[str] = []
    search: tuple[str, ...] = ()
    ndots = 1
    hosts: list[tuple[str, str]] = []
    for line in text.splitlines():
        words = re.split("[#;]", line)[0].split()
        match words:
            case ["nameserver", address, *_] if canonical_address(address):
                servers.append(canonical_address(address))
            case ["search" | "domain", *domains]:
                # The last of them holds.
                search = tuple(one_line(domain.removesuffix("."), 253) for domain in domains if domain != ".")
            case ["options", *options]:
                dots = [int(option[6:]) for option in options if re.fullmatch(r"ndots:\d{1,3}", option, re.ASCII)]
                ndots = min(dots[-1], 15) if dots else ndots
            case [address, *names] if canonical_address(address):
                hosts += [(name.lower(), canonical_address(address)) for name in names]
    return ResolvConf(tuple(servers[:_SERVERS_AT_MOST]), search[:_SEARCH_AT_MOST], ndots, tuple(hosts))


def canonical_address(text: str) -> str:
    """The address in its one spelling, "" if it is none."""
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
