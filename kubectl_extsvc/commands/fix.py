"""kubectl extsvc fix."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from kubectl_extsvc.commands.connecting import add_connection_flags, with_cluster
from kubectl_extsvc.commands.consent import consent
from kubectl_extsvc.commands.exit_codes import ExitCode
from kubectl_extsvc.commands.parsing import Parser, alias_names, duration, say
from kubectl_extsvc.commands.verify import add_look_flags, check_look, exit_code, show, verify_wishes
from kubectl_extsvc.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kubectl_extsvc.cluster.client import Cluster
    from kubectl_extsvc.model.finding import Finding
    from kubectl_extsvc.model.fix import Create
    from kubectl_extsvc.model.plan import Change
    from kubectl_extsvc.model.report import Report
    from kubectl_extsvc.operations.creating import CreateWishes
    from kubectl_extsvc.operations.fixing import PlannedFix
    from kubectl_extsvc.operations.wishes import VerifyWishes
    from kubectl_extsvc.plans.fixes import Edit

DESCRIPTION = """
Cure what verify finds: verify the alias, plan the change, show it, ask, make it, and verify again.

Without CODE the first finding is cured whose cure is a change of objects; one finding a run. The result is judged by
the same rules before anything is changed: a change that would leave the finding in place, or bring another error, is
refused. The server tries it in a dry run first, and each object is only changed if it is still the one that was judged.

Objects that Argo CD, Flux, Helm or an operator keeps are never changed: the change is shown, to be made at its source.

Exit codes: those of verify for the alias as it is then; 1 also if only a person can cure it, or if the answer was no.
"""
EXAMPLES = """
# Cure the first finding of my-pay, after a look at the change
kubectl extsvc fix my-pay

# Cure this finding, and do not ask
kubectl extsvc fix my-pay XS0403 --yes

# Only show what would change
kubectl extsvc fix my-pay --dry-run=server

