"""Names that lead nowhere, or elsewhere."""

from truth.objects import (
    HTTPBIN,
    addresses_alias,
    destination_rule,
    entry_port,
    external_name,
    fqdn,
    own_host,
    port,
    service,
    service_entry,
    simple,
    to,
    virtual_service,
)
from truth.pods import from_pods
from truth.world import ERROR, WARNING, World, alias, entry

WORLDS = [
    World(
        "bin-address",
        "externalName is an address",
        (("XS0101", ERROR, alias("bin-address")),),
        [external_name("bin-address", HTTPBIN, port(80, "http"))],
        sandbox=True,
    ),
    World(
        "bin-portless",
        "externalName is an address, and no port is named",
        (("XS0101", ERROR, alias("bin-portless")),),
        [external_name("bin-portless", HTTPBIN)],
        sandbox=True,
    ),
    World(
        "typo",
        "the target's name does not exist",
        (("XS0102", ERROR, alias("typo")),),
        [external_name("typo", "htpbin.example", port(80, "http"))],
        cure=None,
        sandbox=True,
    ),
    World(
        "loop-a",
        "two aliases stand for each other",
        (("XS0104", ERROR, alias("loop-a")), ("XS0104", ERROR, alias("loop-b"))),
        [
            external_name("loop-a", fqdn("loop-b"), port(80, "http")),
            external_name("loop-b", fqdn("loop-a"), port(80, "http")),
        ],
        aliases=("loop-a", "loop-b"),
        cure=None,
        sandbox=True,
    ),
    World(
        "short-target",
        "externalName is a name that only a pod's search list completes",
        (("XS0105", ERROR, alias("short-target")),),
        [external_name("short-target", "kube-dns.kube-system", port(9153, "http-metrics"))],
    ),
    World(
        "short-service",
        "the same: the bare name of a Service beside it",
        (("XS0105", ERROR, alias("short-service")),),
        [external_name("short-service", "curl", port(80, "http"))],
        # That Service's pods listen nowhere.
        left=(("XS0205", ERROR, alias("short-service")), ("XS0504", ERROR, alias("short-service"))),
    ),
    World(
        "searched",
        "a search domain of the pod has an address for every name",
        (("XS0106", ERROR, alias("searched")),),
        addresses_alias("searched", HTTPBIN, 80, 80),
        pods=("searching",),
        flags=from_pods("searching"),
        cure=None,
    ),
    World(
        "in-hosts-file",
        "the pod's hosts file leads the name past the Service",
        (("XS0103", ERROR, alias("in-hosts-file")),),
        addresses_alias("in-hosts-file", HTTPBIN, 80, 80),
        pods=("hosts-file",),
        flags=from_pods("hosts-file"),
        cure=None,
    ),
    World(
        "hijacked",
        "in the proxy a Service bin in a namespace example takes the name bin.example",
        (("XS0207", ERROR, entry("hijacked")),),
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "example"}},
            service("bin", port(80, "http"), namespace="example"),
            external_name("hijacked", "bin.example", port(80, "http")),
            service_entry("hijacked", "bin.example", entry_port(80, "HTTP")),
        ],
    ),
    World(
        "dotted",
        "a final dot in externalName parts the alias from the target's ServiceEntry, whose TLS is lost",
        (("XS0310", ERROR, entry("dotted")),),
        [
            external_name("dotted", f"{own_host('dotted')}.", port(80, "http")),
            service_entry("dotted", own_host("dotted"), entry_port(80, "HTTP", 443)),
            destination_rule("dotted", own_host("dotted"), simple("httpbin.org")),
        ],
        left=(("XS0408", WARNING, alias("dotted")),),
    ),
    World(
        "wildcard-entry",
        "a ServiceEntry with a wildcard host is nobody's target, and its TLS is lost",
        (("XS0310", ERROR, entry("wildcard-entry")),),
        [
            external_name("wildcard-entry", f"one.{own_host('wildcard')}", port(80, "http")),
            service_entry("wildcard-entry", f"*.{own_host('wildcard')}", entry_port(80, "HTTP"), resolution="NONE"),
            destination_rule("wildcard-entry", f"*.{own_host('wildcard')}", simple("httpbin.org")),
        ],
        cure=None,
    ),
    World(
        "no-route-port",
        "a VirtualService sends the alias's calls to the alias, which has no ports: no such cluster",
        (("XS0304", ERROR, "VirtualService/default/no-route-port"),),
        [
            external_name("no-route-port", own_host("no-route-port")),
            service_entry("no-route-port", own_host("no-route-port"), entry_port(80, "HTTP")),
            virtual_service("no-route-port", fqdn("no-route-port"), [{"route": [to(fqdn("no-route-port"))]}]),
        ],
        istioctl=frozenset({"IST0101", "IST0112"}),
    ),
]
