"""kubectl extsvc version."""

from argparse import ArgumentParser, Namespace

from kubectl_extsvc import __version__
from kubectl_extsvc.commands.exit_codes import ExitCode

DESCRIPTION = "Print the version of kubectl extsvc."
EXAMPLES = """
# Print the version
kubectl extsvc version
"""
USAGE = "[flags]"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=("json", "yaml"), help="One of 'json' or 'yaml'.")


def run(args: Namespace) -> int:
    match args.output:
        case "json":
            import json

            print(json.dumps({"clientVersion": __version__}, indent=2))
        case "yaml":
            print(f"clientVersion: {__version__}")
        case _:
            print(f"Client Version: v{__version__}")
    return ExitCode.DONE
