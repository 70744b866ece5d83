"""Ports as they are typed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.model.alias import AliasPort, AppProtocol, Form, TlsMode
from kubectl_extsvc.plans.ports import default_ports, parse_ports, port_warnings


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("80", AliasPort("http", 80, 80, AppProtocol.HTTP)),
        ("443", AliasPort("tls", 443, 443, AppProtocol.TLS)),
        ("8080", AliasPort("http", 8080, 8080, AppProtocol.HTTP)),
        ("8443", AliasPort("tls", 8443, 8443, AppProtocol.TLS)),
        ("5432", AliasPort("tcp-postgres", 5432, 5432, AppProtocol.TCP)),
        ("3306", AliasPort("tcp-mysql", 3306, 3306, AppProtocol.TCP)),
        ("27017", AliasPort("tcp-mongo", 27017, 27017, AppProtocol.TCP)),
        ("9999", AliasPort("tcp", 9999, 9999, AppProtocol.TCP)),
        ("80:443", AliasPort("http", 80, 443, AppProtocol.HTTP)),
        ("443:8443", AliasPort("tls", 443, 8443, AppProtocol.TLS)),
        ("http:443", AliasPort("http", 443, 443, AppProtocol.HTTP)),
        ("https-web:443", AliasPort("https-web", 443, 443, AppProtocol.HTTPS)),
        ("http:80:443", AliasPort("http", 80, 443, AppProtocol.HTTP)),
        ("grpc-web-x:80", AliasPort("grpc-web-x", 80, 80, AppProtocol.GRPC_WEB)),
        ("mongo:27017", AliasPort("mongo", 27017, 27017, AppProtocol.MONGO)),
        ("postgres:5432", AliasPort("postgres", 5432, 5432, AppProtocol.AUTO)),
        ("db:3306", AliasPort("db", 3306, 3306, AppProtocol.TCP)),
        ("65535", AliasPort("tcp", 65535, 65535, AppProtocol.TCP)),
    ],
)
def test_one_port(text: str, port: AliasPort) -> None:
    assert parse_ports([text]) == (port,)


def test_a_conventional_name_that_is_taken_gets_the_number() -> None:
    ports = parse_ports(["80", "8080", "9998", "9999", "8443", "tls:443"])
    assert [port.name for port in ports] == ["http", "http-8080", "tcp", "tcp-9999", "tls-8443", "tls"]


def test_no_conventional_name_makes_istio_parse_what_it_may_not_be() -> None:
    names = {port.name for number in range(1, 65536) for port in parse_ports([str(number)])}
    assert {name.split("-")[0] for name in names} == {"http", "tls", "tcp"}


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ([""], "is not a port number"),
        ([":80"], '"" in ":80" is not a port name'),
        (["http"], "is not a port number"),
        (["http:"], '"" in "http:" is not a port number'),
        (["0"], "is not between 1 and 65535"),
        (["65536"], "is not between 1 and 65535"),
        (["9" * 5000], "is not between 1 and 65535"),
        (["-1"], "is not a port number"),
        (["+80"], "is not a port number"),
        (["٣"], "is not a port number"),
        (["80/UDP"], "is not a port number"),
        (["http:80:443:1"], r"is not \[NAME:\]PORT\[:TARGETPORT\]"),
        (["80:443:1"], '"80" in "80:443:1" is not a port name'),
        (["HTTP:80"], "is not a port name"),
        (["a_b:80"], "is not a port name"),
        ([f"{'a' * 64}:80"], "is not a port name"),
        (["udp-dns:53"], "carries TCP only"),
        ([str(number) for number in range(1, 102)], "101 ports, at most 100 fit"),
        (["80", "http-x:80"], "port 80 is given twice"),
        (["web:80", "web:81"], "port name web is given twice"),
        (["http-8080:1", "http:2", "8080"], "port name http-8080 is given twice"),
    ],
)
def test_what_is_no_port_is_refused(texts: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        parse_ports(texts)
    assert str(caught.value).startswith("--port: ")
    assert str(caught.value).isprintable()


def test_ports_left_out_are_those_of_the_task() -> None:
    assert default_ports(Form.EXTERNAL_NAME) == parse_ports(["http:80"])
    assert default_ports(Form.ENDPOINTS) == parse_ports(["tls:443"])
    assert default_ports(Form.ENDPOINTS, TlsMode.DISABLE) == parse_ports(["tls:443"])


def test_ports_left_out_lead_to_tls_where_the_sidecar_is_to_add_it() -> None:
    assert default_ports(Form.EXTERNAL_NAME, TlsMode.SIMPLE) == parse_ports(["http:80:443"])
    assert default_ports(Form.ENDPOINTS, TlsMode.MUTUAL) == parse_ports(["http:80:443"])


def test_http_on_a_tls_port_is_warned_of_with_the_rules_code() -> None:
    (warning,) = port_warnings(parse_ports(["http:443", "tls:8443", "http-b:80"]), mesh=False)
    assert warning.startswith('port 443 is named "http": ')
    assert warning.endswith("(XS0305)")


def test_a_name_without_protocol_is_warned_of_in_a_mesh_only() -> None:
    ports = parse_ports(["postgres:5432", "db:3306"])
    (warning,) = port_warnings(ports, mesh=True)
    assert warning.startswith('port name "postgres" names no protocol')
    assert port_warnings(ports, mesh=False) == ()


names = st.from_regex(r"\A[a-z]([-a-z0-9]{0,20}[a-z0-9])?\Z").filter(lambda name: not name.startswith("udp"))
numbers = st.integers(1, 65535)


@settings(deadline=None)
@given(st.tuples(names, numbers, numbers))
def test_a_port_is_written_as_it_is_read(parts: tuple[str, int, int]) -> None:
    (port,) = parse_ports([":".join(map(str, parts))])
    assert parse_ports([str(port)]) == (port,)
    assert (port.name, port.number, port.target_port) == parts


@settings(deadline=None)
@given(st.text(alphabet="ab:0189-\n ", max_size=12))
def test_any_text_is_a_port_or_a_usage_error(text: str) -> None:
    try:
        ports = parse_ports([text])
    except UsageError:
        return
    assert all(1 <= number <= 65535 for port in ports for number in (port.number, port.target_port))
