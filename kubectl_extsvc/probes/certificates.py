"""X.509 certificates (RFC 5280) as far as a report tells them. What cannot be read is None, and nothing is checked.

Every TLS library writes names and dates in words of its own; the certificate itself is the same everywhere.
"""

import binascii
import re
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import islice

from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.probe import Certificate

MOST_CERTIFICATES = 10
MOST_NAMES = 100
_LARGEST = 64 * 1024

_VERSION, _EXTENSIONS = 0xA0, 0xA3
_UTC_TIME, _OCTETS, _BMP_STRING = 0x17, 0x04, 0x1E
_DNS_NAME, _URI, _ADDRESS = 0x82, 0x86, 0x87
_SUBJECT_ALT_NAME = bytes.fromhex("551d11")
_ATTRIBUTES = {
    bytes.fromhex("550403"): "CN",
    bytes.fromhex("550406"): "C",
    bytes.fromhex("550407"): "L",
    bytes.fromhex("550408"): "ST",
    bytes.fromhex("55040a"): "O",
    bytes.fromhex("55040b"): "OU",
}

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s*([A-Za-z0-9+/=\s]{1,100000})-----END CERTIFICATE-----")


def certificates_in_pem(text: str) -> tuple[Certificate, ...]:
    """The certificates of a chain in PEM, in order; other text between them is passed over."""
    found: list[Certificate] = []
    for block in _PEM.finditer(text):
        try:
            certificate = certificate_of(binascii.a2b_base64(block[1]))
        except ValueError:
            continue
        if certificate is not None:
            found.append(certificate)
    return tuple(found[:MOST_CERTIFICATES])


def certificate_of(der: bytes) -> Certificate | None:
    """Reads one certificate. Never raises."""
    if len(der) > _LARGEST:
        return None
    try:
        ((_, outer),) = list(_parts(der))[:1]
        (_, to_be_signed), *_ = _parts(outer)
        parts = list(_parts(to_be_signed))
        if parts[0][0] == _VERSION:
            parts.pop(0)
        _, _, (_, issuer), (_, validity), (_, subject) = parts[:5]
        not_before, not_after = (_moment(tag, text) for tag, text in _parts(validity))
        names = tuple(name for tag, text in parts[5:] if tag == _EXTENSIONS for name in _alternative_names(text))
        return Certificate(_name(subject), _name(issuer), names[:MOST_NAMES], not_before, not_after)
    except (ValueError, IndexError):
        return None


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element (DER, X.690). Raises ValueError, IndexError."""
    place = 0
    while place < len(data):
        tag, size = data[place], data[place + 1]
        place += 2
        if size > 0x80:
            octets = size - 0x80
            size = int.from_bytes(data[place : place + octets])
            place += octets
        if place + size > len(data) or size == 0x80:
            raise ValueError("an element without end")
        yield tag, data[place : place + size]
        place += size


def _name(data: bytes) -> str:
    """A distinguished name, as openssl writes it: CN = a, O = b."""
    words = []
    for _, relative in _parts(data):
        for _, pair in _parts(relative):
            (_, key), (tag, value) = list(_parts(pair))[:2]
            text = value.decode("utf-16-be" if tag == _BMP_STRING else "utf-8", "replace")
            words.append(f"{_ATTRIBUTES.get(key, 'other')} = {one_line(text, 200)}")
    return one_line(", ".join(words))


def _moment(tag: int, text: bytes) -> str:
    """RFC 3339 of UTCTime (years 1950-2049) or GeneralizedTime."""
    digits = text.decode("ascii")
    if tag == _UTC_TIME:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    if not re.fullmatch(r"\d{14}Z", digits, re.ASCII):
        raise ValueError("no time")
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}T{digits[8:10]}:{digits[10:12]}:{digits[12:14]}Z"


def _alternative_names(data: bytes) -> Iterator[str]:
    for _, extensions in _parts(data):
        for _, extension in _parts(extensions):
            (_, key), *_, (tag, value) = _parts(extension)
            if key != _SUBJECT_ALT_NAME or tag != _OCTETS:
                continue
            for _, names in _parts(value):
                for kind, name in _parts(names):
                    if kind in (_DNS_NAME, _URI):
                        yield one_line(name.decode("utf-8", "replace"), 255)
                    elif kind == _ADDRESS and len(name) in (4, 16):
                        yield str(ip_address(name))


def certificates_in_der(chain: Iterator[bytes]) -> tuple[Certificate, ...]:
    """Those of a chain that can be read, in order."""
    found = (certificate_of(der) for der in islice(chain, MOST_CERTIFICATES))
    return tuple(certificate for certificate in found if certificate is not None)
