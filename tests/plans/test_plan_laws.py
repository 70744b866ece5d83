"""What holds for every pair of wishes."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_extsvc.model.alias import AddressTarget, HostTarget, Intent, TlsMode, TlsSettings
from kubectl_extsvc.model.plan import Action, Plan
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.plans.alias_objects import objects_of, with_owner
from kubectl_extsvc.plans.changes import plan_create, plan_delete
from kubectl_extsvc.plans.ports import parse_ports

ISTIO = Mesh(installed=True, api_version="v1", version=(1, 31))
SIMPLE = TlsSettings(TlsMode.SIMPLE, "a.example", ("a.example",), "system")
DISABLE = TlsSettings(TlsMode.DISABLE)


def wish(target: HostTarget | AddressTarget, ports: list[str], tls: TlsSettings, mesh: bool) -> Intent:
    return Intent("default", "a", target, parse_ports(ports), tls, mesh)


targets = st.sampled_from(
    [
        HostTarget("a.example"),
        HostTarget("b.example"),
        AddressTarget(("203.0.113.1",), "a.example"),
        AddressTarget(("203.0.113.1", "2001:db8::1")),
        AddressTarget(("2001:db8::1",)),
    ]
)
wishes = st.builds(wish, targets, st.sampled_from([["http:80"], ["tls:443"], ["80", "443"]]), st.just(DISABLE),
                   st.booleans()) | st.builds(
    wish, targets, st.sampled_from([["80:443"], ["80:443", "443"]]), st.just(SIMPLE), st.just(True)
)  # fmt: skip

Cluster = dict[tuple[str, str], Json]


def carried_out(plan: Plan, before: Cluster) -> Cluster:
    after = dict(before)
    for change in plan.changes:
        key = (change.ref.kind, change.ref.name)
        if change.wanted is None:
            del after[key]
            continue
        obj = change.wanted if change.ref.kind == "Service" else with_owner(change.wanted, "uid-Service-a")
        after[key] = obj | {"metadata": obj["metadata"] | {"uid": f"uid-{'-'.join(key)}"}}
    return after


def names(intent: Intent) -> set[tuple[str, str]]:
    return {(planned.obj["kind"], planned.obj["metadata"]["name"]) for planned in objects_of(intent, ISTIO)}


def planned(intent: Intent, cluster: Cluster, **options: Any) -> Plan:
    return plan_create(intent, ISTIO, list(cluster.values()), **options)


def changes_nothing(plan: Plan) -> bool:
    return {change.action for change in plan.changes} == {Action.UNCHANGED}


@settings(deadline=None)
@given(wishes, wishes)
def test_a_plan_carried_out_leaves_exactly_what_is_wanted(first: Intent, second: Intent) -> None:
    cluster = carried_out(planned(first, {}), {})
    assert set(cluster) == names(first)
    assert changes_nothing(planned(first, cluster))
    cluster = carried_out(planned(second, cluster, overwrite=True), cluster)
    assert set(cluster) == names(second)
    assert changes_nothing(planned(second, cluster))
    assert carried_out(plan_delete("a", "default", list(cluster.values())), cluster) == {}


@settings(deadline=None)
@given(wishes, wishes)
def test_only_what_is_no_longer_wanted_is_deleted(first: Intent, second: Intent) -> None:
    cluster = carried_out(planned(first, {}), {})
    changes = planned(second, cluster, overwrite=True).changes
    deleted = {(change.ref.kind, change.ref.name) for change in changes if change.action is Action.DELETE}
    assert deleted == names(first) - names(second)


@settings(deadline=None)
@given(wishes, wishes)
def test_no_step_of_a_plan_leaves_a_route_to_a_tls_port_without_its_rule(first: Intent, second: Intent) -> None:
    cluster = carried_out(planned(first, {}), {})
    plan = planned(second, cluster, overwrite=True)
    if DISABLE in (first.tls, second.tls):
        # One of them wants plaintext on the way anyhow; what matters is the order where both forms want TLS.
        return
    for change in plan.changes:
        cluster = carried_out(Plan((change,)), cluster)
        route = cluster.get(("VirtualService", "a"))
        rule = cluster.get(("DestinationRule", "a"))
        if route is None or rule is None:
            continue
        host = route["spec"]["http"][0]["route"][0]["destination"]["host"]
        if host.endswith(".extsvc.internal"):
            reachable = ("ServiceEntry", "a") in cluster
        else:
            reachable = any(kind == "EndpointSlice" for kind, _ in cluster)
        assert rule["spec"]["host"] == host or not reachable, change.ref
