"""completion: the scripts in real shells, and install."""

import os
import pty
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from kubectl_extsvc.commands.completion import NAME, SCRIPT, SHELLS

PROGRAMS = Path(sys.executable).parent
CHECKOUT = Path(__file__).parents[2]
SHOW = "\x0f"
"""Ctrl-O: shows the line that is being typed."""
SETUPS = {
    "bash": """PS1= PS2=; bind -x '"\\C-o": printf "<%s>\\n" "$READLINE_LINE"'; """
    "source <(kubectl-extsvc completion bash)",
    "zsh": 'PS1= PS2=; autoload -U compinit; compinit -u -D; show() { print -r -- "<$BUFFER>" }; zle -N show; '
    "bindkey '^O' show; source <(kubectl-extsvc completion zsh)",
}
ARGV = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"no {shell} on this machine")


def path_with(*folders: Path) -> str:
    return os.pathsep.join((*map(str, folders), os.defpath))


def unhurried(cwd: Path) -> Path:
    """A folder with our program as it is, but for its time limit: a busy machine may need longer to load the rules."""
    program = cwd / ".programs" / "kubectl-extsvc"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "from kubectl_extsvc import cli\nfrom kubectl_extsvc.commands import completing\n"
        "completing.LIMIT = 20.0\nsys.exit(cli.main())\n"
    )
    program.chmod(0o755)
    return program.parent


def typed_in(shell: str, keys: str, cwd: Path) -> str:
    """The line in an interactive shell after keys were typed into it."""
    master, slave = pty.openpty()
    env = {"PATH": path_with(unhurried(cwd), PROGRAMS), "HOME": str(cwd), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        ARGV[shell], stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=env, cwd=cwd
    )
    os.close(slave)
    seen = b""

    def until(pattern: bytes) -> bytes:
        nonlocal seen
        end = time.monotonic() + 30
        while (found := re.search(pattern, seen, re.DOTALL)) is None:
            assert time.monotonic() < end, seen
            seen += os.read(master, 4096)
        seen = seen[found.end() :]
        return found[1]

    try:
        os.write(master, f"{SETUPS[shell]}; echo is-'ready'\n".encode())
        until(rb"(is-ready)")
        os.write(master, keys.encode())
        os.write(master, SHOW.encode())
        return until(rb"<(kubectl-extsvc [^<>]*)>").decode()
    finally:
        process.kill()
        process.wait()
        os.close(master)


