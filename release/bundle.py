"""Where the PyInstaller bundle begins: gives back the environment as it was before its boot loader, and runs us."""

import os
import sys
from collections.abc import MutableMapping

CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where systems keep the authorities that they trust (Go's crypto/x509/root_linux.go)."""


def give_back(environ: MutableMapping[str, str]) -> None:
    """Undo what the boot loader did, for the programs that we start: credential plugins, kubectl, curl.

    With LD_LIBRARY_PATH left as it is, those would load the bundle's libraries in place of their own.
    """
    before = environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is not None:
        environ["LD_LIBRARY_PATH"] = before
    elif "/_internal" in environ.get("LD_LIBRARY_PATH", ""):
        del environ["LD_LIBRARY_PATH"]
    for name in [name for name in environ if name.startswith("_PYI_")]:
        del environ[name]


def trust_what_the_system_trusts(environ: MutableMapping[str, str]) -> None:
    """The bundle's OpenSSL looks where the machine that made it keeps its authorities."""
    if "SSL_CERT_FILE" not in environ and "SSL_CERT_DIR" not in environ:
        bundle = next(filter(os.path.exists, CA_BUNDLES), None)
        if bundle:
            environ["SSL_CERT_FILE"] = bundle


if __name__ == "__main__":
    give_back(os.environ)
    trust_what_the_system_trusts(os.environ)

    from kubectl_extsvc.cli import main

    sys.exit(main())
