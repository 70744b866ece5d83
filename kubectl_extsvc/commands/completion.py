"""kubectl extsvc completion."""

from argparse import ArgumentParser, Namespace

from kubectl_extsvc.commands.exit_codes import ExitCode

DESCRIPTION = """
Print the small script kubectl_complete-extsvc, by which kubectl completes `kubectl extsvc <tab>`.

An installation by pip, pipx or uv brings it along. Where it is missing (krew links only one file), put this script
into a folder of your PATH. kubectl's own completion must be set up: see kubectl completion --help.
"""
EXAMPLES = """
# Install the script
kubectl extsvc completion > ~/.local/bin/kubectl_complete-extsvc && chmod +x ~/.local/bin/kubectl_complete-extsvc
"""
USAGE = "[flags]"

SCRIPT = """#!/bin/sh
exec kubectl-extsvc __complete "$@"
"""


def add_arguments(parser: ArgumentParser) -> None:
    del parser  # no flags of its own


def run(args: Namespace) -> int:
    del args
    print(SCRIPT, end="")
    return ExitCode.DONE
