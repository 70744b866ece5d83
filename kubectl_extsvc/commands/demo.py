"""kubectl extsvc demo."""

import shlex
import subprocess
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubectl_extsvc.commands.connecting import until_interrupted, wants_color
from kubectl_extsvc.commands.exit_codes import ExitCode
from kubectl_extsvc.commands.parsing import Parser, say
from kubectl_extsvc.commands.sandbox import argv_of, environment, run_inside
from kubectl_extsvc.model.resources import DESTINATION_RULES, SERVICES, VIRTUAL_SERVICES, Json, Resource

if TYPE_CHECKING:
    from kubectl_extsvc.sandbox.running import Sandbox

DESCRIPTION = """
Show the main job on this machine, without a cluster: create an alias, verify it from pods with and without sidecar,
delete it; then break one, and let verify say why it fails.

All of it runs in the sandbox (see kubectl extsvc sandbox --help), for some seconds; nothing is left behind. The exit
code is 1 if anything in it went otherwise than it should.
"""
EXAMPLES = """
# Show the main job
kubectl extsvc demo

# Open the terminal UI, on aliases that are well and broken
kubectl extsvc demo --tui
"""
USAGE = "[flags]"

NEXT = """\
What to try next
  kubectl extsvc demo --tui                                watch such aliases live, and cure them
  kubectl extsvc explain XS0403                            what that code means
  kubectl extsvc sandbox --list                            other ways to break an alias
  kubectl extsvc sandbox --scenario double-tls -- verify   see one of them
  kubectl extsvc sandbox                                   stay in the sandbox, with kubectl too
  kubectl extsvc create --external-name HOST               the same in your cluster
"""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of ours that is shown and run."""

    why: str
    words: str
    exit_code: int = 0
    shows: tuple[str, ...] = ()
    """What must be in its output."""


@dataclass(frozen=True, slots=True)
class Patch:
    """What somebody else does to an object, by kubectl."""

    why: str
    resource: Resource
    name: str
    patch: Json


Step = Command | Patch


def steps(word: str, *, sidecars: bool) -> tuple[Step, ...]:
    """The tour. word is what the outside's servers put into each of their answers in this run.

    Without sidecars nobody can add TLS: then what breaks is a name.
    """
    return (
        Command("Give httpbin.org a local name", "create --external-name httpbin.org --wait"),
        Command("Probe it from every kind of pod at once", "verify my-httpbin"),
        Command(
            "See all that is behind it; x-sandbox-run is a word that the outside's server made up in this very run",
            "verify my-httpbin -o wide --path /headers",
            shows=(f"x-sandbox-run: {word}",),
        ),
        *(_broken_tls() if sidecars else _broken_name()),
        Command("Remove all that was made, and nothing else", "delete --all"),
        Command("Nothing is left", "list", shows=("No resources found",)),
    )


def _broken_tls() -> tuple[Step, ...]:
    create = "create my-pay --address 203.0.113.20 --host api.pay.example --port http:80:443 --wait"
    tls = {"sni": None, "subjectAltNames": None}
    return (
        Command("Clients speak plain HTTP, the sidecar makes it TLS", create),
        Command("It works: look at the line tls", "verify my-pay", shows=("SIMPLE, sni api.pay.example",)),
        Patch(
            "Now somebody takes the server's name out of the rule",
            DESTINATION_RULES,
            "my-pay",
            {"spec": {"trafficPolicy": {"tls": tls}}},
        ),
        Patch(
            "… and the rewrite of the Host, too",
            VIRTUAL_SERVICES,
            "my-pay",
            {"spec": {"http": [{"route": [{"destination": {"host": "my-pay.default.svc.cluster.local"}}]}]}},
        ),
        Command("What is wrong, and what helps?", "verify my-pay", exit_code=ExitCode.FINDINGS, shows=("XS0403",)),
    )


def _broken_name() -> tuple[Step, ...]:
    return (
        Patch("Now somebody makes a typing error", SERVICES, "my-httpbin", {"spec": {"externalName": "httbin.org"}}),
        Command("What is wrong, and what helps?", "verify my-httpbin", exit_code=ExitCode.FINDINGS, shows=("XS0102",)),
    )


def add_arguments(parser: ArgumentParser) -> None:
    assert isinstance(parser, Parser)
    parser.add_boolean("--tui", help="Open the terminal UI on a sandbox with aliases that are well and broken.")


def run(args: Namespace) -> int:
    if args.tui:
        return until_interrupted(_run_tui)
    return until_interrupted(lambda: _run(color=wants_color(args)))


async def _run_tui() -> int:
    from kubectl_extsvc.sandbox.running import running

    async with running("mixed") as sandbox:
        return await run_inside(sandbox, ("tui", "--interval", "5s"))


async def _run(*, color: bool) -> int:
    from kubectl_extsvc.sandbox.running import running

    async with running("empty") as sandbox:
        if sandbox.no_sidecars:
            say(sandbox.no_sidecars)
        return await show(sandbox, color=color)


async def show(sandbox: "Sandbox", *, color: bool) -> int:
    """Run the tour and print it; ends at the first step that does not go as it should."""
    for step in steps(sandbox.outside.word, sidecars=not sandbox.no_sidecars):
        print(f"\n# {step.why}", flush=True)
        match step:
            case Command():
                if not await _run_command(sandbox, step, color=color):
                    return ExitCode.FINDINGS
            case Patch():
                await _carry_out(sandbox, step)
    print(f"\n{NEXT}", end="")
    return ExitCode.DONE


async def _run_command(sandbox: "Sandbox", step: Command, *, color: bool) -> bool:
    import anyio

    print(f"$ kubectl extsvc {step.words}", flush=True)
    env = {**environment(sandbox), **({"FORCE_COLOR": "1"} if color else {})}
    done = await anyio.run_process(argv_of(step.words.split()), check=False, stderr=subprocess.STDOUT, env=env)
    output = done.stdout.decode("utf-8", "replace")
    print(output, end="", flush=True)
    if done.returncode != step.exit_code:
        say(f"error: the command ended with {done.returncode}, and should with {step.exit_code}")
        return False
    missing = [text for text in step.shows if text not in output]
    if missing:
        say(f"error: its output should have {missing[0]!r} in it")
    return not missing


async def _carry_out(sandbox: "Sandbox", step: Patch) -> None:
    import json

    patch = json.dumps(step.patch)
    print(f"$ kubectl patch {step.resource.kind.lower()} {step.name} --type=merge -p {shlex.quote(patch)}", flush=True)
    sandbox.patch(step.resource, "default", step.name, step.patch)
    print(f"{step.resource.qualified}/{step.name} patched", flush=True)
