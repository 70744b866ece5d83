"""Too young to be judged: a name that caches do not know yet, a rule that has not reached the proxies."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from kubectl_extsvc.mesh.hosts import covers, resolve_host
from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.marks import SERVICE_NAME_LABEL, private_host
from kubectl_extsvc.model.resources import ENDPOINT_SLICES, SERVICES, Json, ObjectRef
from kubectl_extsvc.model.snapshot import Snapshot

SETTLING_SECONDS = 10.0
"""Age below which an object may not be everywhere yet."""


def is_young(aliases: Sequence[Alias], looked_at: datetime, snapshot: Snapshot | None = None) -> bool:
    """Were the aliases, or objects about them, so young that a look a moment later may be another?

    looked_at is when the look began: on a busy machine it may take seconds, and what it saw first was of then.
    """
    about_them = _objects_about(aliases, snapshot) if snapshot else ()
    born = [
        *(alias.created_at for alias in aliases),
        *(obj["metadata"].get("creationTimestamp", "") for obj in about_them),
    ]
    ages = [(looked_at - datetime.fromisoformat(moment)).total_seconds() for moment in born if moment]
    # A cluster whose clock is ahead of ours has objects of a negative age: they are not waited for.
    return any(0 <= age < SETTLING_SECONDS for age in ages)


def _objects_about(aliases: Sequence[Alias], snapshot: Snapshot) -> Iterable[Json]:
    hosts = {host for alias in aliases for host in _hosts_of(alias, snapshot)}
    for obj in (*snapshot.destination_rules, *snapshot.virtual_services, *snapshot.service_entries):
        if _is_about(obj, hosts, snapshot.cluster_domain):
            yield obj


def aliases_of(obj: Json, aliases: Sequence[Alias], snapshot: Snapshot) -> tuple[ObjectRef, ...]:
    """The Services of the aliases that an object is about: by its name, a slice's label, or hosts that cover theirs."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace", "")
    match obj["kind"]:
        case SERVICES.kind:
            name = metadata["name"]
        case ENDPOINT_SLICES.kind:
            name = (metadata.get("labels") or {}).get(SERVICE_NAME_LABEL, "")
        case _:
            return tuple(
                alias.service
                for alias in aliases
                if _is_about(obj, set(_hosts_of(alias, snapshot)), snapshot.cluster_domain)
            )
    return tuple(alias.service for alias in aliases if (alias.namespace, alias.name) == (namespace, name))


def _hosts_of(alias: Alias, snapshot: Snapshot) -> tuple[str, ...]:
    return (alias.fqdn(snapshot.cluster_domain), private_host(alias.name, alias.namespace), alias.host)


def _is_about(obj: Json, hosts: set[str], cluster_domain: str) -> bool:
    """One of its hosts, short or with a wildcard, covers one of these."""
    spec, namespace = obj.get("spec") or {}, obj["metadata"].get("namespace", "")
    patterns = [resolve_host(host, namespace, cluster_domain) for host in (spec.get("hosts") or [spec.get("host", "")])]
    return any(pattern and covers(pattern, host) for pattern in patterns for host in hosts if host)
