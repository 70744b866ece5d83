"""Which worlds were chosen, and who tells of them."""

from collections.abc import Iterator

import pytest
from clusters import Cluster, Run
from truth.telling import Teller
from truth.world import World


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Worlds of one group are made at once: with several processes, by one of them."""
    for item in items:
        if isinstance(world := params(item).get("world"), World):
            item.add_marker(pytest.mark.xdist_group(f"{params(item)['cluster']}: {world.around.value}"))


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
    asked = istioctl if not cluster.sandbox and request.config.getoption("--truth-page") else None
    yield Teller(cluster, kubectl, extsvc, asked, foreign_namespaces, tuple(chosen.values()))
