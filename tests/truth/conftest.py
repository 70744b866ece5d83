"""Which worlds were chosen, and who tells of them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import Cluster, Run
from truth.page import page
from truth.telling import Teller
from truth.world import Around, World
from truth.worlds import WORLDS

from kubectl_extsvc.rules import RULES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Last comes what takes Istio away: it leaves sidecars that have just started anew."""
    items.sort(key=lambda item: is_of(item, Around.NO_ISTIO))


def is_of(item: pytest.Item, around: Around) -> bool:
    world = params(item).get("world")
    return isinstance(world, World) and world.around is around


def params(item: pytest.Item) -> dict[str, object]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec else {}


@pytest.fixture(scope="session")
def teller(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    kubectl: Run,
    extsvc: Run,
    istioctl: Run,
    foreign_namespaces: frozenset[str],
) -> Iterator[Teller]:
    here = "sandbox" if cluster.sandbox else "testbed"
    chosen = {
        world.id: world
        for item in request.session.items
        if params(item).get("cluster") == here and isinstance(world := params(item).get("world"), World)
    }
    page_path = request.config.getoption("--truth-page") if not cluster.sandbox else None
    asked = istioctl if page_path else None
    teller = Teller(cluster, kubectl, extsvc, asked, foreign_namespaces, tuple(chosen.values()))
    yield teller
    if page_path:
        told = teller.told()
        if missing := [world.id for world in WORLDS if world.id not in told]:
            pytest.fail(f"{page_path} was not written: not seen: {', '.join(missing)}")
        titles = {rule.code: rule.title for rule in RULES}
        Path(page_path).write_text(page(WORLDS, told, titles, versions(kubectl, istioctl)))


def versions(kubectl: Run, istioctl: Run) -> str:
    kubernetes = json.loads(kubectl("version", "-o", "json").stdout)["serverVersion"]["gitVersion"]
    istio = json.loads(istioctl("version", "-o", "json").stdout)["meshVersion"][0]["Info"]["version"]
    request = ("pilot-agent", "request", "GET", "server_info")
    envoy = json.loads(kubectl("exec", "deploy/curl", "-c", "istio-proxy", "--", *request).stdout)["version"]
    return f"Kubernetes {kubernetes}, Istio {istio}, Envoy {envoy.split('/')[1]}."
