"""Requests to an API server that answers as told."""

import asyncio
import contextlib
import ipaddress
import json
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from worlds.fake_apiserver import Authority, FakeApiServer, proxying, reply, serving, silence, status, text

from kubectl_extsvc import __version__
from kubectl_extsvc.cluster.client import Applied, Cluster, Listing, connect, parse_warnings
from kubectl_extsvc.cluster.kubeconfig import Connection, ConnectionFlags, resolve
from kubectl_extsvc.errors import ApiError, ClusterError, ConfigurationError
from kubectl_extsvc.model.resources import DESTINATION_RULES, NAMESPACES, PODS, SERVICES

SERVICES_PATH = "/api/v1/namespaces/default/services"
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"type": "ExternalName"}}


def connection(
    server: str, tmp_path: Path, flags: ConnectionFlags | None = None, **user_and_cluster: Any
) -> Connection:
    """To server, by a kubeconfig whose user and cluster have the given entries (user_token=…, cluster_proxy_url=…)."""
    user, cluster = (
        {
            key.removeprefix(prefix).replace("_", "-") if key != "user_tokenFile" else "tokenFile": value
            for key, value in user_and_cluster.items()
            if key.startswith(prefix)
        }
        for prefix in ("user_", "cluster_")
    )
    config = tmp_path / "kubeconfig"
    config.write_text(
        json.dumps(
            {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
                "users": [{"name": "u", "user": user}],
            }
        )
    )
    return resolve(flags or ConnectionFlags(), {"KUBECONFIG": str(config)}, tmp_path, tmp_path / "none")


@contextlib.asynccontextmanager
async def connected(
    server: FakeApiServer | str, tmp_path: Path, flags: ConnectionFlags | None = None, **user_and_cluster: Any
) -> AsyncIterator[Cluster]:
    url = server if isinstance(server, str) else server.url
    async with connect(connection(url, tmp_path, flags, **user_and_cluster)) as cluster:
        yield cluster


async def refusal(cluster: Cluster) -> str:
    with pytest.raises(ClusterError) as caught:
        await cluster.get(SERVICES, "default", "a")
    return str(caught.value)


async def test_get_asks_as_kubectl_would(apiserver: FakeApiServer, tmp_path: Path) -> None:
    path = "/apis/networking.istio.io/v1/namespaces/shop/destinationrules/a%2Fb"
    apiserver.on("GET", "/apis/networking.istio.io/v1/namespaces/shop/destinationrules/a/b", reply({"kind": "X"}))

    async with connected(apiserver, tmp_path) as cluster:
        assert await cluster.get(DESTINATION_RULES, "shop", "a/b") == {"kind": "X"}

    assert path.endswith("a%2Fb")
    headers = apiserver.requests[0].headers
    assert headers["User-Agent"].startswith(f"kubectl-extsvc/{__version__} (")
    assert headers["Accept"] == "application/json"
    assert "Authorization" not in headers
    assert "Cookie" not in headers


async def test_list_reads_all_pages_and_fills_in_the_kind(apiserver: FakeApiServer, tmp_path: Path) -> None:
    def page(names: list[str], token: str) -> Any:
        items = [{"metadata": {"name": name}} for name in names]
        return reply({"metadata": {"continue": token, "resourceVersion": "7"}, "items": items})

    apiserver.on("GET", "/api/v1/services", page(["a", "b"], "more"), page(["c"], ""))

    async with connected(apiserver, tmp_path) as cluster:
        listing = await cluster.list(SERVICES, None, label_selector="app=x,y", limit=2)

    assert listing == Listing(
        tuple({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}} for name in "abc"), "7"
    )
    assert [dict(request.query) for request in apiserver.requests] == [
        {"limit": "2", "labelSelector": "app=x,y"},
        {"limit": "2", "labelSelector": "app=x,y", "continue": "more"},
    ]


