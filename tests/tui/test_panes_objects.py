"""The objects pane: which objects, why, how they are marked, and what of them is never shown."""

from dataclasses import replace

from worlds import cases
from worlds.rule_cases import FIRING
from worlds.tui_panes import BROKEN
from worlds.tui_views import POLICY, broken_pay, text_of, unjudged, view_of

from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.lines import Line
from kubectl_extsvc.tui.panes.documents import document
from kubectl_extsvc.tui.panes.objects import objects_pane

SIGNS = Style()


def of(lines: list[Line], name: str) -> Line:
    return next(line for line in lines if f" {name} " in f"{line.text} ")


def test_enter_shows_the_yaml_with_the_finding_at_its_end() -> None:
    evidence = of(objects_pane(BROKEN, 120, SIGNS), "destinationrule/my-pay").evidence
    assert evidence == (
        "apiVersion: networking.istio.io/v1",
        "kind: DestinationRule",
        "metadata:",
        "  name: my-pay",
        "  namespace: shop",
        "  labels:",
        "    app.kubernetes.io/managed-by: kubectl-extsvc",
        "    extsvc.dev/alias: my-pay",
        "spec:",
        "  host: my-pay.shop.extsvc.internal",
        "  trafficPolicy:",
        "    tls:",
        "      mode: SIMPLE",
        '# XS0403 error: Envoy sends SNI "my-pay.shop.svc.cluster.local", the server has no such name',
        "#   503 URX,UF TLSV1_ALERT_UNRECOGNIZED_NAME; destinationrule/my-pay has no tls.sni",
        "#   cure: kubectl patch destinationrule my-pay -n shop --type=merge -p "
        """'{"spec":{"trafficPolicy":{"tls":{"sni":"api.pay.example","subjectAltNames":["api.pay.example"]}}}}'""",
    )


def test_an_object_that_was_not_read_says_so() -> None:
    assert of(objects_pane(BROKEN, 120, SIGNS), "virtualservice/my-pay").evidence == (
        "virtualservice/my-pay in shop: not read",
    )


def test_secrets_are_never_shown() -> None:
    assert document(ObjectRef("Secret", "shop", "pay-client"), BROKEN.snapshot) == (
        "secret/pay-client in shop: not read",
    )


def test_before_a_verdict_nothing_is_marked_well() -> None:
    text = text_of(objects_pane(unjudged(BROKEN), 120, SIGNS))
    assert "✓" not in text
    assert "· service/my-pay" in text


def test_a_policy_of_other_pods_does_not_decide() -> None:
    other = {**POLICY, "spec": {**POLICY["spec"], "podSelector": {"matchLabels": {"app": "db"}}}}
    case = broken_pay()
    view = view_of(replace(case, snapshot=replace(case.snapshot, network_policies=(other,))))
    assert "networkpolicy" not in text_of(objects_pane(view, 120, SIGNS))


def test_the_subject_of_every_finding_is_there() -> None:
    for code, case in FIRING.items():
        view = view_of(case)
        assert view.report is not None
        text = text_of(objects_pane(view, 200, SIGNS))
        assert [str(one.subject) for one in view.report.findings if str(one.subject) not in text] == [], code


def test_without_istio_there_is_the_service_alone() -> None:
    view = view_of(
        cases.case(cases.name_alias(), cases.seen(cases.answer(0, 200), source=cases.CRON), mesh=cases.NO_ISTIO)
    )
    assert text_of(objects_pane(view, 80, SIGNS)) == (
        "▾ owned by this alias\n"
        "  ✓ service/my-pay  ExternalName, made by kubectl extsvc\n"
        "\n"
        "▾ also decides the outcome\n"
        "  no other object is known that does\n"
    )