# The changed objects as manifests, for a repository
kubectl extsvc fix my-pay -o yaml
"""
USAGE = "NAME [CODE] [flags]"


def add_arguments(parser: ArgumentParser) -> None:
    assert isinstance(parser, Parser)
    parser.add_argument("name", nargs="?", default="", metavar="NAME")
    parser.add_argument("code", nargs="?", default="", metavar="CODE")
    parser.add_boolean("-y", "--yes", help="Make the change, and add what --ephemeral adds, without asking.")
    parser.add_argument(
        "--dry-run",
        choices=("none", "client", "server"),
        default="none",
        help="Only show the change; with server, ask the server whether it would make it.",
    )
    parser.add_argument(
        "-o",
        "--output",
        choices=("yaml", "json"),
        default="",
        help="Print the changed objects as manifests, and change nothing.",
    )
    add_look_flags(parser)
    parser.add_argument(
        "--timeout",
        default="60s",
        help="Time limit until the change is planned, and again from the change to the last verdict.",
    )
    add_connection_flags(parser)


def run(args: Namespace) -> int:
    if not args.name:
        raise UsageError("a NAME is needed; nothing was changed\nSee 'kubectl extsvc fix --help' for usage.")
    args.code = args.code.upper()
    if args.code:
        from kubectl_extsvc.rules import CAUSAL_ORDER

        if args.code not in CAUSAL_ORDER:
            raise UsageError(f'there is no rule "{args.code}"; nothing was changed\n'
                             "See 'kubectl extsvc rules' for all of them.")  # fmt: skip
    check_look(args)
    wishes = verify_wishes(args, alias_names((args.name,)))
    return with_cluster(args, lambda cluster: _fix(cluster, args, wishes))


async def _fix(cluster: "Cluster", args: Namespace, wishes: "VerifyWishes") -> int:
    from kubectl_extsvc.operations.deadline import deadline
    from kubectl_extsvc.operations.fixing import Kept, Ready, carry_out_fix, prepare_fix
    from kubectl_extsvc.operations.verifying import verify
    from kubectl_extsvc.plans.fixes import NOT_CHANGED, Choice, ForAPerson, Nothing, choose

    async with deadline(duration(args.timeout, "--timeout"), "fix") as left:
        report = await verify(cluster, wishes, say, left(), consent(yes=args.yes))
        (seen,) = report.aliases
        match choose(seen.findings, args.code):
            case Nothing(hints):
                return _nothing_to_do(report, args, hints)
            case ForAPerson(finding):
                say(f"{finding.code} {finding.message}")
                say(f"only a person can cure it: {finding.cure}")
                say(NOT_CHANGED)
                return ExitCode.FINDINGS
            case Choice(finding, why):
                say(f"{finding.code} {finding.message}" + (f" ({why})" if why else ""))
        ask_server = args.dry_run == "server" or (args.dry_run == "none" and not args.output)
        prepared = await prepare_fix(cluster, seen, finding, report.snapshot, wishes_of, say, ask_server=ask_server)
    planned = prepared.planned
    match prepared:
        case Kept(_, kept):
            _show_edits([edit for edit, _ in kept], args)
            for edit, keeper in kept:
                say(f'{edit.ref} in namespace "{edit.ref.namespace}" belongs to {keeper}: change it at its source')
            say(NOT_CHANGED)
            return ExitCode.FINDINGS
        case Ready(_, shown, foreign):
            pass
    for warning in planned.warnings:
        say(f"Warning: {warning}")
    _show_edits(shown, args)
    if args.dry_run != "none" or args.output:
        for edit in () if args.output else planned.edits:
            print(_line(edit.change, args.dry_run))
        return ExitCode.DONE
    for line in foreign:
        say(line)
    if not await consent(yes=args.yes)("Make this change?"):
        say(NOT_CHANGED)
        return ExitCode.FINDINGS
    await carry_out_fix(cluster, planned, lambda change: print(_line(change, "none"), flush=True), say)
    return await _verify_again(cluster, args, wishes, planned)


async def _verify_again(cluster: "Cluster", args: Namespace, wishes: "VerifyWishes", planned: "PlannedFix") -> int:
    from dataclasses import replace

    from kubectl_extsvc.operations.verifying import verify

    after = replace(wishes, just_changed=True)
    report = await verify(cluster, after, say, duration(args.timeout, "--timeout"), consent(yes=args.yes))
    show(report, args, "text")
    _say_what_is_left(report, planned)
    return exit_code(report, args.fail_on, strict=args.strict)


def _say_what_is_left(report: "Report", planned: "PlannedFix") -> None:
    from kubectl_extsvc.plans.fixes import Choice, choose

    (seen,) = report.aliases
    match choose(seen.findings):
        case Choice(finding, _) if finding.code != planned.finding.code:
            alias = planned.alias
            say(f"left: {finding.code}; next: kubectl extsvc fix {alias.name} {finding.code} -n {alias.namespace}")
        case Choice(finding, _):
            say(f"{finding.code} is still there: what was changed is in force, or has not reached the proxies yet")
        case _:
            pass


def _nothing_to_do(report: "Report", args: Namespace, hints: "Sequence[Finding]") -> int:
    (seen,) = report.aliases
    code = exit_code(report, args.fail_on, strict=args.strict)
    well = "is well" if code == ExitCode.DONE else "has no finding, and something could not be observed"
    say(f"alias {seen.alias.name} {well}: there is nothing to fix")
    for note in report.notes if code != ExitCode.DONE else ():
        say(note)
    for finding in hints:
        say(f"hint: {finding.code} {finding.message}; to change it: kubectl extsvc fix {seen.alias.name} {finding.code} "
            f"-n {seen.alias.namespace}")  # fmt: skip
    return code


def wishes_of(step: "Create") -> "CreateWishes":
    from kubectl_extsvc.commands import create

    return create.create_wishes(Parser("create", create).read(step.argv))


def _show_edits(edits: "Sequence[Edit]", args: Namespace) -> None:
    from kubectl_extsvc.output.diff_text import diff_text
    from kubectl_extsvc.output.plan_text import manifests
    from kubectl_extsvc.plans.fixes import manifests_of

    if not args.output:
        print("".join(diff_text(edit.resource, edit.before, edit.after) for edit in edits), end="", flush=True)
        return
    objects = manifests_of(edits)
    if objects:
        print(manifests(objects, args.output), end="", flush=True)
    for edit in edits:
        if edit.after is None:
            say(f"to be deleted: {edit.resource.qualified}/{edit.ref.name} in namespace {edit.ref.namespace}")


def _line(change: "Change", dry_run: str) -> str:
    from kubectl_extsvc.output.plan_text import change_line

    return change_line(change, dry_run=dry_run)
