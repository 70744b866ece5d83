"""Credential plugins and tokens: run, read, renewed, and told clearly when they fail."""

import base64
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from worlds.fake_apiserver import Authority, FakeApiServer, reply, status

from kubectl_extsvc.cluster.client import connect
from kubectl_extsvc.cluster.credentials import Credential, Login, cluster_info, read_credential, run_plugin
from kubectl_extsvc.cluster.kubeconfig import Connection, ConnectionFlags, resolve
from kubectl_extsvc.errors import ConfigurationError
from kubectl_extsvc.model.resources import SERVICES

V1 = "client.authentication.k8s.io/v1"
PATH = "/api/v1/namespaces/default/services/a"
SERVICE = {"kind": "Service"}
Json = dict[str, Any]


def plugin(folder: Path, body: str, **more: Any) -> Json:
    """exec block of a plugin that runs body, Python that prints an ExecCredential by give(**status)."""
    script = folder / "login"
    script.write_text(
        f"#!{sys.executable}\n"
        "import json, os, sys, pathlib\n"
        "here = pathlib.Path(__file__).parent\n"
        "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "def give(**status):\n"
        f"    print(json.dumps({{'apiVersion': {V1!r}, 'kind': 'ExecCredential', 'status': status}}))\n" + body
    )
    script.chmod(0o755)
    return {"apiVersion": V1, "command": str(script), "interactiveMode": "Never", **more}


def connection(server: FakeApiServer, tmp_path: Path, user: Json, **cluster: Any) -> Connection:
    path = tmp_path / "kubeconfig"
    entry = {"server": server.url, "insecure-skip-tls-verify": True, **cluster}
    path.write_text(
        json.dumps(
            {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": entry}],
                "users": [{"name": "u", "user": user}],
            }
        )
    )
    return resolve(ConnectionFlags(kubeconfig=str(path)), {}, tmp_path, tmp_path / "none")


def tokens(server: FakeApiServer) -> list[str | None]:
    return [request.headers.get("Authorization") for request in server.requests]


