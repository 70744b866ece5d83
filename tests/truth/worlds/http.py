"""The origin answers, and not as it should."""

from truth.objects import (
    HTTP1,
    HTTPBIN,
    LEAN,
    MUTE,
    SECURE,
    SHOP,
    addresses_alias,
    destination_rule,
    external_name,
    fqdn,
    port,
    simple,
    to,
    virtual_service,
)
from truth.pods import PLAIN
from truth.world import ERROR, HANGS, WARNING, Around, World, alias, virtual
from truth.worlds.endpoints import httpbin

WORLDS = [
    World(
        "shop",
        "the origin does not know the alias as Host",
        (("XS0501", ERROR, alias("shop")),),
        create=["shop", "--address", SHOP, "--host", "shop.example", "--port", "http:80"],
        cure=None,
    ),
    World(
        "name-shop",
        "the same of an ExternalName",
        (("XS0501", ERROR, alias("name-shop")),),
        [external_name("name-shop", "shop.example", port(80, "http"))],
        cure=None,
    ),
    World(
        "shop-origination",
        "the same where the sidecar adds TLS: pods without one are not served at all",
        (("XS0501", ERROR, alias("shop-origination")),),
        [
            *addresses_alias("shop-origination", SHOP, 80, 443, host="shop.example"),
            destination_rule("shop-origination", fqdn("shop-origination"), simple("shop.example")),
        ],
    ),
    World(
        "bin-status",
        "the origin answers 500 by itself",
        (("XS0502", ERROR, alias("bin-status")),),
        create=httpbin("bin-status"),
        flags=("--path", "/status/500"),
        cure=None,
        sandbox=True,
    ),
    World(
        "bin-503",
        "the origin answers 503, as a proxy would",
        (("XS0502", ERROR, alias("bin-503")),),
        [external_name("bin-503", "httpbin.org", port(80, "http"))],
        flags=("--path", "/status/503"),
        cure=None,
        sandbox=True,
    ),
    World(
        "bin-body",
        "the page is another one",
        (("XS0503", ERROR, alias("bin-body")),),
        create=httpbin("bin-body"),
        flags=("--expect-body", "free encyclopedia"),
        cure=None,
        sandbox=True,
    ),
    World(
        "mute",
        "the origin takes the connection and never answers",
        (("XS0504", ERROR, alias("mute")),),
        addresses_alias("mute", MUTE, 80, 80),
        cure=None,
        flags=HANGS,
    ),
    World(
        "secure",
        "the origin redirects what X-Forwarded-Proto calls http: for ever, since the sidecar adds the TLS",
        (("XS0505", ERROR, alias("secure")),),
        [
            *addresses_alias("secure", SECURE, 80, 443, host="secure.example"),
            destination_rule("secure", fqdn("secure"), simple("secure.example")),
        ],
    ),
    World(
        "http2",
        "a port is named http2, and the origin speaks HTTP/1.1",
        (("XS0506", ERROR, alias("http2")),),
        addresses_alias("http2", HTTPBIN, 80, 80, "http2"),
    ),
    World(
        "grpc",
        "the same of a port named grpc, where the sidecar adds TLS",
        (("XS0506", ERROR, alias("grpc")),),
        [
            *addresses_alias("grpc", HTTP1, 80, 443, "grpc"),
            destination_rule("grpc", fqdn("grpc"), simple("h1.example")),
        ],
    ),
    World(
        "no-istio-http-443",
        "a port 443 is named http, on a cluster without any Istio",
        (("XS0509", ERROR, alias("no-istio-http-443")),),
        addresses_alias("no-istio-http-443", HTTPBIN, 443, 443),
        around=Around.NO_ISTIO,
        flags=(PLAIN,),
    ),
    World(
        "lean",
        "the origin refuses the headers that the sidecar adds",
        (("XS0507", ERROR, alias("lean")),),
        addresses_alias("lean", LEAN, 80, 80),
        cure=None,
    ),
    World(
        "rewritten",
        "a VirtualService sends callers with a sidecar to another page",
        (("XS0701", WARNING, alias("rewritten")),),
        [
            *addresses_alias("rewritten", HTTPBIN, 80, 80),
            virtual_service(
                "rewritten",
                fqdn("rewritten"),
                [{"rewrite": {"uri": "/status/404"}, "route": [to(fqdn("rewritten"), 80)]}],
            ),
        ],
        cure=None,
    ),
    World(
        "impatient",
        "a VirtualService gives the origin less time than it needs",
        (("XS0508", ERROR, virtual("impatient")),),
        [
            *addresses_alias("impatient", HTTPBIN, 80, 80),
            virtual_service(
                "impatient", fqdn("impatient"), [{"timeout": "0.5s", "route": [to(fqdn("impatient"), 80)]}]
            ),
        ],
        flags=("--path", "/delay/2"),
        cure=None,
    ),
]
