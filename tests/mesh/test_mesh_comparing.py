"""An observed way beside a computed one."""

from dataclasses import replace

import pytest

from kubectl_extsvc.mesh.comparing import differences
from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.model.route import OutboundTls, Route, RouteKind, RouteUnknown, TlsInEffect

OWN = Route(
    RouteKind.HTTP,
    "0.0.0.0_80",
    "outbound|80||my-pay.shop.svc.cluster.local",
    tls=TlsInEffect(OutboundTls.SIMPLE),
    rule=ObjectRef("DestinationRule", "shop", "my-pay"),
)


def with_tls(mode: OutboundTls) -> Route:
    return replace(OWN, tls=TlsInEffect(mode))


@pytest.mark.parametrize(
    ("observed", "computed", "expected"),
    [
        (OWN, replace(OWN, observed=False), ()),
        (OWN, RouteUnknown("sidecars could not be read"), ()),
        (OWN, None, ()),
        (
            OWN, replace(OWN, envoy_cluster="PassthroughCluster"),
            ("the proxy leads to outbound|80||my-pay.shop.svc.cluster.local, the objects to PassthroughCluster",),
        ),
        (
            replace(OWN, envoy_cluster="", direct_response=502), OWN,
            (
                "the proxy leads to an answer of its own, 502, the objects to "
                "outbound|80||my-pay.shop.svc.cluster.local",
            ),
        ),
        (OWN, replace(OWN, rule=None), ("the proxy has destinationrule/my-pay, the objects say no rule",)),
        (OWN, with_tls(OutboundTls.DISABLE), ("the proxy uses SIMPLE, the objects say DISABLE",)),
        (OWN, with_tls(OutboundTls.UNKNOWN), ()),
        (with_tls(OutboundTls.AUTO_ISTIO_MUTUAL), with_tls(OutboundTls.AUTO_PLAINTEXT), ()),
        (replace(OWN, cluster_missing=True), with_tls(OutboundTls.DISABLE), ()),
    ],
)  # fmt: skip
def test_what_differs_is_told_and_what_nobody_can_know_is_not(
    observed: Route, computed: Route | RouteUnknown | None, expected: tuple[str, ...]
) -> None:
    assert differences(observed, computed) == expected
