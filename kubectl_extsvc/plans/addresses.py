"""Addresses that an Endpoints alias may stand for."""

import ipaddress
from collections.abc import Sequence

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.plans.naming import Warnings, quoted

MAX_ENDPOINTS = 1000
"""Of one EndpointSlice (kubernetes pkg/apis/discovery/validation, maxEndpoints); we write one slice a family."""

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_LIMITED_BROADCAST = ipaddress.ip_address("255.255.255.255")
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_RESERVED = ipaddress.ip_network("240.0.0.0/4")
# pilot/pkg/features: PILOT_IP_AUTOALLOCATE_IPV4_PREFIX and _IPV6_PREFIX; 240.240.0.0/16 lies in the reserved block.
_ISTIO_AUTOMATIC_V6 = ipaddress.ip_network("2001:2::/48")


def addresses(texts: Sequence[str], *, flag: str = "--address") -> tuple[tuple[str, ...], Warnings]:
    """Addresses in canonical form and the order given, none twice, and what to warn of.

    Each text may hold several, separated by commas. Raises UsageError.
    """
    parts = [part.strip() for text in texts for part in text.split(",")]
    found = dict.fromkeys(_address(part, flag) for part in parts if part)
    if not found:
        raise UsageError(f"{flag}: no address is given")
    for version in (4, 6):
        count = sum(address.version == version for address in found)
        if count > MAX_ENDPOINTS:
            raise UsageError(
                f"{flag}: {count} IPv{version} addresses, at most {MAX_ENDPOINTS} fit into an EndpointSlice"
            )
    warnings = tuple(warning for address in found if (warning := _doubt(address)))
    return tuple(map(str, found)), warnings


def _address(text: str, flag: str) -> IpAddress:
    if "%" in text:
        raise UsageError(f"{flag}: {quoted(text)} has a zone, which means something on one machine only")
    if "/" in text:
        raise UsageError(f"{flag}: {quoted(text)} is a network: give single addresses")
    try:
        address = ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise UsageError(
            f"{flag}: {quoted(text)} is not an IP address: for a host use --external-name, or --host with --lookup"
        ) from None
    reason = _why_nobody_answers(address)
    if reason:
        raise UsageError(f"{flag}: {address} is {reason}")
    return address


def _why_nobody_answers(address: IpAddress) -> str:
    """Why no pod can reach an external service at that address, "" if it can.

    Kubernetes itself refuses unspecified, loopback, link-local and link-local multicast (pkg/apis/core/validation,
    ValidateNonSpecialIP). It takes the other multicast, broadcast and 0.0.0.0/8, though no TCP connection gets there.
    """
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return f"an IPv4 address in IPv6 clothes: write {address.ipv4_mapped}"
    if address.is_unspecified:
        return "the unspecified address, which Kubernetes refuses"
    if address.is_loopback:
        return "a loopback address, which Kubernetes refuses: it is the calling pod itself"
    if address.is_link_local:
        return "a link-local address, which Kubernetes refuses: it ends at the node's own link"
    if address.is_multicast:
        return "a multicast address: no TCP connection can be made to it"
    if address == _LIMITED_BROADCAST:
        return "the broadcast address: no TCP connection can be made to it"
    if address in _THIS_NETWORK:
        return "in 0.0.0.0/8, which is never a destination (RFC 1122)"
    return ""


def _doubt(address: IpAddress) -> str:
    """What is odd about an address that may still answer."""
    if address in _RESERVED:
        return (
            f"{address} is in 240.0.0.0/4, which is reserved: many networks drop it, "
            "and Istio takes 240.240.0.0/16 for its automatic addresses"
        )
    if address in _ISTIO_AUTOMATIC_V6:
        return f"{address} is in 2001:2::/48, which Istio takes for its automatic addresses"
    return ""
