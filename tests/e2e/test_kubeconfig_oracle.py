"""Our reading of kubeconfig files against kubectl's, on random files: what it shows, and what it sends."""

import asyncio
import base64
import ipaddress
import json
import os
import random
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from clusters import home_of_testbed
from cryptography import x509
from worlds.fake_apiserver import Authority, FakeApiServer, reply, serving

from kubectl_extsvc.cluster.kubeconfig import ConnectionFlags, resolve
from kubectl_extsvc.errors import ConfigurationError

pytestmark = pytest.mark.kubectl

Json = dict[str, Any]
SEEDS = range(40)
EXEC_DEFAULTS = {"interactiveMode": "IfAvailable", "provideClusterInfo": False, "args": None, "env": None}


@pytest.fixture(autouse=True)
def _nothing_left() -> None:
    """What reads a kubeconfig changes nothing in a cluster."""


def kubectl(*argv: str, cwd: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    program = shutil.which("kubectl", path=f"{home_of_testbed() / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert program is not None, "no kubectl on PATH, and none built by the testbed"
    return subprocess.run(
        [program, *argv],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), **environ},
        stdin=subprocess.DEVNULL,
        timeout=30,
    )


def some(choice: random.Random, entries: Json) -> Json:
    return {key: value for key, value in entries.items() if choice.random() < 0.5}


def file_entry(choice: random.Random, folder: Path, key: str, name: str) -> Json:
    """A file's path, absolute or relative, or its content in base64; the file is written."""
    path = folder / name
    path.write_text(f"content of {path}")
    match choice.randrange(4):
        case 0:
            return {key: str(path)}
        case 1:
            return {key: name}
        case 2:
            return {key: f"../{folder.name}/./{name}"}
        case _:
            return {f"{key}-data": base64.b64encode(path.read_bytes()).decode()}


def random_cluster(choice: random.Random, folder: Path, name: str) -> Json:
    cluster: Json = {"server": f"https://{folder.name}-{name}.example:6443"}
    if choice.random() < 0.4:
        cluster |= {"insecure-skip-tls-verify": True}
    elif choice.random() < 0.6:
        cluster |= file_entry(choice, folder, "certificate-authority", f"{name}-ca.crt")
    return cluster | some(
        choice,
        {"tls-server-name": f"{name}.{folder.name}", "proxy-url": "http://proxy:3128", "disable-compression": True},
    )


def random_user(choice: random.Random, folder: Path, name: str) -> Json:
    user: Json = {}
    if choice.random() < 0.4:
        user |= file_entry(choice, folder, "client-certificate", f"{name}.crt")
        user |= file_entry(choice, folder, "client-key", f"{name}.key")
    match choice.randrange(5):
        case 0:
            user["token"] = f"token-{folder.name}-{name}"
        case 1:
            user |= {"username": name, "password": "pw"}
        case 2:
            user["exec"] = {
                "apiVersion": "client.authentication.k8s.io/v1beta1",
                "command": "login",
                **some(choice, {"args": ["a"], "env": [{"name": "A", "value": "b"}], "installHint": "hint"}),
            }
        case _:
            pass
    if choice.random() < 0.3:
        user |= {"as": "jane", **some(choice, {"as-groups": ["a", "b"], "as-uid": "7", "as-user-extra": {"k": ["v"]}})}
    return user


def random_file(choice: random.Random, folder: Path) -> Path:
    folder.mkdir(parents=True)
    path = folder / "config"
    if choice.random() < 0.1:
        path.write_text("")
        return path
    names = ["a", "b", "c"]

    def pick() -> list[str]:
        return choice.sample(names, choice.randrange(1, 4))

    config: Json = {
        "clusters": [{"name": name, "cluster": random_cluster(choice, folder, name)} for name in pick()],
        "users": [{"name": name, "user": random_user(choice, folder, name)} for name in pick()],
        "contexts": [
            {
                "name": name,
                "context": {
                    "cluster": choice.choice(names),
                    **some(choice, {"user": choice.choice(names), "namespace": f"ns-{folder.name}-{name}"}),
                },
            }
            for name in pick()
        ],
    }
    if choice.random() < 0.7:
        config["current-context"] = choice.choice(["", *names])
    if choice.random() < 0.5:
        config |= {"apiVersion": "v1", "kind": "Config"}
    path.write_text(json.dumps(config, indent=choice.choice([None, 2])))
    return path


