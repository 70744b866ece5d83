"""What an application should speak to an alias, from which source."""

from typing import Any

import pytest

from kubectl_extsvc.mesh.contracts import contract, originates
from kubectl_extsvc.model.alias import AddressTarget, Alias, AliasPort, AppProtocol, HostTarget, Target
from kubectl_extsvc.model.observation import Contract
from kubectl_extsvc.model.probe import Scheme
from kubectl_extsvc.model.snapshot import Mesh, Snapshot
from kubectl_extsvc.model.source import MeshMode, Source

FQDN = "my-pay.shop.svc.cluster.local"
ISTIO = Mesh(installed=True, api_version="v1", version=(1, 31))
KNOWN = AddressTarget(("203.0.113.20",), "api.pay.example")
UNKNOWN = AddressTarget(("203.0.113.20",))
OUTSIDE = HostTarget("api.pay.example")
HTTP = AliasPort("http", 80, 80, AppProtocol.HTTP)
TO_443 = AliasPort("http", 80, 443, AppProtocol.HTTP)
TLS = AliasPort("tls", 443, 443, AppProtocol.TLS)
CERTIFICATE = "the certificate is that of api.pay.example: name it in the URL, and dial the alias"


def source(mode: MeshMode) -> Source:
    return Source("shop", "web-1", "app", mode)


def alias(target: Target, *ports: AliasPort) -> Alias:
    return Alias(
        "shop", "my-pay", target, ports, external_name_raw=target.host if isinstance(target, HostTarget) else ""
    )


def snapshot(*rules: dict[str, Any], mesh: Mesh = ISTIO) -> Snapshot:
    service = {
        "metadata": {"name": "my-pay", "namespace": "shop"},
        "spec": {"ports": [{"name": "http", "port": 80}, {"name": "tls", "port": 443}]},
    }
    return Snapshot(services=(service,), destination_rules=rules, mesh=mesh)


def rule(mode: str, *, namespace: str = "shop", host: str = FQDN, selector: bool = False) -> dict[str, Any]:
    spec: dict[str, Any] = {"host": host, "trafficPolicy": {"tls": {"mode": mode}}}
    if selector:
        spec["workloadSelector"] = {"matchLabels": {"app": "curl"}}
    return {"metadata": {"name": "rule", "namespace": namespace}, "spec": spec}


@pytest.mark.parametrize("mode", list(MeshMode))
@pytest.mark.parametrize("target", [KNOWN, UNKNOWN, OUTSIDE])
def test_a_plain_http_port_is_called_by_the_aliass_name_from_everywhere(mode: MeshMode, target: Target) -> None:
    found = contract(alias(target, HTTP), HTTP, source(mode), snapshot())
    assert found == Contract(True, Scheme.HTTP, FQDN)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (MeshMode.SIDECAR, Contract(True, Scheme.HTTP, FQDN, "the sidecar makes it TLS", True)),
        (MeshMode.PLAIN, Contract(False, Scheme.TCP, FQDN, "origination is the sidecar's work", True)),
        (
            MeshMode.AMBIENT,
            Contract(
                False,
                Scheme.TCP,
                FQDN,
                "origination is the sidecar's work; ztunnel does not read DestinationRules",
                True,
            ),
        ),
    ],
)
def test_an_originating_port_is_served_to_sidecars_only(mode: MeshMode, expected: Contract) -> None:
    assert contract(alias(OUTSIDE, TO_443), TO_443, source(mode), snapshot()) == expected


@pytest.mark.parametrize("mode", list(MeshMode))
@pytest.mark.parametrize("target", [KNOWN, OUTSIDE])
def test_a_tls_port_is_called_by_the_targets_name(mode: MeshMode, target: Target) -> None:
    found = contract(alias(target, TLS), TLS, source(mode), snapshot(rule("SIMPLE")))
    assert found == Contract(True, Scheme.HTTPS, "api.pay.example", CERTIFICATE)


def test_without_a_known_name_the_certificate_cannot_be_checked() -> None:
    assert contract(alias(UNKNOWN, TLS), TLS, source(MeshMode.PLAIN), snapshot()) == Contract(
        True, Scheme.HTTPS, FQDN, "only addresses are known, so the name in the certificate cannot be checked"
    )