async def test_a_list_whose_pages_expire_is_read_again_in_one_piece(apiserver: FakeApiServer, tmp_path: Path) -> None:
    apiserver.on(
        "GET",
        "/api/v1/services",
        reply({"metadata": {"continue": "old"}, "items": [{"metadata": {"name": "a"}}]}),
        status(410, "Expired", "The provided continue parameter is too old"),
        reply({"metadata": {"resourceVersion": "9"}, "items": [{"metadata": {"name": "b"}}]}),
    )

    async with connected(apiserver, tmp_path) as cluster:
        listing = await cluster.list(SERVICES, None)

    assert [item["metadata"]["name"] for item in listing.items] == ["b"]
    assert apiserver.requests[2].query == ()


async def test_a_cluster_wide_kind_has_no_namespace_in_its_path(apiserver: FakeApiServer, tmp_path: Path) -> None:
    apiserver.on("GET", "/api/v1/namespaces", reply({"metadata": {}, "items": None}))

    async with connected(apiserver, tmp_path) as cluster:
        assert await cluster.list(NAMESPACES, "default") == Listing((), "")


async def test_apply_is_server_side_with_strict_validation(apiserver: FakeApiServer, tmp_path: Path) -> None:
    apiserver.on("PATCH", f"{SERVICES_PATH}/a", reply(SERVICE, 201), reply(SERVICE, 200))

    async with connected(apiserver, tmp_path) as cluster:
        first = await cluster.apply(SERVICES, SERVICE, "extsvc:a", dry_run=True)
        second = await cluster.apply(SERVICES, SERVICE, "extsvc:a", force=True)

    assert (first, second) == (Applied(SERVICE, created=True), Applied(SERVICE, created=False))
    assert apiserver.requests[0].headers["Content-Type"] == "application/apply-patch+yaml"
    assert apiserver.requests[0].body == SERVICE
    strict = {"fieldManager": "extsvc:a", "fieldValidation": "Strict"}
    assert [dict(request.query) for request in apiserver.requests] == [
        {**strict, "dryRun": "All"},
        {**strict, "force": "true"},
    ]


async def test_create_and_merge_patch_send_what_is_given(apiserver: FakeApiServer, tmp_path: Path) -> None:
    apiserver.on("POST", "/api/v1/namespaces/shop/services", reply(SERVICE, 201))
    apiserver.on("PATCH", "/api/v1/namespaces/shop/pods/p/ephemeralcontainers", reply({"kind": "Pod"}))
    obj = {**SERVICE, "metadata": {"generateName": "a-", "namespace": "shop"}}

    async with connected(apiserver, tmp_path) as cluster:
        await cluster.create(SERVICES, obj, "m")
        await cluster.merge_patch(PODS, "shop", "p", {"a": None}, "m", subresource="ephemeralcontainers")

    assert [(request.body, request.headers["Content-Type"]) for request in apiserver.requests] == [
        (obj, "application/json"),
        ({"a": None}, "application/merge-patch+json"),
    ]


async def test_delete_names_the_very_object(apiserver: FakeApiServer, tmp_path: Path) -> None:
    apiserver.on("DELETE", f"{SERVICES_PATH}/a", reply({"kind": "Status", "status": "Success"}))

    async with connected(apiserver, tmp_path) as cluster:
        await cluster.delete(SERVICES, "default", "a", uid="u-1", dry_run=True, propagation="Foreground")

    assert apiserver.requests[0].body == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Foreground",
        "preconditions": {"uid": "u-1"},
        "dryRun": ["All"],
    }


@pytest.mark.parametrize(("allowed", "answer"), [(True, True), (False, False), (None, False)])
async def test_can_asks_the_servers_authorizers(
    apiserver: FakeApiServer, tmp_path: Path, allowed: bool | None, answer: bool
) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    apiserver.on("POST", path, reply({"status": {} if allowed is None else {"allowed": allowed}}, 201))

    async with connected(apiserver, tmp_path) as cluster:
        assert await cluster.can("create", PODS, "shop", "exec") is answer

    assert apiserver.requests[0].body["spec"] == {
        "resourceAttributes": {"verb": "create", "resource": "pods", "subresource": "exec", "namespace": "shop"}
    }


