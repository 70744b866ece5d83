"""kubernetes_asyncio is loaded without its models, and as its authors meant it if its inside is not as expected."""

import os
import subprocess
import sys

import pytest

from kubectl_extsvc.cluster.client_packages import Unfamiliar, exports

COUNT = (
    "import sys\n"
    "models = [name for name in sys.modules if name.startswith('kubernetes_asyncio.client.models.')]\n"
    "apis = [name for name in sys.modules if name.startswith('kubernetes_asyncio.client.api.')]\n"
)


def run(code: str) -> str:
    # Bytecode may be written, or each of these would compile the whole library.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_client_works_without_loading_a_single_model() -> None:
    code = (
        "from kubectl_extsvc.cluster.client_packages import prepare\n"
        "lazy = prepare()\n"
        "import kubernetes_asyncio.client, kubernetes_asyncio.config, kubernetes_asyncio.stream\n"
        "from kubernetes_asyncio import client, config\n"
        "from kubernetes_asyncio.client import ApiClient, Configuration\n"
        "from kubernetes_asyncio.config.kube_config import KubeConfigLoader\n"
        "from kubernetes_asyncio.stream import WsApiClient\n"
        f"{COUNT}"
        "print(lazy, models, apis, issubclass(WsApiClient, ApiClient), client.ApiClient is ApiClient)\n"
    )

    assert run(code) == "True [] [] True True\n"


def test_importing_our_client_loads_no_model() -> None:
    code = (
        "import kubectl_extsvc.cluster.client\n"
        "from kubectl_extsvc.cluster.client_packages import prepare\n"
        "prepare()\n"
        f"{COUNT}print(models, apis)\n"
    )

    assert run(code) == "[] []\n"


def test_libraries_that_only_models_and_passwords_need_are_loaded_when_these_are() -> None:
    code = (
        "import sys\n"
        "from kubectl_extsvc.cluster.client_packages import prepare\n"
        "prepare()\n"
        "late = [name in sys.modules for name in ('urllib3.connectionpool', 'dateutil.parser')]\n"
        "from kubernetes_asyncio.client import ApiClient, Configuration\n"
        "basic = Configuration(username='u', password='p').get_basic_auth_token()\n"
        "date = ApiClient.deserialize.__globals__['parse']('2026-11-24').year\n"
        "import dateutil.parser\n"
        "awake = (dateutil.parser.__file__.endswith('__init__.py'), 'urllib3.connectionpool' in sys.modules)\n"
        "print(late, basic, date, *awake)\n"
    )

    assert run(code) == "[False, False] Basic dTpw 2026 True True\n"


def test_a_model_or_api_that_is_asked_for_is_found() -> None:
    code = (
        "from kubectl_extsvc.cluster.client_packages import prepare\n"
        "prepare()\n"
        "from kubernetes_asyncio.client import CoreV1Api, V1APIGroup\n"
        "from kubernetes_asyncio import client\n"
        "print(CoreV1Api.__name__, V1APIGroup is client.models.V1APIGroup, hasattr(client, 'Nonsense'))\n"
    )

    assert run(code) == "CoreV1Api True False\n"


@pytest.mark.parametrize(
    "surprise",
    [
        "packages.LAZY = (*packages.LAZY, 'kubernetes_asyncio.client.gone')",
        "packages.exports = lambda source, package: {}",
    ],
)
def test_on_any_surprise_the_library_is_imported_as_it_is(surprise: str) -> None:
    code = (
        "import kubectl_extsvc.cluster.client_packages as packages\n"
        f"{surprise}\n"
        "lazy = packages.prepare()\n"
        "from kubernetes_asyncio import client\n"
        f"{COUNT}"
        "print(lazy, len(models) > 700, client.ApiClient.__name__, packages.prepare())\n"
    )

    assert run(code) == "False True ApiClient False\n"


def test_exports_are_read_as_the_package_imports_them() -> None:
    source = "from __future__ import x\nimport p.client as client\nfrom p.a.b import C\n__all__ = ['C']\n"

    assert exports(source, "p") == {"client": ("p.client", ""), "C": ("p.a.b", "C")}


@pytest.mark.parametrize(
    "source", ["", "from p.a import (\n  B,\n)", "from p.a import B as C", "def f(): ...", "from .a import B"]
)
def test_a_package_that_does_anything_else_is_unfamiliar(source: str) -> None:
    with pytest.raises(Unfamiliar):
        exports(source, "p")
