"""What has to change so that the cluster is as wanted: wanted objects against those that are there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from kubectl_extsvc.errors import Refused
from kubectl_extsvc.mesh.hosts import name_forms, resolve_host, service_fqdn
from kubectl_extsvc.model.alias import AddressTarget, Form, HostTarget, Intent, TlsMode
from kubectl_extsvc.model.marks import (
    ADDED_BY_ANNOTATION,
    ADDED_BY_FIX,
    ALIAS_LABEL,
    MANAGER,
    SERVICE_NAME_LABEL,
    SLICE_MANAGED_BY_LABEL,
    alias_of,
    is_ours,
)
from kubectl_extsvc.model.plan import Action, Change, Plan
from kubectl_extsvc.model.resources import BY_KIND, SERVICES, Json, ObjectRef, Resource
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.plans.alias_objects import TARGET_SUFFIX, Planned, objects_of
from kubectl_extsvc.plans.intents import intent_of
from kubectl_extsvc.plans.naming import is_in_cluster, quoted
from kubectl_extsvc.plans.ports import port_warnings

APPLICATION_ORDER = ("Service", "ServiceEntry", "DestinationRule", "VirtualService", "EndpointSlice")

_ROUTES_FIRST = ("Service", "VirtualService", "DestinationRule", "ServiceEntry", "EndpointSlice")
"""Where the form changes, the rule that adds TLS moves to another host: nothing may lead to the old one any more."""

_DELETION_ORDER = ("EndpointSlice", "Service", "VirtualService", "DestinationRule", "ServiceEntry")
"""First what clients find the target by: were the VirtualService first, a sidecar would pass calls on in clear."""

_SERVER_FIELDS = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "ownerReferences",
    "selfLink",
)
_ALLOCATED_FIELDS = ("clusterIP", "clusterIPs", "healthCheckNodePort")

_NOT_CHANGED = "nothing was changed"


def plan_create(
    intent: Intent,
    mesh: Mesh,
    present: Sequence[Json],
    *,
    overwrite: bool = False,
    adopt: bool = False,
    cluster_domain: str = "cluster.local",
    registry_only: bool = False,
    service_entries: Sequence[Json] = (),
    virtual_services: Sequence[Json] = (),
) -> Plan:
    """The changes that make the alias as wanted; all of them UNCHANGED if it is already.

    present are the objects that carry the alias's label, and whatever else has the name of a wanted one, the Service
    above all. service_entries and virtual_services are those of the cluster, as far as they can be read. Server-side
    apply does not prune, so objects of an earlier intent become deletions, in reverse and after everything else (where
    an alias that originates TLS changes its form, in the order that sends nothing in clear).

    Raises Refused: objects of others, another intent without overwrite, a port that nobody could let through.
    """
    _refuse_the_impossible(intent, mesh, cluster_domain)
    wanted = objects_of(
        intent,
        mesh,
        cluster_domain=cluster_domain,
        registry_only=registry_only,
        service_entries=service_entries,
    )
    there = {_key(obj): obj for obj in present if obj["metadata"].get("namespace", "") == intent.namespace}
    _refuse_foreign(intent, [there[key] for key in map(_planned_key, wanted) if key in there], adopt)
    service = there.get(("Service", intent.name))
    earlier = intent_of(service) if service else None
    if service:
        _refuse_other_intent(intent, service, earlier, overwrite)
    _refuse_other_routes(intent, wanted, virtual_services, cluster_domain)

    changes = [_change(planned, there.get(_planned_key(planned)), service, earlier == intent) for planned in wanted]
    changes = [
        replace(change, force=_takes_over(change, there, overwrite=overwrite, adopt=adopt)) for change in changes
    ]
    kept = {_planned_key(planned) for planned in wanted}
    leftovers = [
        obj
        for key, obj in there.items()
        if key not in kept and alias_of(obj) == intent.name and not (earlier == intent and _was_added_by_fix(obj))
    ]
    changes += _deletions(leftovers, f"was for an earlier intent of alias {intent.name}", APPLICATION_ORDER[::-1])
    if earlier and earlier.form is not intent.form and earlier.tls.mode is not TlsMode.DISABLE:
        changes.sort(key=lambda change: _ROUTES_FIRST.index(change.ref.kind))
    return Plan(tuple(changes), tuple(_warnings(intent, mesh, present, registry_only, wanted)))


def plan_delete(name: str, namespace: str, present: Sequence[Json]) -> Plan:
    """Deletions of all that is ours of an alias, in the order that sends nothing in clear; empty if nothing is there.

    present are the objects that carry the alias's label, and the Service of its name. Raises Refused if an object of
    others is among them.
    """
    objects = [obj for obj in present if obj["metadata"].get("namespace", "") == namespace]
    objects = [obj for obj in objects if _labels(obj).get(ALIAS_LABEL) == name or _key(obj) == ("Service", name)]
    foreign = [obj for obj in objects if alias_of(obj) != name]
    if foreign:
        raise Refused(f"{_whose(foreign[0])}; {_NOT_CHANGED}. Use kubectl delete if it is to go.")
    return Plan(tuple(_deletions(objects, f"belongs to alias {name}", _DELETION_ORDER)))


def printable(plan: Plan) -> list[Json]:
    """The wanted objects as manifests that others can apply."""
    return [clean_manifest(change.wanted) for change in plan.changes if change.wanted is not None]


def clean_manifest(obj: Json) -> Json:
    """The object without what only its own cluster can know: UID, owner, status, allocated address.

    An ownerReference above all: the garbage collector deletes an object whose owner's UID it does not find.
    """
    clean = {key: value for key, value in obj.items() if key != "status"}
    clean["metadata"] = {key: value for key, value in obj["metadata"].items() if key not in _SERVER_FIELDS}
    if obj.get("kind") == "Service":
        headless = obj["spec"].get("clusterIP") == "None"
        clean["spec"] = {
            key: value for key, value in obj["spec"].items() if key not in _ALLOCATED_FIELDS or (headless and value)
        }
    return clean


def _change(planned: Planned, live: Json | None, service: Json | None, same_intent: bool) -> Change:
    """What to do about one wanted object."""
    owned = planned.resource is SERVICES or (live is not None and _is_owned_by(live, service))
    if live is None:
        action = Action.CREATE
    elif same_intent and owned and _holds(planned.obj, live):
        action = Action.UNCHANGED
    else:
        # Also where another intent is replaced: a field that only that one set would not be missed by comparing.
        action = Action.CONFIGURE
    return Change(
        action=action,
        resource=planned.resource,
        ref=ObjectRef.of(planned.obj),
        wanted=planned.obj,
        why=planned.why,
        uid=live["metadata"].get("uid", "") if live else "",
    )


def _was_added_by_fix(obj: Json) -> bool:
    return bool((obj["metadata"].get("annotations") or {}).get(ADDED_BY_ANNOTATION) == ADDED_BY_FIX)


def _takes_over(change: Change, there: Mapping[tuple[str, str], Json], *, overwrite: bool, adopt: bool) -> bool:
    """May the fields that kubectl or others have set be ours? Only by the user's word, and never another alias's."""
    live = there.get((change.ref.kind, change.ref.name))
    if live is None:
        return False
    alias = (change.wanted or live)["metadata"]["labels"][ALIAS_LABEL]
    if alias_of(live) == alias:
        return overwrite
    return adopt and not is_ours(live)


def _deletions(objects: Sequence[Json], why: str, order: Sequence[str]) -> Iterator[Change]:
    """order is of kinds, the first to go first."""

    def place(obj: Json) -> tuple[int, str]:
        kind = obj["kind"]
        return (order.index(kind) if kind in order else len(order), obj["metadata"]["name"])

    for obj in sorted(objects, key=place):
        yield Change(
            action=Action.DELETE,
            resource=resource_of(obj),
            ref=ObjectRef.of(obj),
            wanted=None,
            why=why,
            uid=obj["metadata"].get("uid", ""),
        )


def resource_of(obj: Json) -> Resource:
    """As the object itself names its version."""
    resource = BY_KIND[obj["kind"]]
    version = obj["apiVersion"].split("/")[-1]
    return resource if version == resource.version else resource.at_version(version)


def _holds(wanted: object, live: object) -> bool:
    """Everything wanted is there; the server and others may have added to it."""
    match wanted, live:
        case dict(), dict():
            return all(key in live and _holds(value, live[key]) for key, value in wanted.items())
        case list(), list():
            return len(wanted) == len(live) and all(map(_holds, wanted, live))
        case _:
            return wanted == live


def _is_owned_by(obj: Json, service: Json | None) -> bool:
    """The Service's deletion takes the object with it. A manifest applied by hand has no owner yet."""
    uid = service["metadata"].get("uid") if service else None
    return any(owner.get("uid") == uid for owner in obj["metadata"].get("ownerReferences") or ())


