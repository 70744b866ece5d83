"""The slices of an alias, what sources heard from each address, and the changes that write other addresses."""

import ipaddress
from collections.abc import Mapping, Sequence
from functools import lru_cache

from kubectl_extsvc.mesh.by_identity import ByIdentity
from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.fix import JsonPatch, Step
from kubectl_extsvc.model.marks import MIRRORING_CONTROLLER, SERVICE_NAME_LABEL, SLICE_MANAGED_BY_LABEL
from kubectl_extsvc.model.observation import Case
from kubectl_extsvc.model.probe import Answer
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.rules.evidence import create_anew, metadata_ref
from kubectl_extsvc.rules.translation import plain_address_answers

USABLE_TYPES = ("IPv4", "IPv6")


def slice_ref(item: Json) -> ObjectRef:
    return metadata_ref(item, "EndpointSlice")


def service_of_slice(item: Json) -> str:
    """Name of the Service that a slice says it belongs to, "" for none."""
    return str((item["metadata"].get("labels") or {}).get(SERVICE_NAME_LABEL, ""))


def own_slices(case: Case) -> list[Json]:
    """Slices that belong to the Service."""
    return [item for item in neighbours(case) if service_of_slice(item) == case.alias.name]


def neighbours(case: Case) -> list[Json]:
    """Slices of the Service's namespace."""
    return _by_namespace(ByIdentity(case.snapshot.endpoint_slices)).get(case.alias.namespace, [])


@lru_cache(maxsize=4)
def _by_namespace(slices: ByIdentity[tuple[Json, ...]]) -> Mapping[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for item in slices.value:
        found.setdefault(item["metadata"].get("namespace", ""), []).append(item)
    return found


def ready_endpoints(item: Json) -> list[Json]:
    """Endpoints that kube-proxy and Istio use: ready absent or true (istio serviceregistry/kube endpointslice.go)."""
    if item.get("addressType", "IPv4") not in USABLE_TYPES:
        return []
    return [
        endpoint
        for endpoint in item.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
    ]


def ready_addresses(item: Json) -> list[str]:
    return [canonical(address) for endpoint in ready_endpoints(item) for address in endpoint.get("addresses") or ()]


def is_mirrored(item: Json) -> bool:
    """Written by Kubernetes, from v1 Endpoints."""
    return (item["metadata"].get("labels") or {}).get(SLICE_MANAGED_BY_LABEL) == MIRRORING_CONTROLLER


def mirrored_from(item: Json) -> ObjectRef:
    """The v1 Endpoints of a mirrored slice: they have the Service's name."""
    return ObjectRef("Endpoints", item["metadata"].get("namespace", ""), service_of_slice(item))


def canonical(address: str) -> str:
    """An address in its one spelling; other text as it is."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address


def version_of(address: str) -> int:
    """4 or 6; 0 for what is no address."""
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return 0


def address_of(answer: Answer) -> str:
    """The address that a probe of one address by itself dialled."""
    return (answer.transfer.connect_to or answer.transfer.host).strip("[]")


def is_dead(answer: Answer) -> bool:
    return answer.exit_code in (7, 28) and not answer.connected


def dead_and_alive(case: Case, port: int) -> tuple[dict[str, list[Answer]], list[str]]:
    """Addresses that no plain source could connect to, with what it got, and those that answered; each asked by itself.

    The call of the alias is left out: which address it is given is chance, and a verdict must not be.
    """
    answers = plain_address_answers(case, port)
    dead: dict[str, list[Answer]] = {}
    for answer in answers:
        if is_dead(answer) and address_of(answer):
            dead.setdefault(address_of(answer), []).append(answer)
    alive = {address_of(answer) for answer in answers if not is_dead(answer)} - dead.keys()
    return dead, sorted(alive)


def address_words(answer: Answer) -> str:
    return f"{address_of(answer)}: curl {answer.exit_code} {answer.error}".rstrip()


def addresses_and_host(alias: Alias, addresses: Sequence[str]) -> tuple[str, ...]:
    """Arguments of create for these addresses, ADDRESS where there is none left."""
    return ("--address", ",".join(addresses) or "ADDRESS", *(("--host", alias.host) if alias.host else ()))


def write_addresses(case: Case, addresses: Sequence[str], target: Sequence[str] = ()) -> Step:
    """The change that gives the alias these addresses; target: create's arguments where they say more.

    create would leave slices that others made beside its own, stale addresses and all: those are changed in place, or
    the v1 Endpoints that they are mirrored from.
    """
    alias = case.alias
    target = target or addresses_and_host(alias, addresses)
    own = [item for item in own_slices(case) if ready_addresses(item)]
    if alias.managed or len(own) != 1 or not addresses:
        return create_anew(alias, target=target, complete="ADDRESS" not in target)
    return write_slice(own[0], addresses)


def write_slice(item: Json, addresses: Sequence[str]) -> Step:
    """The change that gives a slice those of the addresses that are of its family."""
    if is_mirrored(item):
        found: list[Json] = [{"ip": address} for address in addresses]
        return JsonPatch(mirrored_from(item), [{"op": "replace", "path": "/subsets/0/addresses", "value": found}])
    family = 6 if item.get("addressType") == "IPv6" else 4
    endpoints = [{"addresses": [address]} for address in addresses if version_of(address) == family]
    return JsonPatch(slice_ref(item), [{"op": "replace", "path": "/endpoints", "value": endpoints}])
