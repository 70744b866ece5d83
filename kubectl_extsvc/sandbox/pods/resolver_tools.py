"""getent and nslookup in a pod: their output, as glibc's and busybox's have it."""

from collections.abc import Callable, Iterable, Sequence

from kubectl_extsvc.mesh.hosts import is_address
from kubectl_extsvc.sandbox.pods.names import DNS_SERVER, Lookup, search_list

Said = tuple[int, str, str]
"""Exit code, stdout, stderr."""

_GETENT_NOT_FOUND = 2
_GETENT_HELP = "Try `getent --help' or `getent --usage' for more information.\n"
_NSLOOKUP_USAGE = """BusyBox multi-call binary.

Usage: nslookup [-type=QUERY_TYPE] [-debug] HOST [DNS_SERVER]

Query DNS about HOST

QUERY_TYPE: soa,ns,a,aaaa,cname,mx,txt,ptr,srv,any
"""


def getent(words: Sequence[str], resolve: Callable[[str], Lookup]) -> Said:
    """getent hosts and ahosts; resolve asks as getaddrinfo does."""
    match words:
        case ["hosts", *names]:
            row = _hosts_rows
        case ["ahosts" | "ahostsv4", *names]:
            row = _ahosts_rows
        case []:
            return 1, "", f"{_GETENT_HELP}getent: wrong number of arguments\n"
        case [database, *_]:
            return 1, "", f"Unknown database: {database}\n{_GETENT_HELP}"
    lookups = [(name, resolve(name)) for name in names]
    found = "".join(line for name, lookup in lookups for line in row(name, lookup))
    return (0 if all(lookup.addresses for _, lookup in lookups) else _GETENT_NOT_FOUND), found, ""


def _hosts_rows(name: str, lookup: Lookup) -> Iterable[str]:
    aliases = f" {lookup.name}" if lookup.cnames else ""
    for address in lookup.addresses:
        yield f"{address:<15} {lookup.canonical}{aliases}\n"


def _ahosts_rows(name: str, lookup: Lookup) -> Iterable[str]:
    for place, address in enumerate(lookup.addresses):
        yield f"{address:<15} STREAM {'' if place else lookup.canonical}\n"
        yield f"{address:<15} DGRAM  \n"
        yield f"{address:<15} RAW    \n"


def nslookup(words: Sequence[str], namespace: str, lookup: Callable[[str], Lookup]) -> Said:
    """busybox's nslookup, which asks for A and AAAA and takes the search list for names without a dot only."""
    types = ["a", "aaaa"]
    names: list[str] = []
    for word in words:
        key, _, value = word.partition("=")
        if key in ("-type", "-querytype", "-q") and value.lower() in types:
            types = [value.lower()]
        elif word.startswith("-"):
            return 1, "", _NSLOOKUP_USAGE
        else:
            names.append(word)
    if len(names) != 1 or is_address(names[0]):
        return 1, "", _NSLOOKUP_USAGE
    (name,) = names
    asked = [name.removesuffix(".")] if "." in name else [f"{name}.{suffix}" for suffix in search_list(namespace)]
    answers = [(lookup(one), kind) for one in asked for kind in types]
    text = "".join(f"{_nslookup_answer(answer, kind)}\n" for answer, kind in answers)
    exit_code = 0 if all(answer.exists for answer, _ in answers) else 1
    return exit_code, f"Server:\t\t{DNS_SERVER}\nAddress:\t{DNS_SERVER}:53\n\n{text}", ""


def _nslookup_answer(answer: Lookup, kind: str) -> str:
    if not answer.exists:
        return f"** server can't find {answer.name}: NXDOMAIN\n"
    steps = (answer.name, *answer.cnames)
    chain = "".join(f"{one}\tcanonical name = {to}\n" for one, to in zip(steps, answer.cnames, strict=False))
    of_kind = [address for address in answer.addresses if (":" in address) == (kind == "aaaa")]
    return chain + "".join(f"Name:\t{answer.canonical}\nAddress: {address}\n" for address in of_kind)
