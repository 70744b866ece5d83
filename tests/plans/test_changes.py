"""Wanted objects against those that are there."""

import copy
from collections.abc import Callable, Sequence

import pytest

from kubectl_extsvc.errors import Refused
from kubectl_extsvc.model.alias import AddressTarget, HostTarget, Intent, TlsMode, TlsSettings
from kubectl_extsvc.model.plan import Action, Plan
from kubectl_extsvc.model.resources import SERVICES, Json, ObjectRef
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.plans.alias_objects import objects_of, with_owner
from kubectl_extsvc.plans.changes import clean_manifest, plan_create, plan_delete, printable

HTTPBIN = HostTarget("httpbin.org")
PAY = HostTarget("api.pay.example")
PAY_ADDRESS = AddressTarget(("203.0.113.20",), "api.pay.example")

IntentFor = Callable[..., Intent]


def stored(objects: Sequence[Json], *, owned: bool = True) -> list[Json]:
    """Objects as a server gives them back: with defaults, identities and an owner."""
    result = []
    for obj in copy.deepcopy(list(objects)):
        if owned and obj["kind"] != "Service":
            obj = with_owner(obj, f"uid-Service-{obj['metadata']['labels']['extsvc.dev/alias']}")
        name = obj["metadata"]["name"]
        obj["metadata"] |= {"uid": f"uid-{obj['kind']}-{name}", "resourceVersion": "7", "managedFields": [{}]}
        if obj["kind"] == "Service":
            obj["spec"] |= {"sessionAffinity": "None"}
            if obj["spec"].get("type") != "ExternalName":
                obj["spec"] |= {"type": "ClusterIP", "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]}
            obj["status"] = {"loadBalancer": {}}
            for port in obj["spec"]["ports"]:
                port.setdefault("targetPort", port["port"])
        result.append(obj)
    return result


def live(intent: Intent, mesh: Mesh, *, owned: bool = True) -> list[Json]:
    return stored([planned.obj for planned in objects_of(intent, mesh)], owned=owned)


def steps(plan: Plan) -> list[str]:
    return [f"{change.ref.kind}/{change.ref.name} {change.action}" for change in plan.changes]


def test_what_is_not_there_is_created_in_order(intent_for: IntentFor, istio: Mesh) -> None:
    intent = intent_for(HTTPBIN, "http:80")
    plan = plan_create(intent, istio, ())
    assert steps(plan) == [
        "Service/my-httpbin created",
        "ServiceEntry/my-httpbin created",
        "DestinationRule/my-httpbin created",
        "VirtualService/my-httpbin created",
    ]
    assert [change.wanted for change in plan.changes] == [planned.obj for planned in objects_of(intent, istio)]
    assert plan.warnings == ()


def test_the_same_wish_again_changes_nothing(intent_for: IntentFor, istio: Mesh, simple: TlsSettings) -> None:
    for intent in (
        intent_for(HTTPBIN, "http:80"),
        intent_for(HTTPBIN, "tls:443", mesh=False),
        intent_for(PAY, "http:80:443", tls=simple),
        intent_for(AddressTarget(("2001:db8::1", "203.0.113.20"), "api.pay.example"), "http:80:443", tls=simple),
    ):
        plan = plan_create(intent, istio, live(intent, istio))
        assert {change.action for change in plan.changes} == {Action.UNCHANGED}, steps(plan)
        assert plan.changes[0].resource is SERVICES
        assert plan.changes[0].uid == "uid-Service-my-httpbin"


def test_another_wish_is_refused_in_the_words_of_the_design(intent_for: IntentFor, istio: Mesh) -> None:
    present = live(intent_for(HTTPBIN, "http:80"), istio)
    with pytest.raises(Refused) as caught:
        plan_create(intent_for(HostTarget("example.com"), "http:80"), istio, present)
    assert str(caught.value) == (
        'alias "my-httpbin" already exists with external name httpbin.org; nothing was changed. Use --overwrite.'
    )


@pytest.mark.parametrize(
    ("changes", "has"),
    [
        ({"target": HTTPBIN}, "addresses 203.0.113.20 of api.pay.example"),
        ({"target": AddressTarget(("203.0.113.20",))}, "addresses 203.0.113.20 of api.pay.example"),
        ({"tls": TlsSettings(TlsMode.SIMPLE, "a.example")}, "TLS mode DISABLE"),
        ({"mesh": False}, "Istio objects"),
        ({"export_to": (".",)}, "export to all namespaces"),
        ({"mesh": False, "export_to": (".",)}, "Istio objects, export to all namespaces"),
    ],
)
def test_the_refusal_says_what_the_alias_has(
    intent_for: IntentFor, istio: Mesh, changes: dict[str, object], has: str
) -> None:
    present = live(intent_for(PAY_ADDRESS, "tls:443"), istio)
    values: dict[str, object] = {"target": PAY_ADDRESS} | changes
    with pytest.raises(Refused, match="already exists with") as caught:
        plan_create(intent_for(values.pop("target"), "tls:443", **values), istio, present)
    assert str(caught.value).removeprefix('alias "my-httpbin" already exists with ').split(";")[0] == has


def test_the_refusal_names_ports_and_finer_settings(intent_for: IntentFor, istio: Mesh, simple: TlsSettings) -> None:
    present = live(intent_for(PAY, "http:80:443", tls=simple), istio)
    with pytest.raises(Refused, match="already exists with ports http:80:443; "):
        plan_create(intent_for(PAY, "http:80:8443", tls=simple), istio, present)
    finer = TlsSettings(TlsMode.SIMPLE, "api.pay.example", ("b",), "system")
    with pytest.raises(Refused, match=r"with TLS mode SIMPLE for api.pay.example and other settings; "):
        plan_create(intent_for(PAY, "http:80:443", tls=finer), istio, present)


def test_many_addresses_are_not_all_named(intent_for: IntentFor, istio: Mesh) -> None:
    many = AddressTarget(tuple(f"203.0.113.{number}" for number in range(1, 10)))
    with pytest.raises(Refused, match=r"with addresses 203.0.113.1,203.0.113.2,203.0.113.3,203.0.113.4,…; "):
        plan_create(intent_for(PAY_ADDRESS, "tls:443"), istio, live(intent_for(many, "tls:443"), istio))


def test_overwriting_deletes_what_is_no_longer_wanted_after_all_else(intent_for: IntentFor, istio: Mesh) -> None:
    present = live(intent_for(HTTPBIN, "http:80"), istio)
    plan = plan_create(intent_for(PAY_ADDRESS, "tls:443"), istio, present, overwrite=True)
    assert steps(plan) == [
        "Service/my-httpbin configured",
        "DestinationRule/my-httpbin configured",
        "EndpointSlice/my-httpbin-ipv4 created",
        "VirtualService/my-httpbin deleted",
        "ServiceEntry/my-httpbin deleted",
    ]
    deletion = plan.changes[-1]
    assert (deletion.wanted, deletion.uid, deletion.resource.api_version) == (
        None,
        "uid-ServiceEntry-my-httpbin",
        "networking.istio.io/v1",
    )
    assert deletion.why == "was for an earlier intent of alias my-httpbin"


def test_a_rule_that_adds_tls_leaves_its_host_after_the_route_to_it(
    intent_for: IntentFor, istio: Mesh, simple: TlsSettings
) -> None:
    present = live(intent_for(PAY, "http:80:443", tls=simple), istio)
    addresses = intent_for(PAY_ADDRESS, "http:80:443", tls=simple)
    assert steps(plan_create(addresses, istio, present, overwrite=True)) == [
        "Service/my-httpbin configured",
        "VirtualService/my-httpbin configured",
        "DestinationRule/my-httpbin configured",
        "ServiceEntry/my-httpbin deleted",
        "EndpointSlice/my-httpbin-ipv4 created",
    ]
    without_route = intent_for(PAY_ADDRESS, "tls:443")
    assert steps(plan_create(without_route, istio, present, overwrite=True))[1:3] == [
        "VirtualService/my-httpbin deleted",
        "DestinationRule/my-httpbin configured",
    ]


def test_overwriting_applies_again_what_only_lost_a_field(
    intent_for: IntentFor, istio: Mesh, simple: TlsSettings
) -> None:
    present = live(intent_for(PAY, "http:80:443", tls=simple), istio)
    no_ca = TlsSettings(TlsMode.SIMPLE, "api.pay.example", ("api.pay.example",))
    plan = plan_create(intent_for(PAY, "http:80:443", tls=no_ca), istio, present, overwrite=True)
    assert "DestinationRule/my-httpbin configured" in steps(plan)


def test_a_family_that_is_gone_takes_its_slice_with_it(intent_for: IntentFor, no_istio: Mesh) -> None:
    both = intent_for(AddressTarget(("203.0.113.20", "2001:db8::1")), "tls:443", mesh=False)
    one = intent_for(AddressTarget(("203.0.113.20",)), "tls:443", mesh=False)
    plan = plan_create(one, no_istio, live(both, no_istio), overwrite=True)
    assert steps(plan)[1:] == ["EndpointSlice/my-httpbin-ipv4 configured", "EndpointSlice/my-httpbin-ipv6 deleted"]


def test_drift_is_configured_without_overwrite(intent_for: IntentFor, istio: Mesh) -> None:
    intent = intent_for(PAY_ADDRESS, "tls:443")
    present = live(intent, istio)
    present[1]["spec"]["trafficPolicy"]["tls"]["mode"] = "ISTIO_MUTUAL"
    present[2]["endpoints"].append({"addresses": ["203.0.113.99"]})
    assert steps(plan_create(intent, istio, present)) == [
        "Service/my-httpbin unchanged",
        "DestinationRule/my-httpbin configured",
        "EndpointSlice/my-httpbin-ipv4 configured",
    ]


def test_an_edited_external_name_is_another_wish(intent_for: IntentFor, istio: Mesh) -> None:
    intent = intent_for(HTTPBIN, "http:80")
    present = live(intent, istio)
    present[0]["spec"]["externalName"] = "evil.example"
    with pytest.raises(Refused, match=r"already exists with external name evil.example; "):
        plan_create(intent, istio, present)


def test_a_missing_object_is_created_again(intent_for: IntentFor, istio: Mesh) -> None:
    intent = intent_for(PAY_ADDRESS, "tls:443")
    service, _, endpoint_slice = live(intent, istio)
    assert steps(plan_create(intent, istio, [service, endpoint_slice])) == [
        "Service/my-httpbin unchanged",
        "DestinationRule/my-httpbin created",
        "EndpointSlice/my-httpbin-ipv4 unchanged",
    ]


def test_objects_without_their_owner_get_it(intent_for: IntentFor, istio: Mesh) -> None:
    intent = intent_for(PAY_ADDRESS, "tls:443")
    applied_by_others = live(intent, istio, owned=False)
    assert steps(plan_create(intent, istio, applied_by_others)) == [
        "Service/my-httpbin unchanged",
        "DestinationRule/my-httpbin configured",
        "EndpointSlice/my-httpbin-ipv4 configured",
    ]
    orphans = live(intent, istio)[1:]
    assert steps(plan_create(intent, istio, orphans)) == [
        "Service/my-httpbin created",
        "DestinationRule/my-httpbin configured",
        "EndpointSlice/my-httpbin-ipv4 configured",
    ]


def test_a_newer_istio_gets_its_objects_without_overwrite(intent_for: IntentFor, istio: Mesh, old_istio: Mesh) -> None:
    intent = intent_for(HTTPBIN, "http:80")
    assert steps(plan_create(intent, istio, live(intent, old_istio))) == [
        "Service/my-httpbin unchanged",
        "ServiceEntry/my-httpbin created",
        "DestinationRule/my-httpbin configured",
        "VirtualService/my-httpbin created",
    ]


def foreign_service(**spec: object) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "my-httpbin", "namespace": "default", "uid": "u-9"},
        "spec": {"type": "ExternalName", "externalName": "httpbin.org"} | spec,
    }