@pytest.mark.parametrize("shell", [pytest.param("bash", marks=needs("bash")), pytest.param("zsh", marks=needs("zsh"))])
@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("kubectl-extsvc verif\t", "kubectl-extsvc verify "),
        ("kubectl-extsvc verify --fail-on w\t", "kubectl-extsvc verify --fail-on warning "),
        ("kubectl-extsvc verify --fail-on=w\t", "kubectl-extsvc verify --fail-on=warning "),
        ("kubectl-extsvc verify --from stateful\t", "kubectl-extsvc verify --from statefulset/"),
        ("kubectl-extsvc explain XS0403\t", "kubectl-extsvc explain XS0403 "),
        ("kubectl-extsvc verify --context arn:aws:e\t", "kubectl-extsvc verify --context arn:aws:eks:eu:1:x "),
        ("kubectl-extsvc verify --context=arn:aws:e\t", "kubectl-extsvc verify --context=arn:aws:eks:eu:1:x "),
        ("kubectl-extsvc lint man\t", "kubectl-extsvc lint manifests/"),
        ("kubectl-extsvc rules man\t", "kubectl-extsvc rules man"),
    ],
)
def test_a_shell_completes_what_is_typed(shell: str, keys: str, line: str, tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text('{"contexts": [{"name": "arn:aws:eks:eu:1:x", "context": {}}]}')
    (tmp_path / "manifests").mkdir()
    assert typed_in(shell, keys, tmp_path) == line


@needs("fish")
@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("verif", ["verify\tProbe aliases from pods with and without sidecar, and explain what is wrong"]),
        ("verify --fail-on w", ["warning"]),
        ("verify --fail-on=w", ["--fail-on=warning"]),
        ("lint man", ["manifests/"]),
        ("rules man", []),
    ],
)
def test_fish_completes_what_is_typed(typed: str, found: list[str], tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    script = f"kubectl-extsvc completion fish | source; complete -C 'kubectl-extsvc {typed}'"
    env = {"PATH": path_with(PROGRAMS), "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["fish", "--no-config", "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert ([line.rstrip() for line in done.stdout.splitlines()], done.stderr) == (found, "")


@pytest.mark.parametrize("shell", [*SHELLS, "kubectl"])
def test_a_script_is_printed_as_it_is(shell: str) -> None:
    done = subprocess.run([PROGRAMS / "kubectl-extsvc", "completion", shell], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n")
    assert "kubectl-extsvc" in done.stdout


def test_the_checkouts_script_is_the_one_that_is_installed() -> None:
    script = CHECKOUT / "bin" / NAME
    assert (script.read_text(), os.access(script, os.X_OK)) == (SCRIPT, True)


# --- install ---------------------------------------------------------------------------------------------------------


class Ran(NamedTuple):
    code: int
    err: str


Install = Callable[..., Ran]


@pytest.fixture
def krew(tmp_path: Path) -> Path:
    """A folder of the PATH with a link to the plugin in it, and nothing more."""
    folder = tmp_path / "krew" / "bin"
    folder.mkdir(parents=True)
    (folder / "kubectl-extsvc").symlink_to(PROGRAMS / "kubectl-extsvc")
    return folder


@pytest.fixture
def install(krew: Path, tmp_path: Path) -> Install:
    def run(*words: str, path: tuple[Path, ...] = (krew,)) -> Ran:
        done = subprocess.run(
            [PROGRAMS / "kubectl-extsvc", "completion", "install", *words],
            env={"PATH": path_with(*path), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.stdout == ""
        return Ran(done.returncode, done.stderr)

    return run


def test_install_puts_the_script_beside_the_plugin(install: Install, krew: Path) -> None:
    script = krew / NAME
    assert install() == (0, f"{script} written\n")
    assert (script.read_text(), os.access(script, os.X_OK)) == (SCRIPT, True)
    assert sorted(path.name for path in krew.iterdir()) == sorted(["kubectl-extsvc", NAME])
    assert install() == (0, f"{script} is there already; nothing was changed\n")
    done = subprocess.run([script, "verif"], env={"PATH": path_with(krew)}, capture_output=True, text=True)
    assert (done.stdout.partition("\t")[0], done.stdout[-4:], done.stderr) == ("verify", "\n:4\n", "")


def test_install_leaves_what_pip_has_brought(install: Install) -> None:
    said = f"{PROGRAMS / NAME} is there already; nothing was changed\n"
    assert install(path=(PROGRAMS,)) == (0, said)


def test_install_keeps_a_foreign_file_unless_told_otherwise(install: Install, krew: Path) -> None:
    script = krew / NAME
    script.write_text("#!/bin/sh\necho mine\n")
    script.chmod(0o755)
    said = f"error: {script} is not of kubectl extsvc; nothing was changed. Use --overwrite to replace it.\n"
    assert install() == install("--into", str(krew)) == (2, said)
    assert script.read_text() == "#!/bin/sh\necho mine\n"
    assert install("--overwrite") == (0, f"{script} written\n")
    assert script.read_text() == SCRIPT


def test_install_does_not_write_through_a_link(install: Install, krew: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (krew / NAME).symlink_to(precious)
    assert install("--into", str(krew)).code == 2
    assert install("--into", str(krew), "--overwrite").code == 0
    assert (precious.read_text(), (krew / NAME).is_symlink()) == ("precious", False)


def test_install_says_when_kubectl_will_not_find_it(install: Install, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    said = f"{folder / NAME} written\n{folder} is not on your PATH: kubectl finds it there only when it is\n"
    assert install("--into", str(folder)) == (0, said)


def test_install_takes_a_folder_of_the_users_path_when_the_plugins_is_not_writable(
    install: Install, tmp_path: Path
) -> None:
    mine = tmp_path / "bin"
    mine.mkdir()
    said = f"{mine / NAME} written\nkubectl-extsvc is not on your PATH: the script calls it by its name\n"
    assert install(path=(mine,)) == (0, said)


def test_install_into_a_folder_that_is_not_there(install: Install, tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / NAME
    said = f"error: cannot write {path}: no such file or directory; nothing was changed\n"
    assert install("--into", str(path.parent)) == (2, said)


def test_install_without_a_folder_to_write_to(install: Install) -> None:
    ran = install(path=())
    assert ran.code == 2
    assert ran.err.startswith("error: no folder of your PATH is yours to write to; nothing was changed. ")
