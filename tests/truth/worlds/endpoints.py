"""Nobody at the other end, or somebody else."""

from truth.objects import (
    HTTPBIN,
    REFUSES,
    SILENT,
    addresses_alias,
    endpoint_slice,
    endpoints,
    external_name,
    patched,
    port,
    service,
)
from truth.world import ERROR, HANGS, WARNING, World, alias, filled, slice_of

NOT_READY = {"endpoints": [{"addresses": [HTTPBIN], "conditions": {"ready": False}}]}


def httpbin(name: str) -> tuple[str, ...]:
    return name, "--address", HTTPBIN, "--host", "httpbin.org", "--port", "http:80"


WORLDS = [
    World(
        "bin-stale",
        "nobody is any more at the recorded address",
        (("XS0203", ERROR, slice_of("bin-stale", "ipv4")),),
        create=["bin-stale", "--address", REFUSES, "--host", "httpbin.org", "--port", "http:80"],
        sandbox=True,
    ),
    World(
        "wiki-stale",
        "somebody else is at the recorded address",
        (("XS0203", ERROR, slice_of("wiki-stale")),),
        [
            service("wiki-stale", port(443, "tls"), host="en.wikipedia.org"),
            endpoint_slice("wiki-stale", [HTTPBIN], port(443, "tls")),
        ],
        sandbox=True,
    ),
    World(
        "bin-half",
        "nobody is at one of our two addresses",
        (("XS0204", ERROR, slice_of("bin-half", "ipv4")),),
        create=["bin-half", "--address", f"{HTTPBIN},{REFUSES}", "--port", "http:80"],
        sandbox=True,
    ),
    World(
        "bin-half-silent",
        "one of two addresses swallows all that is sent to it",
        (("XS0204", ERROR, slice_of("bin-half-silent")),),
        [
            service("bin-half-silent", port(80, "http")),
            endpoint_slice("bin-half-silent", [HTTPBIN, SILENT], port(80, "http")),
        ],
        sandbox=True,
        flags=HANGS,
    ),
    World(
        "bin-half-theirs",
        "nobody is at one of two mirrored addresses",
        (("XS0204", ERROR, slice_of("bin-half-theirs", "*")),),
        [
            service("bin-half-theirs", port(80, "http")),
            endpoints("bin-half-theirs", [HTTPBIN, REFUSES], port(80, "http")),
        ],
        sandbox=True,
    ),
    World(
        "bin-dead",
        "nobody is at the only address",
        (("XS0205", ERROR, alias("bin-dead")),),
        addresses_alias("bin-dead", REFUSES, 80, 80),
        cure=None,
        sandbox=True,
    ),
    World(
        "bin-silent",
        "the only address swallows all that is sent to it",
        (("XS0205", ERROR, alias("bin-silent")),),
        addresses_alias("bin-silent", SILENT, 80, 80),
        cure=None,
        sandbox=True,
        flags=HANGS,
    ),
    World(
        "name-refuses",
        "the target's name leads to an address where nobody listens",
        (("XS0205", ERROR, alias("name-refuses")),),
        [external_name("name-refuses", "refuses.example", port(80, "http"))],
        cure=None,
    ),
    World(
        "name-silent-tls",
        "the same, silent, for clients that speak TLS",
        (("XS0205", ERROR, alias("name-silent-tls")),),
        [external_name("name-silent-tls", "silent.example", port(443, "https"))],
        cure=None,
        flags=HANGS,
    ),
    World(
        "bin-no-label",
        "the slice lacks the label",
        (("XS0201", ERROR, slice_of("bin-no-label")),),
        [
            service("bin-no-label", port(80, "http")),
            endpoint_slice("bin-no-label", [HTTPBIN], port(80, "http"), labels={}),
        ],
        sandbox=True,
    ),
    World(
        "bin-lost-label",
        "our slice has lost its label",
        (("XS0201", ERROR, slice_of("bin-lost-label", "ipv4")),),
        create=httpbin("bin-lost-label"),
        broken_by=[("label", "endpointslice", "bin-lost-label-ipv4", "kubernetes.io/service-name-")],
        sandbox=True,
    ),
    World(
        "bin-fqdn",
        "the slice is of type FQDN",
        (("XS0201", ERROR, slice_of("bin-fqdn")),),
        [
            service("bin-fqdn", port(80, "http")),
            endpoint_slice("bin-fqdn", ["httpbin.org"], port(80, "http"), address_type="FQDN"),
        ],
        sandbox=True,
    ),
    World(
        "bin-not-ready",
        "our endpoint is not ready",
        (("XS0201", ERROR, slice_of("bin-not-ready", "ipv4")),),
        create=httpbin("bin-not-ready"),
        broken_by=[patched("endpointslice", "bin-not-ready-ipv4", NOT_READY)],
        sandbox=True,
    ),
    World(
        "bin-unmirrored",
        "the Endpoints are not mirrored",
        (("XS0201", ERROR, "Endpoints/default/bin-unmirrored"),),
        [
            service("bin-unmirrored", port(80, "http")),
            endpoints(
                "bin-unmirrored",
                [HTTPBIN],
                port(80, "http"),
                labels={"endpointslice.kubernetes.io/skip-mirror": "true"},
            ),
        ],
        cure=filled(ADDRESS=HTTPBIN),
        sandbox=True,
    ),
    World(
        "bin-nobody",
        "a Service without selector, and no slice at all",
        (("XS0201", ERROR, alias("bin-nobody")),),
        [service("bin-nobody", port(80, "http"), host="httpbin.org")],
        cure=filled(ADDRESS=HTTPBIN),
        sandbox=True,
    ),
    World(
        "bin-port",
        "the slice's port has another name",
        (("XS0202", ERROR, slice_of("bin-port")),),
        [service("bin-port", port(80, "http")), endpoint_slice("bin-port", [HTTPBIN], port(80, "web"))],
        sandbox=True,
    ),
    World(
        "bin-mirror-port",
        "the Endpoints' port has no name",
        (("XS0202", ERROR, slice_of("bin-mirror-port", "*")),),
        [service("bin-mirror-port", port(80, "http")), endpoints("bin-mirror-port", [HTTPBIN], port(80))],
        sandbox=True,
    ),
    World(
        "bin-renamed",
        "our Service's port was renamed",
        (("XS0202", ERROR, slice_of("bin-renamed", "ipv4")),),
        create=httpbin("bin-renamed"),
        broken_by=[
            (
                "patch",
                "service",
                "bin-renamed",
                "--type=json",
                "-p",
                '[{"op": "replace", "path": "/spec/ports/0/name", "value": "http-api"}]',
            ),
        ],
        sandbox=True,
    ),
    World(
        "at-cluster-ip",
        "the recorded address is another Service's ClusterIP",
        (("XS0208", ERROR, slice_of("at-cluster-ip")),),
        addresses_alias("at-cluster-ip", "10.96.0.10", 9153, 9153),
        cure=None,
        flags=HANGS,
    ),
    World(
        "at-multicast",
        "the recorded address is one that no server can have",
        (("XS0208", ERROR, slice_of("at-multicast")),),
        addresses_alias("at-multicast", "239.1.2.3", 80, 80),
        cure=None,
        flags=HANGS,
    ),
    World(
        "at-broadcast",
        "the recorded address is the broadcast address",
        (("XS0208", ERROR, slice_of("at-broadcast")),),
        addresses_alias("at-broadcast", "255.255.255.255", 443, 443, "tls"),
        cure=None,
        flags=HANGS,
    ),
    World(
        "node-local",
        "internalTrafficPolicy Local, and addresses outside are on no node",
        (("XS0209", ERROR, alias("node-local")),),
        [
            service("node-local", port(80, "http"), internalTrafficPolicy="Local"),
            endpoint_slice("node-local", [HTTPBIN], port(80, "http")),
        ],
        flags=HANGS,
    ),
    World(
        "headless-8080",
        "a headless Service with a target port of its own: callers dial the Service's port",
        (("XS0210", ERROR, alias("headless-8080")),),
        [
            service("headless-8080", port(8080, "http"), clusterIP="None"),
            endpoint_slice("headless-8080", [HTTPBIN], port(80, "http")),
        ],
    ),
    World(
        "six-slice",
        "an IPv4 Service, and a slice of IPv6 addresses",
        (("XS0211", ERROR, slice_of("six-slice")),),
        [
            service("six-slice", port(80, "http")),
            endpoint_slice("six-slice", ["2001:db8::10"], port(80, "http"), address_type="IPv6"),
        ],
        cure=None,
    ),
    World(
        "six-name",
        "the target has IPv6 addresses alone, the pods IPv4",
        (("XS0211", ERROR, alias("six-name")),),
        [external_name("six-name", "six.example", port(80, "http"))],
        cure=None,
    ),
    World(
        "at-mesh-pod",
        "the recorded address is a pod's that takes mutual TLS alone",
        (("XS0212", ERROR, slice_of("at-mesh-pod")),),
        addresses_alias("at-mesh-pod", "IP(server)", 80, 8080),
        pods=("server",),
        cure=None,
    ),
    World(
        "mesh-pod-allowed",
        "the same of a pod that takes plaintext: it works until the pod gets another address",
        (("XS0212", WARNING, slice_of("mesh-pod-allowed")),),
        addresses_alias("mesh-pod-allowed", "IP(other-server)", 80, 8080),
        pods=("other-server",),
        cure=None,
    ),
    World(
        "bin-mirror-left",
        "beside the new slice an old Endpoints object is still mirrored, with a dead address",
        (("XS0213", ERROR, "Endpoints/default/bin-mirror-left"),),
        [
            service("bin-mirror-left", port(80, "http")),
            endpoint_slice("bin-mirror-left", [HTTPBIN], port(80, "http")),
            endpoints("bin-mirror-left", [REFUSES], port(80, "http")),
        ],
        sandbox=True,
    ),
]