def test_a_foreign_service_is_not_touched(intent_for: IntentFor, istio: Mesh) -> None:
    with pytest.raises(Refused) as caught:
        plan_create(intent_for(HTTPBIN, "http:80"), istio, [foreign_service()], overwrite=True)
    assert str(caught.value) == (
        'service "my-httpbin" in namespace "default" was not made by kubectl extsvc; nothing was changed. '
        "Use --adopt to take it over."
    )


def test_adopting_takes_over_what_stands_for_the_same(intent_for: IntentFor, istio: Mesh) -> None:
    for same in (foreign_service(), foreign_service(externalName="httpbin.org.")):
        plan = plan_create(intent_for(HTTPBIN, "tls:443"), istio, [same], adopt=True)
        assert steps(plan) == ["Service/my-httpbin configured"]
        assert plan.changes[0].uid == "u-9"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"externalName": "other.org"}, "already exists with external name other.org; nothing was changed. Use --over"),
        ({"type": "ClusterIP"}, "already exists with type ClusterIP; nothing was changed. Use --overwrite."),
        ({"type": "ClusterIP", "selector": {"app": "x"}}, "has a selector, so it is not an alias; nothing was changed"),
    ],
)
def test_adopting_does_not_change_what_a_service_stands_for(
    intent_for: IntentFor, istio: Mesh, spec: dict[str, object], says: str
) -> None:
    with pytest.raises(Refused, match=says):
        plan_create(intent_for(HTTPBIN, "http:80"), istio, [foreign_service(**spec)], adopt=True)


