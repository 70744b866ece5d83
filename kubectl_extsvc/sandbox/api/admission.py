"""What the API server makes of an object before it is stored: defaults, and no to what is not valid.

Source: kubernetes pkg/apis/*/v1/defaults.go, pkg/apis/*/validation, each message as a 1.34 server says it; for Istio's
kinds the CRDs' schemas and istiod's webhook (istio pkg/config/validation), as far as minimal objects meet them.
"""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.kinds import ServedKind
from kubectl_extsvc.sandbox.api.pod_admission import pod_spec_causes, pod_spec_with_defaults
from kubectl_extsvc.sandbox.api.refusals import (
    Cause,
    Refused,
    bad_request,
    duplicate,
    forbidden,
    invalid_value,
    required,
    unsupported,
)

_ALNUM = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_1123 = re.compile(_ALNUM)
_SUBDOMAIN = re.compile(rf"{_ALNUM}(\.{_ALNUM})*")
_KEY_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_PROTOCOLS = ("SCTP", "TCP", "UDP")

_WORDS_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    f"'{_LABEL_1035.pattern}')"
)
_WORDS_1123 = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_ALNUM}')"
)
_WORDS_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{_SUBDOMAIN.pattern}')"
)
_WORDS_KEY = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_WORDS_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_WORDS_CONFIG_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_PORT = "must be between 1 and 65535, inclusive"
_IMMUTABLE = "field is immutable"
_OMITTED = (("metadata", ("labels", "annotations", "finalizers", "ownerReferences")), ("spec", ("ports", "selector")))


def decoded(kind: ServedKind, body: Json) -> Json:
    """The object as Go's types hold it: without nulls, and without maps and lists that are left out when empty.

    Raises Refused where a value has the wrong type.
    """
    if kind.custom:
        return {**body, "metadata": dict(body.get("metadata") or {})}
    result: Json = _without_nulls(body)
    result.setdefault("metadata", {})
    for parent, names in _OMITTED:
        if isinstance(within := result.get(parent), dict):
            for name in names:
                if name in within and not within[name]:
                    del within[name]
    for name in ("data", "subsets"):
        if name in result and not result[name]:
            del result[name]
    places = (
        ("ObjectMeta.metadata.labels", result["metadata"].get("labels")),
        ("ObjectMeta.metadata.annotations", result["metadata"].get("annotations")),
        ("ServiceSpec.spec.selector", result.get("spec", {}).get("selector") if kind.kind == "Service" else None),
        ("ConfigMap.data", result.get("data") if kind.kind == "ConfigMap" else None),
    )
    for field, strings in places:
        for value in (strings or {}).values():
            _is_go(kind, field, value, "string", str)
    if kind.kind == "Service" and (ports := result.get("spec", {}).get("ports")) is not None:
        _is_go(kind, "ServiceSpec.spec.ports", ports, "[]v1.ServicePort", list)
        for port in ports:
            _is_go(kind, "ServicePort.spec.ports.port", port.get("port", 0), "int32", int)
    if kind.kind == "EndpointSlice":
        for port in result.get("ports") or ():
            _is_go(kind, "EndpointPort.ports.port", port.get("port", 0), "int32", int)
    return result


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _is_go(kind: ServedKind, field: str, value: Any, go: str, wanted: type) -> None:
    if not isinstance(value, wanted) or isinstance(value, bool):
        words = {str: "string", bool: "bool", dict: "object", list: "array"}.get(type(value), "number")
        raise bad_request(
            f'{kind.kind} in version "{kind.versions[0]}" cannot be handled as a {kind.kind}: json: cannot unmarshal '
            f"{words} into Go struct field {field} of type {go}"
        )


