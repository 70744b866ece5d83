"""getent and nslookup in a pod: their output, as glibc's and busybox's have it."""

from collections.abc import Callable, Iterable, Sequence

from kubectl_extsvc.mesh.hosts import is_address
from kubectl_extsvc.sandbox.pods.names import DNS_SERVER, Lookup, search_list

Said = tuple[int, str, str]
"""Exit code, stdout, stderr."""

_NOT_FOUND = 2
_NSLOOKUP_USAGE = "Usage: nslookup HOST\n"


def getent(words: Sequence[str], resolve: Callable[[str], Lookup]) -> Said:
    """getent hosts and ahosts; resolve asks as getaddrinfo does."""
    match words:
        case ["hosts", *names]:
            row = _hosts_rows
        case ["ahosts", *names]:
            row = _ahosts_rows
        case _:
            return 1, "", f"Unknown database: {' '.join(words[:1])}\nTry `getent --help' for more information.\n"
    lookups = [resolve(name) for name in names]
    found = "".join(line for lookup in lookups for line in row(lookup))
    return (0 if all(lookup.addresses for lookup in lookups) else _NOT_FOUND), found, ""


def _hosts_rows(lookup: Lookup) -> Iterable[str]:
    aliases = f" {lookup.name}" if lookup.cnames else ""
    for address in lookup.addresses:
        yield f"{address:<15} {lookup.canonical}{aliases}\n"


def _ahosts_rows(lookup: Lookup) -> Iterable[str]:
    for place, address in enumerate(lookup.addresses):
        yield f"{address:<15} STREAM {'' if place else lookup.canonical}\n"
        yield f"{address:<15} DGRAM  \n"
        yield f"{address:<15} RAW    \n"


def nslookup(words: Sequence[str], namespace: str, lookup: Callable[[str], Lookup]) -> Said:
    """busybox's nslookup, which asks for A and AAAA and takes the search list for names without a dot only."""
    match words:
        case [name] if not name.startswith("-") and not is_address(name):
            pass
        case _:
            return 1, "", _NSLOOKUP_USAGE
    asked = [name.removesuffix(".")] if "." in name else [f"{name}.{suffix}" for suffix in search_list(namespace)]
    answers = [lookup(one) for one in asked]
    text = "".join(f"{_answer(answer, kind)}\n" for answer in answers for kind in ("a", "aaaa"))
    exit_code = 0 if all(answer.exists for answer in answers) else 1
    return exit_code, f"Server:\t\t{DNS_SERVER}\nAddress:\t{DNS_SERVER}:53\n\n{text}", ""


def _answer(answer: Lookup, kind: str) -> str:
    if not answer.exists:
        return f"** server can't find {answer.name}: NXDOMAIN\n"
    steps = (answer.name, *answer.cnames)
    chain = "".join(f"{one}\tcanonical name = {to}\n" for one, to in zip(steps, answer.cnames, strict=False))
    of_kind = [address for address in answer.addresses if (":" in address) == (kind == "aaaa")]
    return chain + "".join(f"Name:\t{answer.canonical}\nAddress: {address}\n" for address in of_kind)
