"""Services as rules look at them: the alias's own, the one behind a name, and the chain of names that an alias is."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from kubectl_extsvc.mesh.by_identity import ByIdentity
from kubectl_extsvc.mesh.hosts import service_of_fqdn
from kubectl_extsvc.mesh.registry import is_external_name
from kubectl_extsvc.model.alias import Form
from kubectl_extsvc.model.observation import Case
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.rules.evidence import metadata_ref


def service_ref(service: Json) -> ObjectRef:
    return metadata_ref(service, "Service")


def own_service(case: Case) -> Json | None:
    """The alias's Service as the API gave it."""
    return find_service(case.alias.namespace, case.alias.name, case)


def find_service(namespace: str, name: str, case: Case) -> Json | None:
    return _by_name(ByIdentity(case.snapshot.services)).get((namespace, name))


@lru_cache(maxsize=4)
def _by_name(services: ByIdentity[tuple[Json, ...]]) -> Mapping[tuple[str, str], Json]:
    """(namespace, name) → Service; made once, since each alias is looked for among all."""
    return {(service["metadata"].get("namespace", ""), service["metadata"]["name"]): service
            for service in reversed(services.value)}  # fmt: skip


def service_at(address: str, case: Case) -> Json | None:
    """The Service that has a ClusterIP."""
    return _by_cluster_ip(ByIdentity(case.snapshot.services)).get(address)


@lru_cache(maxsize=4)
def _by_cluster_ip(services: ByIdentity[tuple[Json, ...]]) -> Mapping[str, Json]:
    return {address: service for service in services.value for address in cluster_ips(service)}


def services_are_known(namespace: str, case: Case) -> bool:
    """Were the Services of a namespace read, so that one which is not there does not exist? A file may hold a few."""
    return case.snapshot.all_namespaces or (bool(case.observations) and namespace == case.alias.namespace)


def cluster_ips(service: Json) -> tuple[str, ...]:
    spec = service.get("spec") or {}
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP") or ""]
    return tuple(address for address in addresses if address not in ("", "None"))


@dataclass(frozen=True, slots=True)
class NameChain:
    """Where an ExternalName alias leads, as DNS follows it: letter case and a final dot do not count there."""

    services: tuple[ObjectRef, ...]
    """ExternalName Services, the alias's first."""
    end: str
    """The name that the last of them leads to: lower case, no final dot."""
    back_to: ObjectRef | None = None
    """The Service of the chain to which the last one leads back."""


def name_chain(case: Case) -> NameChain | None:
    """None for an alias of addresses."""
    alias, domain = case.alias, case.snapshot.cluster_domain
    if alias.form is not Form.EXTERNAL_NAME:
        return None
    chain = [alias.service]
    end = alias.host
    while (key := service_of_fqdn(end, domain)) is not None:
        met = next((ref for ref in chain if (ref.namespace, ref.name) == key), None)
        if met is not None:
            return NameChain(tuple(chain), end, met)
        service = find_service(*key, case)
        if service is None or not is_external_name(service):
            break
        chain.append(service_ref(service))
        end = str(service["spec"].get("externalName", "")).lower().removesuffix(".")
    return NameChain(tuple(chain), end)


def meant_in_cluster(host: str, namespace: str) -> tuple[str, str] | None:
    """(namespace, name) of the Service that a short name would be of, if DNS did as /etc/resolv.conf does.

    name, name.namespace and name.namespace.svc; None for any other host.
    """
    match host.split("."):
        case [name]:
            return (namespace, name)
        case [name, other] | [name, other, "svc"] if name and other:
            return (other, name)
    return None
