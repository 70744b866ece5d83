"""The verdict is the same each time, whatever goes on beside it."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from clusters import Run, making
from truth.objects import HTTPBIN, REFUSES, addresses_alias, endpoint_slice, fqdn, port, service
from truth.telling import SETTLING_SECONDS, found_in
from truth.world import ERROR, Found, slice_of

RUNS, AT_ONCE = 20, 4
WELL, HALF = "stable-well", "stable-half"
FOUND: tuple[Found, ...] = (("XS0204", ERROR, slice_of(HALF)),)

pytestmark = [pytest.mark.testbed, pytest.mark.usefixtures("well_and_half", "nothing_left")]


@pytest.fixture(scope="module")
def well_and_half(kubectl: Run, foreign_namespaces: frozenset[str]) -> Iterator[None]:
    """One alias that is well, and one of whose two addresses one is dead; both old enough to be judged at once.

    Made once: CoreDNS goes on answering a name for 5 s with the address of a former Service.
    """
    with making(kubectl) as make:
        make(
            *addresses_alias(WELL, HTTPBIN, 80, 80),
            service(HALF, port(80, "http")),
            endpoint_slice(HALF, [HTTPBIN, REFUSES], port(80, "http")),
        )
        time.sleep(SETTLING_SECONDS)
        for name in (WELL, HALF):
            address = kubectl("get", "service", name, "-o", "jsonpath={.spec.clusterIP}").stdout
            for namespace in ("default", "without-istio"):
                look = ("exec", "-n", namespace, "deploy/curl", "-c", "curl", "--", "getent", "ahostsv4", fqdn(name))
                assert set(re.findall(r"^[\d.]+", kubectl(*look).stdout, re.MULTILINE)) == {address}
        yield


def verdicts(extsvc: Run, beside: Callable[[], object]) -> Counter[tuple[int, tuple[Found, ...]]]:
    """(exit code, findings) → how many of RUNS gave it, while beside goes on."""

    def verdict(_: int) -> tuple[int, tuple[Found, ...]]:
        done = extsvc("verify", WELL, HALF, "-o", "json", check=False)
        assert done.stdout, done.stderr
        return done.returncode, found_in(json.loads(done.stdout)["aliases"])

    with ThreadPoolExecutor(AT_ONCE + 1) as pool:
        going_on = pool.submit(beside)
        seen = Counter(pool.map(verdict, range(RUNS)))
        going_on.result()
    return seen


def restart(kubectl: Run, deployment: str, namespace: str) -> Callable[[], None]:
    def do() -> None:
        kubectl("rollout", "restart", f"deployment/{deployment}", "-n", namespace)
        kubectl("rollout", "status", f"deployment/{deployment}", "-n", namespace, "--timeout=90s")

    return do


def test_one_dead_address_of_two_is_the_same_verdict_each_time(extsvc: Run) -> None:
    assert verdicts(extsvc, lambda: None) == {(1, FOUND): RUNS}


def test_the_verdict_stands_while_istiod_restarts(extsvc: Run, kubectl: Run) -> None:
    assert verdicts(extsvc, restart(kubectl, "istiod", "istio-system")) == {(1, FOUND): RUNS}


def test_a_pod_that_goes_may_leave_a_verdict_open_and_never_makes_a_false_one(extsvc: Run, kubectl: Run) -> None:
    seen = verdicts(extsvc, restart(kubectl, "curl", "default"))
    assert {found for _, found in seen} <= {FOUND, ()}
    assert {code for code, found in seen if found == FOUND} <= {1, 3}
    assert {code for code, found in seen if found == ()} <= {3}
    assert seen[1, FOUND] > RUNS / 2
