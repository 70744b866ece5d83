"""Ways to get an alias wrong that the testbed cannot show, and the tests that cover them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Elsewhere:
    row: str
    why: str
    test: str
    """FILE::TEST, from the checkout's top."""
    codes: tuple[str, ...] = ()
    """Rules that no world of the testbed shows."""


FIRES = "tests/rules/test_rules_fire.py::test_rule_is_the_only_one_to_speak_of_its_case"

ELSEWHERE = [
    Elsewhere(
        "a NetworkPolicy of the caller denies egress", "the testbed enforces no NetworkPolicy", FIRES, ("XS0606",)
    ),
    Elsewhere("ambient: REGISTRY_ONLY is not enforced", "the testbed has no ztunnel", FIRES, ("XS0801",)),
    Elsewhere(
        "ambient: an alias goes past its target's egress waypoint", "the testbed has no ztunnel", FIRES, ("XS0802",)
    ),
    Elsewhere("ambient: a rule's TLS needs a waypoint", "the testbed has no ztunnel", FIRES, ("XS0803",)),
    Elsewhere(
        "the proxy does not do what the objects say",
        "istiod is asked to do it right, and does",
        FIRES,
        ("XS0303",),
    ),
    Elsewhere(
        "a rule that is never looked at, or dropped for an older one, and asks for something else than TLS",
        "on the testbed such rules ask for TLS, and XS0407 names them",
        FIRES,
        ("XS0308", "XS0309"),
    ),
    Elsewhere(
        "a server that speaks first stands behind a port without a name",
        "a test of its own makes it",
        "tests/e2e/test_speaks_first.py::test_a_server_that_speaks_first_is_heard",
    ),
    Elsewhere(
        "something on the way ends the TLS handshake", "nothing is between the node and the outside", FIRES, ("XS0410",)
    ),
    Elsewhere(
        "Istio before 1.21, where an ExternalName Service has a cluster of its own",
        "the testbed has one release of Istio",
        "tests/plans/test_alias_objects.py::test_old_istio_gets_a_rule_on_the_aliass_name",
    ),
    Elsewhere(
        "a loopback or link-local address in a slice",
        "the API server refuses it",
        "tests/e2e/test_sandbox_oracle.py::test_invalid_endpoints_are_refused_alike",
    ),
    Elsewhere(
        "headers of Istio's own that tell the outside who calls",
        "the testbed's Envoy has none of Istio's filters",
        "tests/mesh/test_mesh_http_headers.py::test_headers_follow_the_configuration",
    ),
]
"""Without a test, since verify looks at what lasts: a proxy that is not ready when an application starts, and calls of
init containers before it."""
