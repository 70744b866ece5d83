"""Family 02: addresses and the slices that hold them."""

import ipaddress
from collections.abc import Iterable, Sequence

from kubectl_extsvc.model.alias import AddressTarget, Alias, Form
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import JsonPatch, Label, Step
from kubectl_extsvc.model.marks import MIRRORING_CONTROLLER, SERVICE_NAME_LABEL, SLICE_MANAGED_BY_LABEL
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.probe import Answer, Purpose
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.model.source import MeshMode
from kubectl_extsvc.rules.evidence import (
    addresses_of,
    create_anew,
    failures,
    metadata_ref,
    route_of,
    say,
)
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.translation import FailureKind, plain_address_answers

USABLE_TYPES = ("IPv4", "IPv6")


@rule("XS0201", "The Service has no usable endpoint", Severity.ERROR, Stage.ENDPOINTS, needs={Fact.ENDPOINT_SLICES})
def no_usable_endpoint(case: Case) -> Iterable[Finding]:
    """A selector-less Service whose addresses nobody reads.

    Why     kube-proxy and Istio read an EndpointSlice only if it stands in the Service's namespace, carries the
            label kubernetes.io/service-name, has addressType IPv4 or IPv6 and a ready endpoint. FQDN slices are
            ignored by both. v1 Endpoints count only through the controller that mirrors them, which passes over
            objects with the label endpointslice.kubernetes.io/skip-mirror and over Services with a selector.
    Seen    503 UH behind a sidecar, refused or silent from a plain pod.
    Cure    Add the label, use addresses, or mark an endpoint ready.
    Source  istio #34995, #35990, #34971; kubernetes pkg/controller/endpointslicemirroring; live on Istio 1.31.
    """
    alias = case.alias
    if alias.form is not Form.ENDPOINTS or any(_ready_addresses(item) for item in _labelled(case)):
        return
    labelled = _labelled(case)
    unlabelled = [item for item in _neighbours(case) if _looks_meant_for(item, alias) and _ready_addresses(item)]
    fqdn = [item for item in labelled if item.get("addressType") not in USABLE_TYPES]
    cure: Step
    if unlabelled:
        ref = metadata_ref(unlabelled[0], "EndpointSlice")
        subject = ref
        message = f"{ref} lacks the label {SERVICE_NAME_LABEL}, so that nobody takes it for {alias.service}"
        cure = Label(ref, SERVICE_NAME_LABEL, alias.name)
    elif fqdn:
        subject = metadata_ref(fqdn[0], "EndpointSlice")
        message = f"{subject} has addressType {fqdn[0].get('addressType')}, which kube-proxy and Istio ignore"
        names = [address for endpoint in fqdn[0].get("endpoints") or () for address in endpoint.get("addresses") or ()]
        cure = create_anew(alias, target=("--external-name", names[0]) if names else ())
    elif any(item.get("endpoints") for item in labelled):
        subject = metadata_ref(labelled[0], "EndpointSlice")
        message = f"no endpoint of {subject} is ready"
        cure = JsonPatch(subject, [{"op": "add", "path": "/endpoints/0/conditions", "value": {"ready": True}}])
    else:
        subject = alias.service
        message = f"no EndpointSlice belongs to {alias.service}; a v1 Endpoints object counts only once it is mirrored"
        cure = create_anew(alias)
    yield say(
        "XS0201",
        Severity.ERROR,
        Stage.ENDPOINTS,
        subject,
        message,
        evidence=[f"endpointslices with {SERVICE_NAME_LABEL}={alias.name}: {len(labelled)}"],
        cure=cure,
    )


