"""Who encrypts."""

from dataclasses import replace
from typing import Any

import pytest

from kubectl_extsvc.errors import Refused, UsageError
from kubectl_extsvc.model.alias import AddressTarget, HostTarget, Target, TlsMode, TlsSettings
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.plans.ports import parse_ports
from kubectl_extsvc.plans.tls import TlsWishes, originating_ports, parse_tls_mode, resolve_tls

PAY = HostTarget("api.pay.example")
PAY_ADDRESS = AddressTarget(("203.0.113.20",), "api.pay.example")
ISTIO = Mesh(installed=True, api_version="v1", version=(1, 31))
OLD_ISTIO = Mesh(installed=True, api_version="v1beta1", version=(1, 20))
NO_ISTIO = Mesh(installed=False)
SIMPLE = TlsSettings(TlsMode.SIMPLE, "api.pay.example", ("api.pay.example",), "system")


def resolved(
    target: Target, *ports: str, mesh: Mesh = ISTIO, use_mesh: bool = True, **wishes: Any
) -> tuple[TlsSettings, tuple[str, ...]]:
    return resolve_tls(TlsWishes(**wishes), target, parse_ports(ports), mesh, use_mesh=use_mesh)


@pytest.mark.parametrize("text", ["simple", "SIMPLE", " Simple "])
def test_a_mode_may_be_in_any_case(text: str) -> None:
    assert parse_tls_mode(text) is TlsMode.SIMPLE
    assert parse_tls_mode("Auto") is None


def test_an_unknown_mode_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r'^--tls-mode: "strict" is none of auto, DISABLE, SIMPLE, MUTUAL$'):
        parse_tls_mode("strict")


@pytest.mark.parametrize("text", ["ISTIO_MUTUAL", "istio-mutual"])
def test_istio_mutual_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(
        Refused, match=r"shows the mesh's own certificate .* nothing was changed. Use SIMPLE, or MUTUAL"
    ):
        parse_tls_mode(text)


@pytest.mark.parametrize(
    "ports", [("tls:443",), ("http:80",), ("tcp:5432",), ("http:80", "tls:443"), ("http:80:8080",)]
)
@pytest.mark.parametrize("mesh", [ISTIO, OLD_ISTIO, NO_ISTIO])
def test_auto_is_disable_where_clients_speak_what_the_target_speaks(ports: tuple[str, ...], mesh: Mesh) -> None:
    assert resolved(PAY_ADDRESS, *ports, mesh=mesh) == (TlsSettings(TlsMode.DISABLE), ())


@pytest.mark.parametrize("target", [PAY, PAY_ADDRESS])
@pytest.mark.parametrize("ports", [("http:80:443",), ("http2:80:8443",), ("http:80:443", "tls:443")])
def test_auto_is_simple_where_plain_http_leads_to_a_tls_port(target: Target, ports: tuple[str, ...]) -> None:
    assert resolved(target, *ports) == (SIMPLE, ())


def test_auto_does_not_guess_between_ports_that_want_different_things() -> None:
    with pytest.raises(UsageError, match="port http:80:443 wants TLS from the sidecar and port tcp-db:5432 does not"):
        resolved(PAY_ADDRESS, "http:80:443", "tcp-db:5432")


@pytest.mark.parametrize("wishes", [{}, {"mode": "SIMPLE"}, {"mode": "MUTUAL"}])
@pytest.mark.parametrize(
    ("target", "mesh", "use_mesh", "reason"),
    [
        (PAY, NO_ISTIO, True, "the cluster does not serve networking.istio.io"),
        (PAY_ADDRESS, NO_ISTIO, True, "the cluster does not serve networking.istio.io"),
        (PAY, ISTIO, False, "with --mesh none there is no rule"),
        (PAY_ADDRESS, ISTIO, False, "with --mesh none there is no rule"),
        (PAY, OLD_ISTIO, True, "needs Istio 1.21 or later for an ExternalName Service"),
        (HostTarget("server.prod.svc.cluster.local"), ISTIO, True, "is a Service of the cluster"),
    ],
)
def test_a_wish_for_tls_is_refused_where_nobody_can_originate(
    target: Target, mesh: Mesh, use_mesh: bool, reason: str, wishes: dict[str, str]
) -> None:
    with pytest.raises(Refused, match=f"{reason}.*; nothing was changed. Use "):
        resolved(target, "http:80:443", mesh=mesh, use_mesh=use_mesh, **wishes)


def test_old_istio_originates_for_addresses() -> None:
    assert resolved(PAY_ADDRESS, "http:80:443", mesh=OLD_ISTIO) == (SIMPLE, ())


def test_tls_twice_is_refused() -> None:
    with pytest.raises(Refused, match="would encrypt it once more; nothing was changed"):
        resolved(PAY_ADDRESS, "tls:443", mode="SIMPLE")


def test_tcp_behind_an_external_name_is_refused_since_it_would_leave_in_clear() -> None:
    with pytest.raises(Refused, match=r"port tcp-redis:6379 is not HTTP.*would leave in clear; nothing was changed"):
        resolved(PAY, "tcp-redis:6379", mode="SIMPLE")
    assert resolved(PAY_ADDRESS, "tcp-redis:6379", mode="SIMPLE") == (SIMPLE, ())


