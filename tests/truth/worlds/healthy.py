"""Worlds that are well: whoever says a word about one of these is wrong."""

from truth.objects import (
    DATABASE,
    DISABLE,
    HTTP1,
    HTTPBIN,
    PAY,
    REFUSES,
    SECURE,
    WIKIPEDIA,
    addresses_alias,
    destination_rule,
    endpoint_slice,
    endpoints,
    entry_port,
    external_name,
    fqdn,
    of_istio,
    own_host,
    port,
    service,
    service_entry,
    simple,
    to,
    virtual_service,
)
from truth.pods import PLAIN, from_pods
from truth.world import INFO, Around, World, rule
from truth.worlds.endpoints import httpbin
from truth.worlds.tls import pay, wikipedia

AUTHORITY = {
    "rewrite": {"authority": "secure.example"},
    "headers": {"request": {"set": {"x-forwarded-proto": "https"}}},
}
DNS_AND_ALL = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}

# ruff: noqa: E501 - one world a line
WORLDS = [
    # --- ExternalName ---
    World("name-http", "an ExternalName with an HTTP port", objects=[external_name("name-http", "httpbin.org", port(80, "http"))], sandbox=True),
    World("name-https", "an ExternalName with an HTTPS port", objects=[external_name("name-https", "en.wikipedia.org", port(443, "https"))], sandbox=True),
    World("name-unnamed", "an ExternalName whose port has no name", objects=[external_name("name-unnamed", "httpbin.org", port(80))], sandbox=True),
    World("name-portless", "an ExternalName without ports", objects=[external_name("name-portless", "httpbin.org")], sandbox=True),
    World("name-dotted", "an ExternalName with a final dot, and no rule that it could miss", objects=[external_name("name-dotted", "httpbin.org.", port(80, "http"))], sandbox=True),
    World("name-tcp", "an ExternalName with a TCP port", objects=[external_name("name-tcp", "db.example", port(5432, "tcp-db"))]),
    World("name-in-cluster", "an alias of a Service in the cluster", objects=[external_name("name-in-cluster", fqdn("kube-dns", "kube-system"), port(9153, "http-metrics"))]),
    World("name-of-name", "an alias of an alias", objects=[
        external_name("name-of-name", fqdn("name-of-name-2"), port(80, "http")),
        external_name("name-of-name-2", "httpbin.org", port(80, "http")),
    ], aliases=("name-of-name", "name-of-name-2"), sandbox=True),
    World("name-registered", "a target with a ServiceEntry", objects=[
        external_name("name-registered", own_host("registered"), port(80, "http")),
        service_entry("name-registered", own_host("registered"), entry_port(80, "HTTP")),
    ]),
    World("name-wildcard-registered", "a target under a wildcard ServiceEntry, without a rule that is missed", objects=[
        external_name("name-wildcard-registered", f"one.{own_host('covered')}", port(80, "http")),
        service_entry("name-wildcard-registered", f"*.{own_host('covered')}", entry_port(80, "HTTP"), resolution="NONE"),
    ]),
    World("name-several", "an ExternalName with several ports", objects=[external_name("name-several", "httpbin.org", port(80, "http"), port(443, "https"))], sandbox=True),
    World("ours-name", "ours, of a name", create=("ours-name", "--external-name", "httpbin.org"), sandbox=True),
    World("ours-name-tls", "ours, of a name, for clients that speak TLS", create=("ours-name-tls", "--external-name", "en.wikipedia.org", "--port", "tls:443"), sandbox=True),
    World("ours-name-origination", "ours, of a name, with TLS by the sidecar: plain pods are not served", create=("ours-name-origination", "--external-name", "api.pay.example", "--port", "http:80:443"), sandbox=True),
    World("ours-name-no-mesh", "ours, made as if there were no Istio", create=("ours-name-no-mesh", "--external-name", "httpbin.org", "--mesh", "none"), sandbox=True),
    # --- addresses ---
    World("mirrored", "Endpoints, mirrored by Kubernetes", objects=[service("mirrored", port(443, "tls")), endpoints("mirrored", WIKIPEDIA, port(443, "tls"))], sandbox=True),
    World("mirrored-unnamed", "the same without port names", objects=[service("mirrored-unnamed", port(80)), endpoints("mirrored-unnamed", [HTTPBIN], port(80))], sandbox=True),
    World("headless", "a headless Service", objects=[service("headless", port(80, "http"), clusterIP="None"), endpoint_slice("headless", [HTTPBIN], port(80, "http"))], sandbox=True),
    World("headless-tls", "a headless Service for clients that speak TLS", objects=[service("headless-tls", port(443, "tls"), clusterIP="None"), endpoint_slice("headless-tls", WIKIPEDIA, port(443, "tls"))], sandbox=True),
    World("two-slices", "addresses in two slices", objects=[
        service("two-slices", port(443, "tls"), host="en.wikipedia.org"),
        endpoint_slice("two-slices", WIKIPEDIA[:1], port(443, "tls")),
        endpoint_slice("two-slices", WIKIPEDIA[1:], port(443, "tls"), name="two-slices-2"),
    ], sandbox=True),
    World("dual-slices", "an IPv6 slice beside the IPv4 one, for the day on which pods have IPv6", objects=[
        service("dual-slices", port(80, "http"), host="httpbin.org"),
        endpoint_slice("dual-slices", [HTTPBIN], port(80, "http")),
        endpoint_slice("dual-slices", ["2001:db8::10"], port(80, "http"), name="dual-slices-6", address_type="IPv6"),
    ]),
    World("tcp", "a TCP port", objects=[service("tcp", port(5432, "tcp")), endpoint_slice("tcp", [DATABASE], port(5432, "tcp"))]),
    World("app-protocol", "a database whose port is named http and whose appProtocol says tcp", objects=[
        service("app-protocol", port(5432, "http-db", appProtocol="tcp")),
        endpoint_slice("app-protocol", [DATABASE], port(5432, "http-db")),
    ]),
    World("unnamed-tls", "a port without name, for clients that speak TLS", objects=[service("unnamed-tls", port(443)), endpoint_slice("unnamed-tls", [HTTPBIN], port(443))], sandbox=True),
    World("several-ports", "several ports", objects=[
        service("several-ports", port(80, "http"), port(443, "tls"), host="httpbin.org"),
        endpoint_slice("several-ports", [HTTPBIN], port(80, "http"), port(443, "tls")),
    ], sandbox=True),
    World("other-port", "a Service port that is another than the addresses'", objects=[*addresses_alias("other-port", HTTPBIN, 8080, 80)], sandbox=True),
    World("not-ready-spare", "one address of two is not ready, and nobody asks it", objects=[
        service("not-ready-spare", port(80, "http")),
        {**endpoint_slice("not-ready-spare", [], port(80, "http")),
         "endpoints": [{"addresses": [HTTPBIN]}, {"addresses": [REFUSES], "conditions": {"ready": False}}]},
    ]),
    World("two-rules-agree", "two rules for one host that want the same", objects=[
        *addresses_alias("two-rules-agree", HTTPBIN, 80, 80),
        destination_rule("two-rules-agree-a", fqdn("two-rules-agree"), DISABLE),
        destination_rule("two-rules-agree-b", fqdn("two-rules-agree"), DISABLE),
    ]),
    World("ours-addresses", "ours, of addresses", create=httpbin("ours-addresses"), sandbox=True),
    World(
        "ours-without-rule",
        "ours has lost its DISABLE, and sidecars send plaintext all the same",
        create=httpbin("ours-without-rule"),
        broken_by=[("delete", "destinationrule", "ours-without-rule")],
        sandbox=True,
    ),
    World("ours-wikipedia", "ours, of addresses, for clients that speak TLS", create=wikipedia("ours-wikipedia"), sandbox=True),
    World("ours-origination", "ours, of addresses, with TLS by the sidecar", create=pay("ours-origination"), sandbox=True),
    World("originating", "TLS by the sidecar, the Host being the alias: the server does not mind", objects=[
        *addresses_alias("originating", PAY, 80, 443),
        destination_rule("originating-tls", fqdn("originating"), simple("api.pay.example")),
    ], sandbox=True),
    World("originating-secure", "TLS by the sidecar, who says so in X-Forwarded-Proto", objects=[
        *addresses_alias("originating-secure", SECURE, 80, 443, host="secure.example"),
        destination_rule("originating-secure", fqdn("originating-secure"), simple("secure.example")),
        virtual_service("originating-secure", fqdn("originating-secure"), [{**AUTHORITY, "route": [to(fqdn("originating-secure"), 80)]}]),
    ]),
    World("https-h1", "an https port to a server that speaks HTTP/1.1 alone", objects=[*addresses_alias("https-h1", HTTP1, 443, 443, "https", host="h1.example")]),
    World("mutual", "TLS by the sidecar with a rule per port", objects=[
        *addresses_alias("mutual", PAY, 80, 443),
        {**destination_rule("mutual", fqdn("mutual"), {}), "spec": {"host": fqdn("mutual"), "trafficPolicy": {
            "portLevelSettings": [{"port": {"number": 80}, "tls": simple("api.pay.example")}]}}},
    ]),
    World("task-wikipedia", "Istio's task: Endpoints and a rule", objects=[
        service("task-wikipedia", port(443, "tls")),
        endpoints("task-wikipedia", WIKIPEDIA, port(443, "tls")),
        destination_rule("task-wikipedia-tls", fqdn("task-wikipedia"), DISABLE),
    ], sandbox=True),
    World("task-httpbin", "Istio's task: a rule that no proxy reads, and that would change nothing", ((("XS0301", INFO, rule("task-httpbin-tls")),)), objects=[
        external_name("task-httpbin", "httpbin.org", port(80, "http")),
        destination_rule("task-httpbin-tls", fqdn("task-httpbin"), DISABLE),
    ], sandbox=True),
    # --- around it ---
    World("redirected", "the origin redirects to https, once", objects=[
        external_name("redirected", "wikipedia.org", port(80, "http")),
    ], sandbox=True),
    World("not-found", "the origin has no such page, which is not the alias's fault", create=httpbin("not-found"), flags=("--path", "/status/404"), sandbox=True),
    World("slow", "the origin takes a second", create=httpbin("slow"), flags=("--path", "/delay/1")),
    World("network-policy", "a NetworkPolicy that allows all", objects=[
        *addresses_alias("network-policy", HTTPBIN, 80, 80),
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "allow-all", "namespace": "default"}, "spec": DNS_AND_ALL},
    ]),
    World("permissive", "a PeerAuthentication STRICT for the whole namespace: not about calls to the outside", objects=[
        *addresses_alias("permissive", HTTPBIN, 80, 80),
        of_istio("PeerAuthentication", "strict", {"mtls": {"mode": "STRICT"}}, group="security.istio.io"),
    ]),
    World("seen-by-three", "sources in three namespaces", objects=[*addresses_alias("seen-by-three", HTTPBIN, 80, 80)], pods=("other",), flags=("--from=deployment/curl.default", *from_pods("other"), PLAIN)),
    World("wildcard-and-exact", "an exact rule of the callers' namespace beats their wildcard", objects=[
        *addresses_alias("wildcard-and-exact", HTTPBIN, 80, 80),
        destination_rule("wildcard-and-exact", fqdn("wildcard-and-exact"), DISABLE, "mtls"),
    ], pods=("under-wildcard",), flags=(*from_pods("under-wildcard"), PLAIN)),
    World("name-under-wildcard", "an ExternalName under a wildcard rule, which does not concern it", objects=[
        external_name("name-under-wildcard", "httpbin.org", port(80, "http")),
    ], pods=("under-wildcard",), flags=(*from_pods("under-wildcard"), PLAIN)),
    World("in-scope", "a Sidecar resource that imports the alias, living in the same namespace", objects=[
        service("in-scope", port(80, "http"), namespace="scoped"),
        endpoint_slice("in-scope", [HTTPBIN], port(80, "http"), namespace="scoped"),
    ], namespace="scoped", pods=("scoped",), flags=(*from_pods("scoped"), PLAIN)),
    World("captured-http", "under DNS capture an HTTP alias is matched by its name, whatever the address", objects=[
        external_name("captured-http", own_host("captured"), port(80, "http")),
        service_entry("captured-http", own_host("captured"), entry_port(80, "HTTP")),
    ], pods=("captured",), flags=(*from_pods("captured"), PLAIN)),
    World("excluded-plain", "a pod that keeps the port from its sidecar, and an alias that needs nothing of it", objects=[
        *addresses_alias("excluded-plain", HTTPBIN, 80, 80),
    ], pods=("excluded",), flags=(*from_pods("excluded"), PLAIN)),
    World("unrelated", "another Service's pathologies: a rule for another host, a VirtualService of another name", objects=[
        *addresses_alias("unrelated", HTTPBIN, 80, 80),
        destination_rule("unrelated", "nobody.default.svc.cluster.local", simple("nobody.example")),
        virtual_service("unrelated", "nobody.example", [{"route": [to("nobody.default.svc.cluster.local", 80)]}]),
    ]),
    # --- the mesh lets nothing out ---
    World("registered-only", "REGISTRY_ONLY, and a ServiceEntry for the target", objects=[
        external_name("registered-only", own_host("registered-only"), port(80, "http")),
        service_entry("registered-only", own_host("registered-only"), entry_port(80, "HTTP")),
    ], around=Around.REGISTRY_ONLY),
    World("ours-registered", "REGISTRY_ONLY, and ours with its own ServiceEntry", create=("ours-registered", "--external-name", "httpbin.org"), around=Around.REGISTRY_ONLY, sandbox=True),
    World("ours-registered-tls", "the same for clients that speak TLS", create=("ours-registered-tls", "--external-name", "en.wikipedia.org", "--port", "tls:443"), around=Around.REGISTRY_ONLY, sandbox=True),
    World("addresses-only", "REGISTRY_ONLY, and addresses: a Service is registered by itself", objects=[*addresses_alias("addresses-only", HTTPBIN, 80, 80)], around=Around.REGISTRY_ONLY, sandbox=True),
    World("in-cluster-only", "REGISTRY_ONLY, and a target in the cluster", objects=[external_name("in-cluster-only", fqdn("kube-dns", "kube-system"), port(9153, "http-metrics"))], around=Around.REGISTRY_ONLY),
    # --- other meshes ---
    World("root-disabled", "a wildcard of the root namespace, and an exact DISABLE on the alias", create=httpbin("root-disabled"), around=Around.ROOT_WILDCARD, sandbox=True),
    World("root-name", "a wildcard of the root namespace, and a name", objects=[external_name("root-name", "httpbin.org", port(80, "http"))], around=Around.ROOT_WILDCARD, sandbox=True),
    World("dynamic", "ALLOW_ANY_DYNAMIC_DNS, and a name", objects=[external_name("dynamic", "httpbin.org", port(80, "http"))], around=Around.DYNAMIC_DNS),
    World("dynamic-tls", "the same for clients that speak TLS", objects=[external_name("dynamic-tls", "en.wikipedia.org", port(443, "https"))], around=Around.DYNAMIC_DNS),
    # --- no mesh at all ---
    World("no-istio-name", "no Istio, and a name", objects=[external_name("no-istio-name", "httpbin.org", port(80, "http"))], around=Around.NO_ISTIO, flags=(PLAIN,)),
    World("no-istio-addresses", "no Istio, and addresses", objects=[*addresses_alias("no-istio-addresses", HTTPBIN, 80, 80)], around=Around.NO_ISTIO, flags=(PLAIN,)),
    World("no-istio-ours-name", "no Istio, and ours, of a name", create=("no-istio-ours-name", "--external-name", "httpbin.org"), around=Around.NO_ISTIO, flags=(PLAIN,)),
    World("no-istio-ours", "no Istio, and ours, of addresses, for clients that speak TLS", create=wikipedia("no-istio-ours"), around=Around.NO_ISTIO, flags=(PLAIN,)),
]  # fmt: skip

NO_ALIASES = [
    service("lease", port(80, "http")),
    service("operated", port(80, "http")),
    endpoint_slice(
        "operated",
        [HTTPBIN],
        port(80, "http"),
        labels={
            "kubernetes.io/service-name": "operated",
            "endpointslice.kubernetes.io/managed-by": "operator.example",
        },
    ),
]
"""Services without selector that verify leaves out: a controller writes one's slices, nobody the other's."""
