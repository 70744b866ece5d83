"""The path pane: which sources, what is marked, and what enter shows."""

from dataclasses import replace

import pytest
from worlds import cases
from worlds.recorded_cases import recorded_case
from worlds.tui_panes import BROKEN, HTTPS, TWO_PORTS, UNASKED
from worlds.tui_views import CRON, WEB, broken_pay, view_of, view_of_report

from kubectl_extsvc.model.observation import Stage
from kubectl_extsvc.model.probe import Answer
from kubectl_extsvc.model.resolution import Resolution
from kubectl_extsvc.model.route import EnvoyEndpoint
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.board import AliasView
from kubectl_extsvc.tui.lines import Line
from kubectl_extsvc.tui.panes.path import path_pane

SIGNS = Style()


def titles(view: AliasView, width: int, **options: object) -> list[str]:
    """Of the columns, left to right."""
    frame = path_pane(view, width, SIGNS, **options)[1]  # type: ignore[arg-type]
    return [span.text.strip() for span in frame.spans if "(" in span.text]


def having(lines: list[Line], words: str) -> Line:
    return next(line for line in lines if words in line.text)


@pytest.mark.parametrize(("width", "count"), [(60, 1), (75, 1), (76, 2), (113, 2), (114, 3), (200, 3)])
def test_as_many_sources_as_have_38_columns_each(width: int, count: int) -> None:
    assert len(titles(UNASKED, width)) == count


def test_first_turns_the_sources_round_and_the_pinned_one_stays() -> None:
    web, cron, debug = titles(UNASKED, 200)
    assert (web, cron, debug) == ("web-7d9fc4d8b6-x2x4q (sidecar)", "cron-55 (plain)", "debug.ops (plain)")
    assert titles(UNASKED, 80, first=1) == [cron, debug]
    assert titles(UNASKED, 80, first=2) == [debug, web]
    assert titles(UNASKED, 80, first=1, pinned=CRON.key) == [cron, debug]
    assert titles(UNASKED, 80, first=2, pinned=CRON.key) == [cron, web]
    assert titles(UNASKED, 80, pinned="shop/gone") == [web, cron]


def test_the_first_difference_is_marked_beside_its_stage_only() -> None:
    lines = path_pane(view_of(recorded_case("double-tls/https")), 120, SIGNS)
    marked = [line.text for line in lines if line.text.startswith("Δ")]
    assert marked[0].startswith("Δ ✗ tls ")
    assert len(marked) == sum("Δ" in line.text for line in lines[:-1])
    assert lines[-1].text.endswith(" Δ first difference: tls ┘")
    assert "Δ" not in "".join(line.text for line in path_pane(HTTPS, 120, SIGNS))


def test_a_difference_is_that_of_the_port_that_is_shown() -> None:
    assert TWO_PORTS.report is not None
    assert TWO_PORTS.report.first_difference is Stage.TLS
    assert "Δ" not in "".join(line.text for line in path_pane(TWO_PORTS, 120, SIGNS, port=0))
    assert "first difference: tls" in path_pane(TWO_PORTS, 120, SIGNS, port=1)[-1].text


def test_what_comes_after_a_failure_is_not_reached() -> None:
    lines = path_pane(BROKEN, 80, SIGNS)
    signs = {line.text.split()[2]: line.text[2] for line in lines if line.text[2:3] in "✓✗·–?"}
    assert signs == {"name": "✓", "dns": "✓", "route": "✓", "endpoints": "✓", "tls": "✗", "http": "·"}


def test_enter_on_the_mode_shows_the_rule_and_the_losers() -> None:
    evidence = having(path_pane(BROKEN, 120, SIGNS), "TLS SIMPLE ←").evidence
    assert evidence[0] == "web-7d9fc4d8b6-x2x4q (sidecar)"
    assert (
        evidence[1]
        == "    decided   by destinationrule/my-pay (SIMPLE), computed: destinationrule/my-pay has exactly this host"
    )
    assert evidence[2].strip() == (
        "not by destinationrule/everything.istio-system: the client's namespace shop is looked through first"
    )
    assert evidence[3:6] == ("apiVersion: networking.istio.io/v1", "kind: DestinationRule", "metadata:")
    assert "managedFields" not in "\n".join(evidence)