async def test_a_plugins_token_logs_in_and_its_words_reach_the_user(
    tls_apiserver: FakeApiServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tls_apiserver.on("GET", PATH, reply(SERVICE))
    body = (
        "print('open https://device.example and type ABCD', file=sys.stderr)\n"
        "give(token=' '.join(sys.argv[1:]) + os.environ['MORE'])\n"
    )
    exec_block = plugin(tmp_path, body, args=["a", "b"], env=[{"name": "MORE", "value": "!"}])

    async with connect(connection(tls_apiserver, tmp_path, {"exec": exec_block})) as cluster:
        assert await cluster.get(SERVICES, "default", "a") == SERVICE

    assert tokens(tls_apiserver) == ["Bearer a b!"]
    assert capfd.readouterr().err == "open https://device.example and type ABCD\n"


async def test_a_plugins_certificate_logs_in(
    authority: Authority, tls_apiserver: FakeApiServer, tmp_path: Path
) -> None:
    tls_apiserver.on("GET", PATH, reply(SERVICE))
    certificate, key = authority.issue("jane")
    body = f"give(clientCertificateData=open({str(certificate)!r}).read(), clientKeyData=open({str(key)!r}).read())\n"
    connected = connection(tls_apiserver, tmp_path, {"exec": plugin(tmp_path, body)})

    user = await Login(connected.user, connected.cluster, os.environ).loader_user()
    async with connect(connected) as cluster:
        assert await cluster.get(SERVICES, "default", "a") == SERVICE

    assert {name: base64.b64decode(value) for name, value in user.items()} == {
        "client-certificate-data": certificate.read_bytes(),
        "client-key-data": key.read_bytes(),
    }


async def test_a_plugin_learns_of_the_cluster_only_if_it_wants_to(tmp_path: Path) -> None:
    cluster = {
        "server": "https://a",
        "certificate-authority-data": "UEVN",
        "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}],
    }
    body = "give(token=json.dumps(info))\n"

    wanting = await run_plugin(plugin(tmp_path, body, provideClusterInfo=True), cluster, os.environ)
    other = await run_plugin(plugin(tmp_path, body), cluster, os.environ)

    described = {"server": "https://a", "certificate-authority-data": "UEVN", "config": {"audience": "x"}}
    info = {"kind": "ExecCredential", "apiVersion": V1}
    assert json.loads(wanting.token) == {**info, "spec": {"interactive": False, "cluster": described}}
    assert json.loads(other.token) == {**info, "spec": {"interactive": False}}


def test_a_cas_file_is_read_for_the_plugin(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("PEM")

    assert cluster_info({"certificate-authority": str(tmp_path / "ca")}) == {"certificate-authority-data": "UEVN"}


async def test_a_plugin_that_may_not_ask_has_no_stdin_and_one_that_must_needs_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal_end, our_end = os.openpty()
    body = "give(token=f\"{sys.stdin.isatty()} {info['spec']['interactive']}\")\n"
    saved = os.dup(0)
    try:
        os.dup2(our_end, 0)
        with os.fdopen(os.dup(0)) as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            never, available, always = [
                (await run_plugin(plugin(tmp_path, body, interactiveMode=mode), {}, os.environ)).token
                for mode in ("Never", "IfAvailable", "Always")
            ]
    finally:
        os.dup2(saved, 0)
        for descriptor in (saved, terminal_end, our_end):
            os.close(descriptor)

    assert (never, available, always) == ("False False", "True True", "True True")
    with open(os.devnull) as nothing:  # noqa: ASYNC230
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(ConfigurationError) as caught:
            await run_plugin(plugin(tmp_path, body, interactiveMode="Always"), {}, os.environ)
    assert str(caught.value) == (
        "getting credentials: exec plugin cannot support interactive mode: standard input is not a terminal"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.exit(3)\n", "exec: executable {command} failed with exit code 3"),
        ("print('no json')\n", "exec plugin {command}: decoding stdout: it is not JSON"),
        ("print('{}')\n", "exec plugin {command}: decoding stdout: it is not an ExecCredential"),
        ("give()\n", "exec plugin {command}: it didn't return a token or cert/key pair"),
        ("give(clientKeyData='k')\n", "exec plugin {command}: it returned only certificate or key, not both"),
        (
            "give(token='t', expirationTimestamp='soon')\n",
            "exec plugin {command}: its expirationTimestamp is not RFC 3339",
        ),
    ],
)
async def test_a_plugin_that_fails_is_told_in_one_line(tmp_path: Path, body: str, message: str) -> None:
    block = plugin(tmp_path, body)

    with pytest.raises(ConfigurationError) as caught:
        await run_plugin(block, {}, os.environ)

    assert str(caught.value) == f"getting credentials: {message.format(command=block['command'])}"


async def test_a_plugin_that_is_missing_is_told_with_the_hint_how_to_install_it(tmp_path: Path) -> None:
    block = {"apiVersion": V1, "command": "no-such-login", "installHint": "Get it at\nhttps://x.example \x1b[2J"}

    with pytest.raises(ConfigurationError) as caught:
        await run_plugin(block, {}, os.environ)

    assert str(caught.value) == (
        "getting credentials: exec: executable no-such-login not found; Get it at https://x.example [2J"
    )


def test_a_plugin_of_another_api_version_is_refused() -> None:
    answer = json.dumps({"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential"}).encode()

    with pytest.raises(ValueError, match=r"configured to use API version client.authentication.k8s.io/v1, plugin"):
        read_credential(answer, V1)


def test_a_credential_ends_when_it_says() -> None:
    status_ = {"token": "t", "expirationTimestamp": "2026-01-01T00:00:00Z"}
    answer = json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": status_}).encode()

    credential = read_credential(answer, V1)

    assert credential == Credential("t", expires_at=1767225600.0)
    assert (credential.expired(1767225599.0), credential.expired(1767225600.0)) == (False, True)
    assert Credential("t").expires_at == math.inf


COUNTING = """
count = here / 'count'
n = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(n))
"""


async def test_a_token_that_has_expired_is_renewed_before_the_next_request(
    tls_apiserver: FakeApiServer, tmp_path: Path
) -> None:
    tls_apiserver.on("GET", PATH, reply(SERVICE))
    body = COUNTING + "give(token=f't{n}', expirationTimestamp='2020-01-01T00:00:00Z' if n == 1 else None)\n"

    async with connect(connection(tls_apiserver, tmp_path, {"exec": plugin(tmp_path, body)})) as cluster:
        for _ in range(3):
            await cluster.get(SERVICES, "default", "a")

    assert tokens(tls_apiserver) == ["Bearer t2"] * 3


async def test_a_token_that_the_server_refuses_is_renewed_once(tls_apiserver: FakeApiServer, tmp_path: Path) -> None:
    tls_apiserver.on("GET", PATH, status(401, "Unauthorized", "Unauthorized"), reply(SERVICE))
    body = COUNTING + "give(token=f't{n}')\n"

    async with connect(connection(tls_apiserver, tmp_path, {"exec": plugin(tmp_path, body)})) as cluster:
        assert await cluster.get(SERVICES, "default", "a") == SERVICE

    assert tokens(tls_apiserver) == ["Bearer t1", "Bearer t2"]


async def test_a_token_file_is_read_without_its_newline_and_again_when_it_is_old(
    tls_apiserver: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls_apiserver.on("GET", PATH, reply(SERVICE))
    file = tmp_path / "token"
    file.write_text("first\n")
    now = time.time()

    async with connect(connection(tls_apiserver, tmp_path, {"tokenFile": "token"})) as cluster:
        await cluster.get(SERVICES, "default", "a")
        file.write_text("second\n")
        await cluster.get(SERVICES, "default", "a")
        monkeypatch.setattr(time, "time", lambda: now + 120)
        await cluster.get(SERVICES, "default", "a")

    assert tokens(tls_apiserver) == ["Bearer first", "Bearer first", "Bearer second"]


async def test_a_missing_token_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await Login({"tokenFile": "/nope"}, {}, {}).loader_user()

    assert str(caught.value) == "open /nope: no such file or directory"


@pytest.mark.parametrize(
    ("user", "kept"),
    [
        ({"token": "t", "exec": {"command": "nope"}}, {"token": "t"}),
        ({"username": "u", "password": "p", "exec": {"command": "nope"}}, {"username": "u", "password": "p"}),
        (
            {"client-certificate": "/c", "client-key": "/k", "exec": {}},
            {"client-certificate": "/c", "client-key": "/k"},
        ),
        ({"token": "t", "auth-provider": {"name": "oidc"}}, {"token": "t"}),
        ({"auth-provider": {"name": "oidc"}, "as": "jane"}, {"auth-provider": {"name": "oidc"}}),
        ({}, {}),
    ],
)
async def test_there_is_one_way_to_log_in_and_plugins_are_the_last(user: Json, kept: Json) -> None:
    assert await Login(user, {}, {}).loader_user() == kept


async def test_basic_auth_still_works(tls_apiserver: FakeApiServer, tmp_path: Path) -> None:
    tls_apiserver.on("GET", PATH, reply(SERVICE))

    async with connect(connection(tls_apiserver, tmp_path, {"username": "u", "password": "p"})) as cluster:
        await cluster.get(SERVICES, "default", "a")

    assert tokens(tls_apiserver) == ["Basic " + base64.b64encode(b"u:p").decode()]


def jwt(expires_in: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": int(time.time() + expires_in)}).encode()).decode()
    return f"h.{claims.rstrip('=')}.s"


async def test_an_oidc_token_is_used_and_one_that_cannot_be_refreshed_is_told(
    tls_apiserver: FakeApiServer, tmp_path: Path
) -> None:
    tls_apiserver.on("GET", PATH, reply(SERVICE))
    good = jwt(3600)
    provider = {"name": "oidc", "config": {"id-token": good}}

    async with connect(connection(tls_apiserver, tmp_path, {"auth-provider": provider})) as cluster:
        await cluster.get(SERVICES, "default", "a")
    expired = {"name": "oidc", "config": {"id-token": jwt(-3600)}}
    with pytest.raises(ConfigurationError) as caught:
        async with connect(connection(tls_apiserver, tmp_path, {"auth-provider": expired})):
            pass

    assert tokens(tls_apiserver) == [f"Bearer {good}"]
    assert str(caught.value) == (
        "the kubeconfig's user cannot be used: oidc: No valid id-token, and cannot refresh without refresh-token"
    )


async def test_a_context_without_user_asks_anonymously(tls_apiserver: FakeApiServer, tmp_path: Path) -> None:
    tls_apiserver.on("GET", PATH, reply(SERVICE))

    flags = ConnectionFlags(server=tls_apiserver.url, insecure_skip_tls_verify=True)
    async with connect(resolve(flags, {}, tmp_path, tmp_path / "none")) as cluster:
        await cluster.get(SERVICES, "default", "a")

    assert tokens(tls_apiserver) == [None]