def test_fields_of_other_managers_are_taken_over_by_the_users_word_only(intent_for: IntentFor, istio: Mesh) -> None:
    """Else server-side apply answers 409: kubectl's and a patch's fields belong to those managers."""
    intent = intent_for(PAY_ADDRESS, "tls:443")
    ours = live(intent, istio)
    assert {change.force for change in plan_create(intent, istio, ours).changes} == {False}
    assert {change.force for change in plan_create(intent, istio, ours, adopt=True).changes} == {False}
    assert {change.force for change in plan_create(intent, istio, ours, overwrite=True).changes} == {True}
    assert {change.force for change in plan_create(intent, istio, [], overwrite=True, adopt=True).changes} == {False}

    foreign = plan_create(intent_for(HTTPBIN, "http:80"), istio, [foreign_service()], adopt=True)
    assert [(change.ref.kind, change.force) for change in foreign.changes] == [
        ("Service", True),
        ("ServiceEntry", False),
        ("DestinationRule", False),
        ("VirtualService", False),
    ]
    ours[1]["metadata"]["labels"]["extsvc.dev/alias"] = "other"
    siblings = plan_create(intent, istio, ours, overwrite=True, adopt=True)
    assert [change.ref.kind for change in siblings.changes if not change.force] == [ours[1]["kind"]]


