"""Candidates for kubectl's completion protocol (kubectl_complete-extsvc, kubectl ≥ 1.26), and for our own scripts.

A shell hands over the words after the plugin's name; the last one is being typed. A candidate a line, perhaps with a
tab and a description; the last line is a cobra directive (cobra completions.go, ShellCompDirective). A failure would
show on the user's prompt, so there is none. The cluster is asked for names alone, and verbs and flags load nothing.
"""

import argparse
import math
import os
import shlex
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kubectl_extsvc import commands
from kubectl_extsvc.model.hostile_text import one_line

if TYPE_CHECKING:
    from kubectl_extsvc.cluster.client import Cluster
    from kubectl_extsvc.commands.parsing import Parser
    from kubectl_extsvc.operations.offering import Offers

LIMIT = 1.0
"""Seconds for an answer, with all that it takes."""
RESERVE = 0.15
"""Of these, what is left to print it, and to end a credential plugin that is still running."""

FILES = ":0"
NO_FILES = ":4"
NO_SPACE = ":6"
"""No files either: more of the word is to come."""

_Pairs = Iterable[tuple[str, str]]
"""Candidates, with what each is."""
_Answer = tuple[_Pairs, str]
"""With the directive."""


def candidates(words: Sequence[str], until: float = math.inf) -> list[str]:
    """Lines to print, the directive last. until is when the cluster's answer comes too late (time.monotonic)."""
    try:
        pairs, directive = _answer(list(words) or [""], until)
        return [*(_line(name, text) for name, text in pairs if _is_safe(name)), directive]
    except Exception:  # noqa: BLE001 - whatever is wrong, the user's prompt must stay clean
        return [NO_FILES]


def _is_safe(name: str) -> bool:
    """Not changed by a shell that reads it: who completes a name does not look for $(…) in it."""
    return shlex.quote(name) == name


def _line(name: str, text: str) -> str:
    text = one_line(text.partition(". ")[0].removesuffix("."), 100)
    return f"{name}\t{text}" if text else name


def _answer(words: list[str], until: float) -> _Answer:
    from kubectl_extsvc.commands.parsing import Parser

    *before, typed = words
    if not before or before == ["help"]:
        return _starting(typed, commands.COMMANDS.items()), NO_FILES
    verb = commands.ALSO_KNOWN_AS.get(before[0], before[0])
    if verb not in commands.COMMANDS:
        return (), NO_FILES
    if verb == "sandbox" and "--" in before:
        # A command that will run in a sandbox; which is not there yet, and so has no names.
        inner = [*before[before.index("--") + 1 :], typed]
        return _answer(inner[2:] if inner[:2] == ["kubectl", "extsvc"] and len(inner) > 2 else inner, 0)
    parser = Parser(verb, commands.module_of(verb))
    options = {option: action for action in parser._actions for option in action.option_strings}
    if "--" not in before:
        last = options.get(before[-1])
        if last is not None and last.nargs != 0:
            return _of_value(parser, last, typed, before[1:-1], until)
        flag, equals, value = typed.partition("=")
        if equals and flag in options:
            return _of_value(parser, options[flag], value, before[1:], until)
        if typed.startswith("-"):
            return _starting(typed, _flags(options, before)), NO_FILES
    return _of_name(parser, typed, before[1:], until)