@rule("XS0202", "Port names of Service and slice differ", Severity.ERROR, Stage.ENDPOINTS, needs={Fact.ENDPOINT_SLICES})
def port_name_differs(case: Case) -> Iterable[Finding]:
    """A port of the Service has no namesake in its EndpointSlices, or in those of one IP family.

    Why     Service and slice are joined by port *name*, not by number, each slice by itself. A Service with one
            port may leave the name out; then the slice must leave it out as well.
    Seen    503 UH behind a sidecar ("no healthy upstream"), curl 7 from a plain pod. Both objects look right by
            themselves, and istioctl analyze is silent.
    Cure    Give both ports the same name.
    Source  istio #27487; live on Istio 1.31.
    """
    alias = case.alias
    if alias.form is not Form.ENDPOINTS:
        return
    families = _slices_by_family(case)
    for family, slices in families.items():
        names = {port.get("name") or "" for item in slices for port in item.get("ports") or ()}
        missing = f"no {family} endpoint" if len(families) > 1 else "no endpoint"
        ref = metadata_ref(slices[0], "EndpointSlice")
        for port in alias.ports:
            if port.name in names:
                continue
            yield say(
                "XS0202",
                Severity.ERROR,
                Stage.ENDPOINTS,
                ref,
                f'{alias.service} names its port {port.number} "{port.name}", {ref} has {_quoted(names)}: {missing}',
                evidence=[f"{metadata_ref(item, 'EndpointSlice')} ports: {_port_list(item)}" for item in slices],
                cure=_rename_port(slices[0], ref, port.name, {other.name for other in alias.ports}),
                ports=(port.number,),
            )


@rule(
    "XS0203",
    "The recorded addresses are not the host's any more",
    Severity.ERROR,
    Stage.ENDPOINTS,
    needs={Fact.RESOLUTION},
    uses={Fact.ENDPOINT_SLICES, Fact.PROBES, Fact.PROXY},
)
def stale_addresses(case: Case) -> Iterable[Finding]:
    """None of the alias's addresses is among those that its host has now.

    Why     Hand-written addresses do not follow the DNS of the host that they were taken from.
    Seen    Works for months, then refused, silent, or the certificate of somebody else. A warning as long as
            the old addresses still serve: a content network may answer each lookup with another few of its many
            addresses. One recorded address among those of the lookup is enough for silence.
    Cure    Look the addresses up again, or use the ExternalName form.
    Source  Kubernetes documentation, Services without selectors: nothing refreshes them.
    """
    alias = case.alias
    found = case.snapshot.resolved.get(alias.host, ())
    families = {ipaddress.ip_address(address).version for address in addresses_of(alias)}
    now = {address for address in found if ipaddress.ip_address(address).version in families}
    if alias.form is not Form.ENDPOINTS or not now or now.intersection(addresses_of(alias)):
        return
    bad = [
        failure.seen
        for observation, failure in failures(
            case,
            FailureKind.REFUSED,
            FailureKind.SILENT,
            FailureKind.CLOSED,
            FailureKind.CLIENT_CERTIFICATE,
            FailureKind.CLIENT_TLS,
            FailureKind.PROXY_TLS,
        )
        if failure.kind is not FailureKind.PROXY_TLS or _asks_for(alias.host, observation)
    ] + [_address_words(answer) for answer in _plain_bad(case)]
    recorded = ", ".join(addresses_of(alias))
    yield say(
        "XS0203",
        Severity.ERROR if bad else Severity.WARNING,
        Stage.ENDPOINTS,
        alias.slices[0] if alias.slices else alias.service,
        f"{alias.host} has none of the recorded addresses ({recorded}) now"
        + ("" if bad else "; they still answer, as they may if it changes its answers in turn"),
        evidence=[f"{alias.host} resolves to {', '.join(sorted(now))}", *dict.fromkeys(bad)],
        cure=_write_addresses(case, sorted(now), ("--host", alias.host, "--lookup")),
    )


@rule(
    "XS0204",
    "One address of several does not answer",
    Severity.ERROR,
    Stage.ENDPOINTS,
    needs={Fact.PROBES},
    uses={Fact.ENDPOINT_SLICES},
)
def dead_address(case: Case) -> Iterable[Finding]:
    """Some addresses of the alias answer and some do not.

    Why     Each connection is given one of the addresses by chance. A sidecar tries again and hides the dead
            one, at the price of time; a plain pod fails in turn.
    Seen    Each address asked by itself from a plain pod. What a sidecar says of a single address is not
            judged: such a request takes another route than the alias (passthrough, or BlackHole under
            REGISTRY_ONLY).
    Cure    Remove the dead address.
    Source  live on Istio 1.31 (mirrored Endpoints beside an own slice).
    """
    alias = case.alias
    for port in alias.ports:
        answers = plain_address_answers(case, port.number)
        dead = [answer for answer in answers if _is_dead(answer)]
        alive = {_address_of(answer) for answer in answers} - {_address_of(answer) for answer in dead}
        for address in dict.fromkeys(_address_of(answer) for answer in dead if _address_of(answer)):
            if alive:
                rest = [each for each in addresses_of(alias) if each != address]
                yield say(
                    "XS0204",
                    Severity.ERROR,
                    Stage.ENDPOINTS,
                    alias.slices[0] if alias.slices else alias.service,
                    f"{address} does not answer, {', '.join(sorted(alive))} does: calls fail in turn",
                    evidence=[_address_words(answer) for answer in dead if _address_of(answer) == address],
                    cure=_write_addresses(case, rest, _addresses_and_host(alias, rest)),
                    ports=(port.number,),
                )


