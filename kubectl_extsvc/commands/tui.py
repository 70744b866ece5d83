"""kubectl extsvc tui."""

import os
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from kubectl_extsvc.commands.connecting import add_connection_flags, connection_of, until_interrupted
from kubectl_extsvc.commands.exit_codes import ExitCode
from kubectl_extsvc.commands.parsing import Parser, alias_names, duration
from kubectl_extsvc.commands.verify import add_look_flags, check_look, speaks_unicode, verify_wishes
from kubectl_extsvc.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kubectl_extsvc.operations.wishes import LiveWishes

DESCRIPTION = """
Follow aliases in the terminal: each from every kind of pod, live, with the path, the TLS mode and the headers.

Without NAME all aliases of the namespace are shown. What is found can be fixed, aliases be made and deleted, from where
they are seen; ? shows all keys. The cluster's objects are watched, so that a change is seen at once; every pod is asked
again after --interval.
"""
EXAMPLES = """
# All aliases of the namespace
kubectl extsvc tui

# One alias, and nothing may be changed
kubectl extsvc tui my-httpbin --readonly

# All namespaces, asked every 30 seconds
kubectl extsvc tui -A --interval 30s

# No cluster at hand: on a pretended one
kubectl extsvc demo --tui
"""
USAGE = "[NAME ...] [flags]"


def add_arguments(parser: ArgumentParser) -> None:
    assert isinstance(parser, Parser)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_boolean("-A", "--all-namespaces", help="Show the aliases of all namespaces.")
    parser.add_argument("-l", "--selector", default="", help="Show the aliases whose Service has these labels.")
    parser.add_argument("--interval", default="10s", help="Time between two looks from one pod; at least 1s.")
    parser.add_boolean("--readonly", help="Offer nothing that changes the cluster.")
    parser.add_boolean("--plain", help="Lines in place of a screen, for a screen reader. Default if TERM is dumb.")
    parser.add_boolean("--ascii", help="Words in place of signs. Default where the locale is not UTF-8.")
    add_look_flags(parser)
    add_connection_flags(parser)


def run(args: Namespace) -> int:
    if args.names and (args.all_namespaces or args.selector):
        raise UsageError("a NAME cannot be combined with --all-namespaces or --selector")
    if args.all_namespaces and args.namespace:
        raise UsageError("--all-namespaces and --namespace exclude each other")
    interval = duration(args.interval, "--interval", zero=False)
    if interval < 1:
        raise UsageError(f'--interval "{args.interval}" is too short: 1s is the least')
    args.timeout = "60s"
    check_look(args)
    if args.plain or os.environ.get("TERM") == "dumb":
        return until_interrupted(lambda: _run_plain(args, interval))
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UsageError("a terminal is needed; for a pipe: --plain; for a script: kubectl extsvc verify -o json")
    from kubectl_extsvc.tui.curtain import curtain

    where = "all namespaces" if args.all_namespaces else args.namespace or ""
    with curtain([f" extsvc  {where}", "", " starting ..."]) as raise_curtain:
        summary = until_interrupted(lambda: _run(args, interval, raise_curtain))
    if summary:
        print(summary)
    return ExitCode.DONE


async def _run(args: Namespace, interval: float, raise_curtain: "Callable[[], None]") -> str:
    from kubectl_extsvc.commands.fix import wishes_of
    from kubectl_extsvc.output.style import Style
    from kubectl_extsvc.tui.app import ExtsvcApp, Options
    from kubectl_extsvc.tui.running import run_beside

    connection = connection_of(args)
    wishes = _live_wishes(args, interval)
    options = Options(
        context=args.context or "",
        namespace=connection.namespace,
        names=wishes.names,
        all_namespaces=args.all_namespaces,
        readonly=args.readonly,
        style=Style(color=not os.environ.get("NO_COLOR"), ascii=args.ascii or not speaks_unicode()),
        interval=interval,
    )
    app = ExtsvcApp(options)
    raise_curtain()
    return await run_beside(app, connection, wishes, wishes_of)


async def _run_plain(args: Namespace, interval: float) -> int:
    from kubectl_extsvc.commands.fix import wishes_of
    from kubectl_extsvc.output.style import Style
    from kubectl_extsvc.tui.announcing import Announcer
    from kubectl_extsvc.tui.plain import Plain, lines_from

    connection = connection_of(args)
    style = Style(ascii=args.ascii or not speaks_unicode())
    face = Plain(
        announcer=Announcer(style, connection.namespace, args.all_namespaces),
        wishes_of=wishes_of,
        readonly=args.readonly,
        write=lambda line: print(line, flush=True),
        heard=lines_from(sys.stdin.fileno()),
    )
    await face.run(connection, _live_wishes(args, interval))
    return ExitCode.DONE


def _live_wishes(args: Namespace, interval: float) -> "LiveWishes":
    from kubectl_extsvc.operations.wishes import LiveWishes

    asked = verify_wishes(args, alias_names(tuple(args.names)))
    return LiveWishes(
        names=asked.names,
        all_namespaces=args.all_namespaces,
        selector=args.selector,
        sources=asked.sources,
        asked=asked.asked,
        interval=interval,
    )
