"""Every pane of the alias screen, and the drawings of them that are kept as golden files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from worlds.recorded_cases import recorded_case
from worlds.tui_views import (
    CRON,
    DEBUG,
    NOW,
    WEB,
    broken_pay,
    forbidden_pay,
    http_pay,
    https_pay,
    looks,
    two_ports,
    unjudged,
    view_of,
    with_samples,
)

from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.board import AliasView, Happening
from kubectl_extsvc.tui.lines import Line
from kubectl_extsvc.tui.panes.events import events_pane
from kubectl_extsvc.tui.panes.findings import findings_pane
from kubectl_extsvc.tui.panes.headers import headers_pane
from kubectl_extsvc.tui.panes.objects import objects_pane
from kubectl_extsvc.tui.panes.path import path_pane
from kubectl_extsvc.tui.panes.timing import timing_pane
from kubectl_extsvc.tui.panes.tls import tls_pane

Pane = Callable[..., list[Line]]

PANES: Mapping[str, Pane] = {
    "path": path_pane,
    "headers": headers_pane,
    "tls": tls_pane,
    "timing": timing_pane,
    "findings": findings_pane,
    "objects": objects_pane,
    "events": events_pane,
}


@dataclass(frozen=True)
class Drawing:
    pane: Pane
    view: AliasView
    width: int
    options: Mapping[str, Any] = field(default_factory=dict)
    ascii: bool = False

    @property
    def lines(self) -> list[Line]:
        return self.pane(self.view, self.width, Style(ascii=self.ascii), **self.options)


BROKEN = view_of(broken_pay())
HTTPS = view_of(https_pay())
HTTP = view_of(http_pay())
FORBIDDEN = view_of(forbidden_pay())
TWO_PORTS = view_of(two_ports())
UNASKED = replace(HTTPS, sources=(*HTTPS.sources, DEBUG), asking={DEBUG.key: NOW - 2})
NO_SOURCE = view_of(replace(broken_pay(), observations=()))
DOUBLE = view_of(recorded_case("double-tls/https"))
BLOCKED = view_of(recorded_case("externalname-trailing-dot/http"))
LOOKED_AT = with_samples(with_samples(HTTPS, WEB, looks(HTTPS, WEB)), CRON, looks(HTTPS, CRON, failing=()))
NEWS = replace(
    BROKEN,
    happenings=(
        Happening(NOW - 60, "you", "applied the fix of XS0403", evidence=("destinationrule/my-pay patched",)),
        Happening(NOW - 75, "rule", 'my-pay: XS0403 Envoy sends SNI "my-pay", the server has no such name'),
        Happening(NOW - 76, "probe", "web-7d9fc4d8b6-x2x4q: pods/exec is forbidden"),
        Happening(NOW - 100_000, "cluster", "destinationrule/my-pay changed in shop"),
    ),
)

DRAWINGS: Mapping[str, Drawing] = {
    "path-broken-80": Drawing(path_pane, BROKEN, 80),
    "path-broken-120": Drawing(path_pane, BROKEN, 120),
    "path-broken-200": Drawing(path_pane, BROKEN, 200),
    "path-broken-80-ascii": Drawing(path_pane, BROKEN, 80, ascii=True),
    "path-double-tls-120": Drawing(path_pane, DOUBLE, 120),
    "path-blocked-80-ascii": Drawing(path_pane, BLOCKED, 80, ascii=True),
    "path-unasked-120": Drawing(path_pane, UNASKED, 120),
    "path-unasked-80-pinned": Drawing(path_pane, UNASKED, 80, {"first": 1, "pinned": CRON.key}),
    "path-forbidden-80": Drawing(path_pane, FORBIDDEN, 80),
    "path-second-port-80": Drawing(path_pane, TWO_PORTS, 80, {"port": 1}),
    "path-no-source-80": Drawing(path_pane, NO_SOURCE, 80),
    "path-not-judged-80": Drawing(path_pane, unjudged(UNASKED), 80),
    "headers-80": Drawing(headers_pane, HTTP, 80),
    "headers-120": Drawing(headers_pane, HTTP, 120),
    "headers-200-volatile": Drawing(headers_pane, HTTP, 200, {"volatile": True}),
    "headers-by-envoy-80-ascii": Drawing(headers_pane, BROKEN, 80, ascii=True),
    "headers-recorded-120": Drawing(headers_pane, view_of(recorded_case("disable/http")), 120),
    "headers-forbidden-80": Drawing(headers_pane, FORBIDDEN, 80),
    "tls-own-80": Drawing(tls_pane, HTTPS, 80),
    "tls-own-120": Drawing(tls_pane, HTTPS, 120),
    "tls-broken-120": Drawing(tls_pane, BROKEN, 120),
    "tls-double-80-ascii": Drawing(tls_pane, DOUBLE, 80, ascii=True),
    "tls-forbidden-80": Drawing(tls_pane, FORBIDDEN, 80),
    "timing-80": Drawing(timing_pane, LOOKED_AT, 80),
    "timing-120-ascii": Drawing(timing_pane, LOOKED_AT, 120, ascii=True),
    "timing-forbidden-80": Drawing(timing_pane, FORBIDDEN, 80),
    "findings-broken-80": Drawing(findings_pane, NEWS, 80),
    "findings-broken-200": Drawing(findings_pane, BROKEN, 200),
    "findings-forbidden-80-ascii": Drawing(findings_pane, FORBIDDEN, 80, ascii=True),
    "findings-not-judged-80": Drawing(findings_pane, unjudged(BROKEN), 80),
    "objects-broken-80": Drawing(objects_pane, BROKEN, 80),
    "objects-broken-120-ascii": Drawing(objects_pane, BROKEN, 120, ascii=True),
    "objects-sidecar-120": Drawing(objects_pane, view_of(recorded_case("sidecar-scope/selectorless")), 120),
    "events-80": Drawing(events_pane, NEWS, 80),
    "events-none-80": Drawing(events_pane, BROKEN, 80),
}
"""Name of a file in tests/tui/goldens/panes, without its ending → what it shows."""
