"""Rules, ServiceEntries and VirtualServices that miss the alias, or hit it by mistake."""

from truth.objects import (
    DATABASE,
    DISABLE,
    HTTPBIN,
    PAY,
    addresses_alias,
    destination_rule,
    endpoint_slice,
    entry_port,
    external_name,
    fqdn,
    own_host,
    port,
    service,
    service_entry,
    simple,
)
from truth.pods import PLAIN, from_pods
from truth.world import ERROR, HANGS, INFO, WARNING, Around, World, alias, entry, rule, virtual
from truth.worlds.endpoints import httpbin


def in_clear(name: str) -> tuple[tuple[str, str, str], ...]:
    """The sidecar adds TLS now, but httpbin.org answers pods without one on port 80 as well."""
    return (("XS0408", WARNING, alias(name)),)


def still_dead(name: str) -> tuple[tuple[str, str, str], ...]:
    """The rule on the alias has no effect as before; now it does no harm."""
    return (("XS0301", INFO, rule(name)),)


WILDCARD = (*from_pods("under-wildcard"), PLAIN)

WORLDS = [
    World(
        "bin-dead-rule",
        "a rule on the alias that no proxy reads",
        (("XS0301", ERROR, rule("httpbin-tls")),),
        [
            external_name("bin-dead-rule", "httpbin.org", port(80, "http")),
            destination_rule("httpbin-tls", fqdn("bin-dead-rule"), {"mode": "SIMPLE"}),
        ],
        left=(*in_clear("bin-dead-rule"), *still_dead("httpbin-tls")),
        sandbox=True,
        istioctl=frozenset({"IST0174"}),
    ),
    World(
        "bin-dead-own",
        "the same, the rule having the alias's name",
        (("XS0301", ERROR, rule("bin-dead-own")),),
        [
            external_name("bin-dead-own", "httpbin.org", port(80, "http")),
            destination_rule("bin-dead-own", "bin-dead-own", {"mode": "SIMPLE"}),
        ],
        left=in_clear("bin-dead-own"),
        sandbox=True,
        istioctl=frozenset({"IST0174"}),
    ),
    World(
        "bin-mesh",
        "a wildcard of the clients' namespace for the mesh covers a rule-less alias",
        (("XS0302", ERROR, rule("mesh-mtls", "mtls")),),
        addresses_alias("bin-mesh", HTTPBIN, 80, 80),
        pods=("under-wildcard",),
        flags=WILDCARD,
    ),
    World(
        "bin-hidden",
        "the wildcard of the clients' namespace hides the exact rule of the Service's",
        (("XS0302", ERROR, rule("mesh-mtls", "mtls")),),
        [
            service("bin-hidden", port(80, "http"), namespace="without-istio"),
            endpoint_slice("bin-hidden", [HTTPBIN], port(80, "http"), namespace="without-istio"),
            destination_rule("bin-hidden", fqdn("bin-hidden", "without-istio"), DISABLE, "without-istio"),
        ],
        namespace="without-istio",
        pods=("under-wildcard",),
        flags=WILDCARD,
    ),
    World(
        "bin-root",
        "the wildcard is the root namespace's, and ours has lost its rule",
        (("XS0302", ERROR, rule("mesh-mtls", "istio-system")),),
        create=httpbin("bin-root"),
        broken_by=[("delete", "destinationrule", "bin-root")],
        around=Around.ROOT_WILDCARD,
        sandbox=True,
    ),
    World(
        "bin-no-entry",
        "ours has lost its ServiceEntry",
        (("XS0304", ERROR, virtual("bin-no-entry")),),
        create=["bin-no-entry", "--external-name", "httpbin.org"],
        broken_by=[("delete", "serviceentry", "bin-no-entry")],
        sandbox=True,
        istioctl=frozenset({"IST0101"}),
    ),
    World(
        "warming",
        "a rule names a CA file that the proxy does not have: its cluster waits in vain",
        (("XS0304", ERROR, rule("warming")),),
        [
            *addresses_alias("warming", PAY, 80, 443),
            destination_rule(
                "warming", fqdn("warming"), simple("api.pay.example", caCertificates="/etc/no-such-ca.crt")
            ),
        ],
        cure=None,
    ),
    World(
        "http-443",
        "a TLS port is named http: the proxy sends plain HTTP to it",
        (("XS0305", ERROR, alias("http-443")),),
        addresses_alias("http-443", HTTPBIN, 443, 443, host="httpbin.org"),
    ),
    World(
        "tls-80",
        "a port of plain HTTP is named tls",
        (("XS0306", ERROR, alias("tls-80")),),
        addresses_alias("tls-80", HTTPBIN, 80, 80, "tls"),
    ),
    World(
        "https-plain",
        "an https port leads to a port of plain HTTP",
        (("XS0306", ERROR, alias("https-plain")),),
        addresses_alias("https-plain", HTTPBIN, 443, 80, "https"),
    ),
    World(
        "name-https-80",
        "the same of an ExternalName",
        (("XS0306", ERROR, alias("name-https-80")),),
        [external_name("name-https-80", "httpbin.org", port(80, "https"))],
    ),
    World(
        "http-db",
        "a database's port is named http",
        (("XS0307", ERROR, alias("http-db")),),
        addresses_alias("http-db", DATABASE, 5432, 5432, "http-db"),
        flags=HANGS,
    ),
    World(
        "name-http-db",
        "the same of an ExternalName",
        (("XS0307", ERROR, alias("name-http-db")),),
        [external_name("name-http-db", "db.example", port(5432, "http"))],
        flags=HANGS,
    ),
    World(
        "fourth-namespace",
        "the rule lies in a namespace where nobody looks for it",
        (("XS0407", ERROR, rule("fourth-namespace", "without-istio")),),
        [
            *addresses_alias("fourth-namespace", PAY, 80, 443),
            destination_rule("fourth-namespace", fqdn("fourth-namespace"), simple("api.pay.example"), "without-istio"),
        ],
    ),
    World(
        "half-a-host",
        "the rule's host is name.namespace, which matches nothing",
        (("XS0407", ERROR, rule("half-a-host")),),
        [
            *addresses_alias("half-a-host", PAY, 80, 443),
            destination_rule("half-a-host", "half-a-host.default", simple("api.pay.example")),
        ],
        istioctl=frozenset({"IST0174"}),
    ),
    World(
        "unmatched-selector",
        "a rule for another workload stops the lookup",
        (("XS0407", ERROR, rule("unmatched-selector")),),
        [
            *addresses_alias("unmatched-selector", PAY, 80, 443),
            destination_rule(
                "unmatched-selector",
                fqdn("unmatched-selector"),
                simple("api.pay.example"),
                workloadSelector={"matchLabels": {"app": "another"}},
            ),
        ],
        cure=None,
    ),
    World(
        "two-rules",
        "two rules for one host: the elder's policy is all that counts",
        (("XS0407", ERROR, rule("two-rules-b")),),
        [
            *addresses_alias("two-rules", PAY, 80, 443),
            destination_rule("two-rules-a", fqdn("two-rules"), DISABLE),
            destination_rule("two-rules-b", fqdn("two-rules"), simple("api.pay.example")),
        ],
    ),
    World(
        "mesh-exported",
        "the Service is exported to its own namespace alone: callers elsewhere bypass its rule",
        (("XS0609", ERROR, alias("mesh-exported")),),
        [
            service("mesh-exported", port(80, "http"), annotations={"networking.istio.io/exportTo": "."}),
            endpoint_slice("mesh-exported", [PAY], port(443, "http")),
            destination_rule("mesh-exported", fqdn("mesh-exported"), simple("api.pay.example")),
        ],
        pods=("other",),
        flags=(*from_pods("other"), PLAIN),
    ),
    World(
        "rule-unexported",
        "the rule is exported to its own namespace alone: callers elsewhere send plaintext",
        (("XS0407", ERROR, rule("rule-unexported")),),
        [
            *addresses_alias("rule-unexported", PAY, 80, 443),
            destination_rule("rule-unexported", fqdn("rule-unexported"), simple("api.pay.example"), exportTo=["."]),
        ],
        pods=("other",),
        flags=(*from_pods("other"), PLAIN),
    ),
    World(
        "tcp-entry",
        "the target's own TCP ServiceEntry, without addresses, takes the port from all other hosts",
        (("XS0605", WARNING, entry("tcp-entry", "truth")),),
        [
            external_name("tcp-entry", own_host("tcp-entry"), port(443, "tcp"), namespace="truth"),
            service_entry(
                "tcp-entry", own_host("tcp-entry"), entry_port(443, "TCP"), namespace="truth", exportTo=["."]
            ),
        ],
        namespace="truth",
        pods=("other",),
        flags=(*from_pods("other"), PLAIN),
        cure=None,
        istioctl=frozenset({"IST0134"}),
    ),
    World(
        "taken",
        "a TCP ServiceEntry of another host, without addresses, takes the alias's port",
        (("XS0604", ERROR, entry("taken-by-another", "truth")),),
        [
            external_name("taken", "db.example", port(5432, "tcp")),
            service_entry(
                "taken-by-another",
                own_host("taken-by-another"),
                entry_port(5432, "TCP", 80),
                namespace="truth",
                exportTo=["."],
            ),
        ],
        pods=("other",),
        flags=(*from_pods("other"), PLAIN),
        cure=None,
        istioctl=frozenset({"IST0134"}),
    ),
    World(
        "headless-tcp",
        "a headless TCP alias takes all connections to its address, and its rule adds TLS to them",
        (("XS0605", WARNING, alias("headless-tcp")),),
        [
            service("headless-tcp", port(443, "tcp"), clusterIP="None"),
            endpoint_slice("headless-tcp", ["203.0.113.28"], port(443, "tcp")),
            destination_rule("headless-tcp", fqdn("headless-tcp"), simple("h1.example")),
        ],
        cure=None,
    ),
]
