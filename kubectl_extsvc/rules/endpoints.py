"""Family 02: the slices that hold the addresses, and whether somebody answers there."""

import difflib
from collections.abc import Iterable

from kubectl_extsvc.model.alias import AddressTarget, Alias, Form
from kubectl_extsvc.model.finding import Fact, Finding, Severity
from kubectl_extsvc.model.fix import Delete, JsonPatch, Label, MergePatch, RemoveAnnotation, Step
from kubectl_extsvc.model.marks import SERVICE_NAME_LABEL, SLICE_MANAGED_BY_LABEL
from kubectl_extsvc.model.observation import Case, Observation, Stage
from kubectl_extsvc.model.probe import Answer
from kubectl_extsvc.model.resources import Json, ObjectRef
from kubectl_extsvc.rules.addresses import impossible_addresses, unserved_addresses
from kubectl_extsvc.rules.evidence import addresses_of, create_anew, failures, metadata_ref, route_of, say
from kubectl_extsvc.rules.family import rule
from kubectl_extsvc.rules.service_objects import find_service
from kubectl_extsvc.rules.slices import (
    USABLE_TYPES,
    address_words,
    addresses_and_host,
    dead_and_alive,
    is_mirrored,
    mirrored_from,
    neighbours,
    own_slices,
    ready_addresses,
    service_of_slice,
    slice_ref,
    version_of,
    write_addresses,
    write_slice,
)
from kubectl_extsvc.rules.translation import FailureKind, plain_address_answers

SKIP_MIRROR_LABEL = "endpointslice.kubernetes.io/skip-mirror"
LEADER_ANNOTATION = "control-plane.alpha.kubernetes.io/leader"
"""Of v1 Endpoints that a leader election wrote: never mirrored (resourcelock in kubernetes client-go)."""


@rule(
    "XS0201",
    "The Service has no usable endpoint",
    Severity.ERROR,
    Stage.ENDPOINTS,
    needs={Fact.ENDPOINT_SLICES},
    uses={Fact.SERVICES, Fact.ENDPOINTS},
)
def no_usable_endpoint(case: Case) -> Iterable[Finding]:
    """A selector-less Service whose addresses nobody reads.

    Why     kube-proxy and Istio read an EndpointSlice only if it stands in the Service's namespace, carries the
            label kubernetes.io/service-name with the Service's name, has addressType IPv4 or IPv6 and a ready
            endpoint. FQDN slices are ignored by both. v1 Endpoints count only through the controller that mirrors
            them, which passes over objects with the label endpointslice.kubernetes.io/skip-mirror or a leader
            election's annotation, and over Services with a selector.
    Seen    503 UH behind a sidecar, refused or silent from a plain pod. istioctl analyze has no message; Kiali's
            KIA0701 compares a Service's ports with pods that a selector picks, which an alias has not.
    Cure    Correct the label, use addresses, mark an endpoint ready, or let the Endpoints be mirrored.
    Source  istio #34995, #35990, #34971; kubernetes pkg/controller/endpointslicemirroring; live on Istio 1.31.
    """
    alias = case.alias
    if alias.form is not Form.ENDPOINTS or any(ready_addresses(item) for item in own_slices(case)):
        return
    subject, message, cure = _why_no_endpoint(case)
    yield say(
        "XS0201",
        Severity.ERROR,
        Stage.ENDPOINTS,
        subject,
        message,
        evidence=[f"endpointslices with {SERVICE_NAME_LABEL}={alias.name}: {len(own_slices(case))}"],
        cure=cure,
    )


