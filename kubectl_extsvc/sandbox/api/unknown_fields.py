"""Fields that no schema has: the server drops them, or says no to a request that is strict about them.

Only of the kinds that an alias is made of, and of these not the deepest fields.
"""

from collections.abc import Iterator
from typing import Any

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.kinds import ServedKind
from kubectl_extsvc.sandbox.api.refusals import Refused, bad_request

Known = dict[str, Any]
"""Field → what is known inside it; None: anything."""


def _fields(names: str, **inner: Known) -> Known:
    return {**dict.fromkeys(names.split()), **inner}


_METADATA = _fields(
    "annotations creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers generateName generation "
    "labels managedFields name namespace ownerReferences resourceVersion selfLink uid"
)


def _object(names: str = "spec status", **inner: Known) -> Known:
    return _fields(f"apiVersion kind {names}", metadata=_METADATA, **inner)


_KNOWN: dict[str, Known] = {  # kubectl explain
    "Service": _object(
        spec=_fields(
            "allocateLoadBalancerNodePorts clusterIP clusterIPs externalIPs externalName externalTrafficPolicy "
            "healthCheckNodePort internalTrafficPolicy ipFamilies ipFamilyPolicy loadBalancerClass loadBalancerIP "
            "loadBalancerSourceRanges publishNotReadyAddresses selector sessionAffinity sessionAffinityConfig "
            "trafficDistribution type",
            ports=_fields("appProtocol name nodePort port protocol targetPort"),
        )
    ),
    "EndpointSlice": _object(
        "addressType",
        endpoints=_fields("addresses conditions deprecatedTopology hints hostname nodeName targetRef zone"),
        ports=_fields("appProtocol name port protocol"),
    ),
    "DestinationRule": _object(spec=_fields("exportTo host subsets trafficPolicy workloadSelector")),
    "VirtualService": _object(
        spec=_fields(
            "exportTo gateways hosts tcp tls",
            http=_fields(
                "corsPolicy delegate directResponse fault headers match mirror mirrorPercent mirrorPercentage "
                "mirror_percent mirrors name redirect retries rewrite route timeout"
            ),
        )
    ),
    "ServiceEntry": _object(
        spec=_fields(
            "addresses endpoints exportTo hosts location resolution subjectAltNames workloadSelector",
            ports=_fields("name number protocol targetPort"),
        )
    ),
    "Sidecar": _object(spec=_fields("egress inboundConnectionPool ingress outboundTrafficPolicy workloadSelector")),
}


def without_unknown(kind: ServedKind, body: Json, field_validation: str = "") -> Json:
    """The body with known fields only. Raises Refused if there are others and field_validation is Strict."""
    known = _KNOWN.get(kind.kind)
    if known is None or not (unknown := list(_unknown(body, known, ""))):
        return body
    if field_validation == "Strict":
        told = ", ".join(f'unknown field "{path}"' for path in unknown)
        raise bad_request(
            f'{kind.kind} in version "{kind.versions[0]}" cannot be handled as a {kind.kind}: '
            f"strict decoding error: {told}"
        )
    pruned: Json = _pruned(body, known)
    return pruned


def check_declared(kind: ServedKind, namespace: str, config: Json) -> None:
    """Raises Refused if an apply states fields that are not in the schema, however lenient it is."""
    known = _KNOWN.get(kind.kind)
    unknown = list(_unknown(config, known, "")) if known else []
    if unknown:
        group, _, version = config["apiVersion"].rpartition("/")
        what = f"{namespace}/{config['metadata'].get('name', '')}; {group}/{version}, Kind={kind.kind}"
        words = f"failed to create typed patch object ({what}): .{unknown[0]}: field not declared in schema"
        raise Refused(500, "", words)


def _unknown(value: Any, known: Known, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(item, known, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, inner in value.items():
            place = f"{path}.{key}" if path else key
            if key not in known:
                yield place
            elif known[key] is not None:
                yield from _unknown(inner, known[key], place)


def _pruned(value: Any, known: Known) -> Any:
    if isinstance(value, list):
        return [_pruned(item, known) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: inner if known[key] is None else _pruned(inner, known[key]) for key, inner in value.items() if key in known
    }
