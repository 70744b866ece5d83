"""The mesh does not let the call through, or does not see it."""

from truth.objects import (
    HTTPBIN,
    PAY,
    addresses_alias,
    destination_rule,
    entry_port,
    external_name,
    fqdn,
    own_host,
    port,
    service_entry,
    simple,
    to,
    virtual_service,
)
from truth.pods import PLAIN, from_pods
from truth.world import ERROR, Around, World, alias, entry, virtual

WORLDS = [
    World(
        "bin-closed",
        "REGISTRY_ONLY, and nobody has registered the target",
        (("XS0601", ERROR, alias("bin-closed")),),
        [external_name("bin-closed", "httpbin.org", port(80, "http"))],
        around=Around.REGISTRY_ONLY,
        sandbox=True,
    ),
    World(
        "pay-closed",
        "the same for clients that speak TLS",
        (("XS0601", ERROR, alias("pay-closed")),),
        [external_name("pay-closed", "api.pay.example", port(443, "https"))],
        around=Around.REGISTRY_ONLY,
        sandbox=True,
    ),
    World(
        "db-closed",
        "the same of a TCP port",
        (("XS0601", ERROR, alias("db-closed")),),
        [external_name("db-closed", "db.example", port(5432, "tcp"))],
        around=Around.REGISTRY_ONLY,
        cure=None,
    ),
    World(
        "entry-lacks-port",
        "the target is registered, but not with this port",
        (("XS0601", ERROR, alias("entry-lacks-port")),),
        [
            external_name("entry-lacks-port", own_host("entry-lacks-port"), port(80, "http")),
            service_entry("entry-lacks-port", own_host("entry-lacks-port"), entry_port(8080, "HTTP")),
        ],
        around=Around.REGISTRY_ONLY,
        cure=None,
    ),
    World(
        "dotted-closed",
        "a final dot in externalName parts the alias from the target's ServiceEntry",
        (("XS0601", ERROR, alias("dotted-closed")),),
        [
            external_name("dotted-closed", f"{own_host('dotted-closed')}.", port(80, "http")),
            service_entry("dotted-closed", own_host("dotted-closed"), entry_port(80, "HTTP")),
        ],
        around=Around.REGISTRY_ONLY,
    ),
    World(
        "clashing",
        "two ServiceEntries of one host: the callers' namespace has the one without the port",
        (("XS0601", ERROR, alias("clashing")), ("XS0311", ERROR, entry("clashing"))),
        [
            external_name("clashing", own_host("clashing"), port(80, "http")),
            service_entry("clashing", own_host("clashing"), entry_port(80, "HTTP"), namespace="without-istio"),
            service_entry("clashing", own_host("clashing"), entry_port(8080, "HTTP")),
        ],
        around=Around.REGISTRY_ONLY,
        cure=None,
        istioctl=frozenset({"IST0177"}),
    ),
    World(
        "fault",
        "a VirtualService makes the proxy answer by itself",
        (("XS0602", ERROR, virtual("fault")),),
        [
            *addresses_alias("fault", HTTPBIN, 80, 80),
            virtual_service(
                "fault",
                fqdn("fault"),
                [
                    {
                        "fault": {"abort": {"httpStatus": 503, "percentage": {"value": 100}}},
                        "route": [to(fqdn("fault"), 80)],
                    }
                ],
            ),
        ],
        cure=None,
    ),
    World(
        "no-route",
        "a VirtualService has no route for this request",
        (("XS0602", ERROR, virtual("no-route")),),
        [
            *addresses_alias("no-route", HTTPBIN, 80, 80),
            virtual_service(
                "no-route",
                fqdn("no-route"),
                [{"match": [{"uri": {"prefix": "/api"}}], "route": [to(fqdn("no-route"), 80)]}],
            ),
        ],
        cure=None,
    ),
    World(
        "out-of-scope",
        "a Sidecar resource does not import the alias's Service",
        (("XS0603", ERROR, "Sidecar/scoped/default"),),
        addresses_alias("out-of-scope", HTTPBIN, 80, 80),
        pods=("scoped",),
        flags=(*from_pods("scoped"), PLAIN),
    ),
    World(
        "target-out-of-scope",
        "a Sidecar resource does not import the target",
        (("XS0603", ERROR, "Sidecar/scoped/default"),),
        [
            external_name("target-out-of-scope", own_host("target-out-of-scope"), port(80, "http")),
            service_entry("target-out-of-scope", own_host("target-out-of-scope"), entry_port(80, "HTTP")),
        ],
        pods=("scoped",),
        flags=(*from_pods("scoped"), PLAIN),
    ),
    World(
        "auto-vip",
        "under DNS capture the target has an address of the mesh's own, and the alias dials the real one",
        (("XS0607", ERROR, entry("auto-vip")),),
        [
            external_name("auto-vip", own_host("auto-vip"), port(9443, "tls")),
            service_entry("auto-vip", own_host("auto-vip"), entry_port(9443, "TLS", 443)),
        ],
        pods=("captured",),
        flags=from_pods("captured"),
        left=(("XS0401", ERROR, alias("auto-vip")),),
    ),
    World(
        "excluded",
        "an annotation of the pod keeps the port from its sidecar, and the TLS with it",
        (("XS0608", ERROR, "Pod/truth/excluded"),),
        [
            *addresses_alias("excluded", PAY, 80, 443),
            destination_rule("excluded", fqdn("excluded"), simple("api.pay.example")),
        ],
        pods=("excluded",),
        flags=(*from_pods("excluded"), PLAIN),
        cure=None,
    ),
    World(
        "as-proxy-user",
        "the application runs as the proxy's user, whom the sidecar does not capture",
        (("XS0608", ERROR, "Pod/truth/proxy-user"),),
        [
            *addresses_alias("as-proxy-user", PAY, 80, 443),
            destination_rule("as-proxy-user", fqdn("as-proxy-user"), simple("api.pay.example")),
        ],
        pods=("proxy-user",),
        flags=(*from_pods("proxy-user"), PLAIN),
        cure=None,
        istioctl=frozenset({"IST0144"}),
    ),
]
