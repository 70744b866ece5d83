"""`list` in kubectl's columns, and ages in kubectl's figures."""

import json
from datetime import UTC, datetime

import pytest
import yaml

from kubectl_extsvc.model.alias import AddressTarget, Alias, AliasPort, AppProtocol, HostTarget
from kubectl_extsvc.output.table import AliasRow, age, alias_table, human_duration

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = 60, 3600, 86400
YEAR = 365 * DAY

ROWS = (
    AliasRow(
        Alias(
            "default",
            "my-httpbin",
            HostTarget("httpbin.org"),
            (AliasPort("http", 80, 80, AppProtocol.HTTP),),
            managed=True,
            created_at="2026-11-24T11:56:48Z",
        ),
        "DISABLE",
    ),
    AliasRow(
        Alias(
            "default",
            "my-pay",
            HostTarget("api.pay.example"),
            (AliasPort("http", 80, 443, AppProtocol.HTTP), AliasPort("", 9000, 9000, AppProtocol.AUTO)),
            managed=True,
            created_at="2026-11-22T11:00:00Z",
        ),
        "SIMPLE",
    ),
    AliasRow(
        Alias(
            "shop",
            "wiki",
            AddressTarget(("10.0.0.7", "2001:db8::7")),
            (AliasPort("tls", 443, 443, AppProtocol.TLS),),
            cluster_ips=("10.96.4.7",),
        ),
        "",
    ),
)


def test_table_has_kubectl_s_columns() -> None:
    assert alias_table(ROWS, now=NOW) == (
        "NAME         FORM           TARGET                 PORTS              TLS         MANAGED-BY       AGE\n"
        "my-httpbin   ExternalName   httpbin.org            http:80            DISABLE     kubectl-extsvc   3m12s\n"
        "my-pay       ExternalName   api.pay.example        http:80:443,9000   SIMPLE      kubectl-extsvc   2d1h\n"
        "wiki         Endpoints      10.0.0.7,2001:db8::7   tls:443            <unknown>   <none>           <unknown>\n"
    )


def test_namespace_comes_first_and_headers_can_be_left_out() -> None:
    assert alias_table(ROWS[:1], now=NOW, namespaces=True, headers=False) == (
        "default   my-httpbin   ExternalName   httpbin.org   http:80   DISABLE   kubectl-extsvc   3m12s\n"
    )


def test_wide_adds_host_and_addresses() -> None:
    assert alias_table(ROWS[1:], now=NOW, output="wide", namespaces=True).splitlines()[0].split() == [
        "NAMESPACE", "NAME", "FORM", "TARGET", "PORTS", "TLS", "MANAGED-BY", "AGE", "HOST", "ADDRESSES", "CLUSTER-IP",
    ]  # fmt: skip
    assert [line.split()[-3:] for line in alias_table(ROWS[1:], now=NOW, output="wide").splitlines()[1:]] == [
        ["api.pay.example", "<none>", "<none>"],
        ["<none>", "10.0.0.7,2001:db8::7", "10.96.4.7"],
    ]


def test_cells_are_one_line_of_harmless_text() -> None:
    row = AliasRow(Alias("default", "x", HostTarget("a\x1b[2J\nb"), ()), "\x9b31m")
    assert (
        alias_table([row], now=NOW, headers=False) == "x   ExternalName   a[2J b   <none>   31m   <none>   <unknown>\n"
    )


def test_no_rows_print_nothing() -> None:
    assert alias_table([], now=NOW) == ""


def test_output_name_is_that_of_the_service() -> None:
    assert alias_table(ROWS, now=NOW, output="name") == "service/my-httpbin\nservice/my-pay\nservice/wiki\n"


def test_json_and_yaml_are_the_same_list() -> None:
    document = json.loads(alias_table(ROWS[2:], now=NOW, output="json"))
    assert document == {
        "apiVersion": "extsvc.dev/v1alpha1",
        "kind": "AliasList",
        "items": [
            {
                "namespace": "shop",
                "name": "wiki",
                "form": "Endpoints",
                "target": {"host": None, "addresses": ["10.0.0.7", "2001:db8::7"]},
                "ports": [{"name": "tls", "number": 443, "targetPort": 443, "protocol": "TLS"}],
                "externalName": None,
                "clusterIPs": ["10.96.4.7"],
                "headless": False,
                "managed": False,
                "endpointSlices": [],
                "createdAt": None,
                "uid": None,
                "tls": None,
            }
        ],
    }
    assert yaml.safe_load(alias_table(ROWS[2:], now=NOW, output="yaml")) == document


def test_json_of_no_rows_is_an_empty_list() -> None:
    assert json.loads(alias_table([], now=NOW, output="json"))["items"] == []


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-2, "<invalid>"),
        (-1.5, "0s"),
        (0, "0s"),
        (5.9, "5s"),
        (119, "119s"),
        (2 * MINUTE, "2m"),
        (3 * MINUTE + 12, "3m12s"),
        (10 * MINUTE + 30, "10m"),
        (179 * MINUTE, "179m"),
        (3 * HOUR, "3h"),
        (7 * HOUR + 59 * MINUTE, "7h59m"),
        (8 * HOUR + 59 * MINUTE, "8h"),
        (47 * HOUR, "47h"),
        (2 * DAY, "2d"),
        (5 * DAY + 3 * HOUR, "5d3h"),
        (8 * DAY + 3 * HOUR, "8d"),
        (2 * YEAR - 1, "729d"),
        (2 * YEAR, "2y"),
        (3 * YEAR + 5 * DAY, "3y5d"),
        (9 * YEAR + 5 * DAY, "9y"),
    ],
)
def test_age_has_kubectl_s_figures(seconds: float, said: str) -> None:
    assert human_duration(seconds) == said


@pytest.mark.parametrize("created_at", ["", "yesterday", "2026-11-24T11:00:00"])
def test_age_of_an_unreadable_time_is_unknown(created_at: str) -> None:
    assert age(created_at, NOW) == "<unknown>"