def _why_no_endpoint(case: Case) -> tuple[ObjectRef, str, str | Step]:
    """The object that is wrong, what is wrong with it, and the cure."""
    alias, own = case.alias, own_slices(case)
    unlabelled = [item for item in neighbours(case) if _looks_meant_for(item, alias) and ready_addresses(item)]
    if unlabelled:
        ref = slice_ref(unlabelled[0])
        message = f"{ref} lacks the label {SERVICE_NAME_LABEL}, so that nobody takes it for {alias.service}"
        return ref, message, Label(ref, SERVICE_NAME_LABEL, alias.name)
    mistaken = next((item for item in neighbours(case) if _is_mistaken_for(item, case)), None)
    if mistaken is not None:
        ref, name = slice_ref(mistaken), service_of_slice(mistaken)
        message = f'{ref} has {SERVICE_NAME_LABEL} "{name}", which no Service is named, where "{alias.name}" was meant'
        return ref, message, MergePatch(ref, {"metadata": {"labels": {SERVICE_NAME_LABEL: alias.name}}})
    astray = next((item for item in case.snapshot.endpoint_slices if _is_astray(item, case)), None)
    if astray is not None and not own:
        ref = slice_ref(astray)
        message = f"{ref} stands in namespace {ref.namespace}, {alias.service} in namespace {alias.namespace}"
        return ref, message, create_anew(alias, target=addresses_and_host(alias, ready_addresses(astray)))
    fqdn = [item for item in own if item.get("addressType", "IPv4") not in USABLE_TYPES]
    if fqdn:
        ref = slice_ref(fqdn[0])
        message = f"{ref} has addressType {fqdn[0].get('addressType')}, which kube-proxy and Istio ignore"
        names = [address for endpoint in fqdn[0].get("endpoints") or () for address in endpoint.get("addresses") or ()]
        return ref, message, create_anew(alias, target=("--external-name", names[0]) if names else ())
    unready = next((item for item in own if item.get("endpoints")), None)
    if unready is not None:
        ref = slice_ref(unready)
        return ref, f"no endpoint of {ref} is ready", _make_ready(unready)
    return _why_not_mirrored(case)


