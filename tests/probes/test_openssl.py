"""openssl s_client shows what a server shows, whoever signed it, and sends nothing."""

import os
import subprocess

import pytest
from worlds.probe_servers import TLS_NAME, Street

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.model.probe import Purpose, Scheme, Transfer
from kubectl_extsvc.probes.batch import Limits
from kubectl_extsvc.probes.openssl import Server, chain_in, command, server_of


def run(server: Server) -> bytes:
    argv = command(server, Limits(3.0))
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=20)
    return done.stdout


def test_a_chain_is_shown_whoever_signed_it_and_nothing_is_sent(strangers: Street) -> None:
    before = len(strangers.heard.get("tls", []))
    (certificate, *_) = chain_in(run(("127.0.0.1", strangers.tls, TLS_NAME)))
    assert TLS_NAME in certificate.names
    assert b"".join(strangers.heard.get("tls", [])[before:]) == b""


def test_without_a_handshake_there_is_no_chain(servers: Street) -> None:
    assert chain_in(run(("127.0.0.1", servers.refusing, TLS_NAME))) == ()
    assert chain_in(run(("127.0.0.1", servers.http, TLS_NAME))) == ()
    assert chain_in(run(("127.0.0.1", servers.tls, "other.test"))) == ()


def transfer(**changes: object) -> Transfer:
    given = {"host": "api.pay.example.", "port": 443, **changes}
    return Transfer("1", Purpose.ALIAS, Scheme.HTTPS, **given)  # type: ignore[arg-type]


def test_who_is_dialled_and_which_name_is_sent() -> None:
    assert server_of(transfer()) == ("api.pay.example.", 443, "api.pay.example")
    assert server_of(transfer(connect_to="10.96.0.9", connect_port=8443)) == ("10.96.0.9", 8443, "api.pay.example")
    assert command(server_of(transfer(host="2001:db8::1")), Limits(5.0)) == (
        "timeout", "5", "openssl", "s_client", "-connect", "[2001:db8::1]:443", "-showcerts"
    )  # fmt: skip
    with pytest.raises(UsageError):
        command(("-help", 443, ""), Limits())