def _labels(obj: Json) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def _key(obj: Json) -> tuple[str, str]:
    return obj["kind"], obj["metadata"]["name"]


def _planned_key(planned: Planned) -> tuple[str, str]:
    return _key(planned.obj)


def _whose(obj: Json) -> str:
    """Whose an object is that is not the alias's."""
    resource = BY_KIND[obj["kind"]]
    metadata = obj["metadata"]
    alias = alias_of(obj)
    what = f'{resource.qualified} "{metadata["name"]}" in namespace "{metadata.get("namespace", "")}"'
    if alias:
        return f"{what} belongs to alias {quoted(alias)}"
    return f"{what} was not made by kubectl extsvc"


def _refuse_the_impossible(intent: Intent, mesh: Mesh, cluster_domain: str) -> None:
    """Wishes that Kubernetes takes and nobody can fulfil."""
    if intent.export_to and intent.tls.mode is not TlsMode.DISABLE:
        raise Refused(
            "--export-to would hide the rule that adds TLS from the other namespaces, and their requests would leave "
            f"in clear; {_NOT_CHANGED}. Leave it out."
        )
    config_map = intent.tls.credential_name.removeprefix("configmap://")
    if config_map and not config_map.startswith(f"{intent.namespace}/"):
        # pkg/config/validation: "namespace must match the configuration namespace".
        raise Refused(
            f"{intent.tls.credential_name}: Istio reads a ConfigMap of the alias's own namespace "
            f"{intent.namespace} only; {_NOT_CHANGED}"
        )
    if not isinstance(intent.target, HostTarget):
        return
    host = intent.target.host
    if host == service_fqdn(intent.name, intent.namespace, cluster_domain):
        raise Refused(f'alias "{intent.name}" would stand for itself; {_NOT_CHANGED}')
    sidecar_translates = intent.mesh and mesh.alias_mode and not is_in_cluster(host, cluster_domain)
    for port in intent.ports:
        if port.target_port != port.number and not (sidecar_translates and port.protocol.is_http):
            raise Refused(
                f"port {port}: an ExternalName Service is a name only and changes no port, clients call "
                f"{host}:{port.number}; {_NOT_CHANGED}. Use port {port.target_port}, or --host {host} --lookup."
            )