def with_defaults(kind: ServedKind, obj: Json, old: Json | None) -> Json:
    """A decoded object, completed; old is what it replaces."""
    match kind.kind:
        case "Service":
            return {**obj, "spec": _service_spec(obj.get("spec") or {}, (old or {}).get("spec")),
                    "status": obj.get("status") or {"loadBalancer": {}}}  # fmt: skip
        case "Endpoints":
            subsets = [_tcp(subset) for subset in obj.get("subsets", ())]
            return {**obj, "subsets": subsets} if subsets else obj
        case "EndpointSlice":
            ports = [{"name": "", **port} for port in _tcp(obj).get("ports") or ()]
            endpoints = [{"conditions": {}, **endpoint} for endpoint in obj.get("endpoints") or ()]
            return {**obj, "endpoints": endpoints or None, "ports": ports or None}
        case "Namespace":
            metadata = obj["metadata"]
            labels = {**metadata.get("labels", {}), "kubernetes.io/metadata.name": metadata.get("name", "")}
            return {**obj, "metadata": {**metadata, "labels": labels}, "spec": {"finalizers": ["kubernetes"]},
                    "status": obj.get("status") or {"phase": "Active"}}  # fmt: skip
        case "Pod":
            return {**obj, "spec": {"enableServiceLinks": True, **pod_spec_with_defaults(obj.get("spec") or {})}}
        case "Deployment" | "ReplicaSet" | "Job" | "StatefulSet" | "DaemonSet":
            spec = obj.get("spec") or {}
            template = spec.get("template") or {}
            whole = {**template, "spec": pod_spec_with_defaults(template.get("spec") or {})}
            return {**obj, "spec": {**_WORKLOADS.get(kind.kind, {}), **spec, "template": whole},
                    "status": obj.get("status") or {}}  # fmt: skip
        case _:
            return obj


_WORKLOADS: dict[str, Json] = {
    "Deployment": {
        "replicas": 1,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    },
    "ReplicaSet": {"replicas": 1},
    "Job": {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 6,
        "manualSelector": False,
        "completionMode": "NonIndexed",
        "suspend": False,
        "podReplacementPolicy": "TerminatingOrFailed",
    },
}


def _tcp(holder: Json) -> Json:
    ports = holder.get("ports")
    return (
        {**holder, "ports": [{**port, "protocol": port.get("protocol") or "TCP"} for port in ports]}
        if ports
        else holder
    )


def _service_spec(spec: Json, old: Json | None) -> Json:
    spec = {"sessionAffinity": "None", "type": "ClusterIP", **_tcp(spec)}
    if spec.get("ports"):
        spec["ports"] = [
            port if port.get("targetPort") not in (None, 0, "") else {**port, "targetPort": port.get("port", 0)}
            for port in spec["ports"]
        ]
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if old is not None and "ExternalName" not in (old["type"], spec["type"]):
        for name in _ALLOCATED:
            if not spec.get(name) and old.get(name):
                spec[name] = old[name]
        if spec["clusterIP"] != old["clusterIP"] and spec.get("clusterIPs") == old["clusterIPs"]:
            spec["clusterIPs"] = [spec["clusterIP"]]
    return spec


_ALLOCATED = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")


def with_consequences(service: Json, old: Json | None) -> Json:
    """The Service as its strategy completes it, which leaves ownership alone (registry/core/service/strategy.go)."""
    spec, before = dict(service["spec"]), (old or {}).get("spec", {"type": "ExternalName"})
    if spec["type"] == "ExternalName" != before["type"]:
        # What belonged to the old type and was not touched goes.
        for name in (*_ALLOCATED, "internalTrafficPolicy"):
            if spec.get(name) == before.get(name):
                spec.pop(name, None)
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    return {**service, "spec": spec}


def causes(kind: ServedKind, obj: Json, old: Json | None) -> list[Cause]:
    """Why a completed object is not valid, in the server's order."""
    return list(_causes(kind, obj, old))


def _causes(kind: ServedKind, obj: Json, old: Json | None) -> Iterator[Cause]:
    yield from _metadata_causes(kind, obj["metadata"], old)
    match kind.kind:
        case "Service":
            yield from _service_causes(obj["spec"], (old or {}).get("spec"))
        case "Endpoints":
            yield from _endpoints_causes(obj)
        case "EndpointSlice":
            yield from _slice_causes(obj, old)
        case "ConfigMap":
            for key in obj.get("data", ()):
                if not _CONFIG_KEY.fullmatch(key):
                    yield invalid_value(f"data[{key}]", key, _WORDS_CONFIG_KEY)
        case "Pod":
            yield from pod_spec_causes(obj["spec"], "spec", label_causes)
        case "Deployment" | "ReplicaSet":
            yield from _deployment_causes(obj["spec"], old)
        case _:
            return