async def test_served_versions_begin_with_the_preferred_one(apiserver: FakeApiServer, tmp_path: Path) -> None:
    versions = [{"version": version} for version in ("v1beta1", "v1", "v1alpha3")]
    apiserver.on("GET", "/apis/g", reply({"versions": versions, "preferredVersion": {"version": "v1"}}))
    apiserver.on("GET", "/version", reply({"gitVersion": "v1.34.4"}))

    async with connected(apiserver, tmp_path) as cluster:
        assert await cluster.served_versions("g") == ("v1", "v1beta1", "v1alpha3")
        assert await cluster.served_versions("absent") == ()
        assert await cluster.server_version() == "v1.34.4"


async def test_log_is_text_whatever_its_bytes(apiserver: FakeApiServer, tmp_path: Path) -> None:
    apiserver.on("GET", "/api/v1/namespaces/shop/pods/p/log", text(b"caf\xc3\xa9 \xff\n"))

    async with connected(apiserver, tmp_path) as cluster:
        assert await cluster.log("shop", "p", "c", since_seconds=60, limit_bytes=1000) == "café �\n"

    assert dict(apiserver.requests[0].query) == {"container": "c", "sinceSeconds": "60", "limitBytes": "1000"}


FORBIDDEN = 'services "a" is forbidden: User "jane" cannot get resource "services" in API group "" in the namespace "d"'
INVALID = {
    "kind": "Service",
    "name": "a",
    "causes": [
        {"field": "spec.ports[0].port", "message": "Invalid value: 0: must be between 1 and 65535"},
        {"field": "spec.ports[0].port", "message": "Invalid value: 0: must be between 1 and 65535"},
        {"field": "spec.type", "message": "Required value"},
    ],
}


@pytest.mark.parametrize(
    ("answer", "message", "code", "reason"),
    [
        (
            status(404, "NotFound", 'services "a" not found'),
            'Error from server (NotFound): services "a" not found',
            404,
            "NotFound",
        ),
        (status(403, "Forbidden", FORBIDDEN), f"Error from server (Forbidden): {FORBIDDEN}", 403, "Forbidden"),
        (
            status(409, "AlreadyExists", 'services "a" already exists'),
            'Error from server (AlreadyExists): services "a" already exists',
            409,
            "AlreadyExists",
        ),
        (
            status(409, "Conflict", 'Apply failed with 2 conflicts: conflicts with "x":\n- .spec.a\n- .spec.b'),
            'Error from server (Conflict): Apply failed with 2 conflicts: conflicts with "x": - .spec.a - .spec.b',
            409,
            "Conflict",
        ),
        (
            status(401, "Unauthorized", "Unauthorized"),
            "error: You must be logged in to the server (Unauthorized)",
            401,
            "Unauthorized",
        ),
        (
            status(422, "Invalid", "Service is invalid: [...]", INVALID),
            'The Service "a" is invalid: spec.ports[0].port: Invalid value: 0: must be between 1 and 65535; '
            "spec.type: Required value",
            422,
            "Invalid",
        ),
        (status(500, "", "no reason"), "Error from server: no reason", 500, ""),
        (
            status(500, "InternalError", "\x1b[31mred\x1b[0m\r\nnext"),
            "Error from server (InternalError): [31mred[0m next",
            500,
            "InternalError",
        ),
        (
            text("<html>\n<b>Bad Gateway</b></html>\n", 502, "text/html"),
            'Error from server (InternalError): an error on the server ("<html>\\n<b>Bad Gateway</b></html>") has '
            "prevented the request from succeeding (get services a)",
            502,
            "InternalError",
        ),
        (
            text(b"\xff\xfe", 502, "application/octet-stream"),
            'Error from server (InternalError): an error on the server ("unknown") has prevented the request from '
            "succeeding (get services a)",
            502,
            "InternalError",
        ),
        (
            text("404 page not found", 404),
            "Error from server (NotFound): the server could not find the requested resource (get services a)",
            404,
            "NotFound",
        ),
        (
            text("", 401),
            "error: You must be logged in to the server (the server has asked for the client to provide credentials "
            "(get services a))",
            401,
            "Unauthorized",
        ),
        (
            text("I am a teapot", 418),
            "Error from server: the server responded with the status code 418 but did not return more information "
            "(get services a)",
            418,
            "",
        ),
    ],
)
async def test_a_refusal_reads_as_in_kubectl(
    apiserver: FakeApiServer, tmp_path: Path, answer: Any, message: str, code: int, reason: str
) -> None:
    apiserver.on("GET", f"{SERVICES_PATH}/a", answer)

    async with connected(apiserver, tmp_path) as cluster:
        with pytest.raises(ApiError) as caught:
            await cluster.get(SERVICES, "default", "a")

    assert (str(caught.value), caught.value.code, caught.value.reason) == (message, code, reason)


