"""A sandbox without its API: a store with a few objects, the outside, a pod, and what a command in the pod says."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.outside.network import Network
from kubectl_extsvc.sandbox.outside.servers import Outside, outside
from kubectl_extsvc.sandbox.pods.programs import SandboxPods, Sidecars

WORD = "heron-42"
POD_IP = "10.244.0.9"

CURL: Json = {"name": "curl", "image": "curlimages/curl:sandbox"}
PROXY: Json = {"name": "istio-proxy", "image": "proxyv2", "args": ["proxy", "sidecar"]}


def pod(*containers: Json, namespace: str = "default") -> Json:
    return {
        "metadata": {"name": "curl-1", "namespace": namespace},
        "spec": {"containers": list(containers or (CURL,))},
        "status": {"podIP": POD_IP},
    }


@dataclass(frozen=True, slots=True)
class Said:
    exit_code: int
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class World:
    store: Store
    network: Network
    outside: Outside
    pods: SandboxPods

    async def run(self, *argv: str, stdin: bytes = b"", in_pod: Json | None = None, container: str = "curl") -> Said:
        said = {1: b"", 2: b""}

        async def write(channel: int, data: bytes) -> None:
            said[channel] += data

        async def read() -> AsyncIterator[bytes]:
            yield stdin

        exit_code = await self.pods.exec(in_pod or pod(), container, argv, read(), write)
        return Said(exit_code, said[1].decode(), said[2].decode())


class NoSidecars:
    """Of pods that are all plain."""

    async def of(self, pod: Json) -> None:
        return None


@contextlib.asynccontextmanager
async def world(sidecars: Sidecars | None = None) -> AsyncIterator[World]:
    store, network = Store(), Network()
    fill(store)
    try:
        async with outside(network, WORD) as servers:
            yield World(store, network, servers, SandboxPods(store, network, sidecars or NoSidecars()))
    finally:
        network.close()


def fill(store: Store) -> None:
    """my-httpbin is httpbin.org, my-wikipedia two addresses, half-dead one of two, headless and empty what they say."""
    service(store, "my-httpbin", type="ExternalName", externalName="httpbin.org")
    service(store, "my-wikipedia", clusterIP="10.96.0.26", ports=[{"name": "tls", "port": 443}])
    endpoint_slice(store, "my-wikipedia", ["198.51.100.26", "198.51.100.27"], {"name": "tls", "port": 443})
    service(store, "half-dead", clusterIP="10.96.0.30", ports=[{"port": 80, "targetPort": 8080}])
    endpoint_slice(store, "half-dead", ["203.0.113.10", "203.0.113.30"], {"port": 80})
    service(store, "headless", clusterIP="None", ports=[{"port": 80}])
    endpoint_slice(store, "headless", ["203.0.113.30", "203.0.113.10"], {"port": 80})
    service(store, "empty", clusterIP="10.96.0.40", ports=[{"port": 80}])


def service(store: Store, name: str, namespace: str = "default", **spec: object) -> None:
    metadata = {"name": name, "namespace": namespace}
    store.put("services", {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


def endpoint_slice(store: Store, service_name: str, addresses: Sequence[str], *ports: Json, ready: bool = True) -> None:
    labels = {"kubernetes.io/service-name": service_name}
    made: Json = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{service_name}-{'ready' if ready else 'not'}", "namespace": "default", "labels": labels},
        "addressType": "IPv4",
        "ports": list(ports),
        "endpoints": [{"addresses": [address], "conditions": {"ready": ready}} for address in addresses],
    }
    store.put("endpointslices.discovery.k8s.io", made)
