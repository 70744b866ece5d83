"""What TLS libraries say when a handshake fails, read as one of a few troubles.

The words are those of OpenSSL (curl, wget, Python), GnuTLS (Debian's wget), mbedTLS and wolfSSL (small images) and
BoringSSL (Envoy). Seen with OpenSSL 3.0, GnuTLS 3.7, Python 3.11 and Envoy 1.40; the others are from curl lib/vtls,
GnuTLS lib/errors.c and lib/alert.c.
"""

import re
from enum import StrEnum

from kubectl_extsvc.model.probe import Answer, Trust


class TlsTrouble(StrEnum):
    """Why client and server did not agree."""

    UNKNOWN = "a reason that is not known"
    NAME = "the certificate is for another name"
    ISSUER = "the certificate's issuer is not trusted"
    DATE = "the certificate has expired or is not yet valid"
    SNI = "the server has no such name"
    CLIENT_CERTIFICATE = "the server wants a client certificate"
    CLIENT_REFUSED = "the server refuses the client's certificate"
    NO_TLS = "the server does not speak TLS"
    VERSION = "no TLS version or cipher that both speak"
    REFUSED = "the server breaks the handshake off without a reason"


_SIGNS: tuple[tuple[str, TlsTrouble], ...] = (
    # Alerts first: they are the server's words about us, and sound like our own about it.
    (r"unrecognized name|name sent was not recognized", TlsTrouble.SNI),
    (r"certificate required|certificate is required", TlsTrouble.CLIENT_CERTIFICATE),
    (
        r"alert (bad|unknown|unsupported|expired|revoked)? ?(certificate|ca)\b|certificate is bad|ca is unknown"
        r"|alert access denied|unable to use (the )?client certificate",
        TlsTrouble.CLIENT_REFUSED,
    ),
    (
        r"alert protocol version|unsupported protocol|no protocols available|error in protocol version"
        r"|alert insufficient security|no shared cipher|no ciphers available|no cipher match",
        TlsTrouble.VERSION,
    ),
    (r"alert handshake failure|handshake failed|fatal alert", TlsTrouble.REFUSED),
    # A server that sends something else than TLS records.
    (
        r"wrong version number|unknown protocol|packet length too long|record layer failure|unexpected tls packet"
        r"|invalid ssl record",
        TlsTrouble.NO_TLS,
    ),
    # Dates before issuers: GnuTLS says of an expired certificate that it is not trusted, too.
    (
        r"has expired|certificate expired|expiration date has passed|not yet (been )?(valid|activated)"
        r"|not activated yet|starts in the future|badcert (expired|future)",
        TlsTrouble.DATE,
    ),
    (
        r"local issuer|self.?signed|verify the first certificate|signer not trusted|known issuer|issuer's authority"
        r"|issuer certificate|unknown ca|signed by the trusted ca|signer error|not trusted",
        TlsTrouble.ISSUER,
    ),
    (
        r"subject name|subject alternative|hostname mismatch|address mismatch|does(n't| not) match"
        r"|san matcher|verify san list|expected cn|cn mismatch|common name",
        TlsTrouble.NAME,
    ),
)
"""Signs in the order in which they are looked for; _ counts as a blank, and capitals do not count."""


def trouble_in(words: str) -> TlsTrouble:
    """The trouble that a library's words tell; UNKNOWN where they tell none."""
    plain = words.lower().replace("_", " ").replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return next((trouble for sign, trouble in _SIGNS if re.search(sign, plain)), TlsTrouble.UNKNOWN)


def trouble_of(answer: Answer) -> TlsTrouble:
    """The trouble of a client's own handshake: by its words, else by what it saw of the certificate."""
    trouble, handshake = trouble_in(answer.error), answer.handshake
    if trouble is not TlsTrouble.UNKNOWN or handshake is None:
        return trouble
    names = handshake.certificates[0].names if handshake.certificates else ()
    if answer.exit_code in (51, 60) and handshake.trust is Trust.UNTRUSTED:
        return TlsTrouble.ISSUER
    if answer.exit_code in (51, 60) and names and not named_in(handshake.sni, names):
        return TlsTrouble.NAME
    return trouble


def named_in(host: str, names: tuple[str, ...] | list[str]) -> bool:
    """Host is one of a certificate's names; a wildcard stands for one label (RFC 6125)."""
    parent = host.partition(".")[2]
    return bool(host) and (host in names or f"*.{parent}" in names)


def library_reason(text: str) -> str:
    """The TLS library's reason as one word; curl's "tlsv1 unrecognized name" becomes TLSV1_UNRECOGNIZED_NAME."""
    if found := re.search(r"OPENSSL_internal:([A-Z0-9_]+)|\[SSL: ([A-Z0-9_]+)\]", text):
        return found.group(1) or found.group(2)
    if found := re.search(r"SSL routines:[^:]*:([^:(),]+)", text):
        return found.group(1).strip().upper().replace(" ", "_").replace("/", "_")
    return "CERTIFICATE_VERIFY_FAILED" if "CERTIFICATE_VERIFY_FAILED" in text else ""


def verify_detail(text: str) -> str:
    """Envoy's own words on why it refused a certificate ("certificate has expired"), "" if there are none."""
    found = re.search(r"verification[ _]error[ _]at[ _]depth[ _]\d+:[ _]?([^:|}]+)", text)
    return found.group(1).replace("_", " ").strip() if found else ""


def certificate_names(transport: str) -> list[str]:
    """Names in the certificate, from Envoy's "certificate SANs: [a, b]" or "… SANs are [a, b]", with _ for space."""
    found = re.search(r"certificate[ _]SANs(?::|[ _]are)[ _]?\[([^\]]*)\]", transport)
    return [name.strip(" _") for name in found.group(1).split(",") if name.strip(" _")] if found else []
