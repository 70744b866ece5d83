"""The certificates that a server shows, by openssl s_client: where the tool that asked does not tell them.

Nothing is sent after the handshake: s_client ends with its standard input, which is empty. It takes any certificate.
Old curls (before 7.88, and some TLS libraries) and wget show none.
"""

from collections.abc import Sequence

from kubectl_extsvc.mesh.hosts import is_address
from kubectl_extsvc.model.probe import Answer, Certificate, Outcome, Scheme, Transfer
from kubectl_extsvc.probes.batch import Limits
from kubectl_extsvc.probes.certificates import certificates_in_pem
from kubectl_extsvc.probes.curl import checked_host, checked_port

MOST_SERVERS = 8
"""A run each, so that runs do not grow with aliases."""

Server = tuple[str, int, str]
"""Host or address that is dialled, port, and the name that is sent as SNI, "" for none."""


def server_of(transfer: Transfer) -> Server:
    name = "" if is_address(transfer.host) else transfer.host.removesuffix(".")
    return transfer.connect_to or transfer.host, transfer.connect_port or transfer.port, name


def unshown(outcomes: Sequence[Outcome]) -> tuple[Server, ...]:
    """Servers that a client spoke TLS with and whose certificates nobody told, as many as are asked."""
    found = (
        server_of(outcome.transfer)
        for outcome in outcomes
        if isinstance(outcome, Answer)
        and outcome.transfer.scheme is Scheme.HTTPS
        and outcome.handshake is not None
        and not outcome.handshake.certificates
    )
    return tuple(dict.fromkeys(found))[:MOST_SERVERS]


def command(server: Server, limits: Limits) -> tuple[str, ...]:
    """argv that asks one server; s_client has no time limit of its own. Raises UsageError for what is no host."""
    host, port, name = server
    seconds = f"{max(round(limits.probe_timeout), 1)}"
    argv = ("timeout", seconds, "openssl", "s_client", "-connect", f"{checked_host(host)}:{checked_port(port)}")
    return (*argv, *(("-servername", checked_host(name)) if name else ()), "-showcerts")


def chain_in(stdout: bytes) -> tuple[Certificate, ...]:
    """The chain, the server's own first; empty if there was no handshake. Never raises."""
    # Without -showcerts, and in LibreSSL with it, the first of the chain is printed once more.
    chain, _, _ = stdout[:400_000].decode("utf-8", "replace").partition("\nServer certificate")
    return certificates_in_pem(chain)