async def test_an_answer_that_is_no_json_object_is_a_cluster_error(apiserver: FakeApiServer, tmp_path: Path) -> None:
    apiserver.on("GET", f"{SERVICES_PATH}/a", text("<html>login</html>", 200, "text/html"), reply([1]))

    async with connected(apiserver, tmp_path) as cluster:
        assert await refusal(cluster) == ("Server returned an unexpected response: not JSON, but '<html>login</html>'")
        assert await refusal(cluster) == "Server returned an unexpected response: no JSON object, but list"


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


async def test_a_refused_connection_reads_as_in_kubectl(tmp_path: Path) -> None:
    port = closed_port()
    for scheme in ("http", "https"):
        async with connected(f"{scheme}://127.0.0.1:{port}", tmp_path) as cluster:
            assert await refusal(cluster) == (
                f"The connection to the server 127.0.0.1:{port} was refused - did you specify the right host or port?"
            )


async def test_an_unknown_host_reads_as_in_kubectl(tmp_path: Path) -> None:
    async with connected("https://nope.invalid:6443", tmp_path) as cluster:
        message = await refusal(cluster)

    assert message.startswith("Unable to connect to the server: dial tcp: lookup nope.invalid: ")


async def test_a_server_that_says_nothing_costs_no_more_than_the_request_timeout(
    apiserver: FakeApiServer, tmp_path: Path
) -> None:
    apiserver.on("GET", f"{SERVICES_PATH}/a", silence())

    async with connected(apiserver, tmp_path, ConnectionFlags(request_timeout=0.2)) as cluster:
        assert await refusal(cluster) == (
            "Unable to connect to the server: context deadline exceeded "
            "(Client.Timeout exceeded while awaiting headers)"
        )


