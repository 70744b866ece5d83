"""How to call an alias."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from kubectl_extsvc.model.alias import AddressTarget, HostTarget, Intent, Target, TlsSettings
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.plans.calling import how_to_call

HTTPBIN = HostTarget("httpbin.org")
ADDRESS = AddressTarget(("198.51.100.26",), "en.wikipedia.org")
FQDN = "my-httpbin.default.svc.cluster.local"

IntentFor = Callable[..., Intent]


@pytest.mark.parametrize(
    ("target", "port", "line"),
    [
        (HTTPBIN, "http:80", "any pod: curl http://my-httpbin.default/"),
        (HTTPBIN, "http:8080", "any pod: curl http://my-httpbin.default:8080/"),
        (HTTPBIN, "http2:80", "any pod: curl --http2-prior-knowledge http://my-httpbin.default/"),
        (HTTPBIN, "tls:443", f"any pod: curl --connect-to httpbin.org:443:{FQDN}:443 https://httpbin.org/"),
        (
            ADDRESS,
            "https:8443",
            f"any pod: curl --connect-to en.wikipedia.org:8443:{FQDN}:8443 https://en.wikipedia.org:8443/",
        ),
        (
            replace(ADDRESS, host=""),
            "tls:443",
            f"any pod: curl --connect-to HOST:443:{FQDN}:443 https://HOST/ "
            "(HOST is a name in the server's certificate)",
        ),
        (ADDRESS, "tcp-postgres:5432", f"any pod: connect to {FQDN}:5432"),
        (ADDRESS, "grpc:50051", f"any pod: connect to {FQDN}:50051"),
        (ADDRESS, "http:80:8080", "any pod: curl http://my-httpbin.default/"),
    ],
)
def test_any_pod_calls_what_needs_no_sidecar(
    intent_for: IntentFor, istio: Mesh, target: Target, port: str, line: str
) -> None:
    assert how_to_call(intent_for(target, port), istio) == (line,)


def test_only_a_sidecar_serves_origination(intent_for: IntentFor, istio: Mesh, simple: TlsSettings) -> None:
    intent = intent_for(HostTarget("api.pay.example"), "http:80:443", "tls:443", tls=simple)
    assert how_to_call(intent, istio) == (
        "pod with sidecar: curl http://my-httpbin.default/ (plain; the sidecar adds TLS for api.pay.example)",
        "pod without sidecar: port 80 is not served, only a sidecar adds the TLS",
        f"any pod: curl --connect-to api.pay.example:443:{FQDN}:443 https://api.pay.example/",
    )


def test_only_a_sidecar_translates_the_port_of_an_external_name(intent_for: IntentFor, istio: Mesh) -> None:
    assert how_to_call(intent_for(HTTPBIN, "http:8080:80"), istio) == (
        "pod with sidecar: curl http://my-httpbin.default:8080/",
        "pod without sidecar: port 8080 is not served, the target listens on 80",
    )


def test_the_cluster_domain_is_the_clusters(intent_for: IntentFor, istio: Mesh) -> None:
    (line,) = how_to_call(intent_for(ADDRESS, "tcp:1"), istio, cluster_domain="corp.example")
    assert line == "any pod: connect to my-httpbin.default.svc.corp.example:1"
