"""TLS and TCP ports of an ExternalName alias where sidecars let out only what is registered (REGISTRY_ONLY)."""

from collections.abc import Iterable, Sequence

from kubectl_extsvc.errors import Refused
from kubectl_extsvc.mesh.export_to import exported_to
from kubectl_extsvc.mesh.hosts import covers
from kubectl_extsvc.model.alias import AliasPort, Intent
from kubectl_extsvc.model.marks import alias_of
from kubectl_extsvc.model.resources import Json


def ports_to_register(intent: Intent, *, registry_only: bool, service_entries: Sequence[Json]) -> tuple[AliasPort, ...]:
    """TLS ports that need a ServiceEntry on the target, private to the alias's namespace; () if none does.

    None does under ALLOW_ANY, where passing through is right, and none that a visible ServiceEntry has already. One
    that is visible without the port is refused, since ours would hide it from this namespace: the client's own
    namespace comes first (istio pilot/pkg/model/sidecar.go). So is plain TCP: a TCP ServiceEntry without addresses
    takes its port for all destinations (istio #29992, #48739).
    """
    if not registry_only:
        return ()
    passing = [port for port in intent.ports if not port.protocol.is_http]
    tcp = next((port for port in passing if not port.protocol.is_tls), None)
    host = intent.target.host
    if tcp:
        raise Refused(
            f"the mesh lets out only what is registered (REGISTRY_ONLY), and a TCP port cannot be registered by name "
            f"without taking port {tcp.number} from everybody; nothing was changed. Use --host {host} --lookup."
        )
    visible = [entry for entry in service_entries if _is_others(entry, intent) and _is_visible(entry, intent, host)]
    if not visible:
        return tuple(passing)
    registered = {port["number"] for entry in visible for port in entry["spec"].get("ports") or ()}
    missing = next((port for port in passing if port.number not in registered), None)
    if missing:
        names = _names(visible)
        raise Refused(
            f"{names} already stands for {host} without port {missing.number}, and one of ours would hide it from "
            f"namespace {intent.namespace}; nothing was changed. Add the port there: {missing}, protocol TLS."
        )
    return ()


def _names(entries: Iterable[Json]) -> str:
    return ", ".join(f"serviceentry/{entry['metadata']['name']}.{entry['metadata']['namespace']}" for entry in entries)


def _is_others(entry: Json, intent: Intent) -> bool:
    """Not one that an alias of ours wrote in this namespace: of those the ports of all count."""
    return not (alias_of(entry) and entry["metadata"].get("namespace") == intent.namespace)


def _is_visible(entry: Json, intent: Intent, host: str) -> bool:
    """Stands for the host, as seen from the alias's namespace. A wildcard counts: it matches the client's SNI."""
    spec = entry.get("spec") or {}
    if not any(covers(pattern, host) for pattern in spec.get("hosts") or ()):
        return False
    return exported_to(spec.get("exportTo") or (), entry["metadata"].get("namespace", ""), intent.namespace)