def _metadata_causes(kind: ServedKind, metadata: Json, old: Json | None) -> Iterator[Cause]:
    name = metadata.get("name", "")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif old is None:
        if kind.kind == "Service":
            yield from _text_causes("metadata.name", name, 63, _LABEL_1035, _WORDS_1035)
        elif kind.kind == "Namespace":
            if "." in name:
                yield invalid_value("metadata.name", name, "must not contain dots")
            else:
                yield from label_causes("metadata.name", name)
        else:
            yield from _text_causes("metadata.name", name, 253, _SUBDOMAIN, _WORDS_SUBDOMAIN)
    elif metadata.get("uid") != old["metadata"]["uid"]:
        yield invalid_value("metadata.uid", metadata.get("uid"), _IMMUTABLE)
    for field in ("labels", "annotations"):
        for key, value in (metadata.get(field) or {}).items():
            prefix, _, last = key.rpartition("/")
            if len(last) > 63 or not _KEY_NAME.fullmatch(last):
                yield invalid_value(f"metadata.{field}", key, _WORDS_KEY)
            if prefix and not _SUBDOMAIN.fullmatch(prefix):
                yield invalid_value(f"metadata.{field}", key, f"prefix part {_WORDS_SUBDOMAIN}")
            if field == "labels":
                yield from _text_causes("metadata.labels", value, 63, _LABEL_VALUE, _WORDS_VALUE)
    for owner in metadata.get("ownerReferences") or ():
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                yield invalid_value(f"metadata.ownerReferences.{field}", "", "must not be empty")
    for index, finalizer in enumerate(metadata.get("finalizers") or ()):
        if "/" not in finalizer and finalizer not in ("orphan", "foregroundDeletion", "kubernetes"):
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid_value(f"metadata.finalizers[{index}]", finalizer, why)


def _text_causes(field: str, text: str, longest: int, pattern: re.Pattern[str], words: str) -> Iterator[Cause]:
    if len(text) > longest:
        yield invalid_value(field, text, f"must be no more than {longest} characters")
    if not pattern.fullmatch(text):
        yield invalid_value(field, text, words)


def label_causes(field: str, text: str) -> Iterator[Cause]:
    """Of an RFC 1123 label: names of namespaces, ports and containers."""
    return _text_causes(field, text, 63, _LABEL_1123, _WORDS_1123)


