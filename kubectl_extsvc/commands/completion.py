"""kubectl extsvc completion."""

import os
import shutil
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from kubectl_extsvc.commands.exit_codes import ExitCode
from kubectl_extsvc.commands.parsing import Parser, say
from kubectl_extsvc.errors import Refused, UsageError

DESCRIPTION = """
Complete commands, flags, and names from the cluster: aliases, namespaces, pods to look from, contexts, rules.

kubectl completes `kubectl extsvc <tab>` by a small script, kubectl_complete-extsvc, on the PATH. An installation by
pip, pipx or uv brings it along. Where it is missing (krew links only one file), `completion install` puts it beside the
plugin, or into another folder of your PATH. kubectl's own completion must be set up: see kubectl completion --help.

For kubectl-extsvc called without kubectl, load the script of your shell: bash, zsh, fish or powershell.

The cluster is asked for names only, for a second at most; credential plugins have no terminal to ask by.
"""
EXAMPLES = """
# Let kubectl complete `kubectl extsvc`
kubectl extsvc completion install

# Print the script that does it
kubectl extsvc completion kubectl

# For kubectl-extsvc, in this bash; for all to come, put the line into ~/.bashrc
source <(kubectl-extsvc completion bash)

# In zsh, after compinit
source <(kubectl-extsvc completion zsh)

# In fish
kubectl-extsvc completion fish | source

# In PowerShell
kubectl-extsvc completion powershell | Out-String | Invoke-Expression
"""
USAGE = "(bash | zsh | fish | powershell | kubectl | install) [flags]"

PLUGIN = "kubectl-extsvc"
NAME = "kubectl_complete-extsvc"
"""How kubectl finds it (kubectl pkg/cmd/plugin_completion.go)."""
SCRIPT = """#!/bin/sh
exec kubectl-extsvc __complete "$@"
"""
SHELLS = ("bash", "zsh", "fish", "powershell")


def add_arguments(parser: ArgumentParser) -> None:
    assert isinstance(parser, Parser)
    parser.add_argument("what", nargs="?", default="", choices=("", *SHELLS, "kubectl", "install"), metavar="WHAT")
    parser.add_argument("--into", default="", metavar="DIR", help="Folder for install, in place of one that is found.")
    parser.add_boolean("--overwrite", help=f"Let install replace a {NAME} that is not of kubectl extsvc.")


def run(args: Namespace) -> int:
    match args.what:
        case "":
            raise UsageError("a shell, kubectl or install is needed\nSee 'kubectl extsvc completion --help' for usage.")
        case "install":
            return _install(args.into, overwrite=args.overwrite)
        case "kubectl":
            print(SCRIPT, end="")
        case shell:
            print(files("kubectl_extsvc.commands").joinpath("shells", f"completion.{shell}").read_text("utf-8"), end="")
    return ExitCode.DONE


def _install(into: str, *, overwrite: bool) -> int:
    """Put the script where kubectl finds it, and say where that is."""
    found = shutil.which(NAME)
    if found and not into and _is_ours(Path(found)):
        say(f"{found} is there already; nothing was changed")
        return ExitCode.DONE
    if found and not into and not overwrite:
        raise Refused(f"{found} is not of kubectl extsvc; nothing was changed. Use --overwrite to replace it.")
    folder = Path(into) if into else Path(found).parent if found else _folder()
    path = folder / NAME
    if os.path.lexists(path) and not _is_ours(path) and not overwrite:
        raise Refused(f"{path} is not of kubectl extsvc; nothing was changed. Use --overwrite to replace it.")
    fresh = path.with_name(f".{NAME}.{os.getpid()}")
    try:
        fresh.write_text(SCRIPT)
        fresh.chmod(0o755)
        fresh.replace(path)  # a link is replaced, and not followed
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise Refused(f"cannot write {path}: {(error.strerror or str(error)).lower()}; nothing was changed") from error
    say(f"{path} written")
    if str(folder.absolute()) not in os.environ.get("PATH", "").split(os.pathsep):
        say(f"{folder} is not on your PATH: kubectl finds it there only when it is")
    if shutil.which(PLUGIN) is None:
        say(f"{PLUGIN} is not on your PATH: the script calls it by its name")
    return ExitCode.DONE


def _is_ours(path: Path) -> bool:
    """This script, or what pip makes of the package's entry point."""
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        return False
    return text == SCRIPT or "kubectl_extsvc.cli" in text


def _folder() -> Path:
    """The folder of the plugin, else the first of PATH below the home folder, where we may write."""
    for folder in _folders():
        if folder.is_dir() and os.access(folder, os.W_OK):
            return folder
    raise Refused(f"no folder of your PATH is yours to write to; nothing was changed. "
                  f"Use --into DIR, or put the output of 'kubectl extsvc completion kubectl' into a file {NAME} of it.")  # fmt: skip


def _folders() -> Iterator[Path]:
    plugin = shutil.which(PLUGIN)
    if plugin:
        yield Path(plugin).parent
    home = Path.home()
    for word in os.environ.get("PATH", "").split(os.pathsep):
        folder = Path(word)
        if folder.is_absolute() and folder.is_relative_to(home):
            yield folder