@rule(
    "XS0205",
    "No address of the target answers",
    Severity.ERROR,
    Stage.ENDPOINTS,
    needs={Fact.PROBES},
    uses={Fact.PROXY},
    symptom=True,
)
def no_address_answers(case: Case) -> Iterable[Finding]:
    """The name resolves and the route is there, but nothing accepts a connection.

    Why     The server is down, listens at another port, or a firewall or NetworkPolicy stands between.
    Seen    From a plain pod curl 7 (refused) or 28 (silent). Behind a sidecar the same is a 503 with the flags
            URX,UF (after up to 30 s if the endpoint is silent), 503 UH if the proxy has no endpoint at all, or
            on a port that is not HTTP a closed connection: curl 35, 52 or 56. All mean the same, and make no
            difference between sources.
    Cure    Compare the port with the server's; open the way; or write another address.
    Source  live on Istio 1.31: endpoint refuses, endpoint silent; istio.io TrafficManagement, response flags.
    """
    alias = case.alias
    for observation, failure in failures(
        case, FailureKind.REFUSED, FailureKind.SILENT, FailureKind.CLOSED, FailureKind.NO_ENDPOINT
    ):
        port = observation.port
        where = _dialled(observation, alias)
        words = {
            FailureKind.REFUSED: f"{where} refuses connections",
            FailureKind.SILENT: f"{where} does not answer",
            FailureKind.CLOSED: f"{where} cannot be reached: the connection is closed before an answer",
            FailureKind.NO_ENDPOINT: f"the proxy has no healthy endpoint for port {port.number}",
        }
        doubt = "a dead endpoint is the usual cause; other causes look the same from here" if failure.guess else ""
        yield say(
            "XS0205",
            Severity.ERROR,
            Stage.ENDPOINTS,
            alias.service,
            words[failure.kind],
            evidence=[failure.seen, *(_address_words(a) for a in _plain_dead(case, port.number)), doubt],
            cure=f"check server, firewall and NetworkPolicy, or write another target: {_elsewhere(alias)}",
            of=observation,
        )


def _asks_for(host: str, observation: Observation) -> bool:
    """Does the proxy ask for the host by its right name? Else its TLS trouble says nothing about the address."""
    route = route_of(observation)
    return route is not None and host in (route.tls.sni, route.host_rewrite)


def _labelled(case: Case) -> list[Json]:
    """Slices that belong to the Service."""
    return [
        item
        for item in _neighbours(case)
        if (item["metadata"].get("labels") or {}).get(SERVICE_NAME_LABEL) == case.alias.name
    ]


def _neighbours(case: Case) -> list[Json]:
    return [
        item for item in case.snapshot.endpoint_slices if item["metadata"].get("namespace", "") == case.alias.namespace
    ]


def _ready_addresses(item: Json) -> list[str]:
    """Addresses that kube-proxy and Istio use: ready absent or true (istio serviceregistry/kube endpointslice.go)."""
    if item.get("addressType", "IPv4") not in USABLE_TYPES:
        return []
    return [
        address
        for endpoint in item.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint.get("addresses") or ()
    ]


def _slices_by_family(case: Case) -> dict[str, list[Json]]:
    """Address type → slices with ready endpoints, of the families that the Service has.

    Of a headless Service, and of one without any slice of its own families, those of every family.
    """
    found: dict[str, list[Json]] = {}
    for item in _labelled(case):
        if _ready_addresses(item):
            found.setdefault(item.get("addressType", "IPv4"), []).append(item)
    served = {f"IPv{ipaddress.ip_address(address).version}" for address in case.alias.cluster_ips}
    return {family: slices for family, slices in found.items() if family in served} or found


def _looks_meant_for(item: Json, alias: Alias) -> bool:
    """A slice without the label whose name says whose it is."""
    name: str = item["metadata"]["name"]
    labels = item["metadata"].get("labels") or {}
    return SERVICE_NAME_LABEL not in labels and (name == alias.name or name.startswith(f"{alias.name}-"))