def test_a_name_of_others_becomes_addresses(intent_for: IntentFor, no_istio: Mesh) -> None:
    """The type is said: kubectl owns the field, and what an apply leaves out stays as others want it."""
    plan = plan_create(
        intent_for(PAY_ADDRESS, "http:80", mesh=False), no_istio, [foreign_service()], adopt=True, overwrite=True
    )
    service, endpoint_slice = plan.changes
    assert service.wanted is not None
    assert (service.force, service.wanted["spec"]["type"], endpoint_slice.force) == (True, "ClusterIP", False)


def test_the_selector_that_kubectl_gives_an_external_name_is_no_hindrance(intent_for: IntentFor, istio: Mesh) -> None:
    service = foreign_service(selector={"app": "my-httpbin"})
    plan = plan_create(intent_for(HTTPBIN, "http:80"), istio, (service,), adopt=True)
    assert plan.changes[0].action is Action.CONFIGURE
    with pytest.raises(Refused, match=r"First: kubectl patch service my-httpbin -n default --type=merge"):
        plan_create(intent_for(PAY_ADDRESS, "tls:443"), istio, (service,), adopt=True, overwrite=True)


def test_adopting_and_overwriting_never_takes_a_service_with_selector(intent_for: IntentFor, istio: Mesh) -> None:
    service = foreign_service(type="ClusterIP", selector={"app": "x"})
    with pytest.raises(Refused, match="has a selector"):
        plan_create(intent_for(HTTPBIN, "http:80"), istio, [service], adopt=True, overwrite=True)


