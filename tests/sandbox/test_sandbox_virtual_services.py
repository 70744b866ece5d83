"""What VirtualServices, ServiceEntries and proxyHeaders ask for, in Envoy's words; a real Envoy takes all of it."""

import asyncio
import contextlib
import json
import tempfile
from pathlib import Path

from sandbox.sidecar_worlds import CLIENT, curl_service, made_of

from kubectl_extsvc.mesh.outbound_request import OutboundRequest, RequestKind
from kubectl_extsvc.mesh.routing import route_of
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.route import Route
from kubectl_extsvc.sandbox.api.store import Store
from kubectl_extsvc.sandbox.outside.hosts import OutsideDns
from kubectl_extsvc.sandbox.outside.network import LOOPBACK, Network
from kubectl_extsvc.sandbox.sidecar.sidecars import Sidecars

POD: Json = {
    "kind": "Pod",
    "metadata": {"name": "curl-1", "namespace": "default", "uid": "1", "labels": {"app": "curl"}},
    "spec": {"containers": [{"name": "istio-proxy"}]},
    "status": {"podIP": CLIENT.ip},
}
TO_CURL = [{"destination": {"host": "curl"}}]
ROUTES: list[Json] = [
    {"match": [{"uri": {"exact": "/teapot"}}], "directResponse": {"status": 418, "body": {"string": "tea\n"}}},
    {
        "match": [{"uri": {"prefix": "/old"}}],
        "redirect": {"uri": "/new", "authority": "b.example", "redirectCode": 302},
    },
    {"match": [{"uri": {"regex": "/fault.*"}}], "fault": {"abort": {"httpStatus": 555}}, "route": TO_CURL},
    {
        "name": "all-of-it",
        "match": [
            {
                "uri": {"prefix": "/A"},
                "ignoreUriCase": True,
                "method": {"exact": "GET"},
                "authority": {"prefix": "curl"},
                "headers": {"x-a": {"regex": "a+"}, "x-b": {}},
                "withoutHeaders": {"x-c": {"exact": "c"}},
                "queryParams": {"q": {"exact": "1"}},
            }
        ],
        "rewrite": {"uri": "/b", "authority": "c.example"},
        "timeout": "2s",
        "retries": {"attempts": 1, "perTryTimeout": "1s", "retryOn": "5xx"},
        "fault": {"delay": {"fixedDelay": "0.01s", "percentage": {"value": 50}}},
        "headers": {"request": {"set": {"x-d": "d"}, "remove": ["x-e"]}, "response": {"add": {"x-f": "f"}}},
        "route": [
            {"destination": {"host": "curl", "subset": "v1"}, "weight": 90},
            {"destination": {"host": "httpbin.org", "port": {"number": 8080}}, "weight": 10},
        ],
    },
    {"route": [{"destination": {"host": "curl"}, "headers": {"request": {"set": {"x-g": "g"}}}}]},
]
HEADERS = {
    "requestId": {"disabled": True},
    "server": {"value": "not-envoy"},
    "attemptCount": {"disabled": True},
    "envoyDebugHeaders": {"disabled": True},
    "preserveHttp1HeaderCase": True,
    "xForwardedHost": {"enabled": True},
    "xForwardedPort": {"enabled": True},
}


def world() -> Store:
    store = Store()
    mesh = {"accessLogFile": "/dev/stdout", "defaultConfig": {"proxyHeaders": HEADERS}}
    put(
        store,
        "configmaps",
        {"metadata": {"name": "istio", "namespace": "istio-system"}, "data": {"mesh": json.dumps(mesh)}},
    )
    put(store, "services", curl_service())
    entry("grpc", store, hosts=["httpbin.org"], resolution="DNS", ports=[port(8080, "grpc", "GRPC")])
    entry(
        "range",
        store,
        hosts=["db.example"],
        addresses=["203.0.113.0/28", "203.0.113.40"],
        ports=[port(5432, "tcp", "TCP")],
    )
    entry(
        "wild",
        store,
        hosts=["*.example"],
        ports=[port(443, "tls", "TLS"), port(5432, "tcp", "TCP"), port(80, "http", "HTTP")],
    )
    entry(
        "fixed", store, hosts=["fixed.example"], resolution="STATIC", location="MESH_INTERNAL",
        ports=[port(9000, "auto", "")], endpoints=[{"address": "203.0.113.20", "ports": {"auto": 443}}],
    )  # fmt: skip
    spec: Json = {"hosts": ["curl"], "http": ROUTES}
    put(
        store,
        "virtualservices.networking.istio.io",
        {"kind": "VirtualService", "metadata": {"name": "v"}, "spec": spec},
    )
    files = {"mode": "MUTUAL", "clientCertificate": "/c", "privateKey": "/k", "insecureSkipVerify": True}
    spec = {"host": "db.example", "trafficPolicy": {"tls": files}}
    put(
        store,
        "destinationrules.networking.istio.io",
        {"kind": "DestinationRule", "metadata": {"name": "d"}, "spec": spec},
    )
    return store


def put(store: Store, key: str, obj: Json) -> None:
    store.put(key, {**obj, "metadata": {"namespace": "default", **obj["metadata"]}})


def port(number: int, name: str, protocol: str) -> Json:
    return {"number": number, "name": name, "protocol": protocol}


def entry(name: str, store: Store, **spec: object) -> None:
    put(store, "serviceentries.networking.istio.io", {"kind": "ServiceEntry", "metadata": {"name": name}, "spec": spec})


def way(path: str, host: str = "curl", address: str = "10.96.72.112") -> tuple[int, str]:
    route = route_of(made_of(world()), OutboundRequest(RequestKind.HTTP, address, 80, host, path))
    assert isinstance(route, Route)
    return route.direct_response, route.envoy_cluster


def test_routes_lead_where_a_virtual_service_says() -> None:
    assert [way(path) for path in ("/teapot", "/old/1", "/other")] == [
        (418, ""),
        (302, ""),
        (0, "outbound|80||curl.default.svc.cluster.local"),
    ]


def test_wildcard_service_entry_takes_what_has_no_host_of_its_own() -> None:
    assert way("/", "any.example", "203.0.113.9") == (0, "outbound|80||*.example")


async def test_real_envoy_takes_everything_and_answers_by_itself() -> None:
    network = Network()
    with tempfile.TemporaryDirectory() as folder:
        async with Sidecars(world(), network, OutsideDns(), Path(folder)) as sidecars:
            sidecar = await sidecars.of(POD)
            assert sidecar is not None
            reader, writer = await asyncio.open_unix_connection(sidecar.outbound_socket)
            destination = bytes((10, 244, 0, 13, 10, 96, 72, 112, 0, 9, 0, 80))
            request = b"GET /%s HTTP/1.1\r\nHost: curl\r\n\r\n"
            writer.write(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + destination + request % b"teapot" + request % b"fault")
            said = b""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3):
                    while b"fault filter abort" not in said:
                        said += await reader.read(4096)
            writer.close()
            _, stats = await sidecar.admin("GET", "stats?filter=update_(rejected|failure)")
            _, dump = await sidecar.admin("GET", "config_dump")
    network.close()
    assert [line for line in said.decode().splitlines() if line.startswith(("HTTP", "server"))] == [
        "HTTP/1.1 418 Unknown",
        "server: not-envoy",
        "HTTP/1.1 555 Unknown",
        "server: not-envoy",
    ]
    assert [line for line in stats.decode().splitlines() if "rejected" in line and not line.endswith(": 0")] == []
    assert f'"{LOOPBACK}"' not in dump.decode()
