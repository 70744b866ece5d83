"""kubectl's completion protocol: candidates, and a directive as the last line, whatever is typed."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_extsvc import commands
from kubectl_extsvc.cli import main
from kubectl_extsvc.commands.completing import candidates
from kubectl_extsvc.rules import RULES

WORDS = st.one_of(
    st.sampled_from(
        [*commands.COMMANDS, "get", "--output", "-o", "--", "-", "", "--kubeconfig", "-n", "--wait=", "=", "-A"]
    ),
    st.text(max_size=12),
)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["ver"], ["verify\tProbe aliases from pods with and without sidecar, and explain what is wrong",
                   "version\tPrint the version", ":4"]),
        (["nope"], [":4"]),
        (["nope", "--"], [":4"]),
        (["verify", "--fail-on", ""], ["error", "warning", "info", ":4"]),
        (["verify", "--fail-on", "w"], ["warning", ":4"]),
        (["verify", "-o", "j"], ["json", "junit", ":4"]),
        (["get", "-o", "wi"], ["wide", ":4"]),
        (["create", "--dry-run", ""], ["none", "client", "server", ":4"]),
        (["verify", "--from-s"], ["--from-selector", ":4"]),
        (["delete", "--wait", "--ign"], ["--ignore-not-found", ":4"]),
        (["delete", "--no-w"], [":4"]),
        (["verify", "my-"], [":4"]),
        (["verify", "--kubeconfig", ""], [":0"]),
        (["verify", "--namespace", "sh"], [":4"]),
        (["explain", "nope"], [":4"]),
        (["fix", ""], [":4"]),
        (["fix", "my-pay", "XS0403"], ["XS0403\tThe server has no such name as the SNI sent", ":4"]),
    ],
)  # fmt: skip
def test_candidates(typed: list[str], found: list[str]) -> None:
    assert candidates(typed) == found


def test_every_verb_is_a_candidate_of_nothing() -> None:
    expected = [f"{verb}\t{summary}" for verb, summary in commands.COMMANDS.items()] + [":4"]
    assert candidates([]) == candidates([""]) == expected


def test_every_shown_flag_is_a_candidate_and_no_hidden_one() -> None:
    *flags, directive = candidates(["delete", "-"])
    assert directive == ":4"
    assert {"--wait", "--all", "-l", "--selector", "--timeout", "-n", "--context"} <= set(flags)
    assert not {"--no-wait", "--help", "-h"} & set(flags)


def test_codes_are_candidates_of_explain() -> None:
    codes = [line.split("\t")[0] for line in candidates(["explain", "XS04"])]
    assert codes == [*(rule.code for rule in RULES if rule.code.startswith("XS04")), ":4"]
    assert len(codes) > 5


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS, max_size=5))
def test_no_words_raise_and_the_last_line_is_a_directive(words: list[str]) -> None:
    *lines, directive = candidates(words)
    assert re.fullmatch(r":[0-9]+", directive)
    assert all("\n" not in line and line for line in lines)


def test_the_protocol_is_spoken_by_main(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["__complete", "verify", "-o", "j"]) == 0
    assert capsys.readouterr() == ("json\njunit\n:4\n", "")