def _why_not_mirrored(case: Case) -> tuple[ObjectRef, str, str | Step]:
    alias = case.alias
    found = next(
        (item for item in case.snapshot.endpoints if metadata_ref(item, "Endpoints") == _endpoints_ref(alias)), None
    )
    if found is None:
        message = f"no EndpointSlice belongs to {alias.service}"
        if not case.snapshot.endpoints:
            message += "; a v1 Endpoints object counts only once it is mirrored"
        return alias.service, message, create_anew(alias)
    ref, metadata = _endpoints_ref(alias), found["metadata"]
    if (metadata.get("labels") or {}).get(SKIP_MIRROR_LABEL) == "true":
        cure = MergePatch(ref, {"metadata": {"labels": {SKIP_MIRROR_LABEL: None}}})
        return ref, f"{ref} has the label {SKIP_MIRROR_LABEL}: nobody reads its addresses", cure
    if LEADER_ANNOTATION in (metadata.get("annotations") or {}):
        message = f"{ref} has the annotation of a leader election: Kubernetes does not mirror it, nobody reads it"
        return ref, message, RemoveAnnotation(ref, LEADER_ANNOTATION)
    addresses = [
        address["ip"] for subset in found.get("subsets") or () for address in subset.get("addresses") or ()
    ]  # fmt: skip
    if not addresses:
        return ref, f"{ref} has no ready address", create_anew(alias)
    message = f"{ref} is not mirrored to an EndpointSlice: its addresses are read by nobody"
    return ref, message, create_anew(alias, target=addresses_and_host(alias, addresses))


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
        ref = slice_ref(slices[0])
        for port in alias.ports:
            if port.name in names:
                continue
            yield say(
                "XS0202",
                Severity.ERROR,
                Stage.ENDPOINTS,
                ref,
                f'{alias.service} names its port {port.number} "{port.name}", {ref} has {_quoted(names)}: {missing}',
                evidence=[f"{slice_ref(item)} ports: {_port_list(item)}" for item in slices],
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
    families = {version_of(address) for address in addresses_of(alias)}
    now = {address for address in found if version_of(address) in families}
    if alias.form is not Form.ENDPOINTS or not now or now.intersection(addresses_of(alias)):
        return
    bad = _signs_of_a_wrong_address(case)
    recorded = ", ".join(addresses_of(alias))
    yield say(
        "XS0203",
        Severity.ERROR if bad else Severity.WARNING,
        Stage.ENDPOINTS,
        alias.slices[0] if alias.slices else alias.service,
        f"{alias.host} has none of the recorded addresses ({recorded}) now"
        + ("" if bad else "; they still answer, as they may if it changes its answers in turn"),
        evidence=[f"{alias.host} resolves to {', '.join(sorted(now))}", *dict.fromkeys(bad)],
        cure=write_addresses(case, sorted(now), ("--host", alias.host, "--lookup")),
    )


@rule(
    "XS0204",
    "One address of several does not answer",
    Severity.ERROR,
    Stage.ENDPOINTS,
    needs={Fact.PROBES},
    uses={Fact.ENDPOINT_SLICES, Fact.SERVICES, Fact.PROXY},
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
    # Of these XS0208 and XS0213 say why; one of a family that the Service has not is passed over.
    beside_a_mirror = set().union(*(odd for _, odd in _beside_a_mirror(case)))
    elsewhere = impossible_addresses(case).keys() | unserved_addresses(case) | beside_a_mirror
    found: dict[tuple[str, tuple[str, ...]], list[tuple[int, str]]] = {}
    for port in alias.ports:
        dead, alive = dead_and_alive(case, port.number)
        for address in dead.keys() - elsewhere if alive else ():
            words = dict.fromkeys(address_words(answer) for answer in dead[address])
            found.setdefault((address, tuple(alive)), []).extend((port.number, line) for line in words)
    all_dead = {address for address, _ in found}
    for (address, others), seen in sorted(found.items()):
        yield say(
            "XS0204",
            Severity.ERROR,
            Stage.ENDPOINTS,
            alias.slices[0] if alias.slices else alias.service,
            f"{address} does not answer, {', '.join(others)} does: calls fail in turn",
            evidence=dict.fromkeys(line for _, line in seen),
            cure=write_addresses(case, [each for each in addresses_of(alias) if each not in all_dead]),
            ports=tuple(dict.fromkeys(number for number, _ in seen)),
        )


@rule(
    "XS0213",
    "Mirrored Endpoints keep other addresses alive",
    Severity.ERROR,
    Stage.ENDPOINTS,
    needs={Fact.ENDPOINT_SLICES},
    either={Fact.PROBES, Fact.RESOLUTION},
)
def stale_mirror(case: Case) -> Iterable[Finding]:
    """The Service has v1 Endpoints and a hand-written slice, and an address of only one of them is wrong.

    Why     Kubernetes mirrors v1 Endpoints into a slice of its own. kube-proxy and Istio merge all slices of a
            Service, so that addresses taken out of the one live on in the other.
    Seen    Calls fail in turn: a sidecar tries again and hides it on an HTTP port, a plain pod does not. An error if
            the address does not answer a plain pod; a warning if the host does not have it any more, and has one of
            the other set. Two sets that are both right are well, and so are slices for two families. istioctl
            analyze and Kiali have no message.
    Cure    Keep one of the two.
    Source  kubernetes pkg/controller/endpointslicemirroring; live on Istio 1.31 (mirrored Endpoints beside an own
            slice).
    """
    alias = case.alias
    now = set(case.snapshot.resolved.get(alias.host, ()))
    for items, odd in _beside_a_mirror(case):
        rest = {address for address in addresses_of(alias) if address not in odd}
        dead: dict[str, list[Answer]] = {}
        for port in alias.ports:
            of_port, alive = dead_and_alive(case, port.number)
            dead |= {address: answers for address, answers in of_port.items() if alive and address in odd}
        gone = odd - now if rest & now else set()
        wrong = sorted(dead or gone)
        if wrong:
            ref = slice_ref(items[0])
            origin = f", mirrored from {mirrored_from(items[0])}," if is_mirrored(items[0]) else ""
            fails = "does not answer: calls fail in turn" if dead else f"is not one of {alias.host} any more"
            seen = [address_words(answer) for address in wrong for answer in dead.get(address, ())]
            yield say(
                "XS0213",
                Severity.ERROR if dead else Severity.WARNING,
                Stage.ENDPOINTS,
                mirrored_from(items[0]) if origin else ref,
                f"{', '.join(wrong)} of {ref}{origin} {fails}",
                evidence=seen or [f"{alias.host} resolves to {', '.join(sorted(now))}"],
                cure=_without(items, wrong),
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
            evidence=[failure.seen, *_dead_words(case, port.number), doubt],
            cure=f"check server, firewall and NetworkPolicy, or write another target: {_elsewhere(alias)}",
            of=observation,
        )


def _signs_of_a_wrong_address(case: Case) -> list[str]:
    """Failures that another server, or none, at the recorded addresses explains.

    Where plain pods asked each address by itself, only that counts: which address a call is given is chance.
    """
    answers = [answer for port in case.alias.ports for answer in plain_address_answers(case, port.number)]
    if answers:
        # No connection, no TLS under the host's name, or another's certificate.
        return [address_words(answer) for answer in answers if answer.exit_code != 0]
    return [
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
        if failure.kind is not FailureKind.PROXY_TLS or _asks_for(case.alias.host, observation)
    ]


def _asks_for(host: str, observation: Observation) -> bool:
    """Does the proxy ask for the host by its right name? Else its TLS trouble says nothing about the address."""
    route = route_of(observation)
    return route is not None and host in (route.tls.sni, route.host_rewrite)


def _slices_by_family(case: Case) -> dict[str, list[Json]]:
    """Address type → slices with ready endpoints, of the families that the Service has.

    Of a headless Service, and of one without any slice of its own families, those of every family.
    """
    found: dict[str, list[Json]] = {}
    for item in own_slices(case):
        if ready_addresses(item):
            found.setdefault(item.get("addressType", "IPv4"), []).append(item)
    served = {f"IPv{version_of(address)}" for address in case.alias.cluster_ips}
    return {family: slices for family, slices in found.items() if family in served} or found


def _looks_meant_for(item: Json, alias: Alias) -> bool:
    """A slice without the label whose name says whose it is."""
    return not service_of_slice(item) and _is_named_after(item, alias)


def _is_named_after(item: Json, alias: Alias) -> bool:
    name: str = item["metadata"]["name"]
    return name == alias.name or name.startswith(f"{alias.name}-")


LIKE = 0.8
"""Of difflib's ratio: my-htpbin is like my-httpbin, my-nginx is not."""


def _is_mistaken_for(item: Json, case: Case) -> bool:
    """A slice of people's that names a Service which is not there, and by its own name or that one means the alias."""
    alias, name = case.alias, service_of_slice(item)
    manager = (item["metadata"].get("labels") or {}).get(SLICE_MANAGED_BY_LABEL, "")
    if name in ("", alias.name) or "controller" in manager or find_service(alias.namespace, name, case) is not None:
        return False
    like = difflib.SequenceMatcher(None, name, alias.name).ratio() >= LIKE
    return bool(ready_addresses(item)) and (like or _is_named_after(item, alias))


def _is_astray(item: Json, case: Case) -> bool:
    """A slice of people's in another namespace, where there is no Service for it."""
    alias, namespace = case.alias, item["metadata"].get("namespace", "")
    if namespace == alias.namespace or not case.snapshot.all_namespaces or is_mirrored(item):
        return False
    named = service_of_slice(item) == alias.name or _looks_meant_for(item, alias)
    return named and bool(ready_addresses(item)) and find_service(namespace, alias.name, case) is None


def _make_ready(item: Json) -> Step:
    """The change that makes the first endpoint, or all of mirrored Endpoints, count."""
    if is_mirrored(item):
        move = {"op": "move", "from": "/subsets/0/notReadyAddresses", "path": "/subsets/0/addresses"}
        return JsonPatch(mirrored_from(item), [move])
    return JsonPatch(slice_ref(item), [{"op": "add", "path": "/endpoints/0/conditions", "value": {"ready": True}}])


def _endpoints_ref(alias: Alias) -> ObjectRef:
    return ObjectRef("Endpoints", alias.namespace, alias.name)


def _beside_a_mirror(case: Case) -> list[tuple[list[Json], set[str]]]:
    """Mirrored and hand-written slices of one Service, each with the addresses that the others lack; [] if not both."""
    own = [item for item in own_slices(case) if ready_addresses(item)]
    mirrored = [item for item in own if is_mirrored(item)]
    written = [item for item in own if not is_mirrored(item)]
    if not mirrored or not written:
        return []
    by_mirror, by_hand = ({a for item in items for a in ready_addresses(item)} for items in (mirrored, written))
    return [(mirrored, by_mirror - by_hand), (written, by_hand - by_mirror)]


def _without(items: list[Json], wrong: list[str]) -> Step:
    """The change that takes addresses out of slices, or out of the v1 Endpoints behind them."""
    item = next(each for each in items if set(wrong) & set(ready_addresses(each)))
    rest = [address for address in ready_addresses(item) if address not in wrong]
    if rest:
        return write_slice(item, rest)
    return Delete(mirrored_from(item) if is_mirrored(item) else slice_ref(item))


def _rename_port(item: Json, ref: ObjectRef, name: str, taken: set[str]) -> Step:
    """The change of the slice, or of the v1 Endpoints that it is mirrored from: the mirror would be written anew."""
    ports = item.get("ports") or []
    index = next((i for i, port in enumerate(ports) if (port.get("name") or "") not in taken), 0)
    if is_mirrored(item):
        return JsonPatch(mirrored_from(item), [{"op": "add", "path": f"/subsets/0/ports/{index}/name", "value": name}])
    return JsonPatch(ref, [{"op": "add", "path": f"/ports/{index}/name", "value": name}])


def _port_list(item: Json) -> str:
    return (
        ", ".join(f"{port.get('name') or '(unnamed)'} {port.get('port')}" for port in item.get("ports") or ()) or "none"
    )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in sorted(names)) or "no port"


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


def _dead_words(case: Case, port: int) -> Iterable[str]:
    dead, _ = dead_and_alive(case, port)
    return (address_words(answer) for answers in dead.values() for answer in answers)
