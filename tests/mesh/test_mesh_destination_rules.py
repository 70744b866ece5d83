"""Decisions among DestinationRules, in full: winner, reason, losers. Istio's own answers are in test_mesh_oracle.py."""

from typing import Any

import pytest

from kubectl_extsvc.mesh.aliases import find_alias
from kubectl_extsvc.mesh.destination_rules import (
    RegistryHost,
    credential_is_ignored,
    decision_for,
    decision_on,
    route_host,
    tls_settings,
    virtual_service_of,
)
from kubectl_extsvc.model.alias import Alias, TlsMode, TlsSettings
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.route import RuleDecision
from kubectl_extsvc.model.snapshot import Mesh, Snapshot, Unread
from kubectl_extsvc.model.source import MeshMode, Source

HOST = "pay.shop.svc.cluster.local"
ISTIO = Mesh(installed=True, api_version="v1", version=(1, 31))
LEGACY = Mesh(installed=True, api_version="v1beta1", version=(1, 20))


def rule(
    name: str,
    namespace: str = "shop",
    *,
    host: str = HOST,
    mode: str | None = "DISABLE",
    age: int = 0,
    selector: dict[str, str] | None = None,
    export_to: tuple[str, ...] = (),
    **policy: Any,
) -> dict[str, Any]:
    """age in seconds: the higher, the older."""
    spec: dict[str, Any] = {"host": host}
    if mode is not None:
        spec["trafficPolicy"] = {"tls": {"mode": mode}, **policy}
    if selector is not None:
        spec["workloadSelector"] = {"matchLabels": selector}
    if export_to:
        spec["exportTo"] = list(export_to)
    created = f"2026-01-01T00:00:{59 - age:02}Z"
    return {
        "kind": "DestinationRule",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": created},
        "spec": spec,
    }


def ref(name: str, namespace: str = "shop") -> ObjectRef:
    return ObjectRef("DestinationRule", namespace, name)


def decision(
    *rules: dict[str, Any], client: str = "web", labels: dict[str, str] | None = None, **mesh_config: Any
) -> RuleDecision:
    snapshot = Snapshot(destination_rules=rules, mesh=ISTIO, mesh_config=mesh_config)
    source = Source(client, "curl-1", "curl", MeshMode.SIDECAR, tuple((labels or {}).items()))
    return decision_on(RegistryHost(HOST, "shop", 80), source, snapshot)


def test_no_rule_that_covers_the_host_is_no_decision() -> None:
    assert decision(rule("other", host="other.shop.svc.cluster.local")) == RuleDecision(
        None, f"no DestinationRule covers {HOST}", ""
    )


def test_the_clients_namespace_comes_before_the_services_and_that_before_the_root() -> None:
    rules = (
        rule("root", "istio-system", mode="SIMPLE"),
        rule("theirs", mode="SIMPLE"),
        rule("mine", "web", host="*.local"),
        rule("fourth", "other"),
    )
    assert decision(*rules) == RuleDecision(
        ref("mine", "web"),
        f"destinationrule/mine in the client's namespace web covers {HOST} by *.local",
        "DISABLE",
        (
            (
                ref("fourth", "other"),
                "namespace other is neither the client's (web), nor the Service's (shop), nor the root namespace "
                "(istio-system)",
            ),
            (
                ref("root", "istio-system"),
                "the client's namespace web is looked through first and has a rule that covers the host",
            ),
            (ref("theirs"), "the client's namespace web is looked through first and has a rule that covers the host"),
        ),
        ref("mine", "web"),
    )


def test_the_more_specific_host_wins_in_one_namespace_whatever_the_age() -> None:
    assert decision(rule("wide", host="*.local", mode="ISTIO_MUTUAL", age=9), rule("exact")) == RuleDecision(
        ref("exact"),
        f"destinationrule/exact in the Service's namespace shop covers {HOST}",
        "DISABLE",
        ((ref("wide"), f"destinationrule/exact in the same namespace has the more specific host {HOST}"),),
        ref("exact"),
    )


def test_the_oldest_policy_wins_whole() -> None:
    assert decision(rule("young", mode="SIMPLE"), rule("old", mode="MUTUAL", age=9)) == RuleDecision(
        ref("old"),
        f"destinationrule/old in the Service's namespace shop covers {HOST}",
        "MUTUAL",
        ((ref("young"), "the older destinationrule/old has the same host, and its trafficPolicy counts whole"),),
        ref("old"),
    )