def _flags(options: Mapping[str, argparse.Action], before: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Flags that the help shows, less those that were given and count once."""
    given = {id(options[flag]) for word in before if (flag := word.partition("=")[0]) in options}
    for option, action in sorted(options.items()):
        if action.help != argparse.SUPPRESS and (id(action) not in given or isinstance(action.default, list)):
            yield option, action.help or ""


def _starting(typed: str, pairs: _Pairs) -> _Pairs:
    return [(name, text) for name, text in pairs if name.startswith(typed)]


# --- values of flags, and names ---------------------------------------------------------------------------------------

FREE = frozenset((
    "--external-name", "--address", "--host", "--port", "--tls-sni", "--tls-subject-alt-names", "--tls-ca-certificates",
    "--tls-credential-name", "--tls-client-certificate", "--tls-private-key", "--timeout", "--server", "--token",
    "--as", "--as-group", "--as-uid", "--tls-server-name", "--request-timeout", "--selector", "--from-selector",
    "--container", "--image", "--path", "--header", "--expect-status", "--expect-body", "--probe-timeout", "--interval",
))  # fmt: skip
"""Flags whose value nobody can guess; all others are below, or have choices."""
FILE_FLAGS = frozenset(("--kubeconfig", "--certificate-authority", "--client-certificate", "--client-key"))
FOLDER_FLAGS = frozenset(("--into",))
WORDS = {
    "--tls-mode": ("auto", "DISABLE", "SIMPLE", "MUTUAL"),
    "--method": ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"),
}
KUBECONFIG_FLAGS = {"--context": "contexts", "--cluster": "clusters", "--user": "users"}
NAMESPACE_FLAGS = frozenset(("--namespace", "--export-to"))


def _of_value(parser: "Parser", action: argparse.Action, typed: str, before: list[str], until: float) -> _Answer:
    flag = next((option for option in action.option_strings if option.startswith("--")), "")
    if action.choices:
        return _starting(typed, ((str(choice), "") for choice in action.choices)), NO_FILES
    if flag in FILE_FLAGS | FOLDER_FLAGS:
        return (), FILES
    if flag in WORDS:
        return _starting(typed, ((word, "") for word in WORDS[flag])), NO_FILES
    if flag == "--scenario":
        from kubectl_extsvc.commands.sandbox import scenario_titles

        return _starting(typed, scenario_titles().items()), NO_FILES
    if flag in KUBECONFIG_FLAGS:
        args = parser.read_so_far(before)
        return _starting(typed, ((name, "") for name in _in_kubeconfig(args, KUBECONFIG_FLAGS[flag]))), NO_FILES
    if flag in NAMESPACE_FLAGS:
        listed, comma, last = typed.rpartition(",") if flag == "--export-to" else ("", "", typed)
        found = _from_cluster(parser.read_so_far(before), _namespaces, until)
        return [(f"{listed}{comma}{name}", text) for name, text in _starting(last, found)], NO_FILES
    if flag == "--from":
        return _sources(parser, typed, before, until)
    return (), NO_FILES


def _sources(parser: "Parser", typed: str, before: list[str], until: float) -> _Answer:
    """KIND/, then NAME of the namespace, or the namespace after the dot."""
    from kubectl_extsvc.commands.verify import source_kind, source_kinds

    kind, slash, name = typed.partition("/")
    if not slash:
        return _starting(kind, ((f"{one}/", "") for one in source_kinds())), NO_SPACE
    args = parser.read_so_far(before)
    name, dot, namespace = name.partition(".")
    if dot:
        found = _starting(namespace, _from_cluster(args, _namespaces, until))
        return [(f"{kind}/{name}.{one}", text) for one, text in found], NO_FILES
    full = source_kind(kind)
    if full not in source_kinds():
        return (), NO_FILES

    def story(cluster: "Cluster") -> "Awaitable[Offers]":
        from kubectl_extsvc.operations.offering import source_names

        return source_names(cluster, full)

    return [(f"{kind}/{one}", text) for one, text in _starting(name, _from_cluster(args, story, until))], NO_FILES


def _of_name(parser: "Parser", typed: str, before: list[str], until: float) -> _Answer:
    """What is no flag: aliases, a code, files, or the words that the verb takes."""
    verb = parser.verb
    if verb == "lint":
        return (), FILES
    positional = next((action for action in parser._actions if not action.option_strings), None)
    if positional is None:
        return (), NO_FILES
    if verb in ("verify", "tui", "list", "delete", "fix"):
        args = parser.read_so_far(before)
        given = set(args.names if verb != "fix" else filter(None, (args.name,)))
        if verb == "fix" and given:
            return (() if args.code else _starting(typed, _codes())), NO_FILES
        if getattr(args, "all_namespaces", False) or getattr(args, "all", False) or getattr(args, "selector", ""):
            return (), NO_FILES

        def story(cluster: "Cluster") -> "Awaitable[Offers]":
            from kubectl_extsvc.operations.offering import alias_names

            return alias_names(cluster, ours=verb == "delete")

        return [pair for pair in _starting(typed, _from_cluster(args, story, until)) if pair[0] not in given], NO_FILES
    if getattr(parser.read_so_far(before), positional.dest, ""):
        return (), NO_FILES
    if verb == "explain":
        return _starting(typed, _codes()), NO_FILES
    return _starting(typed, ((str(choice), "") for choice in positional.choices or ())), NO_FILES


def _codes() -> _Pairs:
    from kubectl_extsvc.rules import RULES

    return [(rule.code, rule.title) for rule in RULES]


def _in_kubeconfig(args: argparse.Namespace, what: str) -> tuple[str, ...]:
    from kubectl_extsvc.cluster.kubeconfig import known_names
    from kubectl_extsvc.commands.connecting import connection_flags

    names: tuple[str, ...] = getattr(known_names(connection_flags(args), os.environ, Path.home()), what)
    return names


def _namespaces(cluster: "Cluster") -> "Awaitable[Offers]":
    from kubectl_extsvc.operations.offering import namespace_names

    return namespace_names(cluster)


def _from_cluster(args: argparse.Namespace, story: "Callable[[Cluster], Awaitable[Offers]]", until: float) -> "Offers":
    """What a story of operations.offering finds, () if it takes too long."""
    if until <= time.monotonic():
        return ()
    import anyio

    from kubectl_extsvc.cluster.client import connect
    from kubectl_extsvc.commands.connecting import connection_of

    connection = connection_of(args)

    async def ask() -> "Offers":
        with anyio.move_on_after(until - RESERVE - time.monotonic()):
            async with connect(connection) as cluster:
                return await story(cluster)
        return ()

    return anyio.run(ask)
