"""verify beyond one alias: all of a namespace, all of the cluster, without probes, and from where no Istio is."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from clusters import Run
from truth.objects import (
    HTTPBIN,
    PAY,
    WIKIPEDIA,
    Json,
    addresses_alias,
    destination_rule,
    endpoint_slice,
    fqdn,
    port,
    service,
)
from truth.telling import words_of
from truth.world import Around
from truth.worlds import HEALTHY
from truth.worlds.healthy import NO_ALIASES

pytestmark = pytest.mark.sandbox

SETTLING_SECONDS = 10.0
"""Of verify: it waits with a bad verdict until nothing is younger."""
WELL = [
    world for world in HEALTHY if world.sandbox and world.objects and not world.flags and world.around is Around.OTHERS
][::2]


@dataclass(frozen=True, slots=True)
class Verdict:
    exit_code: int
    report: Json
    words: str

    @property
    def codes(self) -> dict[str, list[str]]:
        """Of each alias of the namespace default."""
        return {
            alias["name"]: [finding["code"] for finding in alias["findings"] if finding["severity"] != "info"]
            for alias in self.report["aliases"]
            if alias["namespace"] == "default"
        }

    @property
    def findings(self) -> list[Json]:
        return [finding for alias in self.report["aliases"] for finding in alias["findings"]]


def verify(extsvc: Run, *argv: str) -> Verdict:
    done = extsvc("verify", *argv, "-o", "json", check=False)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    return Verdict(done.returncode, report, "\n".join(words_of(report["aliases"])) + done.stderr)


def settled(extsvc: Run, *argv: str) -> Verdict:
    """The verdict once it is good, or the last one: a push takes a moment, and DNS remembers for 5 s."""
    end = time.monotonic() + 10
    while (seen := verify(extsvc, *argv)) and seen.exit_code and time.monotonic() < end:
        time.sleep(0.3)
    return seen


def test_all_commands_leave_in_peace_what_is_well(extsvc: Run, made: Callable[..., None]) -> None:
    made(*(obj for world in WELL for obj in world.objects), *NO_ALIASES)
    names = [name for world in WELL for name in world.names]
    assert len(names) > 8
    quiet: dict[str, list[str]] = {name: [] for name in sorted(names)}
    time.sleep(SETTLING_SECONDS)
    for argv in ((), ("-A",), ("--no-probe",)):
        seen = verify(extsvc, *argv)
        assert (seen.codes, seen.exit_code) == (quiet, 0), seen.words
    listed = extsvc("list").stdout.splitlines()
    assert [line.split()[0] for line in listed[1:]] == sorted(names)


def test_no_probe_judges_by_objects_and_proxy(extsvc: Run, made: Callable[..., None]) -> None:
    made(
        service("bin", port(80, "http")),
        endpoint_slice("bin", [HTTPBIN], port(80, "web")),
        *addresses_alias("pay", PAY, 80, 443),
        destination_rule("pay-tls", fqdn("pay"), {"mode": "SIMPLE", "sni": "api.pay.example"}),
    )
    seen = verify(extsvc, "bin", "pay", "--no-probe")
    assert (seen.codes, seen.exit_code) == ({"bin": ["XS0202"], "pay": ["XS0404"]}, 1), seen.words
    outcomes = {
        (outcome["answer"], outcome["noAnswer"])
        for alias in seen.report["aliases"]
        for source in alias["sources"]
        for outcome in source["outcomes"]
    }
    assert outcomes == {(None, "not asked (--no-probe)")}


def test_an_alias_in_a_namespace_without_istio(extsvc: Run) -> None:
    """Callers with a sidecar may live elsewhere: both kinds are asked."""
    extsvc("create", "bin", "--external-name", "httpbin.org", "-n", "without-istio")
    extsvc("create", "wiki", "--address", WIKIPEDIA[0], "--mesh", "none", "-n", "without-istio")
    try:
        both = settled(extsvc, "bin", "wiki", "-n", "without-istio")
        assert (both.exit_code, both.findings) == (0, []), both.words
        modes = {(s["mode"], s["namespace"]) for alias in both.report["aliases"] for s in alias["sources"]}
        assert modes == {("plain", "without-istio"), ("sidecar", "default")}
        plain = verify(extsvc, "bin", "wiki", "-n", "without-istio", "--from", "deployment/curl")
        assert (plain.exit_code, plain.findings) == (0, []), plain.words
        assert {s["mode"] for alias in plain.report["aliases"] for s in alias["sources"]} == {"plain"}
    finally:
        extsvc("delete", "bin", "wiki", "-n", "without-istio")


def test_a_plain_pod_is_not_served_where_the_sidecar_adds_tls(extsvc: Run) -> None:
    extsvc("create", "my-pay", "--external-name", "api.pay.example", "--port", "http:80:443", "--wait")
    try:
        seen = verify(extsvc, "my-pay", "--from", "deployment/curl.without-istio", "--header", "Authorization: secret")
        assert (seen.exit_code, seen.findings) == (0, []), seen.words
        (source,) = seen.report["aliases"][0]["sources"]
        assert source["contract"]["served"] is False
        assert {stage["stage"]: stage["state"] for stage in source["stages"]} == {
            "name": "ok",
            "dns": "ok",
            "endpoints": "not-served",
            "route": "not-applicable",
            "tls": "not-served",
            "http": "not-served",
        }
        # A connection, and one bare request to the target: none with a word of the user's.
        assert [o["transfer"]["headerNames"] for o in source["outcomes"]] == [[], []]
        assert seen.report["aliases"][0]["firstDifference"] is None
    finally:
        extsvc("delete", "my-pay")
