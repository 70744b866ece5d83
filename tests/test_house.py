"""Imports point down the house, and light commands stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "kubectl_extsvc"

BELOW: dict[str, set[str]] = {
    "errors": set(),
    "model": {"errors"},
    "mesh": {"model", "errors"},
    "probes": {"mesh", "model", "errors"},
    "plans": {"mesh", "model", "errors"},
    "rules": {"mesh", "model", "errors"},
    "cluster": {"model", "errors"},
    "output": {"mesh", "model", "errors"},
    "operations": {"output", "cluster", "rules", "plans", "probes", "mesh", "model", "errors"},
    "sandbox": {"mesh", "model", "errors"},
    "tui": {"operations", "output", "cluster", "rules", "plans", "probes", "mesh", "model", "errors"},
    "commands": {
        "tui",
        "operations",
        "output",
        "cluster",
        "sandbox",
        "rules",
        "plans",
        "probes",
        "mesh",
        "model",
        "errors",
    },
    "cli": {"commands", "model", "errors"},
    "__main__": {"cli"},
    "__init__": set(),
}
"""Room → rooms that it may import, besides itself."""

HEAVY = ("kubernetes_asyncio", "aiohttp", "textual", "rich", "yaml", "anyio")

MAY_IMPORT = {
    "kubernetes_asyncio": {"cluster"},
    "aiohttp": {"cluster", "sandbox"},
    "textual": {"tui"},
    "rich": {"tui"},
}
"""Library → the only rooms that may name it."""

SEES_THE_SANDBOX = {"commands/sandbox.py", "commands/demo.py"}
"""The only modules outside that may name it: for all others a cluster is a cluster."""

NO_IO = ("rules", "plans", "probes", "mesh", "model")
DOES_IO = {"socket", "subprocess", "asyncio", "anyio", "http", "urllib.request", "ssl", "os", "pathlib", "tempfile"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def upward_imports(path: Path) -> list[str]:
    room = room_of(path)
    allowed = BELOW[room] | {room, "__init__"}
    rooms = {name.split(".")[1] for name in imported(path) if name.startswith("kubectl_extsvc.")}
    rooms_of_package = {room_of(module) for module in modules()}
    return sorted((rooms & rooms_of_package) - allowed)


def test_every_module_is_in_a_room_of_the_house() -> None:
    assert {room_of(path) for path in modules()} - set(BELOW) == set()


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    assert upward_imports(path) == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_libraries_are_named_in_their_room_only(path: Path) -> None:
    room = room_of(path)
    roots = {name.split(".")[0] for name in imported(path)}
    assert [library for library, rooms in MAY_IMPORT.items() if library in roots and room not in rooms] == []


def test_the_sandbox_is_known_to_its_own_commands_only() -> None:
    seeing = {
        str(path.relative_to(PACKAGE))
        for path in modules()
        if room_of(path) != "sandbox" and any(name.startswith("kubectl_extsvc.sandbox") for name in imported(path))
    }
    assert seeing == SEES_THE_SANDBOX


@pytest.mark.parametrize(
    "path", [path for path in modules() if room_of(path) in NO_IO], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_rooms_of_decisions_do_no_io(path: Path) -> None:
    assert imported(path) & DOES_IO == set()


def test_an_upward_import_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = tmp_path / "model"
    room.mkdir()
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "x.py").write_text("")
    wrong = room / "wrong.py"
    wrong.write_text("def f():\n    from kubectl_extsvc.rules import x\n")
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    assert upward_imports(wrong) == ["rules"]


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["create", "--help"], ["verify", "--help"], ["version"], ["verify", "--bogus"],
     ["fix", "--help"], ["__complete", "ver"], ["__complete", "verify", "--"],
     ["__complete", "verify", "-o", ""], ["__complete", "verify", "--from", ""], ["__complete", "explain", ""],
     ["completion", "bash"]],
    ids=" ".join,
)  # fmt: skip
def test_light_command_lines_load_nothing_heavy(words: list[str]) -> None:
    script = (
        "import sys\n"
        "from kubectl_extsvc.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout + done.stderr
