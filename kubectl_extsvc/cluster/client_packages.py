"""kubernetes_asyncio without the price of its packages' imports.

Importing anything of kubernetes_asyncio runs its packages' __init__ files, which load 768 model modules and 65 APIs:
a fifth of a second and 30 MiB for classes that we never use (kubernetes_asyncio issue 293). So its packages are
registered here beforehand as empty modules with the true path, which find a name's module when it is asked for. No
file of the library is changed, and if its inside ever looks different, it is imported as its authors meant it.
"""

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

LIBRARY = "kubernetes_asyncio"
LAZY = (LIBRARY, f"{LIBRARY}.client", f"{LIBRARY}.client.models")
"""Packages whose __init__ imports everything below; parents first."""


class Unfamiliar(Exception):
    """The library is not built as this module expects."""


def _quick_aiohttp() -> ModuleType:
    """aiohttp, without letting it read the system's whole CA bundle at import, which takes it 50 ms.

    aiohttp.connector makes two TLS contexts there for requests that bring none of their own. Ours always bring one;
    whoever should use those after all finds that they trust nobody.
    """
    # Where OpenSSL looks for the bundle (SSL_CTX_set_default_verify_paths).
    nowhere = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
    before = {name: os.environ.get(name) for name in nowhere}
    os.environ.update(nowhere)
    try:
        return importlib.import_module("aiohttp")
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


if TYPE_CHECKING:
    import aiohttp as aiohttp
else:
    aiohttp = _quick_aiohttp()


def prepare() -> bool:
    """Make kubernetes_asyncio importable, lazily if its inside is what we know; True if lazily.

    To be called before its first import. Does nothing if it is imported already.
    """
    if LIBRARY in sys.modules:
        return hasattr(sys.modules[LIBRARY], "__extsvc_lazy__")
    try:
        for name in LAZY:
            _register(name)
        _load_later("urllib3")
        with _dates_parsed_later():
            importlib.import_module(f"{LIBRARY}.client.api_client")
        importlib.import_module(f"{LIBRARY}.config.kube_config")
    except Exception:  # noqa: BLE001, whatever it is, the plain import is the answer
        for name in [name for name in sys.modules if name == LIBRARY or name.startswith(f"{LIBRARY}.")]:
            del sys.modules[name]
        importlib.import_module(LIBRARY)
        return False
    return True


def _load_later(name: str) -> None:
    """Let a module be loaded when something of it is used: urllib3 is there for basic authentication alone.

    Not by importlib's LazyLoader: before Python 3.12 a mere import statement wakes what it made.
    """
    if name in sys.modules:
        return
    stand_in = ModuleType(name)

    def wake(attribute: str) -> Any:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        return getattr(importlib.import_module(name), attribute)

    vars(stand_in)["__getattr__"] = wake
    sys.modules[name] = stand_in


@contextmanager
def _dates_parsed_later() -> Iterator[None]:
    """api_client takes dateutil's parser for models, which we have none of: 20 ms for nothing."""
    name = "dateutil.parser"
    if name in sys.modules:
        yield
        return

    def parse(*args: Any, **kwargs: Any) -> Any:
        return importlib.import_module(name).parse(*args, **kwargs)

    stand_in = ModuleType(name)
    vars(stand_in)["parse"] = parse
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        del sys.modules[name]


def _register(name: str) -> None:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin or not spec.submodule_search_locations:
        raise Unfamiliar(name)
    module = importlib.util.module_from_spec(spec)
    vars(module)["__extsvc_lazy__"] = True
    vars(module)["__getattr__"] = _finder(name, exports(Path(spec.origin).read_text(), name))
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


def exports(source: str, package: str) -> Mapping[str, tuple[str, str]]:
    """Name → (module, attribute or "" for the module itself), as a package's __init__ imports them.

    Raises Unfamiliar if source does anything besides importing from its own package and naming its version.
    """
    names: dict[str, tuple[str, str]] = {}
    for line in source.splitlines():
        if imported := re.fullmatch(rf"from ({re.escape(package)}\.[\w.]+) import (\w+)", line):
            names[imported[2]] = (imported[1], imported[2])
        elif module := re.fullmatch(rf"import ({re.escape(package)}\.\w+) as (\w+)", line):
            names[module[2]] = (module[1], "")
        elif re.match(r"(def|class|if|for|try|with|import|from|@)\b", line) and "__future__" not in line:
            raise Unfamiliar(f"{package}: {line}")
    if not names:
        raise Unfamiliar(f"{package} imports nothing")
    return names


def _finder(package: str, names: Mapping[str, tuple[str, str]]) -> Callable[[str], Any]:
    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module_name, attribute = names[name]
        module: ModuleType = importlib.import_module(module_name)
        value = getattr(module, attribute) if attribute else module
        setattr(sys.modules[package], name, value)
        return value

    return find