def test_an_older_rule_without_policy_takes_the_youngers_and_gives_its_name() -> None:
    assert decision(rule("young", mode="SIMPLE"), rule("old", mode=None, age=9)) == RuleDecision(
        ref("young"),
        f"destinationrule/young in the Service's namespace shop covers {HOST}; the older destinationrule/old has no "
        "trafficPolicy and takes this one's",
        "SIMPLE",
        ((ref("old"), "it has no trafficPolicy and takes that of destinationrule/young"),),
        ref("old"),
    )


def test_where_rules_are_private_by_default_one_counts_elsewhere_only_if_it_says_so() -> None:
    private: dict[str, Any] = {"defaultDestinationRuleExportTo": ["."]}
    assert decision(rule("theirs"), **private) == RuleDecision(
        None,
        f"no DestinationRule that covers {HOST} reaches clients in namespace web",
        "",
        ((ref("theirs"), "it is private to namespace shop"),),
    )
    assert decision(rule("theirs"), client="shop", **private).rule == ref("theirs")
    assert decision(rule("theirs", export_to=("*",)), **private).rule == ref("theirs")


def test_where_virtual_services_are_private_by_default_one_is_seen_elsewhere_only_if_it_says_so() -> None:
    def leading(client: str, **spec: Any) -> bool:
        routes = [{"route": [{"destination": {"host": HOST}}]}]
        obj = {"metadata": {"name": "lead", "namespace": "shop"}, "spec": {"hosts": [HOST], "http": routes, **spec}}
        config = {"defaultVirtualServiceExportTo": ["."]}
        snapshot = Snapshot(virtual_services=(obj,), mesh=ISTIO, mesh_config=config)
        return virtual_service_of(HOST, snapshot, client) is obj

    assert (leading("web"), leading("shop"), leading("web", exportTo=["*"])) == (False, True, True)


def test_of_rules_with_different_export_to_the_youngest_counts() -> None:
    assert decision(rule("old", mode="SIMPLE", age=9), rule("young", export_to=("*",))) == RuleDecision(
        ref("young"),
        f"destinationrule/young in the Service's namespace shop covers {HOST}",
        "DISABLE",
        (
            (
                ref("old"),
                "destinationrule/young has the same host but another exportTo, and of such rules the youngest counts",
            ),
        ),
        ref("young"),
    )


def test_a_rule_that_selects_the_client_comes_before_one_without_selector() -> None:
    chosen = rule("mine", "web", selector={"app": "curl"}, mode="SIMPLE")
    other = rule("not-mine", "web", selector={"app": "other"}, mode="MUTUAL", age=5)
    general = rule("general", "web", age=9)
    assert decision(chosen, other, general, labels={"app": "curl", "tier": "x"}) == RuleDecision(
        ref("mine", "web"),
        f"destinationrule/mine in the client's namespace web covers {HOST}; its workloadSelector selects the client",
        "SIMPLE",
        (
            (
                ref("not-mine", "web"),
                "destinationrule/mine has the same host and a workloadSelector that selects the client",
            ),
            (
                ref("general", "web"),
                "destinationrule/mine has the same host and a workloadSelector that selects the client",
            ),
        ),
        ref("mine", "web"),
    )


def test_a_rule_that_does_not_select_the_client_leaves_the_general_one() -> None:
    general, special = rule("general", "web"), rule("special", "web", selector={"app": "x"}, mode="SIMPLE")
    assert decision(general, special) == RuleDecision(
        ref("general", "web"),
        f"destinationrule/general in the client's namespace web covers {HOST}",
        "DISABLE",
        ((ref("special", "web"), "its workloadSelector does not select the client"),),
        ref("general", "web"),
    )


def test_an_unmatched_selector_in_the_clients_namespace_stops_the_lookup() -> None:
    assert decision(rule("special", "web", selector={"app": "x"}), rule("theirs", mode="SIMPLE")) == RuleDecision(
        None,
        "the lookup stops at destinationrule/special in the client's namespace web, whose workloadSelector does not "
        "select the client; no rule applies",
        "",
        (
            (ref("special", "web"), "its workloadSelector does not select the client"),
            (ref("theirs"), "the client's namespace web is looked through first and has a rule that covers the host"),
        ),
    )


