"""kubectl extsvc lint."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from kubectl_extsvc.commands.connecting import add_connection_flags, with_cluster
from kubectl_extsvc.commands.exit_codes import ExitCode
from kubectl_extsvc.commands.parsing import Parser, say
from kubectl_extsvc.errors import UsageError

if TYPE_CHECKING:
    from kubectl_extsvc.model.lint import LintReport
    from kubectl_extsvc.model.snapshot import Snapshot

DESCRIPTION = """
Judge manifests before they are applied: the aliases in them, by the rules that need objects only.

Each object is taken as the API server would complete it, and the sidecar's route is computed from the objects, for an
imagined client in the alias's namespace. No cluster is asked: the files are all there is, and a mesh of today is around
them. With --with-cluster they are judged on top of what the cluster has.

Exit codes: 0 all is well, 1 findings at or above --fail-on, 2 a file could not be judged.
"""
EXAMPLES = """
# Judge all manifests below a folder
kubectl extsvc lint manifests/

# Judge what a template renders
helm template shop | kubectl extsvc lint -

# As if applied to the cluster
kubectl extsvc lint alias.yaml --with-cluster

# For a code host
kubectl extsvc lint manifests/ -o sarif > lint.sarif
"""
USAGE = "(FILE | DIR | -) ... [flags]"


def add_arguments(parser: ArgumentParser) -> None:
    assert isinstance(parser, Parser)
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_boolean("--with-cluster", help="Judge the manifests on top of what the cluster has.")
    parser.add_argument(
        "--mesh", choices=("auto", "none"), default="auto", help="none: there is no Istio where they will be applied."
    )
    parser.add_argument(
        "--fail-on",
        choices=("error", "warning", "info"),
        default="error",
        help="Least severity that makes the exit code 1.",
    )
    parser.add_argument("-o", "--output", choices=("text", "json", "sarif"), default="text", help="Output format.")
    add_connection_flags(parser)


def run(args: Namespace) -> int:
    from kubectl_extsvc.operations.linting import NO_CLUSTER, NO_MESH, lint, read_files

    if not args.files:
        raise UsageError("a FILE, a folder or - is needed\nSee 'kubectl extsvc lint --help' for usage.")
    if args.with_cluster and args.mesh == "none":
        raise UsageError("--with-cluster and --mesh exclude each other: the cluster says whether it has Istio")
    files = read_files(args.files)
    namespace, around = args.namespace or "default", NO_MESH if args.mesh == "none" else NO_CLUSTER
    if args.with_cluster:
        namespace, around = _live(args)
    report = lint(files, namespace, around)
    _show(report, args.output)
    return exit_code(report, args.fail_on)


def exit_code(report: "LintReport", fail_on: str) -> int:
    """What could not be judged wins: nobody should take its silence for a pass."""
    from kubectl_extsvc.model.finding import Severity

    worst = report.worst()
    if report.problems:
        return ExitCode.FAILED
    return ExitCode.FINDINGS if worst is not None and worst.rank <= Severity(fail_on).rank else ExitCode.DONE


def _live(args: Namespace) -> "tuple[str, Snapshot]":
    from kubectl_extsvc.cluster.client import Cluster
    from kubectl_extsvc.operations.reading import read_snapshot, warnings_of

    async def read(cluster: Cluster) -> "tuple[str, Snapshot]":
        snapshot = await read_snapshot(cluster, None)
        for warning in warnings_of(snapshot):
            say(warning)
        return cluster.namespace, snapshot

    return with_cluster(args, read)


def _show(report: "LintReport", output: str) -> None:
    from kubectl_extsvc.output.lint_text import lint_json, lint_summary, lint_text
    from kubectl_extsvc.output.sarif import RulePage, sarif

    match output:
        case "json":
            print(lint_json(report), end="")
        case "sarif":
            from kubectl_extsvc.rules import RULES

            print(sarif(report, [RulePage(r.code, r.severity, r.title, r.page) for r in RULES]), end="")
        case _:
            print(lint_text(report), end="")
    for problem in report.problems:
        say(f"error: {problem.place}: {problem.message}")
    say(lint_summary(report))