async def test_a_server_that_hangs_up_is_told(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server, connected(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", tmp_path) as cluster:
        assert await refusal(cluster) == "Unable to connect to the server: EOF"


async def test_plain_http_behind_https_is_told(apiserver: FakeApiServer, tmp_path: Path) -> None:
    async with connected(apiserver.url.replace("http", "https"), tmp_path) as cluster:
        assert await refusal(cluster) == (
            "Unable to connect to the server: http: server gave HTTP response to HTTPS client"
        )


async def test_certificates_that_cannot_be_trusted_are_told_in_gos_words(authority: Authority, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    cases = [
        (authority.server("a", loopback), str(Authority(other).path), "certificate signed by unknown authority"),
        (authority.server("b", x509.DNSName("b")), str(authority.path), "certificate is not valid for 127.0.0.1"),
        (
            authority.server("c", loopback, days=-1),
            str(authority.path),
            "certificate has expired or is not yet valid",
        ),
    ]
    for context, ca, reason in cases:
        async with serving(context) as server, connected(server, tmp_path, cluster_certificate_authority=ca) as cluster:
            assert await refusal(cluster) == (
                f"Unable to connect to the server: tls: failed to verify certificate: x509: {reason}"
            )


async def test_a_server_that_wants_a_client_certificate_gets_it_or_says_so(
    authority: Authority, tmp_path: Path
) -> None:
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate, key = authority.issue("jane")
    files = {"user_client_certificate": str(certificate), "user_client_key": str(key)}
    ca = str(authority.path)
    async with serving(authority.server("a", loopback, ask_client=True)) as server:
        server.on("GET", f"{SERVICES_PATH}/a", reply(SERVICE))
        async with connected(server, tmp_path, None, cluster_certificate_authority=ca, **files) as cluster:
            assert await cluster.get(SERVICES, "default", "a") == SERVICE
        async with connected(server, tmp_path, cluster_certificate_authority=ca) as cluster:
            # OpenSSL as the server hangs up after its alert, and which of the two is seen first is a matter of luck.
            assert (await refusal(cluster)).startswith("Unable to connect to the server: ")


async def test_a_ca_without_key_identifiers_is_accepted_as_kubectl_does(tmp_path: Path) -> None:
    authority = Authority(tmp_path, key_identifiers=False)
    context = authority.server("a", x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    async with serving(context) as server:
        server.on("GET", f"{SERVICES_PATH}/a", reply(SERVICE))
        async with connected(server, tmp_path, cluster_certificate_authority=str(authority.path)) as cluster:
            assert await cluster.get(SERVICES, "default", "a") == SERVICE


async def test_skipping_verification_works_without_a_ca(tls_apiserver: FakeApiServer, tmp_path: Path) -> None:
    tls_apiserver.on("GET", f"{SERVICES_PATH}/a", reply(SERVICE))

    async with connected(tls_apiserver, tmp_path, ConnectionFlags(insecure_skip_tls_verify=True)) as cluster:
        assert await cluster.get(SERVICES, "default", "a") == SERVICE


async def test_the_tls_server_name_is_what_the_certificate_must_have(authority: Authority, tmp_path: Path) -> None:
    ca = str(authority.path)
    async with serving(authority.server("api", x509.DNSName("api.example"))) as server:
        server.on("GET", f"{SERVICES_PATH}/a", reply(SERVICE))
        async with connected(
            server, tmp_path, cluster_certificate_authority=ca, cluster_tls_server_name="api.example"
        ) as cluster:
            assert await cluster.get(SERVICES, "default", "a") == SERVICE


async def test_requests_go_through_the_clusters_proxy(
    tls_apiserver: FakeApiServer, authority: Authority, tmp_path: Path
) -> None:
    tls_apiserver.on("GET", f"{SERVICES_PATH}/a", reply(SERVICE))
    async with (
        proxying(tls_apiserver.url) as proxy,
        connected(
            "https://api.invalid:6443",
            tmp_path,
            cluster_certificate_authority=str(authority.path),
            cluster_tls_server_name="127.0.0.1",
            cluster_proxy_url=proxy.url,
        ) as cluster,
    ):
        assert await cluster.get(SERVICES, "default", "a") == SERVICE

    assert proxy.targets == ["api.invalid:6443"]


async def test_a_proxy_that_is_not_there_is_the_one_that_is_named(tmp_path: Path) -> None:
    port = closed_port()
    async with connected(
        "https://api.invalid", tmp_path, cluster_proxy_url=f"http://me:pw@127.0.0.1:{port}"
    ) as cluster:
        message = await refusal(cluster)

    assert message.startswith(f"Unable to connect to the server: proxyconnect tcp: dial tcp 127.0.0.1:{port}: ")
    assert "pw" not in message


async def test_a_socks_proxy_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        async with connected("https://api.invalid", tmp_path, cluster_proxy_url="socks5://127.0.0.1:1080"):
            pass

    assert str(caught.value) == (
        "the way to https://api.invalid leads through a socks5 proxy; only http and https proxies are supported"
    )


async def test_python_s_own_ideas_of_proxies_and_passwords_do_not_count(
    tls_apiserver: FakeApiServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password pw\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    tls_apiserver.on("GET", f"{SERVICES_PATH}/a", reply(SERVICE))

    async with connected(tls_apiserver, tmp_path, cluster_certificate_authority=str(authority.path)) as cluster:
        await cluster.get(SERVICES, "default", "a")

    assert "Authorization" not in tls_apiserver.requests[0].headers


async def test_impersonation_repeats_its_groups(apiserver: FakeApiServer, tmp_path: Path) -> None:
    apiserver.on("GET", f"{SERVICES_PATH}/a", reply(SERVICE))
    flags = ConnectionFlags(impersonate_user="jane", impersonate_groups=("ops", "dev"), impersonate_uid="7")

    async with connected(apiserver, tmp_path, flags, **{"user_as-user-extra": {"Scopes/x": ["a", "b"]}}) as cluster:
        await cluster.get(SERVICES, "default", "a")

    headers = apiserver.requests[0].headers
    assert [(name, headers.getall(name)) for name in ("Impersonate-User", "Impersonate-Uid", "Impersonate-Group")] == [
        ("Impersonate-User", ["jane"]),
        ("Impersonate-Uid", ["7"]),
        ("Impersonate-Group", ["ops", "dev"]),
    ]
    assert headers.getall("Impersonate-Extra-scopes%2Fx") == ["a", "b"]


async def test_warnings_of_the_server_are_collected_once_each(apiserver: FakeApiServer, tmp_path: Path) -> None:
    warning = {"Warning": '299 - "v1 Endpoints is deprecated, use \\"EndpointSlice\\"", 299 - "two"'}
    apiserver.on("GET", f"{SERVICES_PATH}/a", reply(SERVICE, headers=warning))

    async with connected(apiserver, tmp_path) as cluster:
        await cluster.get(SERVICES, "default", "a")
        await cluster.get(SERVICES, "default", "a")

    assert cluster.warnings == ('v1 Endpoints is deprecated, use "EndpointSlice"', "two")


def test_a_warning_header_is_cleaned_and_another_code_is_no_warning() -> None:
    assert parse_warnings('299 kube "a \x1b[31mred\u202e", 299 - ""') == ("a [31mred", "")
    assert parse_warnings('199 - "misc"') == ()


async def test_a_request_that_the_server_wants_later_is_sent_later(apiserver: FakeApiServer, tmp_path: Path) -> None:
    busy = status(429, "TooManyRequests", "later", headers={"Retry-After": "0"})
    apiserver.on("GET", f"{SERVICES_PATH}/a", busy, busy, reply(SERVICE))

    async with connected(apiserver, tmp_path) as cluster:
        assert await cluster.get(SERVICES, "default", "a") == SERVICE

    assert len(apiserver.requests) == 3


async def test_the_patience_with_a_busy_server_ends(apiserver: FakeApiServer, tmp_path: Path) -> None:
    apiserver.on("GET", f"{SERVICES_PATH}/a", status(503, "", "busy", headers={"Retry-After": "0"}))

    async with connected(apiserver, tmp_path) as cluster:
        assert await refusal(cluster) == "Error from server: busy"

    assert len(apiserver.requests) == 11


async def test_keys_do_not_stay_in_the_temporary_folder(
    tls_apiserver: FakeApiServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import base64

    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    certificate, key = authority.issue("jane")
    data = {
        name: base64.b64encode(path.read_bytes()).decode()
        for name, path in (
            ("cluster_certificate_authority_data", authority.path),
            ("user_client_certificate_data", certificate),
            ("user_client_key_data", key),
        )
    }
    tls_apiserver.on("GET", f"{SERVICES_PATH}/a", reply(SERVICE))

    for _ in range(2):
        async with connected(tls_apiserver, tmp_path, None, **data) as cluster:
            assert list(folder.iterdir()) == []
            assert await cluster.get(SERVICES, "default", "a") == SERVICE


async def test_certificates_that_are_none_are_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("no PEM")

    with pytest.raises(ConfigurationError) as caught:
        async with connected("https://127.0.0.1:1", tmp_path, cluster_certificate_authority=str(tmp_path / "ca")):
            pass

    assert str(caught.value) == (
        "unable to load certificates for https://127.0.0.1:1: unable to parse bytes as PEM block"
    )
