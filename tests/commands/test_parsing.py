"""kubectl's manners: booleans with values, flags anywhere, --, and help that leaves nothing out."""

import argparse
import shlex
from typing import Any

import pytest

from kubectl_extsvc import commands
from kubectl_extsvc.commands.parsing import Parser, duration, general_help, parse
from kubectl_extsvc.errors import UsageError


def parsed(line: str) -> dict[str, Any]:
    return vars(parse(shlex.split(line))[1])


@pytest.mark.parametrize(
    ("line", "flag", "value"),
    [
        ("delete a", "wait", True),
        ("delete a --wait", "wait", True),
        ("delete a --wait=true", "wait", True),
        ("delete a --wait=false", "wait", False),
        ("delete --wait=false a", "wait", False),
        ("delete a --wait=0", "wait", False),
        ("delete --ignore-not-found a", "ignore_not_found", True),
        ("delete a --wait=F", "wait", False),
        ("delete a --wait=T", "wait", True),
        ("delete a --wait=FALSE", "wait", False),
        ("delete a --wait=false --wait", "wait", True),
        ("create", "wait", False),
        ("create --wait=1", "wait", True),
        ("verify -A", "all_namespaces", True),
        ("verify -A=false", "all_namespaces", False),
        ("verify -A=true", "all_namespaces", True),
        ("verify --all-namespaces=false", "all_namespaces", False),
        ("verify --no-probe", "no_probe", True),
        ("verify --no-probe=false", "no_probe", False),
        ("list --no-headers=true", "no_headers", True),
    ],
)
def test_a_switch_takes_a_value_as_pflags_do(line: str, flag: str, value: bool) -> None:
    assert parsed(line)[flag] is value


@pytest.mark.parametrize("value", ["", "yes", "2", "off"])
def test_a_switch_with_another_word_is_refused_in_kubectls_words(value: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(["delete", "a", f"--wait={value}"])
    assert str(caught.value).splitlines()[0] == f'invalid argument "{value}" for "--wait" flag: not a boolean'


@pytest.mark.parametrize(
    "line",
    [
        "verify a b -o json -n shop",
        "verify -o json a -n shop b",
        "verify -n=shop --output=json a b",
        "verify -ojson a -nshop b",
    ],
)
def test_flags_and_names_may_come_in_any_order(line: str) -> None:
    args = parsed(line)
    assert (args["names"], args["output"], args["namespace"]) == (["a", "b"], "json", "shop")


def test_after_two_dashes_everything_is_a_name() -> None:
    assert parsed("delete --ignore-not-found -- a --wait=false -x")["names"] == ["a", "--wait=false", "-x"]
    assert parsed("create --external-name httpbin.org -- my-x")["name"] == "my-x"
    assert parsed("delete a -- b")["names"] == ["a", "b"]


def test_a_value_that_looks_like_a_switch_stays_a_value() -> None:
    assert parsed("verify --header=--wait=maybe")["header"] == ["--wait=maybe"]


def test_repeated_flags_gather() -> None:
    assert parsed("create --port 80 --port tls:443 --address a,b --address c")["port"] == ["80", "tls:443"]


def test_get_is_list() -> None:
    assert parse(["get", "-A"])[0] == "list"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("delete a --ignore", "unknown flag: --ignore"),
        ("delete a --ignore-not-foun", "unknown flag: --ignore-not-foun (did you mean --ignore-not-found?)"),
        ("create a -- b", "unexpected argument 'b'"),
        ("create -- a b", "unexpected argument 'b'"),
        ("version a", "unexpected argument 'a'"),
        ("version -- a", "unexpected argument 'a'"),
    ],
)
def test_flags_are_not_abbreviated_and_spare_words_are_refused(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line.split())
    assert str(caught.value) == f"{message}\nSee 'kubectl extsvc {line.split()[0]} --help' for usage."


def parser_of(verb: str) -> Parser:
    return Parser(verb, commands.module_of(verb))


@pytest.mark.parametrize("verb", commands.COMMANDS)
def test_help_lists_every_flag_and_nothing_hidden(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([verb, "--help"], [verb, "-h"], ["help", verb], [verb, "--bogus", "--help"]):
        with pytest.raises(SystemExit) as ended:
            parse(words)
        assert ended.value.code == 0
        printed = capsys.readouterr().out
        flags = [line.strip() for line in printed.splitlines() if line.startswith("    -")]
        for action in parser_of(verb)._actions:
            named = [flag for flag in flags if flag.partition("=")[0].rstrip(":") == ", ".join(action.option_strings)]
            assert len(named) == (0 if action.help == argparse.SUPPRESS or not action.option_strings else 1), action
        assert f"\nUsage:\n  kubectl extsvc {verb} " in printed
        assert "==SUPPRESS==" not in printed
        assert all(len(line) <= 120 for line in printed.splitlines()), verb


@pytest.mark.parametrize("verb", commands.COMMANDS)
def test_every_flag_has_words(verb: str) -> None:
    assert [a.option_strings for a in parser_of(verb)._actions if a.option_strings and not a.help] == []


def examples() -> list[str]:
    texts = [general_help(), *(commands.module_of(verb).EXAMPLES for verb in commands.COMMANDS)]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return [line for line in lines if line.startswith("kubectl extsvc ") and "COMMAND" not in line]


@pytest.mark.parametrize("line", examples())
def test_every_example_parses(line: str) -> None:
    words = shlex.split(line)[2:]
    stop = next((place for place, word in enumerate(words) if word in (">", "|", "&&")), len(words))
    verb, args = parse(words[:stop])
    assert verb in commands.COMMANDS
    assert not args.help


def test_there_are_examples_of_every_verb() -> None:
    assert {line.split()[2] for line in examples()} == set(commands.COMMANDS)


def test_general_help_names_every_verb_with_its_summary() -> None:
    text = general_help()
    assert [verb for verb, summary in commands.COMMANDS.items() if f"  {verb}" not in text or summary not in text] == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0),
        ("30s", 30.0),
        ("2m", 120.0),
        ("1h30m", 5400.0),
        ("500ms", 0.5),
        ("0", float("inf")),
        ("0s", float("inf")),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text, "--timeout") == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1s", "1x", "1.5.2s", "-1", "nan", "inf"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        duration(text, "--timeout")
    assert str(caught.value) == f'invalid argument "{text}" for "--timeout" flag: it must be a time like 30s, 2m or 1h'


def test_a_probe_needs_a_limit() -> None:
    with pytest.raises(UsageError):
        duration("0", "--probe-timeout", zero=False)