def flattened(entry: Json) -> Json:
    """An entry with its files' contents in place of their paths, without what is empty or default."""
    result = {key: value for key, value in entry.items() if value not in (None, "", [], {}, False)}
    for key in ("certificate-authority", "client-certificate", "client-key"):
        if key in result:
            result[f"{key}-data"] = base64.b64encode(Path(result.pop(key)).read_bytes()).decode()
    if "exec" in result:
        block = {**EXEC_DEFAULTS, **result["exec"]}
        result["exec"] = {key: value for key, value in block.items() if value not in (None, False)}
    return result


def refused(flags: ConnectionFlags, listed: str, tmp_path: Path) -> str:
    """Why we refuse, "" if we do not."""
    try:
        resolve(flags, {"KUBECONFIG": listed}, tmp_path, tmp_path / "none")
    except ConfigurationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("seed", SEEDS)
def test_the_merged_context_is_the_one_that_kubectl_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    choice = random.Random(seed)
    files = [random_file(choice, tmp_path / f"f{number}") for number in range(choice.randrange(1, 4))]
    files.insert(choice.randrange(len(files) + 1), tmp_path / "none" / "config")
    absolute = choice.random() < 0.5
    listed = os.pathsep.join(str(path) if absolute else os.path.relpath(path, tmp_path) for path in files)
    context = choice.choice(["", "", "a", "b"])

    argv = ["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]
    shown = kubectl(*argv, *(["--context", context] if context else []), cwd=tmp_path, environ={"KUBECONFIG": listed})
    monkeypatch.chdir(tmp_path)
    if "context was not found" in (refusal := refused(ConnectionFlags(context=context), listed, tmp_path)):
        # kubectl says so too, if in other words for this command.
        assert "cannot locate context" in shown.stderr or "does not exist" in shown.stderr, shown.stderr
        return
    assert refusal == ""
    ours = resolve(ConnectionFlags(context=context), {"KUBECONFIG": listed}, tmp_path, tmp_path / "none")
    if shown.returncode != 0:
        # config view insists on entries that kubectl otherwise does without, or on a current context.
        assert any(words in shown.stderr for words in ("cannot locate", "current-context must exist")), shown.stderr
        return
    theirs = json.loads(shown.stdout)
    their_context = theirs["contexts"][0]["context"]
    assert ours.context == theirs["current-context"]
    assert ours.namespace == their_context.get("namespace", "default")
    assert flattened(ours.cluster) == flattened((theirs["clusters"] or [{"cluster": {}}])[0]["cluster"])
    assert flattened(ours.user) == flattened((theirs["users"] or [{"user": {}}])[0]["user"])


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[FakeApiServer]:
    folder = tmp_path / "pki"
    folder.mkdir()
    authority = Authority(folder)
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    async with serving(authority.server("apiserver", loopback)) as server:
        server.on("GET", "/version", reply({"gitVersion": "v1.34.4"}))
        yield server


FLAGS: tuple[tuple[tuple[str, ...], ConnectionFlags], ...] = (
    ((), ConnectionFlags()),
    (("--token", "given"), ConnectionFlags(token="given")),
    (("--user", "other"), ConnectionFlags(user="other")),
    (("--user", "basic"), ConnectionFlags(user="basic")),
    (("--user", "plugin"), ConnectionFlags(user="plugin")),
    (("--user", "plugin", "--token", "given"), ConnectionFlags(user="plugin", token="given")),
    (("--user", "file"), ConnectionFlags(user="file")),
    # Not here: --token for a user with a tokenFile, where kubectl (1.32 to 1.36) sends the file's token after all.
    (("--as", "joe"), ConnectionFlags(impersonate_user="joe")),
    (
        ("--user", "jane", "--as", "joe", "--as-group", "x", "--as-group", "y", "--as-uid", "9"),
        ConnectionFlags(user="jane", impersonate_user="joe", impersonate_groups=("x", "y"), impersonate_uid="9"),
    ),
    (("--user", "jane"), ConnectionFlags(user="jane")),
    (("--user", "jane", "--as", "joe"), ConnectionFlags(user="jane", impersonate_user="joe")),
)


def login_headers(server: FakeApiServer, user_agent: str) -> list[tuple[str, str]]:
    """Of the last request by that user agent, sorted."""
    request = [request for request in server.requests if request.headers["User-Agent"].startswith(user_agent)][-1]
    return sorted(
        (name.lower(), value)
        for name, value in request.headers.items()
        if name.lower() == "authorization" or name.lower().startswith("impersonate-")
    )


@pytest.mark.parametrize(("argv", "flags"), FLAGS, ids=[" ".join(argv) or "none" for argv, _ in FLAGS])
async def test_who_we_say_we_are_is_who_kubectl_says(
    server: FakeApiServer, tmp_path: Path, argv: tuple[str, ...], flags: ConnectionFlags
) -> None:
    from kubectl_extsvc.cluster.client import connect

    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    login = bin_folder / "login"
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "of-plugin"},
    }
    login.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    login.chmod(0o755)
    (tmp_path / "token").write_text("of-file\n")
    block = {"apiVersion": answer["apiVersion"], "command": "bin/login", "interactiveMode": "Never"}
    users = {
        "mine": {"token": "mine"},
        "other": {"token": "other"},
        "basic": {"username": "u", "password": "p"},
        "plugin": {"exec": block},
        "file": {"tokenFile": "token"},
        "jane": {"token": "t", "as": "jane", "as-groups": ["a", "b"], "as-user-extra": {"Key/x": ["v", "w"]}},
    }
    config = tmp_path / "config"
    config.write_text(
        json.dumps(
            {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "mine"}}],
                "clusters": [{"name": "c", "cluster": {"server": server.url, "certificate-authority": "pki/ca.crt"}}],
                "users": [{"name": name, "user": user} for name, user in users.items()],
            }
        )
    )
    environ = {"KUBECONFIG": str(config)}

    done = await asyncio.to_thread(kubectl, "get", "--raw", "/version", *argv, cwd=tmp_path, environ=environ)
    async with connect(resolve(flags, environ, tmp_path, tmp_path / "none")) as cluster:
        await cluster.server_version()

    assert done.returncode == 0, done.stderr
    assert login_headers(server, "kubectl-extsvc/") == login_headers(server, "kubectl/")


