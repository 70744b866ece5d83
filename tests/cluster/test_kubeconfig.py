"""Kubeconfig files, flags and environment become one connection, as in kubectl."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kubectl_extsvc.cluster.kubeconfig import (
    Connection,
    ConnectionFlags,
    Impersonation,
    environment_proxy,
    parse_request_timeout,
    resolve,
)
from kubectl_extsvc.errors import ConfigurationError, UsageError

Json = dict[str, Any]


def kubeconfig(
    path: Path,
    *,
    cluster: Json | None = None,
    user: Json | None = None,
    context: Json | None = None,
    current: str = "x",
    **more: Any,
) -> str:
    """Path of a file with cluster c, user u and context x that joins them."""
    config = {
        "current-context": current,
        "clusters": [{"name": "c", "cluster": {"server": "https://a.example:6443"} if cluster is None else cluster}],
        "users": [{"name": "u", "user": {"token": "t"} if user is None else user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", **(context or {})}}],
        **more,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config))
    return str(path)


def resolved(flags: ConnectionFlags, tmp_path: Path, **environ: str) -> Connection:
    return resolve(flags, environ, tmp_path, service_account=tmp_path / "serviceaccount")


def refusal(flags: ConnectionFlags, tmp_path: Path, **environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        resolved(flags, tmp_path, **environ)
    return str(caught.value)


def service_account(tmp_path: Path) -> dict[str, str]:
    """Files and environment of a pod."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    for name, text in (("token", "pod-token"), ("ca.crt", "PEM"), ("namespace", "pod-ns\n")):
        (folder / name).write_text(text)
    return {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_the_file_in_the_home_folder_is_the_default(tmp_path: Path) -> None:
    kubeconfig(tmp_path / ".kube" / "config", context={"namespace": "shop"})

    connection = resolved(ConnectionFlags(), tmp_path)

    assert connection == Connection(
        config={
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
            "clusters": [{"name": "c", "cluster": {"server": "https://a.example:6443"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        },
        context="x",
        namespace="shop",
        server="https://a.example:6443",
    )


def test_the_first_file_wins_every_name_and_the_current_context(tmp_path: Path) -> None:
    first = kubeconfig(tmp_path / "a", cluster={"server": "https://first"}, current="x")
    second = kubeconfig(
        tmp_path / "b",
        cluster={"server": "https://second", "tls-server-name": "second"},
        current="other",
        contexts=[{"name": "other", "context": {"cluster": "c", "user": "u"}}],
    )

    ahead = resolved(ConnectionFlags(), tmp_path, KUBECONFIG=f"{first}:{second}")
    behind = resolved(ConnectionFlags(), tmp_path, KUBECONFIG=f"{second}:{first}")

    assert (ahead.context, ahead.cluster) == ("x", {"server": "https://first"})
    assert (behind.context, behind.server) == ("other", "https://second")


def test_an_empty_current_context_leaves_the_choice_to_the_next_file(tmp_path: Path) -> None:
    first = kubeconfig(tmp_path / "a", current="")
    second = kubeconfig(tmp_path / "b", current="x", cluster={"server": "https://second"})

    assert resolved(ConnectionFlags(), tmp_path, KUBECONFIG=f"{first}:{second}").context == "x"


def test_missing_and_empty_files_of_the_list_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    (tmp_path / "comment").write_text("# nothing\n---\n")
    good = kubeconfig(tmp_path / "good")
    listed = f"{tmp_path}/none::{tmp_path}/empty:{tmp_path}/comment:{good}:{tmp_path}/good/none"

    assert resolved(ConnectionFlags(), tmp_path, KUBECONFIG=listed).server == "https://a.example:6443"


def test_the_kubeconfig_flag_is_one_file_and_the_list_is_not_read(tmp_path: Path) -> None:
    listed = kubeconfig(tmp_path / "listed", cluster={"server": "https://listed"})
    named = kubeconfig(tmp_path / "named", cluster={"server": "https://named"})

    connection = resolved(ConnectionFlags(kubeconfig=named), tmp_path, KUBECONFIG=listed)

    assert connection.server == "https://named"
    assert refusal(ConnectionFlags(kubeconfig="/nope"), tmp_path) == "stat /nope: no such file or directory"
    assert refusal(ConnectionFlags(kubeconfig="/a:/b"), tmp_path) == "stat /a:/b: no such file or directory"


def test_relative_paths_are_relative_to_the_file_that_defines_the_entry(tmp_path: Path) -> None:
    for folder, name in (("one", "ca.crt"), ("two", "u.crt"), ("two", "u.key"), ("two", "token")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_text("PEM")
    first = kubeconfig(
        tmp_path / "one" / "config",
        cluster={"server": "https://a", "certificate-authority": "ca.crt"},
        users=[],
    )
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "bin/login",
        "interactiveMode": "Never",
        "args": ["./not-a-path-of-ours"],
    }
    second = kubeconfig(
        tmp_path / "two" / "config",
        user={"client-certificate": "u.crt", "client-key": "./u.key", "tokenFile": "../two/token", "exec": plugin},
    )

    connection = resolved(ConnectionFlags(), tmp_path, KUBECONFIG=f"{first}:{second}")

    assert connection.cluster["certificate-authority"] == f"{tmp_path}/one/ca.crt"
    assert connection.user == {
        "client-certificate": f"{tmp_path}/two/u.crt",
        "client-key": f"{tmp_path}/two/u.key",
        "tokenFile": f"{tmp_path}/two/token",
        "exec": {**plugin, "command": f"{tmp_path}/two/bin/login"},
    }


def test_a_plugin_without_slash_stays_a_name_on_the_path(tmp_path: Path) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "aws"}
    path = kubeconfig(tmp_path / "config", user={"exec": plugin})

    assert resolved(ConnectionFlags(kubeconfig=path), tmp_path).user["exec"] == {
        **plugin,
        "interactiveMode": "IfAvailable",
    }


def test_flags_come_before_the_file(tmp_path: Path) -> None:
    path = kubeconfig(
        tmp_path / "config",
        cluster={
            "server": "https://a",
            "tls-server-name": "a.example",
            "certificate-authority-data": base64.b64encode(b"PEM").decode(),
        },
        user={"tokenFile": "/token", "as": "joe", "as-groups": ["ops"]},
        context={"namespace": "shop"},
    )
    for name in ("ca", "crt", "key"):
        (tmp_path / name).write_text("PEM")
    flags = ConnectionFlags(
        kubeconfig=path,
        namespace="pay",
        server="https://b/",
        token="given",
        certificate_authority=str(tmp_path / "ca"),
        client_certificate=str(tmp_path / "crt"),
        client_key=str(tmp_path / "key"),
        impersonate_user="jane",
        impersonate_uid="7",
        request_timeout=5.0,
    )

    connection = resolved(flags, tmp_path)

    assert connection.cluster == {"server": "https://b", "certificate-authority": str(tmp_path / "ca")}
    assert connection.user == {
        "token": "given",
        "client-certificate": str(tmp_path / "crt"),
        "client-key": str(tmp_path / "key"),
        "as": "jane",
        "as-uid": "7",
        "as-groups": ["ops"],
    }
    assert connection.impersonation == Impersonation("jane", "7", ("ops",))
    assert (connection.namespace, connection.server, connection.request_timeout) == ("pay", "https://b", 5.0)


def test_skipping_verification_drops_the_files_authority(tmp_path: Path) -> None:
    path = kubeconfig(
        tmp_path / "config",
        cluster={"server": "https://a", "certificate-authority-data": base64.b64encode(b"PEM").decode()},
    )

    connection = resolved(ConnectionFlags(kubeconfig=path, insecure_skip_tls_verify=True), tmp_path)

    assert connection.cluster == {"server": "https://a", "insecure-skip-tls-verify": True}


def test_context_cluster_and_user_are_chosen_by_name(tmp_path: Path) -> None:
    path = kubeconfig(
        tmp_path / "config",
        clusters=[{"name": name, "cluster": {"server": f"https://{name}"}} for name in ("c", "d")],
        users=[{"name": name, "user": {"token": name}} for name in ("u", "v")],
        contexts=[{"name": name, "context": {"cluster": "c", "user": "u", "namespace": name}} for name in ("x", "y")],
    )

    connection = resolved(ConnectionFlags(kubeconfig=path, context="y", cluster="d", user="v"), tmp_path)

    assert (connection.context, connection.namespace, connection.server, connection.user) == (
        "y",
        "y",
        "https://d",
        {"token": "v"},
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ConnectionFlags(context="nope"),
            "Error in configuration: context was not found for specified context: nope",
        ),
        (ConnectionFlags(cluster="nope"), 'cluster "nope" does not exist'),
        (ConnectionFlags(user="nope"), 'auth info "nope" does not exist'),
        (
            ConnectionFlags(impersonate_groups=("g",)),
            "requesting uid, groups or user-extra for u without impersonating a user",
        ),
        (
            ConnectionFlags(certificate_authority="/nope.crt"),
            "unable to read certificate-authority /nope.crt for c due to open /nope.crt: no such file or directory",
        ),
        (
            ConnectionFlags(client_certificate="/nope.crt"),
            "Error in configuration: client-key-data or client-key must be specified for u to use the clientCert "
            "authentication method.; unable to read client-cert /nope.crt for u due to open /nope.crt: "
            "no such file or directory",
        ),
        (ConnectionFlags(server="ftp://x"), 'invalid server "ftp://x": must be a URL like https://HOST:PORT'),
        (
            ConnectionFlags(server="https://x:99999"),
            'invalid server "https://x:99999": must be a URL like https://HOST:PORT',
        ),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused_in_kubectls_words(
    tmp_path: Path, flags: ConnectionFlags, message: str
) -> None:
    kubeconfig(tmp_path / ".kube" / "config")

    assert refusal(flags, tmp_path) == message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: b: c", "yaml: line 1: mapping values are not allowed here"),
        ("[a]", "it is not a mapping, as a kubeconfig must be"),
        ("apiVersion: v2\nkind: Config", 'no kind "Config" is registered for version "v2"'),
        ("users: [{name: u, user: {token: 123}}]", "token of a user is not a string"),
        ("users: {u: {}}", "users is not a list"),
        ("users: [u]", "an entry of users is not a name with a user"),
        ("clusters: [{name: c}, {name: c}]", 'duplicate name "c" in clusters'),
        (
            'clusters: [{name: c, cluster: {certificate-authority-data: "!!"}}]',
            "illegal base64 data in certificate-authority-data",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)

    assert refusal(ConnectionFlags(kubeconfig=str(path)), tmp_path) == f'error loading config file "{path}": {reason}'


def test_a_folder_is_no_kubeconfig(tmp_path: Path) -> None:
    assert refusal(ConnectionFlags(), tmp_path, KUBECONFIG=str(tmp_path)) == (
        f'error loading config file "{tmp_path}": read {tmp_path}: is a directory'
    )


@pytest.mark.parametrize(
    ("user", "message"),
    [
        (
            {"token": "a", "username": "b"},
            "more than one authentication method found for u; found [token basicAuth], only one is allowed",
        ),
        (
            {"exec": {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1"}},
            "interactiveMode must be specified for u to use exec authentication plugin",
        ),
        (
            {"exec": {"command": "a", "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Maybe"}},
            'invalid interactiveMode for u: "Maybe"',
        ),
        (
            {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1"}, "auth-provider": {"name": "oidc"}},
            "Error in configuration: authProvider cannot be provided in combination with an exec plugin for u; "
            "command must be specified for u to use exec authentication plugin",
        ),
    ],
)
def test_a_user_that_cannot_log_in_is_refused(tmp_path: Path, user: Json, message: str) -> None:
    path = kubeconfig(tmp_path / "config", user=user)

    assert refusal(ConnectionFlags(kubeconfig=path), tmp_path) == message


def test_without_any_configuration_kubectls_default_server_is_meant(tmp_path: Path) -> None:
    default = resolved(ConnectionFlags(), tmp_path)
    named = resolved(ConnectionFlags(), tmp_path, KUBERNETES_MASTER="http://10.0.0.1:8080")

    assert (default.server, default.namespace, default.context) == ("http://localhost:8080", "default", "")
    assert named.server == "http://10.0.0.1:8080"


def test_a_context_without_user_has_an_empty_one(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", contexts=[{"name": "x", "context": {"cluster": "c"}}])

    assert resolved(ConnectionFlags(kubeconfig=path), tmp_path).config["users"] == [{"name": "default", "user": {}}]


def test_no_credentials_go_to_a_server_without_tls(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", user={"token": "t", "as": "jane"})

    assert resolved(ConnectionFlags(kubeconfig=path, server="127.0.0.1:8080"), tmp_path).user == {"as": "jane"}


def test_in_a_pod_the_service_account_logs_in(tmp_path: Path) -> None:
    pod = service_account(tmp_path)

    connection = resolved(ConnectionFlags(impersonate_user="jane"), tmp_path, **pod)

    assert connection.cluster == {
        "server": "https://10.96.0.1:443",
        "certificate-authority": f"{tmp_path}/serviceaccount/ca.crt",
    }
    assert connection.user == {"tokenFile": f"{tmp_path}/serviceaccount/token", "as": "jane"}
    assert connection.namespace == "pod-ns"
    assert resolved(ConnectionFlags(), tmp_path, **pod, POD_NAMESPACE="told").namespace == "told"
    assert resolved(ConnectionFlags(namespace="flag"), tmp_path, **pod).namespace == "flag"
    assert resolved(ConnectionFlags(token="given"), tmp_path, **pod).user == {"token": "given"}
    ipv6 = resolved(ConnectionFlags(), tmp_path, **{**pod, "KUBERNETES_SERVICE_HOST": "fd00::1"})
    assert ipv6.server == "https://[fd00::1]:443"


def test_in_a_pod_a_kubeconfig_comes_first_and_the_pods_namespace_fills_its_gap(tmp_path: Path) -> None:
    pod = service_account(tmp_path)
    bare = kubeconfig(tmp_path / "bare")
    named = kubeconfig(tmp_path / "named", context={"namespace": "default"})

    assert resolved(ConnectionFlags(), tmp_path, KUBECONFIG=bare, **pod).namespace == "pod-ns"
    assert resolved(ConnectionFlags(), tmp_path, KUBECONFIG=named, **pod).namespace == "default"
    assert resolved(ConnectionFlags(), tmp_path, KUBECONFIG=bare, **pod).server == "https://a.example:6443"


def test_json_with_tabs_and_unquoted_timestamps_are_read_as_go_reads_them(tmp_path: Path) -> None:
    tabbed = tmp_path / "tabbed"
    tabbed.write_text('{\n\t"current-context": ""\n}')
    dated = tmp_path / "dated"
    dated.write_text(
        "current-context: x\n"
        "contexts: [{name: x, context: {namespace: 2026-01-01, cluster: c}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://a'}}]\n"
    )

    assert resolved(ConnectionFlags(kubeconfig=str(tabbed)), tmp_path).server == "http://localhost:8080"
    assert resolved(ConnectionFlags(kubeconfig=str(dated)), tmp_path).namespace == "2026-01-01"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", None),
        ("5", 5.0),
        ("1s", 1.0),
        ("2m", 120.0),
        ("3h", 10800.0),
        ("1m30s", 90.0),
        ("1.5s", 1.5),
        ("0s", None),
    ],
)
def test_request_timeout_is_seconds_or_a_go_duration(text: str, seconds: float | None) -> None:
    assert parse_request_timeout(text) == seconds


@pytest.mark.parametrize("text", ["abc", "-1", "5 s", "", "1d", "1.5", "٣"])
def test_another_request_timeout_is_refused_in_kubectls_words(text: str) -> None:
    with pytest.raises(UsageError, match=r"^Invalid timeout value\. Timeout must be a single integer in seconds"):
        parse_request_timeout(text)


@pytest.mark.parametrize(
    ("url", "no_proxy", "proxy"),
    [
        ("https://api.example:6443", "", "http://secure:1"),
        ("http://api.example", "", "http://plain:2"),
        ("https://localhost:6443", "", ""),
        ("https://127.0.0.1:6443", "", ""),
        ("https://[::1]:6443", "", ""),
        ("https://10.1.2.3", "192.168.0.0/16, 10.0.0.0/8", ""),
        ("https://10.1.2.3", "10.1.2.4", "http://secure:1"),
        ("https://api.example", "example", ""),
        ("https://api.example", ".example", ""),
        ("https://example", ".example", "http://secure:1"),
        ("https://api.example", "*.example", ""),
        ("https://api.example:6443", "api.example:443", "http://secure:1"),
        ("https://api.example:6443", "api.example:6443", ""),
        ("https://myexample", "example", "http://secure:1"),
        ("https://api.example", "*", ""),
    ],
)
def test_the_environments_proxy_is_the_one_that_go_would_take(url: str, no_proxy: str, proxy: str) -> None:
    environ = {"HTTPS_PROXY": "secure:1", "http_proxy": "http://plain:2", "NO_PROXY": no_proxy}

    assert environment_proxy(url, environ) == proxy


def test_the_clusters_proxy_comes_before_the_environments(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", cluster={"server": "https://a", "proxy-url": "http://own:1"})
    plain = kubeconfig(tmp_path / "plain")

    assert resolved(ConnectionFlags(kubeconfig=path), tmp_path, HTTPS_PROXY="http://e:2").proxy == "http://own:1"
    assert resolved(ConnectionFlags(kubeconfig=plain), tmp_path, HTTPS_PROXY="http://e:2").proxy == "http://e:2"


def test_credentials_are_not_shown(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", user={"token": "secret-1"})
    flags = ConnectionFlags(kubeconfig=path, token="secret-2")

    assert "secret" not in repr(flags) + repr(resolved(flags, tmp_path))


def test_importing_it_loads_neither_yaml_nor_the_client() -> None:
    code = (
        "import sys, kubectl_extsvc.cluster.kubeconfig\n"
        "print([name for name in ('yaml', 'kubernetes_asyncio', 'aiohttp', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
