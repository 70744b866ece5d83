"""Protocols of ports, as Istio selects them."""

import pytest

from kubectl_extsvc.mesh.ports import entry_protocol, protocol_of
from kubectl_extsvc.model.alias import AppProtocol


@pytest.mark.parametrize(
    ("name", "app_protocol", "number", "expected"),
    [
        ("http", None, 80, AppProtocol.HTTP),
        ("http-web", None, 8080, AppProtocol.HTTP),
        ("HTTP", None, 80, AppProtocol.HTTP),
        ("http2-x", None, 80, AppProtocol.HTTP2),
        ("grpc", None, 9000, AppProtocol.GRPC),
        ("grpc-web", None, 9000, AppProtocol.GRPC_WEB),
        ("grpc-web-x", None, 9000, AppProtocol.GRPC_WEB),
        ("https-x", None, 443, AppProtocol.HTTPS),
        ("tls", None, 443, AppProtocol.TLS),
        ("tcp-db", None, 5432, AppProtocol.TCP),
        ("mongo", None, 27017, AppProtocol.MONGO),
        ("redis", None, 6379, AppProtocol.REDIS),
        ("mysql-a", None, 3306, AppProtocol.MYSQL),
        ("httpx", None, 80, AppProtocol.AUTO),
        ("web", None, 80, AppProtocol.AUTO),
        ("", None, 443, AppProtocol.AUTO),
        ("", None, 25, AppProtocol.TCP),
        ("", None, 53, AppProtocol.TCP),
        ("db", None, 3306, AppProtocol.TCP),
        ("", None, 27017, AppProtocol.TCP),
        ("tls", "http", 443, AppProtocol.HTTP),
        ("http", "tcp", 80, AppProtocol.TCP),
        ("http", "mine.example/x", 80, AppProtocol.AUTO),
        ("web", "kubernetes.io/h2c", 81, AppProtocol.HTTP2),
        ("web", "kubernetes.io/ws", 82, AppProtocol.HTTP),
        ("web", "kubernetes.io/wss", 83, AppProtocol.HTTPS),
        ("kubernetes.io/h2c", None, 81, AppProtocol.AUTO),
    ],
)
def test_app_protocol_beats_the_name_and_its_prefix_counts(
    name: str, app_protocol: str | None, number: int, expected: AppProtocol
) -> None:
    assert protocol_of(name, app_protocol, number) is expected


def test_udp_is_udp_whatever_its_name() -> None:
    assert protocol_of("http", "http", 80, "UDP") is AppProtocol.UDP


@pytest.mark.parametrize(
    ("word", "expected"),
    [("HTTP", AppProtocol.HTTP), ("HTTPS", AppProtocol.HTTPS), ("GRPC-Web", AppProtocol.GRPC_WEB),
     ("HTTP_PROXY", AppProtocol.HTTP), ("", AppProtocol.AUTO), ("auto", AppProtocol.AUTO)],
)  # fmt: skip
def test_a_service_entrys_port_says_its_protocol(word: str, expected: AppProtocol) -> None:
    assert entry_protocol(word) is expected
