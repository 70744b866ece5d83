"""What NetworkPolicies let out of a pod.

Source: Kubernetes API reference, NetworkPolicySpec (networking/v1): policies add up; a pod that no policy selects for
egress may send anywhere. What cannot be known, such as the labels of a namespace that were not read, is None.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubectl_extsvc.model.resources import Json, ObjectRef

Decided = bool | None
NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"
"""Set by the API server on each Namespace."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a pod sends: an address and a port, with the pod that is there if it is one."""

    address: str
    """"" for one that is not known, such as the cluster's name server."""
    port: int
    transport: str = "TCP"
    namespace: str = ""
    """Of the pod there; "" if it is none, as far as that is known."""
    labels: Mapping[str, str] | None = None
    """Of the pod there."""
    port_name: str = ""
    """Name of that container port."""


@dataclass(frozen=True, slots=True)
class Egress:
    """What the policies of a pod's namespace say to one destination."""

    allowed: Decided
    policies: tuple[ObjectRef, ...] = ()
    """Those that select the pod for egress."""


def egress_to(destination: Destination, policies: Iterable[Json], namespace: str, labels: Mapping[str, str]) -> Egress:
    """May a pod of these labels send there? With no policy that selects it, it may."""
    holding = [policy for policy in policies if _selects(policy, namespace, labels)]
    if not holding:
        return Egress(True)
    rules = [rule for policy in holding for rule in (policy.get("spec") or {}).get("egress") or ()]
    allowed = _any(_lets_out(rule, destination, namespace) for rule in rules)
    return Egress(allowed, selecting(holding, namespace, labels))


def selecting(policies: Iterable[Json], namespace: str, labels: Mapping[str, str]) -> tuple[ObjectRef, ...]:
    """Policies that select a pod of these labels for egress."""
    holding = (policy for policy in policies if _selects(policy, namespace, labels))
    return tuple(ObjectRef("NetworkPolicy", namespace, policy["metadata"]["name"]) for policy in holding)


def _selects(policy: Json, namespace: str, labels: Mapping[str, str]) -> bool:
    """For egress; policyTypes that are not given mean Egress only where there are egress rules."""
    spec = policy.get("spec") or {}
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    if policy["metadata"].get("namespace") != namespace or "Egress" not in types:
        return False
    return _matches(spec.get("podSelector") or {}, labels)


def _lets_out(rule: Json, destination: Destination, namespace: str) -> Decided:
    ports, peers = rule.get("ports") or (), rule.get("to") or ()
    port_holds = _any(_port_holds(port, destination) for port in ports) if ports else True
    peer_holds = _any(_peer_holds(peer, destination, namespace) for peer in peers) if peers else True
    return _all((port_holds, peer_holds))


def _port_holds(port: Json, destination: Destination) -> Decided:
    if (port.get("protocol") or "TCP") != destination.transport:
        return False
    wanted = port.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        # The name of a container's port: nothing outside the cluster has one.
        if destination.port_name or (destination.labels is None and destination.address):
            return wanted == destination.port_name
        return None
    return int(wanted) <= destination.port <= int(port.get("endPort") or wanted)


def _peer_holds(peer: Json, destination: Destination, namespace: str) -> Decided:
    block = peer.get("ipBlock")
    if block is not None:
        return _in_block(destination.address, block)
    if destination.labels is None and not destination.namespace:
        return False if destination.address else None
    of_namespace: Decided = destination.namespace == namespace
    if peer.get("namespaceSelector") is not None:
        of_namespace = _namespace_holds(peer["namespaceSelector"], destination.namespace)
    of_pod = _matches(peer.get("podSelector") or {}, destination.labels or {})
    return _all((of_namespace, of_pod))


def _in_block(address: str, block: Json) -> Decided:
    if not address:
        return None
    try:
        ip = ipaddress.ip_address(address)
        inside = ip in ipaddress.ip_network(block.get("cidr", ""), strict=False)
        excepted = any(ip in ipaddress.ip_network(cidr, strict=False) for cidr in block.get("except") or ())
    except ValueError:
        return None
    return inside and not excepted


def _namespace_holds(selector: Json, namespace: str) -> Decided:
    """Of a namespace only its name is known as a label."""
    known = {NAMESPACE_NAME_LABEL: namespace}
    labels, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or ()
    decided: list[Decided] = [known[key] == value if key in known else None for key, value in labels.items()]
    decided += [
        _expression_holds(expression, known) if expression.get("key") in known else None for expression in expressions
    ]
    return _all(decided)


def _matches(selector: Json, labels: Mapping[str, str]) -> bool:
    """A metav1.LabelSelector; an empty one selects all."""
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or ()
    return wanted.items() <= labels.items() and all(_expression_holds(e, labels) for e in expressions)


def _expression_holds(expression: Json, labels: Mapping[str, str]) -> bool:
    key, values = expression.get("key", ""), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def _any(decided: Iterable[Decided]) -> Decided:
    seen = set(decided)
    return True if True in seen else None if None in seen else False


def _all(decided: Iterable[Decided]) -> Decided:
    seen = set(decided)
    return False if False in seen else None if None in seen else True