@pytest.mark.parametrize(
    ("number", "protocol", "expected"),
    [
        (443, AppProtocol.AUTO, Contract(True, Scheme.HTTPS, "api.pay.example", CERTIFICATE)),
        (8443, AppProtocol.AUTO, Contract(True, Scheme.HTTPS, "api.pay.example", CERTIFICATE)),
        (80, AppProtocol.AUTO, Contract(True, Scheme.HTTP, FQDN)),
        (8080, AppProtocol.AUTO, Contract(True, Scheme.HTTP, FQDN)),
        (5432, AppProtocol.AUTO, Contract(True, Scheme.TCP, FQDN)),
        (9000, AppProtocol.GRPC, Contract(True, Scheme.HTTP, FQDN)),
        (9443, AppProtocol.HTTPS, Contract(True, Scheme.HTTPS, "api.pay.example", CERTIFICATE)),
        (443, AppProtocol.TCP, Contract(True, Scheme.TCP, FQDN)),
        (6379, AppProtocol.REDIS, Contract(True, Scheme.TCP, FQDN)),
        (3306, AppProtocol.MYSQL, Contract(True, Scheme.TCP, FQDN)),
        (27017, AppProtocol.MONGO, Contract(True, Scheme.TCP, FQDN)),
        (53, AppProtocol.UDP, Contract(True, Scheme.TCP, FQDN, "UDP is not probed")),
    ],
)
def test_what_is_spoken_follows_protocol_and_for_unnamed_ports_the_number(
    number: int, protocol: AppProtocol, expected: Contract
) -> None:
    port = AliasPort("", number, number, protocol)
    assert contract(alias(KNOWN, port), port, source(MeshMode.PLAIN), snapshot()) == expected


def test_the_clusters_own_domain_is_in_the_name() -> None:
    found = contract(alias(OUTSIDE, HTTP), HTTP, source(MeshMode.PLAIN), Snapshot(cluster_domain="example.test"))
    assert found.host == "my-pay.shop.svc.example.test"


@pytest.mark.parametrize(
    ("port", "rules", "expected"),
    [
        pytest.param(HTTP, (), False, id="no rule"),
        pytest.param(TO_443, (), True, id="to the port of TLS"),
        pytest.param(HTTP, (rule("SIMPLE"),), True, id="SIMPLE"),
        pytest.param(HTTP, (rule("MUTUAL"),), True, id="MUTUAL"),
        pytest.param(HTTP, (rule("DISABLE"),), False, id="DISABLE"),
        pytest.param(HTTP, (rule("ISTIO_MUTUAL"),), False, id="the mesh's own TLS is no origination"),
        pytest.param(HTTP, (rule("SIMPLE", host="*.local"),), True, id="by wildcard"),
        pytest.param(HTTP, (rule("MUTUAL", selector=True),), True, id="for selected workloads"),
        pytest.param(HTTP, (rule("DISABLE", selector=True),), False, id="none for selected workloads"),
        pytest.param(HTTP, (rule("MUTUAL", selector=True, namespace="other"),), False, id="selected elsewhere"),
        pytest.param(HTTP, (rule("SIMPLE", namespace="other"),), False, id="in a fourth namespace"),
        pytest.param(TLS, (rule("SIMPLE"),), False, id="TLS within TLS"),
        pytest.param(AliasPort("tcp", 80, 443, AppProtocol.TCP), (rule("SIMPLE"),), False, id="tcp"),
        pytest.param(AliasPort("", 80, 80, AppProtocol.AUTO), (rule("SIMPLE"),), True, id="unnamed port 80"),
    ],
)  # fmt: skip
def test_http_that_is_to_become_tls_on_the_way_originates(
    port: AliasPort, rules: tuple[dict[str, Any], ...], expected: bool
) -> None:
    assert originates(alias(KNOWN, port), port, snapshot(*rules)) is expected


def test_a_rule_means_nothing_without_istio() -> None:
    assert originates(alias(KNOWN, HTTP), HTTP, snapshot(rule("SIMPLE"), mesh=Mesh(installed=False))) is False
