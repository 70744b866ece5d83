"""kubectl extsvc verify."""

import re
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from kubectl_extsvc.commands.connecting import add_connection_flags, wants_color, with_cluster
from kubectl_extsvc.commands.consent import consent
from kubectl_extsvc.commands.exit_codes import ExitCode
from kubectl_extsvc.commands.parsing import Parser, alias_names, duration, say
from kubectl_extsvc.errors import UsageError

if TYPE_CHECKING:
    from kubectl_extsvc.cluster.client import Cluster
    from kubectl_extsvc.model.report import Report
    from kubectl_extsvc.operations.wishes import SourceWishes, VerifyWishes

DESCRIPTION = """
Probe aliases from real pods, with and without sidecar, at the same time, and name the cause of what is wrong.

Without NAME all aliases of the namespace are verified, whoever made them. Sources are found by themselves: one running
pod with sidecar and one without, those of the alias's namespace first. In each a single exec asks all questions; of the
sidecar the configuration is read too, so that the route, the TLS mode in effect and the DestinationRule that decided it
are observed, not guessed.

Exit codes: 0 all is well, 1 findings at or above --fail-on, 2 it could not be done, 3 something could not be observed.
"""
EXAMPLES = """
# Verify one alias
kubectl extsvc verify my-httpbin

# Verify all aliases of the namespace shop, from a pod of your own
kubectl extsvc verify -n shop --from deployment/web

# No pod to probe from: make a throw-away pair
kubectl extsvc verify my-httpbin --probe-pods

# The pod has no curl: add a container to it for an hour
kubectl extsvc verify my-httpbin --from pod/web-0 --ephemeral

# Ask for a page, and expect a word in it
kubectl extsvc verify my-wikipedia --path /wiki/Main_Page --expect-status 200 --expect-body 'free encyclopedia'

# For a script, and for CI
kubectl extsvc verify -o json
kubectl extsvc verify -o junit --fail-on warning
"""
USAGE = "[NAME ...] [flags]"


def add_arguments(parser: ArgumentParser) -> None:
    assert isinstance(parser, Parser)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_boolean("-A", "--all-namespaces", help="Verify the aliases of all namespaces.")
    parser.add_argument("-l", "--selector", default="", help="Verify the aliases whose Service has these labels.")
    add_look_flags(parser)
    parser.add_boolean("-y", "--yes", help="Add what --ephemeral adds without asking.")
    parser.add_argument("--timeout", default="60s", help="Time limit of the whole command.")
    parser.add_argument(
        "-o", "--output", choices=("text", "wide", "json", "yaml", "junit"), default="text", help="Output format."
    )
    add_connection_flags(parser)


def add_look_flags(parser: Parser) -> None:
    """From where to look, what to ask there, and how strict to be; for every command that verifies."""
    parser.add_argument(
        "--from",
        dest="sources",
        action="append",
        default=[],
        metavar="KIND/NAME[.NAMESPACE]",
        help="A source: pod/NAME or deployment/NAME, perhaps of another namespace. May be repeated.",
    )
    parser.add_argument(
        "--from-selector", default="", metavar="SELECTOR", help="Sources: the running pods with these labels."
    )
    parser.add_argument("-c", "--container", default="", help="Container of the sources to probe from.")
    parser.add_boolean(
        "--probe-pods", help="Make a throw-away pair of pods, with and without sidecar, and remove it at the end."
    )
    parser.add_boolean(
        "--ephemeral",
        help="Add an ephemeral container to a source that has neither curl nor python3, after asking. It ends after an "
        "hour, and stays listed until the pod is gone.",
    )
    parser.add_argument(
        "--image",
        default="",
        metavar="IMAGE",
        help="Image of the probe pods, or of the ephemeral container, with curl, sh and sleep. Default: "
        "curlimages/curl.",
    )
    parser.add_boolean("--no-probe", help="Send no request: judge objects and proxies only.")
    parser.add_argument("--path", default="/", help="Path of the HTTP request.")
    parser.add_argument("--method", default="GET", help="Method of the HTTP request.")
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="Header of the HTTP request; may be repeated. Never sent where the alias is not served.",
    )
    parser.add_argument(
        "--expect-status", default="", metavar="CODE,...", help="HTTP statuses that are right. Default: any below 500."
    )
    parser.add_argument(
        "--expect-body", default="", metavar="REGEX", help="Regular expression that the body must match somewhere."
    )
    parser.add_argument(
        "--fail-on",
        choices=("error", "warning", "info"),
        default="error",
        help="Least severity that makes the exit code 1.",
    )
    parser.add_boolean("--strict", help="Any rule that could not judge makes the exit code 3.")
    parser.add_argument("--probe-timeout", default="5s", help="Time limit of one request.")


def run(args: Namespace) -> int:
    if args.names and (args.all_namespaces or args.selector):
        raise UsageError("a NAME cannot be combined with --all-namespaces or --selector")
    if args.all_namespaces and args.namespace:
        raise UsageError("--all-namespaces and --namespace exclude each other")
    check_look(args)
    verify_wishes(args, tuple(args.names))
    return with_cluster(args, lambda cluster: _verify(cluster, args))


async def _verify(cluster: "Cluster", args: Namespace) -> int:
    return await verify_and_show(cluster, args, alias_names(args.names), timeout=duration(args.timeout, "--timeout"))


