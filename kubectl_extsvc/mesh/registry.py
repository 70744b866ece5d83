"""Whom the mesh takes a host for: the Service or ServiceEntry that a proxy of some namespace gets for it."""

from dataclasses import dataclass

from kubectl_extsvc.mesh.istiod.push_context import end_of_chain, push_context
from kubectl_extsvc.mesh.istiod.services import RegistryPort, Resolution, age, is_external_name, merged
from kubectl_extsvc.mesh.istiod.sidecar_scope import one_namespace_each
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Snapshot

__all__ = ["Registered", "RegistryPort", "age", "alias_target", "is_external_name", "registered", "service_named"]


@dataclass(frozen=True, slots=True)
class Registered:
    """One host as a proxy knows it."""

    host: str
    namespace: str
    """Of the Service or ServiceEntry: the second place where DestinationRules are looked for."""
    ports: tuple[RegistryPort, ...]

    def port(self, number: int) -> RegistryPort | None:
        return next((port for port in self.ports if port.number == number), None)


def registered(host: str, snapshot: Snapshot, client_namespace: str) -> Registered | None:
    """What a host is to proxies of a namespace that no Sidecar narrows, None if it is nothing to them.

    Wildcard entries are not looked at: an alias never means one. In alias mode an ExternalName Service is nothing by
    itself.
    """
    push = push_context(snapshot)
    known = [s for s in push.by_host.get(host, ()) if s.resolution is not Resolution.ALIAS]
    visible = [service for service in known if push.is_visible(service, client_namespace)]
    # Those that are exported to fewer than all come first, as in PushContext.seen_from.
    visible.sort(key=push.is_public)
    found = one_namespace_each(visible, client_namespace)
    if not found:
        return None
    first = next((service for service in found if service.kubernetes), found[0])
    return Registered(host, first.namespace, merged(first, found))


def service_named(fqdn: str, snapshot: Snapshot) -> Json | None:
    """The Service of an FQDN, whoever may see it."""
    found = push_context(snapshot).kubernetes.get(fqdn)
    return found.obj if found is not None else None


def alias_target(external_name: str, snapshot: Snapshot) -> str | None:
    """The host at the end of a chain of ExternalName Services; None for a loop."""
    return end_of_chain(external_name, push_context(snapshot).external_names)
