"""Names and addresses outside of the cluster, as the testbed's CoreDNS has them."""

from collections.abc import Mapping

HTTPBIN = "203.0.113.10"
PAY = "203.0.113.20"
WIKIPEDIA = ("198.51.100.26", "198.51.100.27")
SILENT = "203.0.113.99"
"""Nobody answers there; at all other addresses without a server connections are refused."""

ADDRESSES: Mapping[str, tuple[str, ...]] = {
    "httpbin.org": (HTTPBIN,),
    "api.pay.example": (PAY,),
    "en.wikipedia.org": WIKIPEDIA,
    "wikipedia.org": WIKIPEDIA,
    "www.wikipedia.org": WIKIPEDIA,
}


def addresses_of(host: str) -> tuple[str, ...]:
    """The addresses of a name, whatever its case and final dot; none if it does not exist."""
    return ADDRESSES.get(host.lower().removesuffix("."), ())
