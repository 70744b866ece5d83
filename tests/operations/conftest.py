"""An API server that keeps objects, and a connection to it by a real kubeconfig file."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from worlds.fake_apiserver import serving
from worlds.object_store import ObjectStore

from kubectl_extsvc.cluster.client import Cluster, connect
from kubectl_extsvc.cluster.kubeconfig import ConnectionFlags, resolve


@pytest.fixture
async def store() -> AsyncIterator[ObjectStore]:
    async with serving() as server:
        kept = ObjectStore(server)
        server.fallback = kept.handle
        yield kept


@pytest.fixture
async def cluster(store: ObjectStore, tmp_path: Path) -> AsyncIterator[Cluster]:
    config = tmp_path / "kubeconfig"
    config.write_text(
        json.dumps(
            {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": store.server.url}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    connection = resolve(ConnectionFlags(), {"KUBECONFIG": str(config)}, tmp_path, tmp_path / "none")
    async with connect(connection) as cluster:
        yield cluster


@pytest.fixture
def said() -> list[str]:
    """What an operation said; give said.append as its say."""
    return []