BROKEN: tuple[Json, ...] = (
    {"users": [{"name": "u", "user": {"token": "a", "username": "b"}}]},
    {"users": [{"name": "u", "user": {"client-certificate": "none.crt"}}]},
    {"users": [{"name": "u", "user": {"as-groups": ["a"]}}]},
    {"users": [{"name": "u", "user": {"exec": {"command": "a", "apiVersion": "client.authentication.k8s.io/v1"}}}]},
    {"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1", "certificate-authority": "none.crt"}}]},
    {"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1", "proxy-url": "ftp://x"}}]},
    {"current-context": "gone"},
)


@pytest.mark.parametrize("broken", BROKEN, ids=[json.dumps(entry)[:60] for entry in BROKEN])
def test_a_broken_file_is_refused_in_kubectls_words(tmp_path: Path, broken: Json) -> None:
    config = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        **broken,
    }
    path = tmp_path / "config"
    path.write_text(json.dumps(config))

    said = kubectl("get", "services", "--kubeconfig", str(path), cwd=tmp_path, environ={}).stderr
    with pytest.raises(ConfigurationError) as caught:
        resolve(ConnectionFlags(kubeconfig=str(path)), {}, tmp_path, tmp_path / "none")

    prefix, *lines = said.strip().split("\n")
    theirs = prefix.removeprefix("error: ") + "; ".join(line.removeprefix("* ") for line in lines)
    assert str(caught.value) == theirs
