"""Certificates as the product reads them, against those that a library makes."""

import base64
import datetime
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from kubectl_extsvc.model.probe import Certificate
from kubectl_extsvc.probes.certificates import certificate_of, certificates_in_pem

IN_2031 = datetime.datetime(2031, 2, 3, 4, 5, 6)
KEY = ec.generate_private_key(ec.SECP256R1())


def made(
    *names: x509.GeneralName,
    subject: str = "pay.test",
    until: datetime.datetime = IN_2031,
) -> x509.Certificate:
    who = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Pay, Inc."),
        x509.NameAttribute(NameOID.COMMON_NAME, subject),
        x509.NameAttribute(NameOID.SERIAL_NUMBER, "7"),
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(who))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")]))
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2026, 1, 2, 3, 4, 5))
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(KEY, hashes.SHA256())


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


WHOLE = der(
    made(
        x509.DNSName("pay.test"),
        x509.DNSName("*.pay.test"),
        x509.IPAddress(ip_address("203.0.113.20")),
        x509.IPAddress(ip_address("2001:db8::20")),
        x509.UniformResourceIdentifier("spiffe://cluster.local/ns/shop/sa/pay"),
        x509.RFC822Name("jo@pay.test"),
    )
)


def test_names_issuer_and_dates_are_read() -> None:
    assert certificate_of(WHOLE) == Certificate(
        "C = DE, O = Pay, Inc., CN = pay.test, other = 7",
        "CN = test CA",
        ("pay.test", "*.pay.test", "203.0.113.20", "2001:db8::20", "spiffe://cluster.local/ns/shop/sa/pay"),
        "2026-01-02T03:04:05Z",
        "2031-02-03T04:05:06Z",
    )


@pytest.mark.parametrize("year", [2049, 2050, 9999])
def test_both_kinds_of_time_are_read(year: int) -> None:
    certificate = certificate_of(der(made(until=datetime.datetime(year, 12, 31, 23, 59, 59))))
    assert certificate is not None
    assert (certificate.not_after, certificate.names) == (f"{year}-12-31T23:59:59Z", ())


def test_hostile_names_come_clean() -> None:
    certificate = certificate_of(der(made(x509.DNSName("a\x1b[31m"), subject="\x1b]0;owned\x07")))
    assert certificate is not None
    assert (certificate.subject, certificate.names) == ("C = DE, O = Pay, Inc., CN = ]0;owned, other = 7", ("a[31m",))


def test_a_chain_in_pem_is_read_in_order_between_other_text() -> None:
    pem = "".join(
        f"Subject:x\n-----BEGIN CERTIFICATE-----\n{base64.b64encode(text).decode()}\n-----END CERTIFICATE-----\n"
        for text in (WHOLE, b"nonsense", der(made(subject="second")))
    )
    assert [certificate.subject.split(", ")[3] for certificate in certificates_in_pem(pem)] == [
        "CN = pay.test",
        "CN = second",
    ]


@given(st.binary(max_size=200) | st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)))
def test_reading_never_raises(change: bytes | tuple[int, int]) -> None:
    if isinstance(change, tuple):
        place, value = change
        change = WHOLE[:place] + bytes([value]) + WHOLE[place + 1 :]
    certificate = certificate_of(change)
    assert certificate is None or all(text.isprintable() for text in (certificate.subject, *certificate.names))


@given(st.integers(0, len(WHOLE) - 1))
def test_what_was_cut_is_no_certificate(size: int) -> None:
    assert certificate_of(WHOLE[:size]) is None
