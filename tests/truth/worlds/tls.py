"""The wrong TLS, or none."""

from truth.objects import (
    EXPIRED,
    HTTPBIN,
    MTLS,
    PAY,
    UNTRUSTED,
    WIKIPEDIA,
    addresses_alias,
    destination_rule,
    endpoint_slice,
    external_name,
    fqdn,
    own_host,
    patched,
    port,
    service,
    simple,
    tls_patch,
)
from truth.world import ERROR, WARNING, World, alias, filled, rule

EMPTY_TLS = {"sni": None, "subjectAltNames": None, "caCertificates": None}
OURS_BY_CREDENTIAL = simple("api.pay.example", credentialName="pay-ca", caCertificates=None)
VERIFIES_NOTHING = {"mode": "SIMPLE", "sni": "api.pay.example", "insecureSkipVerify": True}


def pay(name: str) -> tuple[str, ...]:
    return name, "--address", PAY, "--host", "api.pay.example", "--port", "http:80:443"


def wikipedia(name: str) -> tuple[str, ...]:
    return name, "--address", ",".join(WIKIPEDIA), "--host", "en.wikipedia.org"


WORLDS = [
    World(
        "wrong-certificate",
        "the server's certificate has not the name that the client calls",
        (("XS0401", ERROR, alias("wrong-certificate")),),
        [external_name("wrong-certificate", own_host("wrong-certificate"), port(443, "https"))],
        cure=None,
    ),
    World(
        "expired",
        "the server's certificate has expired",
        (("XS0411", ERROR, alias("expired")),),
        [external_name("expired", "expired.example", port(443, "tls"))],
        cure=None,
    ),
    World(
        "expired-origination",
        "the same where the sidecar adds TLS",
        (("XS0411", ERROR, alias("expired-origination")),),
        [
            *addresses_alias("expired-origination", EXPIRED, 80, 443),
            destination_rule("expired-origination", fqdn("expired-origination"), simple("expired.example")),
        ],
        cure=None,
    ),
    World(
        "untrusted",
        "nobody known signed the server's certificate",
        (("XS0412", ERROR, alias("untrusted")),),
        create=["untrusted", "--address", UNTRUSTED, "--host", "untrusted.example"],
        cure=None,
    ),
    World(
        "untrusted-origination",
        "the same where the sidecar adds TLS",
        (("XS0412", ERROR, rule("untrusted-origination")),),
        [
            *addresses_alias("untrusted-origination", UNTRUSTED, 80, 443),
            destination_rule("untrusted-origination", fqdn("untrusted-origination"), simple("untrusted.example")),
        ],
        cure=None,
    ),
    World(
        "mtls-client",
        "the server wants a certificate of the client, who has none",
        (("XS0413", ERROR, alias("mtls-client")),),
        [external_name("mtls-client", "mtls.pay.example", port(443, "tls"))],
        cure=None,
    ),
    World(
        "mtls-origination",
        "the server wants a certificate of the sidecar, whose rule says SIMPLE",
        (("XS0413", ERROR, rule("mtls-origination")),),
        [
            *addresses_alias("mtls-origination", MTLS, 80, 443),
            destination_rule("mtls-origination", fqdn("mtls-origination"), simple("mtls.pay.example")),
        ],
        cure=None,
    ),
    World(
        "pay-no-sni",
        "ours has lost its SNI",
        (("XS0403", ERROR, rule("pay-no-sni")),),
        create=pay("pay-no-sni"),
        broken_by=[
            ("delete", "virtualservice", "pay-no-sni"),
            patched("destinationrule", "pay-no-sni", tls_patch(EMPTY_TLS)),
        ],
        sandbox=True,
    ),
    World(
        "pay-lost-rule",
        "ours has lost its DestinationRule: sidecars send plaintext to a TLS port",
        (("XS0407", ERROR, alias("pay-lost-rule")),),
        create=pay("pay-lost-rule"),
        broken_by=[("delete", "destinationrule", "pay-lost-rule")],
        sandbox=True,
    ),
    World(
        "pay-strict",
        "SIMPLE without names, and a strict server",
        (("XS0403", ERROR, rule("pay-strict-tls")),),
        [
            *addresses_alias("pay-strict", PAY, 80, 443),
            destination_rule("pay-strict-tls", fqdn("pay-strict"), {"mode": "SIMPLE"}),
        ],
        cure=filled(HOST="api.pay.example"),
        sandbox=True,
    ),
    World(
        "bin-any-sni",
        "SIMPLE without names, and a server that takes any SNI",
        (("XS0402", ERROR, rule("bin-any-sni-tls")),),
        [
            *addresses_alias("bin-any-sni", HTTPBIN, 80, 443),
            destination_rule("bin-any-sni-tls", fqdn("bin-any-sni"), {"mode": "SIMPLE"}),
        ],
        cure=filled(HOST="httpbin.org"),
        sandbox=True,
    ),
    World(
        "pay-wrong-san",
        "a wrong name in subjectAltNames",
        (("XS0409", ERROR, rule("pay-wrong-san")),),
        create=pay("pay-wrong-san"),
        broken_by=[patched("destinationrule", "pay-wrong-san", tls_patch({"subjectAltNames": ["pay.example"]}))],
        sandbox=True,
    ),
    World(
        "pay-no-san",
        "sni and no subjectAltNames: the name is not checked",
        (("XS0404", WARNING, rule("pay-no-san-tls")),),
        [
            *addresses_alias("pay-no-san", PAY, 80, 443),
            destination_rule("pay-no-san-tls", fqdn("pay-no-san"), {"mode": "SIMPLE", "sni": "api.pay.example"}),
        ],
        sandbox=True,
    ),
    World(
        "pay-lost-san",
        "ours has lost its subjectAltNames",
        (("XS0404", WARNING, rule("pay-lost-san")),),
        create=["pay-lost-san", "--external-name", "api.pay.example", "--port", "http:80:443"],
        broken_by=[patched("destinationrule", "pay-lost-san", tls_patch({"subjectAltNames": None}))],
        sandbox=True,
    ),
    World(
        "pay-unverified",
        "insecureSkipVerify: neither the issuer nor the name is checked",
        (("XS0415", WARNING, rule("pay-unverified")),),
        [
            *addresses_alias("pay-unverified", PAY, 80, 443),
            destination_rule("pay-unverified", fqdn("pay-unverified"), VERIFIES_NOTHING),
        ],
        cure=filled(HOST="api.pay.example"),
    ),
    World(
        "wiki-simple",
        "ours says SIMPLE on a port where clients speak TLS",
        (("XS0405", ERROR, rule("wiki-simple")),),
        create=wikipedia("wiki-simple"),
        broken_by=[patched("destinationrule", "wiki-simple", tls_patch({"mode": "SIMPLE"}))],
        sandbox=True,
    ),
    World(
        "wiki-double",
        "SIMPLE on a port where clients speak TLS",
        (("XS0405", ERROR, rule("wiki-double-tls")),),
        [
            service("wiki-double", port(443, "https")),
            endpoint_slice("wiki-double", WIKIPEDIA, port(443, "https")),
            destination_rule("wiki-double-tls", "wiki-double", {"mode": "SIMPLE", "sni": "en.wikipedia.org"}),
        ],
        sandbox=True,
    ),
    World(
        "credential-theirs",
        "credentialName without workloadSelector: sidecars send plaintext",
        (("XS0406", ERROR, rule("credential-theirs-tls")),),
        [
            *addresses_alias("credential-theirs", PAY, 80, 443),
            destination_rule(
                "credential-theirs-tls",
                fqdn("credential-theirs"),
                simple("api.pay.example", credentialName="pay-ca"),
            ),
        ],
        wants_secret=True,
    ),
    World(
        "credential-ours",
        "the same of our own rule",
        (("XS0406", ERROR, rule("credential-ours")),),
        create=pay("credential-ours"),
        broken_by=[patched("destinationrule", "credential-ours", tls_patch(OURS_BY_CREDENTIAL))],
        wants_secret=True,
    ),
    World(
        "port-gap",
        "portLevelSettings without tls take the rule's TLS away from that port",
        (("XS0414", ERROR, rule("port-gap")),),
        [
            *addresses_alias("port-gap", PAY, 80, 443),
            {
                **destination_rule("port-gap", fqdn("port-gap"), {}),
                "spec": {
                    "host": fqdn("port-gap"),
                    "trafficPolicy": {
                        "tls": simple("api.pay.example"),
                        "portLevelSettings": [{"port": {"number": 80}, "loadBalancer": {"simple": "ROUND_ROBIN"}}],
                    },
                },
            },
        ],
    ),
    World(
        "bin-in-clear",
        "the sidecar adds TLS, and pods without one reach the target in clear",
        (("XS0408", WARNING, alias("bin-in-clear")),),
        create=["bin-in-clear", "--external-name", "httpbin.org", "--port", "http:80:443"],
        cure=None,
        sandbox=True,
    ),
]