def test_a_private_rule_is_swallowed_by_one_with_a_selector() -> None:
    special = rule("special", "web", selector={"app": "x"}, age=9)
    assert decision(special, rule("private", "web", mode="SIMPLE", export_to=(".",))) == RuleDecision(
        None,
        "the lookup stops at destinationrule/special in the client's namespace web, whose workloadSelector does not "
        "select the client; no rule applies",
        "",
        (
            (ref("special", "web"), "its workloadSelector does not select the client"),
            (
                ref("private", "web"),
                "being private, it was merged into destinationrule/special, whose workloadSelector does not select the "
                "client",
            ),
        ),
    )


def test_an_exact_rule_for_others_hides_a_wider_one_for_all() -> None:
    rules = (
        rule("exact", export_to=("other", "shop")),
        rule("wide", host="*.local", mode="SIMPLE"),
        rule("private", export_to=(".",)),
        rule("selecting", selector={}),
    )
    assert decision(*rules) == RuleDecision(
        None,
        f"no DestinationRule that covers {HOST} reaches clients in namespace web",
        "",
        (
            (ref("selecting"), "a rule with a workloadSelector counts in its own namespace only, shop"),
            (ref("exact"), "it is not exported to namespace web"),
            (ref("private"), "it is private to namespace shop"),
            (ref("wide"), f"destinationrule/exact in the same namespace has the more specific host {HOST}"),
        ),
    )


def test_a_rule_of_the_clients_namespace_that_is_for_others_does_not_stop_the_lookup() -> None:
    assert decision(rule("mine", "web", export_to=("other",)), rule("theirs", mode="SIMPLE")) == RuleDecision(
        ref("theirs"),
        f"destinationrule/theirs in the Service's namespace shop covers {HOST}",
        "SIMPLE",
        ((ref("mine", "web"), "it is not exported to its own namespace"),),
        ref("theirs"),
    )


def test_an_empty_selector_selects_every_client_of_its_namespace() -> None:
    assert decision(rule("all", "web", selector={})).rule == ref("all", "web")


def test_port_level_settings_without_tls_leave_the_port_without_a_mode() -> None:
    gap = rule("gap", mode="SIMPLE", portLevelSettings=[{"port": {"number": 80}, "connectionPool": {}}])
    assert decision(gap) == RuleDecision(
        ref("gap"),
        f"destinationrule/gap in the Service's namespace shop covers {HOST}; its portLevelSettings for 80 have no tls "
        "and replace the top level",
        "",
        (),
        ref("gap"),
    )


def test_tls_settings_are_read_whole() -> None:
    tls = {
        "mode": "MUTUAL",
        "sni": "api.pay.example",
        "subjectAltNames": ["api.pay.example"],
        "caCertificates": "/etc/ca.pem",
        "credentialName": "cred",
        "clientCertificate": "/etc/tls.crt",
        "privateKey": "/etc/tls.key",
        "insecureSkipVerify": True,
    }
    assert tls_settings({"spec": {"host": HOST, "trafficPolicy": {"tls": tls}}}, 80) == TlsSettings(
        mode=TlsMode.MUTUAL,
        sni="api.pay.example",
        subject_alt_names=("api.pay.example",),
        ca_certificates="/etc/ca.pem",
        credential_name="cred",
        client_certificate="/etc/tls.crt",
        private_key="/etc/tls.key",
        insecure_skip_verify=True,
    )


def test_port_level_settings_replace_the_top_level_for_their_port() -> None:
    levels = [{"port": {"number": 81}, "tls": {"mode": "SIMPLE", "sni": "x"}}, {"port": {"number": 82}}]
    two = rule("two", mode="DISABLE", portLevelSettings=levels)
    assert [tls_settings(two, port) for port in (80, 81, 82)] == [
        TlsSettings(TlsMode.DISABLE),
        TlsSettings(TlsMode.SIMPLE, sni="x"),
        None,
    ]


def test_a_rule_without_policy_has_no_tls_settings_and_a_block_without_mode_is_disable() -> None:
    assert tls_settings(rule("none", mode=None), 80) is None
    assert tls_settings({"spec": {"trafficPolicy": {"tls": {}}}}, 80) == TlsSettings(TlsMode.DISABLE)


