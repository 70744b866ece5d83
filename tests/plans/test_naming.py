"""Names that an alias has or stands for."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.plans.naming import (
    alias_name,
    default_alias_name,
    export_to,
    external_host,
    is_in_cluster,
    namespace_name,
    quoted,
)


@pytest.mark.parametrize("name", ["a", "my-httpbin", "a" * 63, "x1", "a--b"])
def test_a_dns_1035_label_is_an_alias_name(name: str) -> None:
    assert alias_name(name) == name


@pytest.mark.parametrize("name", ["", "1a", "-a", "a-", "A", "a.b", "a_b", "a" * 64, "a\n", "ä", "٣"])
def test_anything_else_is_no_alias_name(name: str) -> None:
    with pytest.raises(UsageError, match=r"^invalid alias name \".*\": a Service's name has"):
        alias_name(name)


def test_a_namespace_may_start_with_a_digit_and_has_no_dot() -> None:
    assert namespace_name("1shop") == "1shop"
    with pytest.raises(UsageError, match="invalid namespace"):
        namespace_name("shop.eu")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("httpbin.org", "httpbin.org"),
        ("HTTPBin.ORG", "httpbin.org"),
        ("  httpbin.org ", "httpbin.org"),
        ("Bücher.de", "xn--bcher-kva.de"),
        ("xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("faß.de", "xn--fa-hia.de"),
        ("例え.jp", "xn--r8jz45g.jp"),
        ("r3---sn-x.googlevideo.com", "r3---sn-x.googlevideo.com"),
        ("1and1.com", "1and1.com"),
        ("3.pool.ntp.org", "3.pool.ntp.org"),
        (f"{'a' * 63}.de", f"{'a' * 63}.de"),
    ],
)
def test_a_host_becomes_lower_case_a_labels(text: str, host: str) -> None:
    assert external_host(text, flag="--external-name") == (host, ())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the host is empty"),
        ("203.0.113.10", '"203.0.113.10" is an IP address, which has no DNS alias: use --address'),
        ("[2001:db8::1]", "is an IP address"),
        ("2001:db8::1", "is an IP address"),
        ("https://httpbin.org", "leave out the scheme and the path"),
        ("httpbin.org/get", "leave out the scheme and the path"),
        ("httpbin.org:80", "give the port with --port"),
        ("*.org", "is a wildcard"),
        ("a_b.de", "has an underscore"),
        ("a..de", "has an empty label"),
        (".de", "has an empty label"),
        ("httpbin.org..", "has an empty label"),
        ("-a.de", '"-a" in "-a.de" is no DNS label'),
        ("a b.de", "is no DNS label"),
        ("a\x1b[31m.de", r'"a\\x1b\[31m"'),
        ("ä b.de", "is no DNS label"),
        (f"{'a' * 64}.de", "has a label of 64 characters, at most 63 fit"),
        (".".join(["a" * 60] * 5), "is 304 characters long, a host name has at most 253"),
        ("localhost", "is the calling pod itself"),
        ("a.localhost", "is the calling pod itself"),
        ("redis", '"redis" has no dot: give the full name, as in redis.example.com'),
        ("256.1.1.1", "its last label is a number"),
        ("１.２.３.４", "its last label is a number"),
        ("server.prod.svc", "its full name is server.prod.svc.cluster.local"),
        ("server.default", "its full name is server.default.svc.cluster.local"),
    ],
)
def test_what_is_no_external_host_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        external_host(text, flag="--host")
    assert str(caught.value).startswith("--host: ")
    assert str(caught.value).isprintable()


def test_a_final_dot_is_left_out_with_a_warning() -> None:
    warning = (
        '--host: the final dot of "httpbin.org." is left out: Istio takes a name with it for another name'
    )  # fmt: skip
    assert external_host("httpbin.org.", flag="--host") == ("httpbin.org", (warning,))


def test_a_service_of_the_cluster_is_allowed_with_a_warning() -> None:
    host = "server.prod.svc.cluster.local"
    warning = f"{host} is a Service of the cluster, not an external one: the alias only gives it a second name"
    assert external_host(host, flag="--host") == (host, (warning,))
    assert external_host(host, flag="--host", cluster_domain="corp.example") == (host, ())
    assert is_in_cluster("a.b.svc.corp.example", "corp.example")


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_a_clean_host_or_a_usage_error(text: str) -> None:
    try:
        host, warnings = external_host(text, flag="--host")
    except UsageError as error:
        said = [str(error)]
    else:
        said = list(warnings)
        assert set(host) <= set(string.ascii_lowercase + string.digits + "-.")
        assert external_host(host, flag="--host")[0] == host
    assert all(line.isprintable() for line in said)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("httpbin.org", "my-httpbin"),
        ("en.wikipedia.org", "my-wikipedia"),
        ("api.pay.example", "my-pay"),
        ("foo.co.uk", "my-foo"),
        ("www.foo.co.uk", "my-foo"),
        ("foo.github.io", "my-foo"),
        ("co.uk", "my-co"),
        ("1and1.com", "my-1and1"),
        ("xn--bcher-kva.de", "my-xn--bcher-kva"),
        ("server.prod.svc.cluster.local", "my-server"),
        (f"{'a' * 63}.de", f"my-{'a' * 60}"),
        (f"{'a' * 59}-a.de", f"my-{'a' * 59}"),
    ],
)
def test_the_name_left_out_is_my_and_the_registered_label(host: str, name: str) -> None:
    assert default_alias_name(host) == name
    assert alias_name(name) == name


def test_export_to_all_is_the_default() -> None:
    assert export_to(["*"]) == ()
    assert export_to([]) == ()
    assert export_to([".,shop", "shop"]) == (".", "shop")


@pytest.mark.parametrize("texts", [["~"], ["*,shop"], ["a.b"], [""], [".,"]])
def test_other_export_to_is_refused(texts: list[str]) -> None:
    with pytest.raises(UsageError, match="--export-to: "):
        export_to(texts)


def test_quoted_text_steers_no_terminal() -> None:
    assert quoted("a\x1b]0;x\x07\n\u202eb") == '"a\\x1b]0;x\\x07\\n\\u202eb"'