def _service_causes(spec: Json, old: Json | None) -> Iterator[Cause]:
    kind, ports, ips = spec["type"], spec.get("ports") or [], spec.get("clusterIPs") or []
    if old and old["type"] != "ExternalName" and kind != "ExternalName" and ips != old.get("clusterIPs"):
        yield invalid_value("spec.clusterIPs[0]", ips, "may not change once set")
    if not ports and kind != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    if kind == "ExternalName":
        if ips:
            yield forbidden("spec.clusterIPs", "may not be set for ExternalName services")
        host = spec.get("externalName", "")
        if host:
            yield from _text_causes("spec.externalName", host.removesuffix("."), 253, _SUBDOMAIN, _WORDS_SUBDOMAIN)
        else:
            yield required("spec.externalName")
    names: set[str] = set()
    for index, port in enumerate(ports):
        yield from _service_port_causes(port, f"spec.ports[{index}]", names, len(ports) > 1)
    if spec["sessionAffinity"] not in ("ClientIP", "None"):
        yield unsupported("spec.sessionAffinity", spec["sessionAffinity"], ("ClientIP", "None"))
    if kind not in (types := ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")):
        yield unsupported("spec.type", kind, types)
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        if (pair := (port["protocol"], port.get("port", 0))) in seen:
            value = {
                "Name": "",
                "Protocol": pair[0],
                "AppProtocol": None,
                "Port": pair[1],
                "TargetPort": 0,
                "NodePort": 0,
            }
            yield duplicate(f"spec.ports[{index}]", value)
        seen.add(pair)
    if kind == "ExternalName":
        return
    if ips and not spec.get("clusterIP"):
        yield invalid_value("spec.clusterIPs", ips, "must be empty when `clusterIP` is not specified")
    elif ips and ips != ["None"] and _address(ips[0]) is None:
        yield invalid_value("spec.clusterIPs[0]", ips[0], _IP)
    if spec.get("clusterIP") == "None" and not spec.get("selector"):
        return
    if "IPv6" in (spec.get("ipFamilies") or ()):
        yield invalid_value("spec.ipFamilies[0]", "IPv6", "not configured on this cluster")
    if spec.get("ipFamilyPolicy") == "RequireDualStack":
        why = "this cluster is not configured for dual-stack services"
        yield invalid_value("spec.ipFamilyPolicy", "RequireDualStack", why)


def _service_port_causes(port: Json, field: str, names: set[str], several: bool) -> Iterator[Cause]:
    name, target = port.get("name", ""), port.get("targetPort", 0)
    if not name:
        if several:
            yield required(f"{field}.name")
    else:
        yield from label_causes(f"{field}.name", name)
        if name in names:
            yield duplicate(f"{field}.name", name)
        names.add(name)
    if not 1 <= port.get("port", 0) <= 65535:
        yield invalid_value(f"{field}.port", port.get("port", 0), _PORT)
    if port["protocol"] not in _PROTOCOLS:
        yield unsupported(f"{field}.protocol", port["protocol"], _PROTOCOLS)
    if isinstance(target, int):
        if not 1 <= target <= 65535:
            yield invalid_value(f"{field}.targetPort", target, _PORT)
        return
    if len(target) > 15:
        yield invalid_value(f"{field}.targetPort", target, "must be no more than 15 characters")
    if not re.fullmatch(r"[-a-z0-9]+", target):
        why = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
        yield invalid_value(f"{field}.targetPort", target, why)
    elif not re.search("[a-z]", target):
        yield invalid_value(f"{field}.targetPort", target, "must contain at least one letter (a-z)")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """As Go's old parser takes it: leading zeros are fine (netutils.ParseIPSloppy)."""
    try:
        return ipaddress.ip_address(re.sub(r"(^|\.)0+(?=\d)", r"\1", text) if ":" not in text else text)
    except ValueError:
        return None


def _endpoint_address_causes(field: str, text: str) -> Iterator[Cause]:
    """ValidateEndpointIP: an address that no endpoint may have."""
    address = _address(text)
    if address is None:
        return
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        yield invalid_value(field, text, "must not be an IPv4-mapped IPv6 address")
    if address.is_unspecified:
        yield invalid_value(field, text, f"may not be unspecified ({text})")
    if address.is_loopback:
        yield invalid_value(field, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        yield invalid_value(field, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    link_local_multicast = "224.0.0.0/24" if address.version == 4 else "ff02::/16"
    if address in ipaddress.ip_network(link_local_multicast):
        yield invalid_value(field, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def _endpoints_causes(obj: Json) -> Iterator[Cause]:
    for index, subset in enumerate(obj.get("subsets", ())):
        base = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            yield required(base, "must specify `addresses` or `notReadyAddresses`")
        for group in ("addresses", "notReadyAddresses"):
            for at, address in enumerate(subset.get(group, ())):
                field, text = f"{base}.{group}[{at}].ip", address.get("ip", "")
                if _address(text) is None:
                    yield invalid_value(field, text, _IP)
                    yield invalid_value(field, text, "must be a valid IP address")
                yield from _endpoint_address_causes(field, text)
        ports = subset.get("ports", [])
        for at, port in enumerate(ports):
            field = f"{base}.ports[{at}]"
            if port.get("name"):
                yield from label_causes(f"{field}.name", port["name"])
            elif len(ports) > 1:
                yield required(f"{field}.name")
            if not 1 <= port.get("port", 0) <= 65535:
                yield invalid_value(f"{field}.port", port.get("port", 0), _PORT)
            if port["protocol"] not in _PROTOCOLS:
                yield unsupported(f"{field}.protocol", port["protocol"], _PROTOCOLS)


def _slice_causes(obj: Json, old: Json | None) -> Iterator[Cause]:
    family = obj.get("addressType", "")
    if old and family != old["addressType"]:
        yield invalid_value("addressType", family, _IMMUTABLE)
    if not family:
        yield required("addressType")
    elif family not in (known := ("FQDN", "IPv4", "IPv6")):
        yield unsupported("addressType", family, known)
    for index, endpoint in enumerate(obj["endpoints"] or ()):
        base, addresses = f"endpoints[{index}]", endpoint.get("addresses") or []
        if not addresses:
            yield required(f"{base}.addresses", "must contain at least 1 address")
        elif len(addresses) > 100:
            why = f"Too many: {len(addresses)}: must have at most 100 items"
            yield Cause(f"{base}.addresses", why, "FieldValueTooMany")
        for at, text in enumerate(addresses):
            yield from _slice_address_causes(family, f"{base}.addresses", at, text)
        if endpoint.get("hostname"):
            yield from label_causes(f"{base}.hostname", endpoint["hostname"])
    names: set[str] = set()
    for index, port in enumerate(obj["ports"] or ()):
        if port["name"]:
            yield from label_causes(f"ports[{index}].name", port["name"])
        if port["name"] in names:
            yield duplicate(f"ports[{index}].name", port["name"])
        names.add(port["name"])
        if port["protocol"] not in _PROTOCOLS:
            yield unsupported(f"ports[{index}].protocol", port["protocol"], _PROTOCOLS)


def _slice_address_causes(family: str, field: str, index: int, text: str) -> Iterator[Cause]:
    place = f"{field}[{index}]"
    if family == "FQDN":
        if not text:
            yield required(place)
        elif not _SUBDOMAIN.fullmatch(text.removesuffix(".")):
            yield invalid_value(place, text, _WORDS_SUBDOMAIN)
        elif "." not in text.removesuffix("."):
            yield invalid_value(place, text, "should be a domain with at least two segments separated by dots")
    elif family in ("IPv4", "IPv6"):
        address = _address(text)
        if address is None:
            yield invalid_value(place, text, _IP)
        elif f"IPv{address.version}" != family:
            yield invalid_value(field, text, f"must be an {family} address")
        yield from _endpoint_address_causes(place, text)


def _deployment_causes(spec: Json, old: Json | None) -> Iterator[Cause]:
    selector = spec.get("selector") or {}
    labels = (spec["template"].get("metadata") or {}).get("labels")
    if old and selector != old["spec"].get("selector"):
        yield invalid_value("spec.selector", selector, _IMMUTABLE)
    if not selector:
        yield required("spec.selector")
    wanted = selector.get("matchLabels") or {}
    if not selector or any((labels or {}).get(key) != value for key, value in wanted.items()):
        yield invalid_value("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from pod_spec_causes(spec["template"]["spec"], "spec.template.spec", label_causes)


_NOT_CHECKED = Cause(
    "<nil>",
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation",
)


def schema_causes(kind: ServedKind, obj: Json) -> list[Cause]:
    """What the CRD of an Istio kind refuses."""
    spec = obj.get("spec")
    if spec is None:
        return []
    found: list[Cause] = []
    match kind.kind:
        case "DestinationRule":
            mode = ((spec.get("trafficPolicy") or {}).get("tls") or {}).get("mode", "DISABLE")
            if "host" not in spec:
                found.append(required("spec.host"))
            elif not isinstance(spec["host"], str):
                found.append(_wrong_type("spec.host", spec["host"]))
            if mode not in (modes := ("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL")):
                found.append(unsupported("spec.trafficPolicy.tls.mode", mode, modes))
        case "VirtualService":
            for index, route in enumerate(spec.get("http") or ()):
                for at, weighted in enumerate(route.get("route") or ()):
                    if "host" not in (weighted.get("destination") or {}):
                        found.append(required(f"spec.http[{index}].route[{at}].destination.host"))
        case "ServiceEntry":
            return _service_entry_schema_causes(spec)
        case _:
            pass
    return [*found, _NOT_CHECKED] if found else []


def _wrong_type(field: str, value: Any) -> Cause:
    given = "integer" if isinstance(value, int) else "array" if isinstance(value, list) else "object"
    why = f'Invalid value: "{given}": {field} in body must be of type string: "{given}"'
    return Cause(field, why, "FieldValueTypeInvalid")


def _service_entry_schema_causes(spec: Json) -> list[Cause]:
    found: list[Cause] = []
    if "hosts" not in spec:
        found.append(required("spec.hosts"))
    modes = ("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS")
    if (mode := spec.get("resolution", "NONE")) not in modes:
        found.append(unsupported("spec.resolution", mode, modes))
    if found:
        return [*found, _NOT_CHECKED]
    if not spec["hosts"]:
        return [invalid_value("spec.hosts", 0, "spec.hosts in body should have at least 1 items")]
    ports = spec.get("ports") or []
    found += [
        invalid_value(f"spec.hosts[{index}]", "string", "hostname cannot be wildcard")
        for index, host in enumerate(spec["hosts"])
        if host == "*"
    ]
    found += [
        invalid_value(f"spec.ports[{index}].number", "integer", "port must be between 1-65535")
        for index, port in enumerate(ports)
        if not 1 <= port.get("number", 0) <= 65535
    ]
    if len({port.get("number") for port in ports}) < len(ports):
        found.append(invalid_value("spec.ports", "array", "port number cannot be duplicated"))
    if mode == "NONE" and spec.get("endpoints"):
        found.append(invalid_value("spec", "object", "NONE mode cannot set endpoints"))
    return found


def check_with_istiod(kind: ServedKind, obj: Json) -> None:
    """Raises Refused where istiod's webhook denies a request."""
    found = list(_istiod_errors(kind.kind, obj.get("spec") or {}))
    if not found:
        return
    # As hashicorp/go-multierror prints several.
    lines = "".join(f"\t* {error}\n" for error in found)
    text = found[0] if len(found) == 1 else f"{len(found)} errors occurred:\n{lines}\n"
    raise Refused(
        400, "", f'admission webhook "validation.istio.io" denied the request: configuration is invalid: {text}'
    )


def _istiod_errors(kind: str, spec: Json) -> Iterator[str]:
    match kind:
        case "DestinationRule":
            yield from _host_errors(spec.get("host", ""))
            yield from _policy_errors(spec.get("trafficPolicy"), "traffic policy")
            yield from _export_errors(spec)
        case "VirtualService":
            for host in spec.get("hosts") or ():
                yield from _host_errors(host)
            if not any(spec.get(protocol) for protocol in ("http", "tcp", "tls")):
                yield "http, tcp or tls must be provided in virtual service"
            for route in spec.get("http") or ():
                if not any(route.get(what) for what in ("route", "redirect", "directResponse")):
                    yield "HTTP route, redirect or direct_response is required"
                for weighted in route.get("route") or ():
                    yield from _host_errors(weighted["destination"]["host"])
            yield from _export_errors(spec)
        case "ServiceEntry":
            yield from _service_entry_errors(spec)
        case _:
            return


def _host_errors(host: str) -> Iterator[str]:
    """ValidateWildcardDomain of istio pkg/config/validation/agent."""
    if not host:
        yield "empty domain name not allowed"
        return
    for label in host.removesuffix(".").removeprefix("*").removeprefix("-").removeprefix(".").split("."):
        if label and not re.fullmatch(r"[a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?", label):
            yield f'domain name "{host}" invalid (label "{label}" invalid)'
            return


def _policy_errors(policy: Json | None, words: str) -> Iterator[str]:
    if policy is None:
        return
    if not any(key for key in policy if key != "port"):
        yield f"{words} must have at least one field"
    tls = policy.get("tls") or {}
    if tls.get("mode") == "MUTUAL" and not tls.get("credentialName"):
        for field, what in (("clientCertificate", "client certificate"), ("privateKey", "private key")):
            if not tls.get(field):
                yield f"{what} required for mutual tls"
    for setting in policy.get("portLevelSettings") or ():
        if "port" not in setting:
            yield "portTrafficPolicy must have valid port"
        yield from _policy_errors(setting, "port traffic policy")


def _export_errors(spec: Json) -> Iterator[str]:
    for entry in spec.get("exportTo") or ():
        if entry not in (".", "*", "~") and not _LABEL_1123.fullmatch(entry):
            yield "only .,*, or a valid DNS 1123 label is allowed as exportTo entry"


def _service_entry_errors(spec: Json) -> Iterator[str]:
    mode, endpoints = spec.get("resolution", "NONE"), spec.get("endpoints") or []
    for host in spec["hosts"]:
        yield from _host_errors(host)
        if mode.startswith("DNS") and not endpoints and host.startswith("*"):
            label = host.partition(".")[0]
            yield (
                "hosts must be FQDN or contain only prefix wildcards if no endpoints are provided for resolution mode "
                f'{mode}, domain name "{host}" invalid (label "{label}" invalid)'
            )
    for port in spec.get("ports") or ():
        known = ("", "HTTP", "HTTPS", "HTTP2", "GRPC", "GRPC-WEB", "TCP", "TLS", "MONGO", "MYSQL", "REDIS", "UDP")
        if port.get("protocol", "").upper() not in known:
            yield f"unsupported protocol: {port['protocol']}"
    for endpoint in endpoints:
        address = endpoint.get("address", "")
        if mode == "STATIC" and _address(address) is None and not address.startswith("unix://"):
            yield f'endpoint address "{address}" is not a valid IP address'
        elif mode.startswith("DNS") and _address(address) is None and (not address or list(_host_errors(address))):
            yield f'endpoint address "{address}" is not a valid FQDN or an IP address'
    yield from _export_errors(spec)