@pytest.mark.parametrize(
    ("mode", "credential", "selector", "expected"),
    [
        ("SIMPLE", "cred", None, True),
        ("MUTUAL", "cred", None, True),
        ("SIMPLE", "cred", {"app": "x"}, False),
        ("SIMPLE", "configmap://shop/roots", None, False),
        ("SIMPLE", "", None, False),
    ],
)
def test_a_credential_without_selector_is_plaintext(
    mode: str, credential: str, selector: dict[str, str] | None, expected: bool
) -> None:
    made = rule("r", selector=selector)
    made["spec"]["trafficPolicy"]["tls"] = {"mode": mode, "credentialName": credential}
    assert credential_is_ignored(made, 80) is expected


# ---- from the alias to the host that decides ----

FQDN = "my-pay.shop.svc.cluster.local"
PRIVATE = "my-pay.shop.extsvc.internal"
CLIENT = Source("web", "curl-1", "curl", MeshMode.SIDECAR, (("app", "curl"),))


def external(target: str = "api.pay.example", name: str = "my-pay", namespace: str = "shop") -> dict[str, Any]:
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "ExternalName", "externalName": target, "ports": [{"name": "http", "port": 80}]},
    }


def cluster_ip(name: str = "my-pay", namespace: str = "shop", export_to: str = "") -> dict[str, Any]:
    annotations = {"networking.istio.io/exportTo": export_to} if export_to else {}
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {"clusterIP": "10.96.0.20", "ports": [{"name": "http", "port": 80}]},
    }


def entry(host: str, namespace: str = "shop", *, number: int = 80, **spec: Any) -> dict[str, Any]:
    ports = [{"number": number, "name": "http", "protocol": "HTTP"}]
    return {
        "kind": "ServiceEntry",
        "metadata": {"name": "entry", "namespace": namespace},
        "spec": {"hosts": [host], "ports": ports, "resolution": "DNS", **spec},
    }


def virtual_service(destination: str, *, host: str = FQDN, namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    route = [{"destination": {"host": destination, "port": {"number": 80}}}]
    return {
        "kind": "VirtualService",
        "metadata": {"name": "vs", "namespace": namespace},
        "spec": {"hosts": [host], "http": [{"route": route}], **spec},
    }


def the_alias(snapshot: Snapshot) -> Alias:
    found = find_alias(snapshot, "shop", "my-pay")
    assert isinstance(found, Alias)
    return found


def host_of(**objects: Any) -> RegistryHost | None:
    snapshot = Snapshot(**{"mesh": ISTIO, **objects})
    return route_host(the_alias(snapshot), snapshot, port=80, client_namespace="web")


def test_an_endpoints_alias_is_decided_by_its_own_name() -> None:
    assert host_of(services=(cluster_ip(),)) == RegistryHost(FQDN, "shop", 80)


def test_a_service_that_the_client_does_not_see_has_no_host_for_it() -> None:
    assert host_of(services=(cluster_ip(export_to="."),)) is None


def test_a_virtual_service_leads_to_the_private_host() -> None:
    found = host_of(
        services=(external(),), service_entries=(entry(PRIVATE),), virtual_services=(virtual_service(PRIVATE),)
    )
    assert found == RegistryHost(PRIVATE, "shop", 80)


def test_the_private_host_is_nothing_without_the_virtual_service() -> None:
    assert host_of(services=(external(),), service_entries=(entry(PRIVATE),)) is None


def test_a_visible_service_entry_on_the_target_decides() -> None:
    found = host_of(services=(external(),), service_entries=(entry("api.pay.example", "egress"),))
    assert found == RegistryHost("api.pay.example", "egress", 80)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(entry("api.pay.example", exportTo=["."]), id="private to another namespace"),
        pytest.param(entry("*.pay.example"), id="wildcard"),
        pytest.param(entry("api.pay.example", number=443), id="another port"),
        pytest.param(entry("api.pay.example."), id="final dot"),
    ],
)
def test_an_entry_that_does_not_fit_leaves_passthrough(made: dict[str, Any]) -> None:
    assert host_of(services=(external(),), service_entries=(made,)) is None