def _refuse_foreign(intent: Intent, objects: Sequence[Json], adopt: bool) -> None:
    """Objects of others under names that we want, and our own that are about to go."""
    for obj in objects:
        foreign = alias_of(obj) != intent.name
        if foreign and not adopt:
            raise Refused(f"{_whose(obj)}; {_NOT_CHANGED}. Use --adopt to take it over.")
        if foreign and obj["kind"] == "Service":
            _refuse_selector(intent, obj)
        if obj["metadata"].get("deletionTimestamp"):
            ref = ObjectRef.of(obj)
            raise Refused(f'{ref} in namespace "{ref.namespace}" is being deleted; {_NOT_CHANGED}. Try again later.')


def _refuse_selector(intent: Intent, service: Json) -> None:
    """A selector makes a Service one of pods, but means nothing for an ExternalName.

    There kubectl create service externalname writes one all the same (kubectl pkg/cmd/create/create_service.go).
    """
    if not service["spec"].get("selector"):
        return
    if service["spec"].get("type") != "ExternalName":
        raise Refused(f"{_whose(service)} and has a selector, so it is not an alias; {_NOT_CHANGED}")
    if intent.form is Form.ENDPOINTS:
        patch = """'{"spec":{"selector":null}}'"""
        raise Refused(
            f"{_whose(service)} and has a selector, by which Kubernetes would write endpoints of its own; "
            f"{_NOT_CHANGED}. First: kubectl patch service {intent.name} -n {intent.namespace} --type=merge -p {patch}"
        )


def _refuse_other_intent(intent: Intent, service: Json, earlier: Intent | None, overwrite: bool) -> None:
    if overwrite:
        return
    if earlier:
        difference = _difference(earlier, intent)
    elif alias_of(service) == intent.name:
        difference = "annotations that cannot be read"
    else:
        difference = _difference_of_foreign(service, intent)
    if difference:
        raise Refused(
            f'alias "{intent.name}" already exists with {difference}; {_NOT_CHANGED}. Use --overwrite.'
        )  # fmt: skip


