"""The configuration of sidecars: one exec each, a second one where the first dump left a name open."""

import json
from urllib.parse import unquote

import pytest
from worlds.fake_apiserver import status
from worlds.object_store import LOST, ObjectStore, Printed, Program
from worlds.recorded import FOLDER, PROBES, config_of
from worlds.recorded_cases import SIDECAR, recorded_case

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.mesh.envoy_dump import EnvoyConfig
from kubectl_extsvc.mesh.routing import route_of
from kubectl_extsvc.model.route import Route, RouteUnknown
from kubectl_extsvc.operations.proxies import Proxy, complete, read_access_logs, read_proxies

WORLD = "recipe-externalname-tls-origination"
CASE = recorded_case(f"{WORLD}/http")
DUMP = (FOLDER / f"{WORLD}.json").read_bytes()
POD = "default/curl-1"
REQUEST = next(probe.request for probe in PROBES if probe.key == f"{WORLD}/http")
EXEC = "/api/v1/namespaces/default/pods/curl-1/exec"


def prints(stdout: bytes, code: int = 0) -> Program:
    return lambda argv, stdin: (stdout, b"", code)


async def proxy_of(cluster: Cluster) -> Proxy:
    return (await read_proxies(cluster, (SIDECAR,), (CASE.alias,), CASE.snapshot))[SIDECAR.key]


async def test_a_sidecar_is_asked_once_in_its_own_container(store: ObjectStore, cluster: Cluster) -> None:
    store.on_exec(POD, {"istio-proxy": prints(DUMP)})

    proxy = await proxy_of(cluster)

    assert isinstance(proxy.config, EnvoyConfig)
    assert proxy.config.clusters == config_of(WORLD).clusters
    assert store.execs() == [("curl-1", "istio-proxy", "pilot-agent")]
    *words, path = [value for key, value in store.server.requests[0].query if key == "command"]
    assert words == ["pilot-agent", "request", "GET"]
    assert path.startswith("config_dump?include_eds&name_regex=")
    assert r"my-pay\.default" in unquote(path)


async def test_a_second_exec_asks_for_the_names_that_the_first_left_open(store: ObjectStore, cluster: Cluster) -> None:
    """A route to a cluster whose name the first question did not cover."""
    moved = DUMP.replace(b"outbound|80||api.pay.example", b"outbound|80||moved.elsewhere")
    asked: list[str] = []

    def program(argv: list[str], stdin: bytes) -> Printed:
        asked.append(unquote(argv[-1]))
        whole = json.loads(moved)
        if len(asked) == 1:
            for config in whole["configs"]:
                for section in ("dynamic_active_clusters", "dynamic_endpoint_configs"):
                    config[section] = [e for e in config.get(section, ()) if "moved.elsewhere" not in json.dumps(e)]
        return json.dumps(whole).encode(), b"", 0

    store.on_exec(POD, {"istio-proxy": program})

    proxy = await complete(cluster, SIDECAR, await proxy_of(cluster), [REQUEST])

    assert len(asked) == 2
    assert r"outbound\|80\|\|moved\.elsewhere" in asked[1]
    assert isinstance(proxy.config, EnvoyConfig)
    route = route_of(proxy.config, REQUEST)
    assert isinstance(route, Route)
    assert (route.envoy_cluster, route.cluster_missing) == ("outbound|80||moved.elsewhere", False)


async def test_where_nothing_is_open_there_is_no_second_exec(store: ObjectStore, cluster: Cluster) -> None:
    store.on_exec(POD, {"istio-proxy": prints(DUMP)})
    proxy = await proxy_of(cluster)

    assert await complete(cluster, SIDECAR, proxy, [REQUEST]) == proxy
    assert len(store.execs()) == 1


async def test_a_sidecar_that_may_not_be_asked_is_unknown_with_the_verbs(store: ObjectStore, cluster: Cluster) -> None:
    store.server.on("GET", EXEC, status(403, "Forbidden", "no exec for you"))

    proxy = await proxy_of(cluster)

    assert proxy == Proxy(RouteUnknown("no exec for you (needs get and create on pods/exec)"))
    before = len(store.server.requests)
    assert await complete(cluster, SIDECAR, proxy, [REQUEST]) == proxy
    assert len(store.server.requests) == before


@pytest.mark.parametrize(
    ("stdout", "code", "reason"),
    [
        (b"", 1, "the sidecar of pod/curl-1 gave no configuration: pilot-agent ended with exit code 1"),
        (DUMP, LOST, "the sidecar of pod/curl-1 gave no configuration: the stream ended without an exit status"),
    ],
)
async def test_a_failed_or_lost_dump_is_unknown(
    store: ObjectStore, cluster: Cluster, stdout: bytes, code: int, reason: str
) -> None:
    store.on_exec(POD, {"istio-proxy": prints(stdout, code)})

    assert (await proxy_of(cluster)).config == RouteUnknown(reason)


@pytest.mark.parametrize("garbage", [b"", b"no json", b"[]", DUMP[:-200], b"\xff\xfe"])
async def test_garbage_leaves_the_route_unknown(store: ObjectStore, cluster: Cluster, garbage: bytes) -> None:
    store.on_exec(POD, {"istio-proxy": prints(garbage)})

    config = (await proxy_of(cluster)).config

    assert isinstance(config if isinstance(config, RouteUnknown) else route_of(config, REQUEST), RouteUnknown)


async def test_an_access_log_that_may_not_be_read_is_absent(store: ObjectStore, cluster: Cluster) -> None:
    store.server.on("GET", "/api/v1/namespaces/default/pods/curl-1/log", status(403, "Forbidden", "no logs for you"))

    assert await read_access_logs(cluster, (SIDECAR,)) == {}


async def test_without_failures_no_log_is_read(store: ObjectStore, cluster: Cluster) -> None:
    assert await read_access_logs(cluster, ()) == {}
    assert store.server.requests == []