def test_a_foreign_rule_of_a_wanted_name_is_not_touched(intent_for: IntentFor, istio: Mesh) -> None:
    intent = intent_for(PAY_ADDRESS, "tls:443")
    rule = live(intent, istio)[1]
    rule["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    with pytest.raises(
        Refused, match=r'^destinationrule.networking.istio.io "my-httpbin" in namespace "default" was n'
    ):
        plan_create(intent, istio, [rule])
    rule["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "kubectl-extsvc", "extsvc.dev/alias": "other"}
    with pytest.raises(Refused, match='belongs to alias "other"; nothing was changed'):
        plan_create(intent, istio, [rule])


def test_what_is_being_deleted_is_waited_for(intent_for: IntentFor, istio: Mesh) -> None:
    intent = intent_for(HTTPBIN, "http:80")
    present = live(intent, istio)
    present[0]["metadata"]["deletionTimestamp"] = "2026-11-24T00:00:00Z"
    with pytest.raises(Refused, match='service/my-httpbin in namespace "default" is being deleted; nothing was chan'):
        plan_create(intent, istio, present)


def test_objects_of_other_namespaces_are_not_ours_to_see(intent_for: IntentFor, istio: Mesh) -> None:
    intent = intent_for(HTTPBIN, "http:80")
    elsewhere = live(intent_for(HTTPBIN, "http:80", namespace="shop"), istio)
    assert {change.action for change in plan_create(intent, istio, elsewhere).changes} == {Action.CREATE}


def virtual_service(*hosts: str, namespace: str = "default", **spec: object) -> Json:
    return {"metadata": {"name": "central", "namespace": namespace}, "spec": {"hosts": list(hosts), **spec}}


@pytest.mark.parametrize(
    "others",
    [
        virtual_service("my-httpbin"),
        virtual_service("x.example", "my-httpbin.default.svc.cluster.local", namespace="mesh"),
        virtual_service("my-httpbin.default", namespace="mesh"),
        virtual_service("my-httpbin", gateways=["gw", "mesh"]),
    ],
)
def test_a_virtual_service_of_others_on_the_alias_is_refused_and_named(
    intent_for: IntentFor, istio: Mesh, others: Json
) -> None:
    with pytest.raises(Refused) as caught:
        plan_create(intent_for(HTTPBIN, "http:80"), istio, (), virtual_services=[others])
    assert str(caught.value) == (
        f'virtualservice.networking.istio.io "central" in namespace "{others["metadata"]["namespace"]}" already routes '
        "my-httpbin.default.svc.cluster.local; nothing was changed. Delete it, or choose another name for the alias."
    )


@pytest.mark.parametrize(
    "others",
    [
        virtual_service("my-httpbin", namespace="shop"),
        virtual_service("httpbin.org"),
        virtual_service("my-httpbin", gateways=["gw"]),
        virtual_service(),
    ],
)
def test_a_virtual_service_on_something_else_is_no_matter(intent_for: IntentFor, istio: Mesh, others: Json) -> None:
    assert len(plan_create(intent_for(HTTPBIN, "http:80"), istio, (), virtual_services=[others]).changes) == 4


def test_our_own_virtual_service_is_no_obstacle(intent_for: IntentFor, istio: Mesh) -> None:
    intent = intent_for(HTTPBIN, "http:80")
    present = live(intent, istio)
    plan = plan_create(intent, istio, present, virtual_services=[present[3]])
    assert {change.action for change in plan.changes} == {Action.UNCHANGED}


def test_a_virtual_service_of_others_is_no_matter_where_we_write_none(intent_for: IntentFor, istio: Mesh) -> None:
    plan = plan_create(
        intent_for(PAY_ADDRESS, "tls:443"), istio, (), virtual_services=[virtual_service("my-httpbin")]
    )  # fmt: skip
    assert len(plan.changes) == 3


@pytest.mark.parametrize("port", ["tls:443:8443", "tcp:5432:5433", "http:80:8080"])
def test_a_name_alone_changes_no_port(intent_for: IntentFor, old_istio: Mesh, port: str) -> None:
    with pytest.raises(Refused, match=f"^port {port}: an ExternalName Service is a name only and changes no port"):
        plan_create(intent_for(HTTPBIN, port), old_istio, ())
    with pytest.raises(Refused, match="changes no port"):
        plan_create(intent_for(HTTPBIN, port, mesh=False), old_istio, ())


def test_sidecars_translate_http_ports_only(intent_for: IntentFor, istio: Mesh) -> None:
    (warning,) = plan_create(intent_for(HTTPBIN, "http:8080:80"), istio, ()).warnings
    assert warning == (
        "port http:8080:80 is translated by sidecars only: pods without one call httpbin.org:8080"
    )  # fmt: skip
    with pytest.raises(Refused, match="changes no port"):
        plan_create(intent_for(HTTPBIN, "tls:443:8443"), istio, ())
    with pytest.raises(Refused, match="changes no port"):
        plan_create(intent_for(HostTarget("a.b.svc.cluster.local"), "http:80:8080"), istio, ())


def test_an_alias_of_itself_is_refused(intent_for: IntentFor, istio: Mesh) -> None:
    itself = HostTarget("my-httpbin.default.svc.cluster.local")
    with pytest.raises(Refused, match=r'^alias "my-httpbin" would stand for itself; nothing was changed$'):
        plan_create(intent_for(itself, "http:80"), istio, ())


def test_a_rule_that_adds_tls_is_hidden_from_nobody(intent_for: IntentFor, istio: Mesh, simple: TlsSettings) -> None:
    with pytest.raises(Refused, match="--export-to would hide the rule that adds TLS"):
        plan_create(intent_for(PAY, "http:80:443", tls=simple, export_to=(".",)), istio, ())


def test_a_config_map_of_another_namespace_is_refused_as_istio_would(intent_for: IntentFor, istio: Mesh) -> None:
    def wished(name: str) -> Intent:
        tls = TlsSettings(TlsMode.SIMPLE, "api.pay.example", ("api.pay.example",), credential_name=name)
        return intent_for(PAY, "http:80:443", tls=tls)

    assert len(plan_create(wished("configmap://default/ca"), istio, ()).changes) == 4
    with pytest.raises(
        Refused, match=r"^configmap://shop/ca: Istio reads a ConfigMap of the alias's own namespace def"
    ):
        plan_create(wished("configmap://shop/ca"), istio, ())


def test_warnings_of_ports_and_foreign_slices_are_in_the_plan(intent_for: IntentFor, istio: Mesh) -> None:
    mirrored: Json = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "my-httpbin-x7",
            "namespace": "default",
            "labels": {
                "kubernetes.io/service-name": "my-httpbin",
                "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
            },
        },
    }
    plan = plan_create(intent_for(PAY_ADDRESS, "http:443"), istio, [mirrored])
    assert [warning.split(" ")[0] for warning in plan.warnings] == ["port", "endpointslice/my-httpbin-x7"]
    assert "(XS0305)" in plan.warnings[0]