def _rename_port(item: Json, ref: ObjectRef, name: str, taken: set[str]) -> Step:
    """The change of the slice, or of the v1 Endpoints that it is mirrored from: the mirror would be written anew."""
    ports = item.get("ports") or []
    index = next((i for i, port in enumerate(ports) if (port.get("name") or "") not in taken), 0)
    if _is_mirrored(item):
        owner = ObjectRef("Endpoints", ref.namespace, item["metadata"]["labels"][SERVICE_NAME_LABEL])
        return JsonPatch(owner, [{"op": "add", "path": f"/subsets/0/ports/{index}/name", "value": name}])
    return JsonPatch(ref, [{"op": "add", "path": f"/ports/{index}/name", "value": name}])


def _write_addresses(case: Case, addresses: list[str], target: Sequence[str]) -> Step:
    """The change that gives the alias these addresses.

    create would leave slices that others made beside its own, stale addresses and all: those are changed in place, or
    the v1 Endpoints that they are mirrored from.
    """
    alias = case.alias
    own = [item for item in _labelled(case) if _ready_addresses(item)]
    if alias.managed or len(own) != 1:
        return create_anew(alias, target=target, complete="ADDRESS" not in target)
    ref = metadata_ref(own[0], "EndpointSlice")
    if _is_mirrored(own[0]):
        owner = ObjectRef("Endpoints", ref.namespace, alias.name)
        found: list[Json] = [{"ip": address} for address in addresses]
        return JsonPatch(owner, [{"op": "replace", "path": "/subsets/0/addresses", "value": found}])
    family = ipaddress.ip_address(_ready_addresses(own[0])[0]).version
    endpoints = [{"addresses": [a]} for a in addresses if ipaddress.ip_address(a).version == family]
    return JsonPatch(ref, [{"op": "replace", "path": "/endpoints", "value": endpoints}])


def _is_mirrored(item: Json) -> bool:
    return (item["metadata"].get("labels") or {}).get(SLICE_MANAGED_BY_LABEL) == MIRRORING_CONTROLLER


def _port_list(item: Json) -> str:
    return (
        ", ".join(f"{port.get('name') or '(unnamed)'} {port.get('port')}" for port in item.get("ports") or ()) or "none"
    )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in sorted(names)) or "no port"


def _address_of(answer: Answer) -> str:
    return (answer.transfer.connect_to or answer.transfer.host).strip("[]")


def _is_dead(answer: Answer) -> bool:
    return answer.exit_code in (7, 28) and not answer.connected


def _plain_dead(case: Case, port: int | None = None) -> list[Answer]:
    return [
        answer
        for observation in case.observations
        if observation.source.mode is MeshMode.PLAIN and port in (None, observation.port.number)
        for answer in observation.answers(Purpose.ADDRESS)
        if _is_dead(answer)
    ]


def _plain_bad(case: Case) -> list[Answer]:
    """Address probes that failed in any way: no connection, no TLS under the host's name, or another's certificate."""
    return [a for port in case.alias.ports for a in plain_address_answers(case, port.number) if a.exit_code != 0]


def _address_words(answer: Answer) -> str:
    return f"{_address_of(answer)}: curl {answer.exit_code} {answer.error}".rstrip()


def _addresses_and_host(alias: Alias, addresses: list[str]) -> tuple[str, ...]:
    return ("--address", ",".join(addresses) or "ADDRESS", *(("--host", alias.host) if alias.host else ()))


def _dialled(observation: Observation, alias: Alias) -> str:
    """What the connection was meant to reach, in words."""
    route = route_of(observation)
    if route is not None and route.endpoints and not route.passthrough:
        return ", ".join(f"{endpoint.address}:{endpoint.port}" for endpoint in route.endpoints)
    if isinstance(alias.target, AddressTarget):
        return ", ".join(f"{address}:{observation.port.target_port}" for address in alias.target.addresses) or str(
            alias.service
        )
    through_proxy = route is not None and not route.passthrough
    return f"{alias.host}:{observation.port.target_port if through_proxy else observation.port.number}"


def _elsewhere(alias: Alias) -> str:
    """The command that makes the alias stand for something else, which is the user's to name."""
    external = alias.form is Form.EXTERNAL_NAME
    return create_anew(alias, target=("--external-name", "HOST") if external else ("--address", "ADDRESS")).command
