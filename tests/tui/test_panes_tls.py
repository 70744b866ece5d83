"""The TLS pane: how each line is known, and what it says of certificates."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from worlds import cases
from worlds.recorded_cases import recorded_case
from worlds.tui_panes import BROKEN, HTTPS
from worlds.tui_views import CRON, LEAF, NOW, PAY_HANDSHAKE, WEB, https_pay, view_of

from kubectl_extsvc.model.observation import Case
from kubectl_extsvc.model.probe import Handshake, Purpose, Scheme, Trust
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.board import AliasView
from kubectl_extsvc.tui.lines import Ink, Line
from kubectl_extsvc.tui.panes.tls import tls_pane

SIGNS = Style()


def row(view: AliasView, words: str) -> Line:
    return next(line for line in tls_pane(view, 200, SIGNS) if words in line.text)


def shown(handshake: Handshake) -> Case:
    """The same to every client."""
    case = https_pay()
    observations = []
    for seen in case.observations:
        assert seen.answer is not None
        observations.append(replace(seen, outcomes=(replace(seen.answer, handshake=handshake),)))
    return replace(case, observations=tuple(observations))


@pytest.mark.parametrize(
    ("days", "words", "ink"),
    [
        (400, "400 days left · by", Ink.PLAIN),
        (30, "30 days left · by", Ink.PLAIN),
        (29, "29 days left ! · by", Ink.WARN),
        (1, "1 day left ! · by", Ink.WARN),
        (-1, "EXPIRED · by", Ink.BAD),
    ],
)
def test_days_until_a_certificate_ends(days: int, words: str, ink: Ink) -> None:
    ends = datetime.fromtimestamp(NOW, UTC) + timedelta(days=days, hours=1)
    leaf = replace(LEAF, not_after=ends.isoformat())
    line = row(view_of(shown(replace(PAY_HANDSHAKE, certificates=(leaf,)))), "0 CN=api.pay.example")
    assert f", {words}" in line.text
    assert [span.ink for span in line.spans if "CN=api.pay.example" in span.text] == [ink]


def test_the_chain_is_named_from_the_server_on() -> None:
    texts = [line.text.rstrip() for line in tls_pane(HTTPS, 200, SIGNS)]
    start = next(index for index, text in enumerate(texts) if text.lstrip().startswith("chain"))
    assert [" ".join(text.split()) for text in texts[start : start + 3]] == [
        "chain 0 CN=api.pay.example · not after 2026-12-11, 10 days left ! · by CN=R11, O=Let's Encrypt · names "
        "api.pay.example, pay.example observed",
        "1 CN=R11, O=Let's Encrypt · not after 2027-03-12, 101 days left · by CN=ISRG Root X1 observed",
        "trust the pod's bundle trusts the chain observed",
    ]


def test_an_untrusted_chain_and_a_wrong_name_stand_out() -> None:
    view = view_of(shown(replace(PAY_HANDSHAKE, sni="other.example", trust=Trust.UNTRUSTED)))
    assert "other.example, which the certificate does NOT have" in row(view, "  SNI ").text
    assert "the pod's bundle does NOT trust the chain" in row(view, "trust").text


def test_each_line_of_an_originating_sidecar_says_how_it_is_known() -> None:
    texts = [line.text for line in tls_pane(BROKEN, 200, SIGNS)]
    known = {text[2:16].strip(): text.split()[-1] for text in texts if text[2:16].strip() and text.startswith("  ")}
    assert known == {
        "leg A": "observed",
        "leg B": "configured",
        "SNI": "inferred",
        "decided": "computed",
        "flags": "observed",
        "Envoy says": "observed",
        "app → server": "work",
    }


def test_a_route_that_was_not_read_is_computed() -> None:
    case = https_pay()
    web, cron = case.observations
    way = cases.route(cases.SIMPLE_FULL, observed=False)
    view = view_of(replace(case, observations=(replace(web, route=way, unread="forbidden"), cron)))
    assert row(view, "leg B").text.split()[-1] == "computed"
    assert "the proxy was not read: forbidden" in row(view, "not read").text


def originating(sni: str) -> AliasView:
    """A sidecar that adds TLS, and a plain pod that asked the address for itself under a name."""
    alias = cases.address_alias(cases.HTTP_TO_TLS)
    web = cases.seen(cases.by_origin(200), source=WEB, port=cases.HTTP_TO_TLS, route=cases.route(cases.SIMPLE_FULL))
    asked = cases.answer(
        purpose=Purpose.ADDRESS, scheme=Scheme.HTTPS, host=sni, port=443, connect_to="203.0.113.20",
        remote_ip="203.0.113.20", handshake=replace(PAY_HANDSHAKE, sni=sni),
    )  # fmt: skip
    cron = cases.not_served(cases.answer(scheme=Scheme.TCP), asked, source=CRON)
    return view_of(cases.case(alias, web, cron))


def test_what_the_server_shows_envoy_is_inferred_from_another_client_of_the_same_name() -> None:
    line = row(originating("api.pay.example"), "  server ")
    assert line.text.split("  server ")[1].split() == (
        ["203.0.113.20:443", "asked", "by", "cron-55", "with", "the", "same", "SNI", "inferred"]
    )
    assert "chain" in "".join(each.text for each in tls_pane(originating("api.pay.example"), 200, SIGNS))


def test_another_name_tells_nothing_of_what_envoy_is_shown() -> None:
    assert "chain" not in "".join(each.text for each in tls_pane(originating("www.pay.example"), 200, SIGNS))


def test_tls_in_tls_is_said() -> None:
    assert row(view_of(recorded_case("double-tls/https")), "Envoy wraps the application's own TLS in another")


def test_losers_are_named_with_the_reason_and_their_yaml() -> None:
    line = row(view_of(recorded_case("dr-client-namespace-wins/http")), "not by ")
    assert line.text.split("not by ")[1].startswith("destinationrule/exact: the client's namespace default is looked ")
    assert "kind: DestinationRule" in line.evidence
    assert "  name: exact" in line.evidence