def _difference(earlier: Intent, intent: Intent) -> str:
    """What the earlier intent has that this one has not, "" if they are equal."""
    differences = []
    if earlier.target != intent.target:
        differences.append(_target_words(earlier))
    if earlier.ports != intent.ports:
        differences.append(f"ports {','.join(map(str, earlier.ports))}")
    if earlier.tls != intent.tls:
        sni = f" for {earlier.tls.sni}" if earlier.tls.sni else ""
        other = (
            " and other settings" if (earlier.tls.mode, earlier.tls.sni) == (intent.tls.mode, intent.tls.sni) else ""
        )
        differences.append(f"TLS mode {earlier.tls.mode}{sni}{other}")
    if earlier.mesh != intent.mesh:
        differences.append("Istio objects" if earlier.mesh else "no Istio objects")
    if earlier.export_to != intent.export_to:
        differences.append(f"export to {','.join(earlier.export_to) or 'all namespaces'}")
    return ", ".join(differences)


def _target_words(intent: Intent) -> str:
    match intent.target:
        case HostTarget(host):
            return f"external name {host}"
        case AddressTarget(addresses, host):
            shown = ",".join(addresses[:4]) + (",…" if len(addresses) > 4 else "")
            return f"addresses {shown}" + (f" of {host}" if host else "")


def _difference_of_foreign(service: Json, intent: Intent) -> str:
    """How a Service that others made differs from the one that is wanted, as far as a Service alone can tell."""
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        host = spec.get("externalName", "")
        return "" if host.removesuffix(".") == intent.target.host else f"external name {host}"
    return "" if intent.form is Form.ENDPOINTS else f"type {spec.get('type', 'ClusterIP')}"


def _refuse_other_routes(
    intent: Intent, wanted: Sequence[Planned], virtual_services: Sequence[Json], cluster_domain: str
) -> None:
    """A VirtualService of others on the alias's name: of two for one host sidecars obey one."""
    if not any(planned.obj["kind"] == "VirtualService" for planned in wanted):
        return
    fqdn = service_fqdn(intent.name, intent.namespace, cluster_domain)
    # Short forms with a namespace count too: as hosts of a rule they stand for themselves, and are what clients send.
    names = set(name_forms(intent.name, intent.namespace, "", cluster_domain))
    for virtual_service in virtual_services:
        metadata = virtual_service["metadata"]
        spec = virtual_service.get("spec") or {}
        if metadata.get("namespace") == intent.namespace and alias_of(virtual_service) == intent.name:
            continue
        namespace = metadata.get("namespace", "")
        hosts = {resolve_host(host, namespace, cluster_domain) for host in spec.get("hosts") or ()}
        # No gateways means the sidecars, "mesh" (istio.io/api virtual_service.proto).
        if "mesh" in (spec.get("gateways") or ["mesh"]) and hosts & names:
            raise Refused(
                f'virtualservice.networking.istio.io "{metadata["name"]}" in namespace "{namespace}" '
                f"already routes {fqdn}; {_NOT_CHANGED}. Delete it, or choose another name for the alias."
            )


def _warnings(
    intent: Intent, mesh: Mesh, present: Sequence[Json], registry_only: bool, wanted: Sequence[Planned]
) -> Iterator[str]:
    yield from port_warnings(intent.ports, mesh=intent.mesh)
    if intent.form is Form.EXTERNAL_NAME and intent.mesh and mesh.alias_mode:
        translated = [port for port in intent.ports if port.target_port != port.number]
        if translated and intent.tls.mode is TlsMode.DISABLE:
            yield (
                f"port {translated[0]} is translated by sidecars only: pods without one call "
                f"{intent.target.host}:{translated[0].number}"
            )
    if registry_only and any(planned.obj["metadata"]["name"].endswith(TARGET_SUFFIX) for planned in wanted):
        yield (
            f"{intent.target.host} is registered for namespace {intent.namespace} only: sidecars elsewhere still "
            "refuse its TLS ports (REGISTRY_ONLY)"
        )
    for obj in present:
        labels = _labels(obj)
        if (
            obj["kind"] == "EndpointSlice"
            and labels.get(SERVICE_NAME_LABEL) == intent.name
            and labels.get(SLICE_MANAGED_BY_LABEL) != MANAGER
        ):
            yield f"{ObjectRef.of(obj)} of others gives the alias further addresses, which stay"