def test_addresses_without_host_need_a_name_to_ask_for() -> None:
    nameless = replace(PAY_ADDRESS, host="")
    with pytest.raises(UsageError, match="use --host or --tls-sni"):
        resolved(nameless, "http:80:443")
    assert resolved(nameless, "http:80:443", sni="API.pay.example") == (SIMPLE, ())


def test_the_names_that_the_certificate_may_have_follow_the_sni_unless_given() -> None:
    tls, _ = resolved(PAY, "http:80:443", sni="b.example")
    assert tls == replace(SIMPLE, sni="b.example", subject_alt_names=("b.example",))
    tls, _ = resolved(PAY, "http:80:443", subject_alt_names=("a.example", "spiffe://x/y", "a.example"))
    assert tls == replace(SIMPLE, subject_alt_names=("a.example", "spiffe://x/y"))
    with pytest.raises(UsageError, match="--tls-subject-alt-names: "):
        resolved(PAY, "http:80:443", subject_alt_names=("a b",))


def test_disable_leaves_no_room_for_other_tls_options() -> None:
    with pytest.raises(UsageError, match=r"^--tls-ca-certificates says how the sidecar adds TLS"):
        resolved(PAY, "http:80", ca_certificates="/etc/ca.pem")


def test_disable_by_name_on_a_tls_port_is_taken_with_a_warning() -> None:
    tls, (warning,) = resolved(PAY, "http:80:443", mode="DISABLE")
    assert tls == TlsSettings(TlsMode.DISABLE)
    assert warning.startswith("port http:80:443 sends plain HTTP to a TLS port")


@pytest.mark.parametrize(("version", "ca"), [((1, 31), "system"), ((1, 12), "system"), (None, "system"), ((1, 11), "")])
def test_the_system_ca_is_written_where_the_release_knows_it(version: tuple[int, int] | None, ca: str) -> None:
    mesh = Mesh(installed=True, api_version="v1beta1", version=version)
    tls, warnings = resolved(PAY_ADDRESS, "http:80:443", mesh=mesh)
    assert tls == replace(SIMPLE, ca_certificates=ca)
    assert len(warnings) == (not ca)


def test_a_ca_file_is_a_path_inside_the_proxy() -> None:
    tls, _ = resolved(PAY, "http:80:443", ca_certificates="/etc/ca.pem")
    assert tls == replace(SIMPLE, ca_certificates="/etc/ca.pem")
    with pytest.raises(UsageError, match=r'"ca.pem" is not an absolute path inside the istio-proxy container'):
        resolved(PAY, "http:80:443", ca_certificates="ca.pem")


def test_mutual_takes_certificate_and_key() -> None:
    files: dict[str, Any] = {"client_certificate": "/c/cert.pem", "private_key": "/c/key.pem"}
    tls, _ = resolved(PAY, "http:80:443", mode="mutual", **files)
    assert tls == replace(SIMPLE, mode=TlsMode.MUTUAL, **files)
    incomplete: list[dict[str, Any]] = [{}, {"client_certificate": "/c"}, {"private_key": "/k"}]
    for missing in incomplete:
        with pytest.raises(UsageError, match="MUTUAL needs --tls-client-certificate and --tls-private-key"):
            resolved(PAY, "http:80:443", mode="MUTUAL", **missing)
    with pytest.raises(UsageError, match="a client certificate needs --tls-mode MUTUAL"):
        resolved(PAY, "http:80:443", **files)


@pytest.mark.parametrize("mode", ["SIMPLE", "MUTUAL"])
def test_a_secret_is_refused_since_sidecars_would_send_plaintext(mode: str) -> None:
    with pytest.raises(Refused, match="with a workloadSelector, and without one send plaintext; nothing was changed"):
        resolved(PAY, "http:80:443", mode=mode, credential_name="pay-cert")


def test_a_config_map_gives_the_ca() -> None:
    tls, _ = resolved(PAY, "http:80:443", credential_name="configmap://shop/ca")
    assert tls == replace(SIMPLE, ca_certificates="", credential_name="configmap://shop/ca")


@pytest.mark.parametrize("version", [(1, 25), None])
def test_a_config_map_is_refused_where_istio_may_not_read_it(version: tuple[int, int] | None) -> None:
    mesh = replace(ISTIO, version=version)
    with pytest.raises(Refused, match=r"only Istio 1.26 or later is known to read a ConfigMap"):
        resolved(PAY, "http:80:443", mesh=mesh, credential_name="configmap://shop/ca")


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        ({"credential_name": "configmap://ca"}, "is not configmap://NAMESPACE/NAME"),
        ({"credential_name": "configmap://shop/ca", "mode": "MUTUAL"}, "a ConfigMap holds a CA and no client"),
        ({"credential_name": "configmap://shop/ca", "ca_certificates": "/ca"}, "exclude each other"),
    ],
)
def test_what_istio_would_refuse_is_refused_before(wishes: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        resolved(PAY, "http:80:443", **wishes)


def test_the_sidecar_encrypts_on_ports_where_the_client_does_not() -> None:
    ports = parse_ports(["http:80:443", "tls:443", "tcp:6379"])
    assert originating_ports(SIMPLE, ports) == (ports[0], ports[2])
    assert originating_ports(TlsSettings(TlsMode.DISABLE), ports) == ()