def test_enter_on_a_stage_shows_raw_answers_of_every_column() -> None:
    evidence = having(path_pane(HTTPS, 120, SIGNS), "✓ http ").evidence
    assert evidence[0] == "web-7d9fc4d8b6-x2x4q (sidecar)"
    assert "cron-55 (plain)" in evidence
    assert [text.split("→")[1].strip() for text in evidence if "call" in text] == [
        "200, connected to 10.96.0.7:443",
        "200, connected to 10.96.0.7:443",
    ]


def test_enter_on_a_try_shows_both_record_types() -> None:
    evidence = having(path_pane(BROKEN, 120, SIGNS), "· .shop.svc").evidence
    assert evidence[1] == "my-pay.shop.shop.svc.cluster.local  A NXDOMAIN"


def test_a_call_that_is_not_captured_is_said_and_why() -> None:
    case = broken_pay()
    web, cron = case.observations
    excluded = (("traffic.sidecar.istio.io/excludeOutboundPorts", "80"),)
    web = replace(web, source=replace(WEB, annotations=excluded))
    lines = path_pane(view_of(replace(case, observations=(web, cron))), 200, SIGNS)
    line = having(lines, "not captured")
    assert "▼ not captured: annotation traffic.sidecar.istio.io/excludeOutboundPorts: 80 " in line.text


def test_an_answer_of_the_hosts_file_has_no_tries() -> None:
    case = broken_pay()
    web, cron = case.observations
    assert isinstance(web.short_resolution, Resolution)
    local = replace(web.short_resolution, hosts_file=True)
    lines = path_pane(view_of(replace(case, observations=(replace(web, short_resolution=local), cron))), 120, SIGNS)
    assert "answered by the pod's /etc/hosts" in "".join(line.text for line in lines)
    assert ".shop.svc.cluster.local NXDOMAIN" not in "".join(line.text for line in lines)


def test_a_source_that_is_asked_again_says_so() -> None:
    assert (
        titles(replace(HTTPS, asking={WEB.key: HTTPS.now - 3}), 120)[0]
        == "web-7d9fc4d8b6-x2x4q (sidecar) ~ asking for 3s"
    )
    assert titles(replace(HTTPS, asking={WEB.key: HTTPS.now - 0.2}), 120)[0] == "web-7d9fc4d8b6-x2x4q (sidecar)"


def test_more_endpoints_than_fit_are_counted() -> None:
    case = broken_pay()
    web, cron = case.observations
    route = cases.route(endpoints=tuple(EnvoyEndpoint(f"203.0.113.{n}", 80, healthy=False) for n in range(9)))
    lines = path_pane(view_of(replace(case, observations=(replace(web, route=route), cron))), 120, SIGNS)
    assert sum("UNHEALTHY" in line.text for line in lines) == 6
    assert having(lines, "and 3 more")


def test_the_body_is_evidence_and_not_drawn() -> None:
    case = broken_pay()
    web, cron = case.observations
    answer = web.answer
    assert isinstance(answer, Answer)
    web = replace(web, outcomes=(replace(answer, body="upstream\nconnect error"),))
    lines = path_pane(view_of(replace(case, observations=(web, cron))), 80, SIGNS)
    assert "connect error" not in "".join(line.text for line in lines)
    assert {"body  upstream", "body  connect error"} <= set(having(lines, "· http").evidence)


def test_without_istio_no_proxy_is_on_the_way() -> None:
    case = cases.case(cases.name_alias(), cases.seen(cases.answer(0, 200), source=CRON), mesh=cases.NO_ISTIO)
    lines = path_pane(view_of(case), 80, SIGNS)
    assert having(lines, "route").text.startswith("│ – route     not applicable")
    assert having(lines, "▼ no proxy on the way")
    assert "Envoy" not in "".join(line.text for line in lines)


def test_nothing_is_drawn_of_sources_that_are_gone() -> None:
    assert BROKEN.report is not None
    view = replace(view_of_report(BROKEN.report, BROKEN.snapshot), sources=(CRON,))
    assert titles(view, 200) == ["cron-55 (plain)"]


def test_enter_on_a_finding_shows_its_evidence_and_cure() -> None:
    evidence = having(path_pane(BROKEN, 120, SIGNS), "✗ XS0403").evidence
    assert [text.partition(" ")[0] for text in evidence[:4]] == ["web-7d9fc4d8b6-x2x4q", "XS0403", "503", "cure:"]
