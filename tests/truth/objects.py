"""Objects as a user would write them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

HTTPBIN, PAY, REFUSES, SILENT = "203.0.113.10", "203.0.113.20", "203.0.113.30", "203.0.113.99"
MTLS, EXPIRED, UNTRUSTED, DATABASE = "203.0.113.21", "203.0.113.22", "203.0.113.23", "203.0.113.24"
SHOP, SECURE, LEAN, HTTP1, MUTE = "203.0.113.25", "203.0.113.26", "203.0.113.27", "203.0.113.28", "203.0.113.29"
WIKIPEDIA = ("198.51.100.26", "198.51.100.27")
DISABLE: Json = {"mode": "DISABLE"}
ISTIO_MUTUAL: Json = {"mode": "ISTIO_MUTUAL"}


def simple(host: str, **more: Any) -> Json:
    """TLS by the sidecar, done right."""
    return {"mode": "SIMPLE", "sni": host, "subjectAltNames": [host], **more}


def fqdn(name: str, namespace: str = "default") -> str:
    return f"{name}.{namespace}.svc.cluster.local"


def own_host(name: str) -> str:
    """A name of httpbin.org's that no other world has: what registers it in the mesh touches nobody else."""
    return f"{name}.bin.example"


def port(number: int, name: str = "", **more: Any) -> Json:
    return {"port": number, "protocol": "TCP"} | ({"name": name} if name else {}) | more


def service(
    name: str, *ports: Json, namespace: str = "default", host: str = "", annotations: Json | None = None, **spec: Any
) -> Json:
    annotations = {**({"extsvc.dev/host": host} if host else {}), **(annotations or {})}
    metadata = {"name": name, "namespace": namespace, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": list(ports), **spec}}


def external_name(name: str, host: str, *ports: Json, namespace: str = "default") -> Json:
    return service(name, *ports, namespace=namespace, type="ExternalName", externalName=host)


def endpoint_slice(
    service_name: str,
    addresses: Sequence[str],
    *ports: Json,
    name: str = "",
    namespace: str = "default",
    labels: Mapping[str, str] | None = None,
    address_type: str = "IPv4",
) -> Json:
    own = {"kubernetes.io/service-name": service_name} if labels is None else dict(labels)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name or f"{service_name}-1", "namespace": namespace, "labels": own},
        "addressType": address_type,
        "ports": list(ports),
        "endpoints": [{"addresses": [address]} for address in addresses],
    }


def endpoints(name: str, addresses: Sequence[str], *ports: Json, labels: Mapping[str, str] | None = None) -> Json:
    """The older kind, as in Istio's task: Kubernetes mirrors it into a slice."""
    subset = {"addresses": [{"ip": address} for address in addresses], "ports": list(ports)}
    metadata = {"name": name, "namespace": "default", "labels": dict(labels or {})}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]}


def addresses_alias(
    name: str, address: str, number: int, target_port: int, port_name: str = "http", *, host: str = ""
) -> tuple[Json, Json]:
    return (
        service(name, port(number, port_name), host=host),
        endpoint_slice(name, [address], port(target_port, port_name)),
    )


def of_istio(kind: str, name: str, spec: Json, namespace: str = "default", group: str = "networking.istio.io") -> Json:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": metadata, "spec": spec}


def destination_rule(name: str, host: str, tls: Json, namespace: str = "default", **more: Any) -> Json:
    """more: other fields of spec."""
    return of_istio("DestinationRule", name, {"host": host, "trafficPolicy": {"tls": tls}, **more}, namespace)


def service_entry(name: str, host: str, *ports: Json, namespace: str = "default", **more: Any) -> Json:
    """Of a host outside, resolved by DNS; more: other fields of spec."""
    spec: Json = {"hosts": [host], "location": "MESH_EXTERNAL", "resolution": "DNS", "ports": list(ports), **more}
    return of_istio("ServiceEntry", name, spec, namespace)


def entry_port(number: int, protocol: str, target_port: int = 0) -> Json:
    more = {"targetPort": target_port} if target_port else {}
    return {"number": number, "name": f"{protocol.lower()}-{number}", "protocol": protocol, **more}


def virtual_service(name: str, host: str, http: Sequence[Json], namespace: str = "default") -> Json:
    return of_istio("VirtualService", name, {"hosts": [host], "http": list(http)}, namespace)


def to(host: str, number: int = 0) -> Json:
    """A route of a VirtualService."""
    return {"destination": {"host": host, **({"port": {"number": number}} if number else {})}}


def patched(kind: str, name: str, patch: Json) -> tuple[str, ...]:
    """Arguments of kubectl."""
    return ("patch", kind, name, "--type=merge", "-p", compact(patch))


def tls_patch(tls: Json) -> Json:
    return {"spec": {"trafficPolicy": {"tls": tls}}}


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
