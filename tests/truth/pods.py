"""Pods from which some worlds are seen, beside deployment/curl in default and in without-istio.

Those with a sidecar live in `truth`, but for one in `mtls`, where a wildcard rule is, and one in `scoped`, where a
Sidecar resource is.
"""

import json
from dataclasses import dataclass
from typing import Any

from truth.objects import HTTPBIN, ISTIO_MUTUAL, Json, destination_rule, fqdn, of_istio

IMAGE = "curlimages/curl:testbed"
SERVER = "echo hello >/tmp/index.html && exec busybox httpd -f -p 8080 -h /tmp"


@dataclass(frozen=True, slots=True)
class Pod:
    namespace: str
    sidecar: bool = True
    annotations: Json | None = None
    command: tuple[str, ...] = ("/bin/sleep", "infinity")
    spec: Json | None = None
    user: int = 101
    around: tuple[Json, ...] = ()
    """Other objects in its namespace."""

    def manifest(self, name: str) -> Json:
        labels = {"app": name, "sidecar.istio.io/inject": str(self.sidecar).lower()}
        metadata = {
            "name": name, "namespace": self.namespace, "labels": labels, "annotations": self.annotations or {}
        }  # fmt: skip
        container = {
            "name": "curl",
            "image": IMAGE,
            "command": list(self.command),
            "securityContext": {"runAsUser": self.user},
        }
        spec = {"terminationGracePeriodSeconds": 0, "containers": [container], **(self.spec or {})}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def proxy_config(**metadata: Any) -> Json:
    return {"proxy.istio.io/config": json.dumps({"proxyMetadata": metadata})}


PODS = {
    "other": Pod("truth"),
    "excluded": Pod("truth", annotations={"traffic.sidecar.istio.io/excludeOutboundPorts": "80"}),
    "captured": Pod(
        "truth", annotations=proxy_config(ISTIO_META_DNS_CAPTURE="true", ISTIO_META_DNS_AUTO_ALLOCATE="true")
    ),
    "searching": Pod("truth", sidecar=False, spec={"dnsConfig": {"searches": ["corp.example"]}}),
    "hosts-file": Pod(
        "truth", sidecar=False, spec={"hostAliases": [{"ip": HTTPBIN, "hostnames": [fqdn("in-hosts-file")]}]}
    ),
    "proxy-user": Pod("truth", user=1337),
    "server": Pod(
        "truth",
        command=("sh", "-c", SERVER),
        around=(
            of_istio(
                "PeerAuthentication",
                "server",
                {"selector": {"matchLabels": {"app": "server"}}, "mtls": {"mode": "STRICT"}},
                "truth",
                "security.istio.io",
            ),
        ),
    ),
    "other-server": Pod("truth", command=("sh", "-c", SERVER)),
    "under-wildcard": Pod("mtls", around=(destination_rule("mesh-mtls", "*.local", ISTIO_MUTUAL, "mtls"),)),
    "scoped": Pod(
        "scoped",
        around=(
            of_istio(
                "Sidecar",
                "default",
                {
                    "egress": [{"hosts": ["./*", "istio-system/*"]}],
                    "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
                },
                "scoped",
            ),
        ),
    ),
}


def from_pods(*names: str) -> tuple[str, ...]:
    """verify's --from flags for these pods."""
    return tuple(f"--from=pod/{name}.{PODS[name].namespace}" for name in names)


PLAIN = "--from=deployment/curl.without-istio"
