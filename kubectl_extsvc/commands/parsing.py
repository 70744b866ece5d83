"""kubectl's manners on top of argparse: its help layout, its words for a bad flag, --flag=false."""

import argparse
import difflib
import re
import sys
import textwrap
from collections.abc import Sequence
from typing import NoReturn

from kubectl_extsvc import __version__, commands
from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.model.hostile_text import clean

PROGRAM = "kubectl extsvc"
_TRUTH = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}


class Parser(argparse.ArgumentParser):
    """One verb's flags. Errors are UsageErrors in kubectl's words; help is laid out as kubectl's."""

    def __init__(self, verb: str, command: commands.Command) -> None:
        super().__init__(prog=f"{PROGRAM} {verb}", add_help=False, allow_abbrev=False)
        self.verb, self.command = verb, command
        self.booleans: dict[str, str] = {}
        """Switch → the hidden flag that turns it off."""
        self.add_argument("-h", "--help", action="store_true", default=False, help=argparse.SUPPRESS)
        command.add_arguments(self)

    def add_boolean(self, *flags: str, default: bool = False, help: str) -> None:
        """A switch that also takes --flag=true and --flag=false, as pflag's do."""
        name = next(flag for flag in flags if flag.startswith("--")).removeprefix("--")
        self.booleans.update(dict.fromkeys(flags, f"--no-{name}"))
        self.add_argument(*flags, action="store_true", default=default, help=help)
        self.add_argument(
            f"--no-{name}", dest=name.replace("-", "_"), action="store_false", default=default, help=argparse.SUPPRESS
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{_in_kubectls_words(message)}\nSee '{self.prog} --help' for usage.")

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse this verb's words; unknown flags and spare arguments are errors."""
        # argparse would read what follows -- a second time, and take its dashes for flags.
        end = words.index("--") if "--" in words else len(words)
        args, spare = self.parse_known_intermixed_args(self._with_plain_booleans(words[:end]))
        if not args.help:
            flag = next((word for word in spare if word.startswith("-") and word != "-"), None)
            if flag is not None:
                self.error(f"unknown flag {flag.split('=')[0]}{self._meant(flag)}")
            spare += self._take_names(args, words[end + 1 :])
            if spare:
                self.error(f"unexpected argument {spare[0]!r}")
        return args

    def read_so_far(self, words: Sequence[str]) -> argparse.Namespace:
        """This verb's words as far as they are typed: what is missing or unknown is passed over."""
        end = words.index("--") if "--" in words else len(words)
        args, _ = self.parse_known_intermixed_args(self._with_plain_booleans(words[:end]))
        self._take_names(args, words[end + 1 :])
        return args

    def _take_names(self, args: argparse.Namespace, names: Sequence[str]) -> Sequence[str]:
        """Give names to the verb's positional argument; what it does not take is left over."""
        positional = next((action for action in self._actions if not action.option_strings), None)
        if positional is None or not names:
            return names
        given = getattr(args, positional.dest)
        if positional.nargs == "*":
            setattr(args, positional.dest, [*given, *names])
            return ()
        if given:
            return names
        setattr(args, positional.dest, names[0])
        return names[1:]

    def _with_plain_booleans(self, words: Sequence[str]) -> list[str]:
        """--wait=false → --no-wait, --wait=true → --wait."""
        plain: list[str] = []
        for word in words:
            flag, equals, value = word.partition("=")
            if equals and flag in self.booleans:
                if value.lower() not in _TRUTH:
                    self.error(f'invalid argument "{value}" for "{flag}" flag: not a boolean')
                plain.append(flag if _TRUTH[value.lower()] else self.booleans[flag])
            elif word == "--dry-run":
                # pflag's NoOptDefVal: kubectl takes the bare flag for client, and a word after it for a name.
                plain.append("--dry-run=client")
            else:
                plain.append(word)
        return plain

    def _meant(self, flag: str) -> str:
        known = [option for action in self._actions if action.help is not argparse.SUPPRESS
                 for option in action.option_strings]  # fmt: skip
        close = difflib.get_close_matches(flag.split("=")[0], known, n=1, cutoff=0.75)
        return f" (did you mean {close[0]}?)" if close else ""

    def format_help(self) -> str:
        parts = [self.command.DESCRIPTION.strip(), ""]
        if self.command.EXAMPLES:
            parts += ["Examples:", textwrap.indent(textwrap.dedent(self.command.EXAMPLES).strip(), "  "), ""]
        for group in self._action_groups:
            shown = [a for a in group._group_actions if a.option_strings and a.help is not argparse.SUPPRESS]
            if shown:
                parts += [f"{(group.title or 'options').capitalize()}:", *(_option(a) for a in shown), ""]
        parts += ["Usage:", f"  {self.prog} {self.command.USAGE}", ""]
        return "\n".join(parts)


def parse(words: Sequence[str]) -> tuple[str, argparse.Namespace]:
    """(verb, its arguments). --help and --version are printed here and end the process with 0."""
    if not words or words[0] in ("-h", "--help", "help"):
        if len(words) > 1 and words[0] == "help":
            return parse([words[1], "--help"])
        print(general_help(), end="")
        raise SystemExit(0)
    if words[0] == "--version":
        print(f"kubectl-extsvc {__version__}")
        raise SystemExit(0)
    verb = commands.ALSO_KNOWN_AS.get(words[0], words[0])
    if verb not in commands.COMMANDS:
        if words[0].startswith("-"):
            raise UsageError(
                f"flags come after the command: {PROGRAM} COMMAND {words[0]} ...\nSee '{PROGRAM} --help' for usage."
            )
        close = difflib.get_close_matches(words[0], commands.COMMANDS, n=1)
        meant = f"\n\nDid you mean this?\n\t{close[0]}" if close else ""
        raise UsageError(f'unknown command "{words[0]}" for "{PROGRAM}"{meant}\nSee \'{PROGRAM} --help\' for usage.')
    parser = Parser(verb, commands.module_of(verb))
    args = parser.read(words[1:])
    if args.help:
        print(parser.format_help(), end="")
        raise SystemExit(0)
    return verb, args


def general_help() -> str:
    width = max(map(len, commands.COMMANDS))
    lines = [f"  {name:<{width}}   {summary}" for name, summary in commands.COMMANDS.items()]
    return "\n".join(
        [
            "In-cluster DNS aliases for external services: create, verify and delete them, with and without Istio.",
            "",
            "Examples:",
            "  # Give httpbin.org the local name my-httpbin",
            f"  {PROGRAM} create --external-name httpbin.org",
            "",
            "  # Probe it from a pod with sidecar and one without, and name what is wrong",
            f"  {PROGRAM} verify my-httpbin",
            "",
            "  # Remove it, and all that was made for it",
            f"  {PROGRAM} delete my-httpbin",
            "",
            "Commands:",
            *lines,
            "",
            "Usage:",
            f"  {PROGRAM} COMMAND [flags]",
            "",
            f'Use "{PROGRAM} COMMAND --help" for more information about a command.',
            "",
        ]
    )


def _option(action: argparse.Action) -> str:
    """One flag as kubectl's help shows it: names and default on a line, the text below."""
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        default = "=true" if action.default is True else ""
    elif isinstance(action.default, list | tuple):
        default = "=[]"
    else:
        default = f"='{action.default if action.default is not None else ''}'"
    text = textwrap.fill(action.help or "", 100, initial_indent="        ", subsequent_indent="        ")
    return f"    {names}{default}:\n{text}"


def _in_kubectls_words(message: str) -> str:
    """argparse's sentence in the words of kubectl's flag library."""
    if match := re.fullmatch(r"argument (\S+?): expected (?:one|at least one) argument", message):
        return f"flag needs an argument: {match[1].split('/')[-1]}"
    if match := re.fullmatch(r"argument (\S+?): invalid choice: '(.*)' \(choose from (.*)\)", message):
        return f'invalid argument "{match[2]}" for "{match[1]}" flag: must be one of {match[3]}'
    if match := re.fullmatch(r"argument (\S+?): (.*)", message):
        return f'"{match[1].split("/")[-1]}": {match[2]}'
    if message.startswith("unknown flag "):
        return f"unknown flag: {message.removeprefix('unknown flag ')}"
    return message.replace("the following arguments are required", "required argument(s) not set")


def duration(text: str, flag: str, *, zero: bool = True) -> float:
    """Seconds of a flag's value: 30, 30s, 2m, 1h30m. 0 is no limit (infinity), where zero allows that."""
    from kubectl_extsvc.cluster.kubeconfig import parse_request_timeout

    try:
        seconds = parse_request_timeout(text)
    except UsageError:
        seconds = -1.0
    if seconds == -1.0 or (seconds is None and not zero):
        raise UsageError(f'invalid argument "{text}" for "{flag}" flag: it must be a time like 30s, 2m or 1h')
    return float("inf") if seconds is None else seconds


def alias_names(words: Sequence[str]) -> tuple[str, ...]:
    """NAME, service/NAME or svc/NAME → NAME: what `list -o name` prints may be given back."""
    return tuple(re.sub(r"^(service|services|svc)/", "", word) for word in words)


def say(line: str) -> None:
    """Talk, on stderr: a line, or a few. What it quotes of servers and users cannot speak to the terminal."""
    print(clean(line, limit=4000), file=sys.stderr)
