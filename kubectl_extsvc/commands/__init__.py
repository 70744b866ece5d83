"""One file per verb: its flags, its request, its exit code.

A command module has DESCRIPTION, EXAMPLES, USAGE, add_arguments(parser) and run(args) -> ExitCode. It imports nothing
heavy at its top: the modules that do the work are imported inside run().
"""

import importlib
from argparse import ArgumentParser, Namespace
from typing import Protocol, cast

COMMANDS = {
    "create": "Create an alias for an external service",
    "verify": "Probe aliases from pods with and without sidecar, and explain what is wrong",
    "fix": "Cure what verify finds, after a look at the change",
    "lint": "Judge manifests before they are applied",
    "tui": "Follow aliases live in the terminal",
    "delete": "Delete aliases and all that was made for them",
    "list": "List aliases",
    "demo": "Show the main job on this machine, without a cluster",
    "sandbox": "Start a pretended cluster on this machine",
    "rules": "List the rules that verify judges by",
    "explain": "Explain a rule",
    "completion": "Print a completion script for the shell",
    "version": "Print the version",
}
"""Verb → summary, in the order of the help."""

ALSO_KNOWN_AS = {"get": "list"}


class Command(Protocol):
    """What a module of this package offers."""

    DESCRIPTION: str
    EXAMPLES: str
    USAGE: str

    def add_arguments(self, parser: ArgumentParser) -> None: ...

    def run(self, args: Namespace) -> int: ...


def module_of(name: str) -> Command:
    """The module of a verb that COMMANDS lists."""
    module = {"list": "list_aliases"}.get(name, name)
    return cast(Command, importlib.import_module(f"kubectl_extsvc.commands.{module}"))
