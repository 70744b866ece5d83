"""Wishes and meshes with good defaults, and the manifests that were proven on a live mesh."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubectl_extsvc.model.alias import Intent, Target, TlsMode, TlsSettings
from kubectl_extsvc.model.resources import Json
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.plans.ports import parse_ports

RECIPES = Path(__file__).parent / "recipes"


@pytest.fixture
def istio() -> Mesh:
    return Mesh(installed=True, api_version="v1", version=(1, 31))


@pytest.fixture
def old_istio() -> Mesh:
    return Mesh(installed=True, api_version="v1beta1", version=(1, 20))


@pytest.fixture
def no_istio() -> Mesh:
    return Mesh(installed=False)


@pytest.fixture
def simple() -> TlsSettings:
    return TlsSettings(TlsMode.SIMPLE, "api.pay.example", ("api.pay.example",), "system")


@pytest.fixture
def intent_for() -> Callable[..., Intent]:
    def build(target: Target, *ports: str, **changes: Any) -> Intent:
        values: dict[str, Any] = {
            "namespace": "default",
            "name": "my-httpbin",
            "target": target,
            "ports": parse_ports(ports),
            "tls": TlsSettings(TlsMode.DISABLE),
            "mesh": True,
        }
        return Intent(**(values | changes))

    return build


@pytest.fixture
def recipe() -> Callable[[str], list[Json]]:
    def read(name: str) -> list[Json]:
        import yaml

        return list(yaml.safe_load_all((RECIPES / f"{name}.yaml").read_text()))

    return read
