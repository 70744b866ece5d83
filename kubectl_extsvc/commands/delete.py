"""kubectl extsvc delete."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from kubectl_extsvc.commands.connecting import add_connection_flags, with_cluster
from kubectl_extsvc.commands.exit_codes import ExitCode
from kubectl_extsvc.commands.parsing import Parser, alias_names, duration, say
from kubectl_extsvc.errors import UsageError

if TYPE_CHECKING:
    from kubectl_extsvc.cluster.client import Cluster

DESCRIPTION = """
Delete aliases: the Service and every object that was made for it, and nothing else.

Objects are found by their label, so leftovers of an alias whose Service has gone are deleted too. Services that
kubectl extsvc did not make are refused. The command waits until every object has really gone.
"""
EXAMPLES = """
# Delete the alias my-httpbin and all that was made for it
kubectl extsvc delete my-httpbin

# Show what would be deleted
kubectl extsvc delete my-httpbin --dry-run=client

# Delete all aliases of the namespace shop that kubectl extsvc made
kubectl extsvc delete --all -n shop
"""
USAGE = "(NAME ... | -l SELECTOR | --all) [flags]"


def add_arguments(parser: ArgumentParser) -> None:
    assert isinstance(parser, Parser)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("-l", "--selector", default="", help="Delete the aliases whose Service has these labels.")
    parser.add_boolean("--all", help="Delete all aliases of the namespace that kubectl extsvc made.")
    parser.add_argument("--dry-run", choices=("none", "client", "server"), default="none",
                        help="Only print what would be deleted; with server, ask the server whether it would do it.")  # fmt: skip
    parser.add_boolean("--ignore-not-found", help='Treat "alias not found" as a successful delete.')
    parser.add_boolean("--wait", default=True, help="Wait until the objects have gone.")
    parser.add_argument("--timeout", default="60s", help="How long to wait for that.")
    parser.add_argument("-o", "--output", choices=("name",), help="Print names only.")
    add_connection_flags(parser)


def run(args: Namespace) -> int:
    if sum((bool(args.names), bool(args.selector), args.all)) != 1:
        raise UsageError("exactly one of NAME ..., --selector or --all is needed; nothing was changed\n"
                         "See 'kubectl extsvc delete --help' for usage.")  # fmt: skip
    duration(args.timeout, "--timeout")
    return with_cluster(args, lambda cluster: _delete(cluster, args))


async def _delete(cluster: "Cluster", args: Namespace) -> int:
    from kubectl_extsvc.model.plan import Change
    from kubectl_extsvc.operations.deleting import DeleteWishes, carry_out_deletion
    from kubectl_extsvc.operations.finding import plan_deletion
    from kubectl_extsvc.output.plan_text import change_line

    wishes = DeleteWishes(args.dry_run, args.wait, duration(args.timeout, "--timeout"))
    # --all and -l find nothing without complaint, as kubectl's do.
    plan = await plan_deletion(
        cluster, alias_names(args.names), selector=args.selector, every=args.all,
        ignore_not_found=args.ignore_not_found or args.all or bool(args.selector),
    )  # fmt: skip
    if not plan.changes:
        if args.all or args.selector:
            say(f"No resources found in {cluster.namespace} namespace.")
        return ExitCode.DONE

    def done(change: Change) -> None:
        print(change_line(change, dry_run=args.dry_run, output=args.output or ""), flush=True)

    await carry_out_deletion(cluster, plan, wishes, done)
    return ExitCode.DONE