async def verify_and_show(cluster: "Cluster", args: Namespace, names: tuple[str, ...], *, timeout: float) -> int:
    """Verify, print the report, and give the exit code. args may be those of create, which lack verify's flags."""
    from kubectl_extsvc.operations.verifying import verify

    wishes = verify_wishes(args, names)
    report = await verify(cluster, wishes, say, timeout, consent(yes=getattr(args, "yes", False)))
    show(report, args, getattr(args, "output", "") or "text")
    return exit_code(report, getattr(args, "fail_on", "error"), strict=getattr(args, "strict", False))


def show(report: "Report", args: Namespace, output: str) -> None:
    """The report on stdout, and beside data what it has to say on stderr."""
    from kubectl_extsvc.output import REPORT_FORMATS, Style

    style = Style(color=wants_color(args), ascii=not speaks_unicode(), width=None)
    print(REPORT_FORMATS[output](report, style), end="")
    for note in report.notes if output not in ("text", "wide") else ():
        say(note)


def exit_code(report: "Report", fail_on: str, *, strict: bool) -> int:
    """Findings win over gaps: what was seen to be wrong is wrong, whatever else was not seen."""
    from kubectl_extsvc.model.finding import Severity

    worst = report.worst()
    if worst is not None and worst.rank <= Severity(fail_on).rank:
        return ExitCode.FINDINGS
    if any(alias.judgement.broken for alias in report.aliases):
        return ExitCode.INCOMPLETE
    if report.incomplete or (strict and any(alias.judgement.skipped for alias in report.aliases)):
        return ExitCode.INCOMPLETE
    return ExitCode.DONE


def verify_wishes(args: Namespace, names: tuple[str, ...]) -> "VerifyWishes":
    from kubectl_extsvc.operations.wishes import ProbeWishes, VerifyWishes

    given = vars(args)
    return VerifyWishes(
        names=names,
        all_namespaces=given.get("all_namespaces", False),
        selector=given.get("selector", ""),
        sources=_source_wishes(args),
        asked=ProbeWishes(
            probe=not given.get("no_probe", False),
            path=given.get("path", "/"),
            method=given.get("method", "GET"),
            headers=tuple(_header(text) for text in given.get("header", ())),
            expect_status=_statuses(given.get("expect_status", "")),
            expect_body=given.get("expect_body", ""),
            timeout=duration(given.get("probe_timeout", "5s"), "--probe-timeout", zero=False),
        ),
    )


def _source_wishes(args: Namespace) -> "SourceWishes":
    from kubectl_extsvc.operations.wishes import SourceWishes

    given = vars(args)
    return SourceWishes(
        named=tuple(_source(text) for text in given.get("sources", ())),
        selector=given.get("from_selector", ""),
        container=given.get("container", ""),
        probe_pods=given.get("probe_pods", False),
        ephemeral=given.get("ephemeral", False),
        image=given.get("image", ""),
    )


def check_look(args: Namespace) -> None:
    """All that can be wrong with the flags of add_look_flags, said before anything is asked of the cluster."""
    ways = [
        flag
        for flag, given in (
            ("--from", args.sources),
            ("--from-selector", args.from_selector),
            ("--probe-pods", args.probe_pods),
        )
        if given
    ]
    if len(ways) > 1:
        raise UsageError(f"{ways[0]} and {ways[1]} exclude each other")
    for flag, given in (("--probe-pods", args.probe_pods), ("--no-probe", args.no_probe)):
        if args.ephemeral and given:
            raise UsageError(f"{flag} and --ephemeral exclude each other")
    if not args.path.startswith("/") or any(ord(char) <= 32 or ord(char) == 127 for char in args.path):
        raise UsageError(f'--path "{args.path}" must start with / and have neither spaces nor control characters')
    if not re.fullmatch(r"[A-Z]+", args.method):
        raise UsageError(f'--method "{args.method}" must be a word in capital letters, for example GET')
    try:
        re.compile(args.expect_body)
    except re.error as error:
        raise UsageError(f"--expect-body is no regular expression: {error}") from error
    duration(args.timeout, "--timeout")
    verify_wishes(args, ())


def _source(text: str) -> tuple[str, str, str]:
    """KIND/NAME[.NAMESPACE] → (kind, name, namespace). Pod names have no dot in practice; DNS labels never do."""
    kind, slash, rest = text.partition("/")
    name, _, namespace = rest.partition(".")
    if not slash or not name:
        raise UsageError(f'--from "{text}" must be KIND/NAME or KIND/NAME.NAMESPACE, for example pod/web-0.shop')
    kind = source_kind(kind)
    if kind not in source_kinds():
        raise UsageError(f'--from "{text}": KIND must be one of {", ".join(source_kinds())}')
    return kind, name, namespace


def source_kinds() -> tuple[str, ...]:
    """What --from takes before the slash."""
    from kubectl_extsvc.model.resources import WORKLOADS

    return ("pod", *sorted(WORKLOADS))


def source_kind(word: str) -> str:
    """The kind that a word means, as kubectl's short names do."""
    short = {"po": "pod", "pods": "pod", "deploy": "deployment", "deployments": "deployment", "sts": "statefulset",
             "ds": "daemonset", "rs": "replicaset"}  # fmt: skip
    return short.get(word.lower(), word.lower())


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name.strip()):
        raise UsageError(f"--header \"{text}\" must be 'Name: value'")
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise UsageError(f'--header "{name}" has control characters in its value')
    return name.strip(), value.strip()


def _statuses(text: str) -> tuple[int, ...]:
    parts = [part for part in text.split(",") if part]
    if any(not re.fullmatch(r"[1-5][0-9][0-9]", part) for part in parts):
        raise UsageError(f'--expect-status "{text}" must be HTTP statuses with commas between, for example 200,204')
    return tuple(int(part) for part in parts)


def speaks_unicode() -> bool:
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    return encoding.startswith("utf")