def test_a_chain_of_aliases_is_followed_to_its_end() -> None:
    chain = (external("second.shop.svc.cluster.local"), external("api.pay.example", "second"))
    assert host_of(services=chain, service_entries=(entry("api.pay.example"),)) == RegistryHost(
        "api.pay.example", "shop", 80
    )


def test_a_loop_of_aliases_is_nothing() -> None:
    loop = (external("second.shop.svc.cluster.local"), external(FQDN, "second"))
    assert host_of(services=loop) is None


def test_a_service_in_a_namespace_that_was_not_read_is_taken_for_there() -> None:
    target = "pay.backend.svc.cluster.local"
    assert host_of(services=(external(target),)) == RegistryHost(target, "backend", 80)


def test_a_service_missing_from_a_namespace_that_was_read_is_nothing() -> None:
    assert host_of(services=(external("gone.shop.svc.cluster.local"),)) is None


def test_in_legacy_mode_an_external_name_is_a_host_of_its_own() -> None:
    found = host_of(services=(external(),), service_entries=(entry("api.pay.example"),), mesh=LEGACY)
    assert found == RegistryHost(FQDN, "shop", 80)


def test_without_istio_nothing_decides() -> None:
    assert host_of(services=(external(),), mesh=Mesh(installed=False)) is None


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(virtual_service("elsewhere.example", gateways=["shop/edge"]), id="for a gateway"),
        pytest.param(virtual_service("elsewhere.example", exportTo=["."]), id="private to another namespace"),
        pytest.param(virtual_service("elsewhere.example", host="other.example"), id="on another host"),
        pytest.param(virtual_service("x", http=[], tcp=[{"route": []}]), id="without http"),
        pytest.param(virtual_service("my-pay"), id="to the alias itself"),
    ],
)
def test_a_virtual_service_that_does_not_lead_the_client_away_changes_nothing(made: dict[str, Any]) -> None:
    found = host_of(services=(cluster_ip(),), service_entries=(entry("elsewhere.example"),), virtual_services=(made,))
    assert found == RegistryHost(FQDN, "shop", 80)


def test_what_a_virtual_service_answers_by_itself_is_nobodys_call() -> None:
    made = virtual_service("x", http=[{"redirect": {"uri": "/"}}])
    assert host_of(services=(cluster_ip(),), virtual_services=(made,)) is None


def test_the_unconditional_route_and_its_heaviest_destination_count() -> None:
    def to(host: str, weight: int = 0) -> dict[str, Any]:
        return {"destination": {"host": host, "port": {"number": 80}}, "weight": weight}

    routes = [
        {"match": [{"uri": {"prefix": "/v2"}}], "route": [to("v2.example")]},
        {"route": [to("canary.example", 5), to("main.example", 95)]},
    ]
    found = host_of(
        services=(cluster_ip(),),
        service_entries=(entry("v2.example"), entry("canary.example"), entry("main.example")),
        virtual_services=(virtual_service("x", http=routes),),
    )
    assert found == RegistryHost("main.example", "shop", 80)


def test_the_rule_on_the_private_host_decides_for_an_alias() -> None:
    snapshot = Snapshot(
        services=(external(),),
        service_entries=(entry(PRIVATE),),
        virtual_services=(virtual_service(PRIVATE),),
        destination_rules=(rule("my-pay", host=PRIVATE, mode="SIMPLE"), rule("docs", host=FQDN)),
        mesh=ISTIO,
    )
    assert decision_for(the_alias(snapshot), 80, CLIENT, snapshot) == RuleDecision(
        ref("my-pay"),
        f"destinationrule/my-pay in the Service's namespace shop covers {PRIVATE}",
        "SIMPLE",
        (
            (
                ref("docs"),
                "an ExternalName alias has no Envoy cluster of its own since Istio 1.21: rules on its name are dead",
            ),
        ),
        ref("my-pay"),
    )


def test_a_rule_on_the_name_of_an_unregistered_alias_is_dead() -> None:
    snapshot = Snapshot(services=(external(),), destination_rules=(rule("docs", host=FQDN),), mesh=ISTIO)
    assert decision_for(the_alias(snapshot), 80, CLIENT, snapshot) == RuleDecision(
        None,
        "no Service or ServiceEntry that namespace web can see has the host api.pay.example with port 80; the request "
        "takes no Envoy cluster of its own and no DestinationRule applies",
        "",
        (
            (
                ref("docs"),
                "an ExternalName alias has no Envoy cluster of its own since Istio 1.21: rules on its name are dead",
            ),
        ),
    )


