"""How names are looked up by exec: by which tool, in how many execs, and what is made of none."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from worlds.fake_apiserver import status
from worlds.fake_curl import missing
from worlds.object_store import ObjectStore, Printed, Program

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.model.resolution import Attempt, Reply, Resolution, ResolutionUnknown
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.operations.resolving import is_of_curl, resolve_in_pod

CRON = Source("shop", "cron", "app", MeshMode.PLAIN)
V4 = ("v4.channel.k8s.io",)
FOUND = "my-pay.shop.svc.cluster.local"
RESOLV_CONF = "search svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n127.0.0.1 localhost\n"


def image(**programs: Callable[[list[str], bytes], Printed]) -> Program:
    def run(argv: list[str], stdin: bytes) -> Printed:
        tool = "nslookup" if "nslookup" in argv else argv[0]
        return programs[tool](argv, stdin) if tool in programs else missing(argv[0])

    return run


def python3(argv: list[str], stdin: bytes) -> Printed:
    names = json.loads(stdin.splitlines()[1])["names"]
    said = [
        {"name": name, "attempts": [{"name": FOUND, "record": "A", "reply": "found", "cnames": [],
                                     "addresses": ["203.0.113.20"], "seconds": 0.25}]}
        for name in names
    ]  # fmt: skip
    return "".join(f"{json.dumps(line)}\n" for line in ({"conf": RESOLV_CONF}, *said)).encode(), b"", 0


def cat(argv: list[str], stdin: bytes) -> Printed:
    return RESOLV_CONF.encode(), b"", 0


def nslookup(argv: list[str], stdin: bytes) -> Printed:
    if stdin != f"{FOUND}.\nmy-pay.shop.\n".encode():
        return b"", b"", 1
    return f"Server:\t\t10.96.0.10\n\nName:\t{FOUND}\nAddress: 203.0.113.20\n".encode(), b"", 0


def getent(argv: list[str], stdin: bytes) -> Printed:
    return b"127.249.0.0 STREAM\n203.0.113.20 STREAM\n127.249.0.1 STREAM\n", b"", 0


def way(tool: str, *attempts: Attempt) -> Resolution:
    return Resolution("my-pay.shop", tool, attempts, ("203.0.113.20",), ("10.96.0.10",), ("svc.cluster.local",), 5)


def commands(store: ObjectStore) -> list[str]:
    return [command for _, _, command in store.execs()]


async def test_python3_tells_all_in_one_exec(store: ObjectStore, cluster: Cluster) -> None:
    store.on_exec("shop/cron", {"app": image(python3=python3, cat=cat, nslookup=nslookup, getent=getent)})

    found = Attempt(FOUND, "A", Reply.FOUND, (), ("203.0.113.20",), 0.25)
    assert await resolve_in_pod(cluster, CRON, ("my-pay.shop",)) == {"my-pay.shop": way("python3", found)}
    assert commands(store) == ["python3"]


async def test_without_python3_nslookup_tells_the_way_along_the_pods_search_list(
    store: ObjectStore, cluster: Cluster
) -> None:
    store.on_exec("shop/cron", {"app": image(cat=cat, nslookup=nslookup, getent=getent)})

    found = (
        Attempt(FOUND, "A", Reply.FOUND, (), ("203.0.113.20",)),
        Attempt(FOUND, "AAAA", Reply.NO_DATA),
    )
    assert await resolve_in_pod(cluster, CRON, ("my-pay.shop",)) == {"my-pay.shop": way("nslookup", *found)}
    assert commands(store) == ["python3", "cat", "timeout"]


@pytest.mark.parametrize(
    "of", ["docker.io/curlimages/curl:8.21.0", "curlimages/curl", "registry.shop:5000/mirror/curl@sha256:0123"]
)
async def test_curls_own_image_tells_it_in_two_execs(store: ObjectStore, cluster: Cluster, of: str) -> None:
    store.on_exec("shop/cron", {"app": image(cat=cat, nslookup=nslookup, getent=getent)})

    (told,) = (await resolve_in_pod(cluster, replace(CRON, image=of), ("my-pay.shop",))).values()

    assert isinstance(told, Resolution)
    assert (told.tool, commands(store)) == ("nslookup", ["cat", "timeout"])


async def test_an_image_that_is_only_called_curl_is_asked_for_python3_all_the_same(
    store: ObjectStore, cluster: Cluster
) -> None:
    store.on_exec("shop/cron", {"app": image(python3=python3, cat=cat, getent=getent)})

    (told,) = (await resolve_in_pod(cluster, replace(CRON, image="shop/curl:1"), ("my-pay.shop",))).values()

    assert isinstance(told, Resolution)
    assert (told.tool, commands(store)) == ("python3", ["cat", "timeout", "python3"])
    assert not any(map(is_of_curl, ("", "python:3", "shop/curly", "curl.example/web:1")))


async def test_without_both_getent_tells_the_addresses(store: ObjectStore, cluster: Cluster) -> None:
    store.on_exec("shop/cron", {"app": image(cat=cat, getent=getent)})

    assert await resolve_in_pod(cluster, CRON, ("my-pay.shop",)) == {"my-pay.shop": way("getent")}
    assert commands(store) == ["python3", "cat", "timeout", "getent"]


async def test_a_server_that_cannot_end_stdin_leaves_getent(store: ObjectStore, cluster: Cluster) -> None:
    store.on_exec("shop/cron", {"app": image(python3=python3, cat=cat, nslookup=nslookup, getent=getent)}, V4)

    assert await resolve_in_pod(cluster, CRON, ("my-pay.shop",)) == {"my-pay.shop": way("getent")}


async def test_a_lookup_that_may_not_run_names_the_verbs(store: ObjectStore, cluster: Cluster) -> None:
    store.server.on("GET", "/api/v1/namespaces/shop/pods/cron/exec", status(403, "Forbidden", "no exec for you"))

    reason = "no exec for you (needs get and create on pods/exec)"
    unknown = ResolutionUnknown(reason, "get and create pods/exec")
    assert await resolve_in_pod(cluster, CRON, ("my-pay.shop", "x")) == {"my-pay.shop": unknown, "x": unknown}


async def test_without_names_nothing_is_run(store: ObjectStore, cluster: Cluster) -> None:
    assert await resolve_in_pod(cluster, CRON, ()) == {}
    assert store.server.requests == []
