"""Names that an alias has or stands for: its own, its namespace, the outside host."""

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.mesh.hosts import is_address

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

Warnings = tuple[str, ...]
"""Lines for stderr, each without the word Warning."""

MAX_LABEL = 63
MAX_HOST = 253

# Service names are RFC 1035 labels, namespaces and hosts are made of RFC 1123 labels
# (apimachinery pkg/util/validation: IsDNS1035Label, IsDNS1123Label, IsDNS1123Subdomain).
_DNS_1035_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_DNS_1123_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)

_NAMESPACES_OF_EVERY_CLUSTER = ("default", "kube-system", "istio-system")
"""None of them is a top-level domain."""


def quoted(text: str) -> str:
    """The text in double quotes, on one line, with nothing in it that could steer a terminal."""
    visible = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return f'"{visible}"'


def is_dns_label(text: str) -> bool:
    """An RFC 1123 label, as Kubernetes wants it for namespaces and port names."""
    return len(text) <= MAX_LABEL and _DNS_1123_LABEL.fullmatch(text) is not None


def alias_name(text: str) -> str:
    """The name of an alias, which is a Service's. Raises UsageError."""
    if len(text) <= MAX_LABEL and _DNS_1035_LABEL.fullmatch(text):
        return text
    raise UsageError(
        f"invalid alias name {quoted(text)}: a Service's name has at most {MAX_LABEL} lower case letters, digits and "
        "'-', starts with a letter and ends with a letter or digit"
    )


def namespace_name(text: str) -> str:
    """The name of a namespace. Raises UsageError."""
    if is_dns_label(text):
        return text
    raise UsageError(
        f"invalid namespace {quoted(text)}: it has at most {MAX_LABEL} lower case letters, digits and '-', "
        "and starts and ends with a letter or digit"
    )


def external_host(text: str, *, flag: str, cluster_domain: str = "cluster.local") -> tuple[str, Warnings]:
    """A host outside the cluster, in lower case A-labels without final dot, and what to warn of.

    flag is the option that the text was given with. Raises UsageError.
    """
    host = text.strip()
    _refuse_what_is_no_host(host, flag)
    warnings: list[str] = []
    if host.endswith(".") and not host.endswith(".."):
        host = host[:-1]
        warnings.append(
            f"{flag}: the final dot of {quoted(text)} is left out: Istio takes a name with it for another name"
        )
    host = ".".join(_a_label(label, text, flag) for label in host.split("."))
    if len(host) > MAX_HOST:
        raise UsageError(f"{flag}: {quoted(text)} is {len(host)} characters long, a host name has at most {MAX_HOST}")
    labels = host.split(".")
    if labels[-1] == "localhost":
        raise UsageError(f"{flag}: {quoted(text)} is the calling pod itself, not an external service")
    if labels[-1].isdigit():
        raise UsageError(f"{flag}: {quoted(text)} is neither a host name nor an IP address: its last label is a number")
    if len(labels) == 1:
        raise UsageError(f"{flag}: {quoted(text)} has no dot: give the full name, as in {host}.example.com")
    if labels[-1] == "svc" or (len(labels) == 2 and labels[-1] in _NAMESPACES_OF_EVERY_CLUSTER):
        # The cluster's DNS follows an alias without the pod's search list, so a short name is not found.
        name = host.removesuffix(".svc")
        raise UsageError(
            f"{flag}: {quoted(text)} is the short name of a Service and resolves nowhere as a target; "
            f"its full name is {name}.svc.{cluster_domain}"
        )
    if is_in_cluster(host, cluster_domain):
        warnings.append(
            f"{host} is a Service of the cluster, not an external one: the alias only gives it a second name"
        )
    return host, tuple(warnings)


def is_in_cluster(host: str, cluster_domain: str = "cluster.local") -> bool:
    """The full name of a Service of the cluster."""
    return host.endswith(f".svc.{cluster_domain}")


def default_alias_name(host: str) -> str:
    """my- and the label that somebody registered: en.wikipedia.org → my-wikipedia, foo.co.uk → my-foo.

    A host that is itself a public suffix, or a Service of the cluster, gives its first label.
    """
    label = host.split(".")[0]
    if not is_in_cluster(host):
        registered = _public_suffixes().privatesuffix(host)
        if registered:
            label = registered.split(".")[0]
    return f"my-{label}"[:MAX_LABEL].rstrip("-")


@cache
def _public_suffixes() -> "PublicSuffixList":
    """Read once: it takes a tenth of a second, and a form asks with every key."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


def _refuse_what_is_no_host(host: str, flag: str) -> None:
    """Things that people type in place of a host, each with what to do instead."""
    if not host:
        raise UsageError(f"{flag}: the host is empty")
    if is_address(host.removeprefix("[").removesuffix("]")):
        raise UsageError(f"{flag}: {quoted(host)} is an IP address, which has no DNS alias: use --address")
    if "://" in host or "/" in host:
        raise UsageError(f"{flag}: {quoted(host)} is not a host name: leave out the scheme and the path")
    if ":" in host:
        raise UsageError(f"{flag}: {quoted(host)} is not a host name: give the port with --port")
    if "*" in host:
        raise UsageError(f"{flag}: {quoted(host)} is a wildcard: an alias stands for one host")
    if "_" in host:
        raise UsageError(f"{flag}: {quoted(host)} has an underscore, which Kubernetes and TLS refuse in a host name")


def _a_label(label: str, text: str, flag: str) -> str:
    """One label in the form that DNS carries."""
    if not label:
        raise UsageError(f"{flag}: {quoted(text)} has an empty label: two dots in a row, or one in front")
    if label.isascii():
        # Not checked as IDNA: names like r3---sn-x.googlevideo.com break its rules and exist.
        label = label.lower()
        if len(label) > MAX_LABEL:
            raise UsageError(f"{flag}: {quoted(text)} has a label of {len(label)} characters, at most {MAX_LABEL} fit")
        if not is_dns_label(label):
            raise UsageError(
                f"{flag}: {quoted(label)} in {quoted(text)} is no DNS label: "
                "letters, digits and '-', not starting or ending with '-'"
            )
        return label
    import idna

    try:
        return idna.encode(label, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise UsageError(f"{flag}: {quoted(label)} in {quoted(text)} is no DNS label: {quoted(str(error))}") from None


def export_to(texts: Sequence[str], *, flag: str = "--export-to") -> tuple[str, ...]:
    """Namespaces that see an alias's objects, "." for its own; () for all, which is also what "*" gives.

    Raises UsageError.
    """
    names = tuple(dict.fromkeys(part.strip() for text in texts for part in text.split(",")))
    for name in names:
        if name not in ("*", ".") and not is_dns_label(name):
            raise UsageError(f"{flag}: {quoted(name)} is neither a namespace nor '.' (the alias's own) nor '*' (all)")
    if "*" in names and len(names) > 1:
        raise UsageError(f"{flag}: '*' stands for all namespaces and excludes others")
    # To Istio no exportTo and "*" are not the same when rules are merged (pilot/pkg/model/destination_rule.go).
    return () if names == ("*",) else names