def test_in_legacy_mode_the_rule_on_the_aliass_name_decides() -> None:
    snapshot = Snapshot(services=(external(),), destination_rules=(rule("docs", host=FQDN),), mesh=LEGACY)
    assert decision_for(the_alias(snapshot), 80, CLIENT, snapshot) == RuleDecision(
        ref("docs"),
        f"destinationrule/docs in the Service's namespace shop covers {FQDN}",
        "DISABLE",
        (),
        ref("docs"),
    )


@pytest.mark.parametrize("kind", ["destinationrules", "virtualservices", "serviceentries"])
def test_nothing_is_decided_where_an_object_that_may_decide_was_not_read(kind: str) -> None:
    unread = {kind: Unread(kind, "forbidden")}
    snapshot = Snapshot(services=(cluster_ip(),), destination_rules=(rule("r", host=FQDN),), mesh=ISTIO, unread=unread)
    assert decision_for(the_alias(snapshot), 80, CLIENT, snapshot) is None


def test_nothing_is_decided_without_istio() -> None:
    snapshot = Snapshot(services=(cluster_ip(),))
    assert decision_for(the_alias(snapshot), 80, CLIENT, snapshot) is None


def test_of_two_virtual_services_one_without_http_routes_does_not_count() -> None:
    made = (virtual_service("x", http=[], tls=[{"route": []}]), virtual_service("elsewhere.example"))
    found = host_of(services=(cluster_ip(),), service_entries=(entry("elsewhere.example"),), virtual_services=made)
    assert found == RegistryHost("elsewhere.example", "shop", 80)


def test_a_destination_that_is_an_alias_with_the_port_stands_for_its_target() -> None:
    found = host_of(
        services=(cluster_ip(), external("api.pay.example", "second")),
        service_entries=(entry("api.pay.example"),),
        virtual_services=(virtual_service("second"),),
    )
    assert found == RegistryHost("api.pay.example", "shop", 80)


def test_a_destination_without_port_keeps_the_port_of_the_request() -> None:
    routes = [{"route": [{"destination": {"host": "elsewhere.example"}}]}]
    objects = {"services": (cluster_ip(),), "virtual_services": (virtual_service("x", http=routes),)}
    assert host_of(service_entries=(entry("elsewhere.example"),), **objects) == RegistryHost(
        "elsewhere.example", "shop", 80
    )
    assert host_of(service_entries=(entry("elsewhere.example", number=8080),), **objects) is None


def test_an_entry_exported_to_the_client_comes_before_an_older_one_for_all() -> None:
    public, chosen = entry("api.pay.example", "other"), entry("api.pay.example", "third", exportTo=["web"])
    public["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    chosen["metadata"]["creationTimestamp"] = "2026-01-01T00:00:30Z"
    assert host_of(services=(external(),), service_entries=(public, chosen)) == RegistryHost(
        "api.pay.example", "third", 80
    )


def test_ports_of_a_younger_entry_count_only_if_nothing_else_differs() -> None:
    old, young = entry("api.pay.example", number=443), entry("api.pay.example")
    young["metadata"] = {**young["metadata"], "name": "young"}
    other = {**young, "spec": {**young["spec"], "resolution": "STATIC"}}
    assert host_of(services=(external(),), service_entries=(old, young)) == RegistryHost("api.pay.example", "shop", 80)
    assert host_of(services=(external(),), service_entries=(old, other)) is None


@pytest.mark.parametrize(("destination", "expected"), [("other.example", "other.example"), ("x.example", None)])
def test_a_virtual_service_on_the_target_holds_for_its_aliases_too(destination: str, expected: str | None) -> None:
    found = host_of(
        services=(external(),),
        service_entries=(entry("api.pay.example"), entry("other.example")),
        virtual_services=(virtual_service(destination, host="api.pay.example"),),
    )
    assert found == (RegistryHost(expected, "shop", 80) if expected else None)


def test_a_virtual_service_on_a_target_that_is_not_registered_changes_nothing() -> None:
    found = host_of(
        services=(external(),),
        service_entries=(entry("other.example"),),
        virtual_services=(virtual_service("other.example", host="api.pay.example"),),
    )
    assert found is None