def test_registration_for_one_namespace_is_said(intent_for: IntentFor, istio: Mesh) -> None:
    (warning,) = plan_create(intent_for(HTTPBIN, "tls:443"), istio, (), registry_only=True).warnings
    assert warning == (
        "httpbin.org is registered for namespace default only: sidecars elsewhere still refuse its TLS ports "
        "(REGISTRY_ONLY)"
    )


def test_delete_takes_first_what_clients_find_the_target_by_and_names_the_uid_of_each(
    intent_for: IntentFor, istio: Mesh, simple: TlsSettings
) -> None:
    present = live(intent_for(PAY_ADDRESS, "http:80:443", tls=simple), istio)
    plan = plan_delete("my-httpbin", "default", present)
    assert steps(plan) == [
        "EndpointSlice/my-httpbin-ipv4 deleted",
        "Service/my-httpbin deleted",
        "VirtualService/my-httpbin deleted",
        "DestinationRule/my-httpbin deleted",
    ]
    there = {str(ObjectRef.of(obj)): (obj["metadata"]["uid"], obj["apiVersion"]) for obj in present}
    assert {str(change.ref): (change.uid, change.resource.api_version) for change in plan.changes} == there


def test_delete_finds_leftovers_where_the_service_is_gone(intent_for: IntentFor, istio: Mesh) -> None:
    leftovers = live(intent_for(HTTPBIN, "http:80"), istio)[1:]
    assert steps(plan_delete("my-httpbin", "default", leftovers)) == [
        "VirtualService/my-httpbin deleted",
        "DestinationRule/my-httpbin deleted",
        "ServiceEntry/my-httpbin deleted",
    ]
    assert plan_delete("my-httpbin", "default", ()) == Plan(())


