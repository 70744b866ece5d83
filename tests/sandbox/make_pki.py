"""Makes the certificates in kubectl_extsvc/sandbox/outside/pki anew. Run it from the checkout, when a name is added:

.venv/bin/python tests/sandbox/make_pki.py
"""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kubectl_extsvc.sandbox.outside.pki import FOLDER

START = datetime(2024, 1, 1, tzinfo=UTC)
END = START + timedelta(days=36_525)
"""100 years."""

Issuer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def certificate(subject: str, names: list[x509.GeneralName], issuer: Issuer | None, *, is_ca: bool = False) -> Issuer:
    """A certificate and its key; without an issuer it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer[0].subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START)
        .not_valid_after(END)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(_usage(is_ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer:
        of_issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[1].public_key())
        builder = builder.add_extension(of_issuer, critical=False)
    if not is_ca:
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(usages, critical=False)
    if names:
        # RFC 5280 4.2.1.6: critical where there is no subject.
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not subject)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def _usage(is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def write(name: str, made: Issuer, *, key_too: bool = True) -> None:
    """A file of each; a CA's key is not kept."""
    (FOLDER / f"{name}.crt").write_bytes(made[0].public_bytes(Encoding.PEM))
    if key_too:
        key = made[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (FOLDER / f"{name}.key").write_bytes(key)


def dns(*names: str) -> list[x509.GeneralName]:
    """Alternative names."""
    return [x509.DNSName(name) for name in names]


def main() -> None:
    """Write all files."""
    FOLDER.mkdir(exist_ok=True)
    ca = certificate("extsvc sandbox: outside", [], None, is_ca=True)
    mesh = certificate("extsvc sandbox: mesh", [], None, is_ca=True)
    write("ca", ca, key_too=False)
    write("mesh-root", mesh, key_too=False)
    write("httpbin.org", certificate("httpbin.org", dns("httpbin.org", "*.httpbin.org"), ca))
    write("wikipedia", certificate("*.wikipedia.org", dns("wikipedia.org", "*.wikipedia.org"), ca))
    write("api.pay.example", certificate("api.pay.example", dns("api.pay.example"), ca))
    write("client", certificate("client", [], ca))
    loopback: list[x509.GeneralName] = [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]
    write("apiserver", certificate("apiserver", loopback, ca))
    spiffe: list[x509.GeneralName] = [x509.UniformResourceIdentifier("spiffe://cluster.local/ns/default/sa/curl")]
    write("workload", certificate("", spiffe, mesh))


if __name__ == "__main__":
    main()
