"""kubectl extsvc list."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from kubectl_extsvc.commands.connecting import add_connection_flags, with_cluster
from kubectl_extsvc.commands.exit_codes import ExitCode
from kubectl_extsvc.commands.parsing import Parser, alias_names, say

if TYPE_CHECKING:
    from kubectl_extsvc.cluster.client import Cluster

DESCRIPTION = """
List aliases: ExternalName Services, and Services without selector whose endpoints were written by hand.

Aliases that others made are listed too; MANAGED-BY says whose they are. TLS is what the objects say for a client in
the alias's own namespace; verify reads what a proxy really does.
"""
EXAMPLES = """
# List the aliases of the current namespace
kubectl extsvc list

# List the aliases of all namespaces, with their hosts and addresses
kubectl extsvc list -A -o wide
"""
USAGE = "[NAME ...] [flags]"


def add_arguments(parser: ArgumentParser) -> None:
    assert isinstance(parser, Parser)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_boolean("-A", "--all-namespaces", help="List the aliases of all namespaces.")
    parser.add_argument("-l", "--selector", default="", help="List the aliases whose Service has these labels.")
    parser.add_argument("-o", "--output", choices=("wide", "json", "yaml", "name"), default="", help="Output format.")
    parser.add_boolean("--no-headers", help="Don't print headers.")
    add_connection_flags(parser)


def run(args: Namespace) -> int:
    return with_cluster(args, lambda cluster: _list(cluster, args))


async def _list(cluster: "Cluster", args: Namespace) -> int:
    from datetime import UTC, datetime

    from kubectl_extsvc.errors import ApiError
    from kubectl_extsvc.operations.finding import alias_rows
    from kubectl_extsvc.output.table import alias_table

    namespace = None if args.all_namespaces else cluster.namespace
    rows = await alias_rows(cluster, namespace, args.selector, say)
    if args.names:
        names = alias_names(args.names)
        for name in names:
            if name not in {row.alias.name for row in rows}:
                raise ApiError(f'Error from server (NotFound): aliases "{name}" not found', code=404, reason="NotFound")
        rows = tuple(row for row in rows if row.alias.name in names)
    if not rows and not args.output.startswith(("json", "yaml")):
        say("No resources found" if namespace is None else f"No resources found in {namespace} namespace.")
        return ExitCode.DONE
    print(alias_table(rows, output=args.output, namespaces=namespace is None, headers=not args.no_headers,
                      now=datetime.now(UTC)), end="")  # fmt: skip
    return ExitCode.DONE
