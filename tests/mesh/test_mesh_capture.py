"""Which calls of a pod with sidecar pass it by."""

import pytest

from kubectl_extsvc.mesh.capture import captures_dns, passes_by
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.source import MeshMode, Source

PREFIX = "traffic.sidecar.istio.io/"


def source(annotations: dict[str, str], *, as_proxy_user: bool = False) -> Source:
    named = tuple(sorted((PREFIX + name, value) for name, value in annotations.items()))
    return Source("shop", "web-1", "web", MeshMode.SIDECAR, annotations=named, as_proxy_user=as_proxy_user)


@pytest.mark.parametrize(
    ("annotations", "why"),
    [
        ({}, ""),
        ({"excludeOutboundPorts": "5432, 443"}, f"annotation {PREFIX}excludeOutboundPorts: 5432, 443"),
        ({"excludeOutboundPorts": "4430"}, ""),
        ({"excludeOutboundIPRanges": "10.0.0.0/8"}, f"annotation {PREFIX}excludeOutboundIPRanges: 10.0.0.0/8"),
        ({"excludeOutboundIPRanges": "10.97.0.0/16,odd"}, ""),
        ({"includeOutboundIPRanges": "*"}, ""),
        ({"includeOutboundIPRanges": "10.96.0.0/16"}, ""),
        ({"includeOutboundIPRanges": "10.244.0.0/16"}, f"annotation {PREFIX}includeOutboundIPRanges: 10.244.0.0/16"),
        ({"includeOutboundIPRanges": ""}, f"annotation {PREFIX}includeOutboundIPRanges: "),
        ({"includeOutboundIPRanges": "", "includeOutboundPorts": "443"}, ""),
    ],
)
def test_annotations_of_the_pod_say_what_is_captured(annotations: dict[str, str], why: str) -> None:
    assert passes_by(source(annotations), "10.96.0.7", 443) == why


def test_what_the_proxys_own_user_sends_is_never_captured() -> None:
    why = "container web runs as user or group 1337, the proxy's own"
    assert passes_by(source({}, as_proxy_user=True), "10.96.0.7", 443) == why


def test_an_unknown_address_is_in_no_range() -> None:
    ranges = {"excludeOutboundIPRanges": "0.0.0.0/0", "includeOutboundIPRanges": ""}
    assert passes_by(source(ranges), "", 443) == ""


CAPTURE = {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}


@pytest.mark.parametrize(
    ("annotation", "mesh_config", "captures"),
    [
        ("", {}, False),
        ("", {"defaultConfig": CAPTURE}, True),
        ("proxyMetadata:\n  ISTIO_META_DNS_CAPTURE: 'true'\n", {}, True),
        ('{"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "false"}}', {"defaultConfig": CAPTURE}, False),
        ("concurrency: 2", {"defaultConfig": CAPTURE}, True),
        ("{", {"defaultConfig": CAPTURE}, True),
    ],
)
def test_dns_capture_is_said_by_the_pod_and_else_by_the_mesh(
    annotation: str, mesh_config: Json, captures: bool
) -> None:
    given = (("proxy.istio.io/config", annotation),) if annotation else ()
    assert captures_dns(Source("shop", "w", "w", MeshMode.SIDECAR, annotations=given), mesh_config) is captures
