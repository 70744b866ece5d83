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
    Elsewhere("a NetworkPolicy of the caller denies egress", "the testbed has no NetworkPolicy controller", FIRES),
    Elsewhere("ambient: REGISTRY_ONLY is not enforced by ztunnel", "the testbed has no ztunnel", FIRES),
    Elsewhere("ambient: an alias goes past the target's egress waypoint", "the testbed has no ztunnel", FIRES),
    Elsewhere("ambient: a DestinationRule's TLS needs a waypoint", "the testbed has no ztunnel", FIRES),
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
        "Istio's peer metadata headers leave the mesh",
        "the testbed's Envoy has none of Istio's own filters",
        "tests/mesh/test_mesh_http_headers.py",
    ),
]
