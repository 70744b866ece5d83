"""The outside's DNS: names and addresses as the testbed's CoreDNS has them, until a scenario changes them."""

from collections.abc import Mapping

HTTPBIN = "203.0.113.10"
PAY = "203.0.113.20"
MTLS_PAY = "203.0.113.21"
EXPIRED = "203.0.113.22"
UNTRUSTED = "203.0.113.23"
DATABASE = "203.0.113.24"
WIKIPEDIA = ("198.51.100.26", "198.51.100.27")
REFUSING = "203.0.113.30"
SILENT = "203.0.113.99"

ADDRESSES: Mapping[str, tuple[str, ...]] = {
    "httpbin.org": (HTTPBIN,),
    "api.pay.example": (PAY,),
    "mtls.pay.example": (MTLS_PAY,),
    "expired.example": (EXPIRED,),
    "untrusted.example": (UNTRUSTED,),
    "db.example": (DATABASE,),
    "en.wikipedia.org": WIKIPEDIA,
    "wikipedia.org": WIKIPEDIA,
    "www.wikipedia.org": WIKIPEDIA,
}


class OutsideDns:
    """Names in lower case without a final dot; a name that was never set does not exist."""

    def __init__(self) -> None:
        self._addresses = dict(ADDRESSES)
        self._cnames: dict[str, str] = {}

    def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a name, after its CNAMEs; none for a loop or a name that does not exist."""
        seen: set[str] = set()
        host = _plain(host)
        while host in self._cnames and host not in seen:
            seen.add(host)
            host = self._cnames[host]
        return self._addresses.get(host, ())

    def cname(self, host: str) -> str:
        """The name that a name is a CNAME of, "" if it is none."""
        return self._cnames.get(_plain(host), "")

    def set_addresses(self, host: str, *addresses: str) -> None:
        """A name has these addresses now; without any, it does not exist any more."""
        host = _plain(host)
        self._cnames.pop(host, None)
        if addresses:
            self._addresses[host] = addresses
        else:
            self._addresses.pop(host, None)

    def set_cname(self, host: str, target: str) -> None:
        """A name is a CNAME of another now."""
        host = _plain(host)
        self._addresses.pop(host, None)
        self._cnames[host] = _plain(target)


def _plain(host: str) -> str:
    return host.lower().removesuffix(".")