def test_delete_refuses_what_others_made(intent_for: IntentFor, istio: Mesh) -> None:
    with pytest.raises(Refused) as caught:
        plan_delete("my-httpbin", "default", [foreign_service()])
    assert str(caught.value) == (
        'service "my-httpbin" in namespace "default" was not made by kubectl extsvc; nothing was changed. '
        "Use kubectl delete if it is to go."
    )
    present = live(intent_for(PAY_ADDRESS, "tls:443"), istio)
    del present[1]["metadata"]["labels"]["app.kubernetes.io/managed-by"]
    with pytest.raises(Refused, match=r'destinationrule.networking.istio.io "my-httpbin" in namespace "default" was'):
        plan_delete("my-httpbin", "default", present)


def test_delete_leaves_other_aliases_and_namespaces_alone(intent_for: IntentFor, istio: Mesh) -> None:
    others = live(intent_for(HTTPBIN, "http:80", name="b"), istio)
    elsewhere = live(intent_for(HTTPBIN, "http:80", namespace="shop"), istio)
    assert plan_delete("my-httpbin", "default", [*others, *elsewhere]) == Plan(())


def test_printed_manifests_can_be_applied_by_others(intent_for: IntentFor, istio: Mesh, simple: TlsSettings) -> None:
    intent = intent_for(PAY, "http:80:443", tls=simple)
    leftover = live(intent_for(PAY_ADDRESS, "tls:443"), istio)[2]
    plan = plan_create(intent, istio, [leftover], overwrite=True)
    assert printable(plan) == [planned.obj for planned in objects_of(intent, istio)]


def test_a_manifest_from_a_server_loses_what_only_its_cluster_knows(intent_for: IntentFor, no_istio: Mesh) -> None:
    intent = intent_for(PAY_ADDRESS, "tls:443", mesh=False)
    wanted = [planned.obj for planned in objects_of(intent, no_istio)]
    cleaned = [clean_manifest(obj) for obj in live(intent, no_istio)]
    assert cleaned[1] == wanted[1]
    assert cleaned[0] == wanted[0] | {
        "spec": wanted[0]["spec"] | {"type": "ClusterIP", "sessionAffinity": "None"},
    }


def test_a_headless_service_stays_headless_in_its_manifest() -> None:
    service = foreign_service(type="ClusterIP", clusterIP="None", clusterIPs=["None"])
    assert clean_manifest(service)["spec"]["clusterIP"] == "None"
