"""What the README shows is what the program takes."""

import re
import shlex
from pathlib import Path

import pytest

from kubectl_extsvc.commands.parsing import parse

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
LINES = sorted(
    {
        line.removeprefix("$ ").removeprefix("kubectl extsvc ")
        for block in re.findall(r"```(?:bash|console)\n(.*?)```", README, re.DOTALL)
        for line in block.splitlines()
        if line.removeprefix("$ ").startswith("kubectl extsvc ")
    }
)


def test_the_readme_has_examples() -> None:
    assert len(LINES) >= 8


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_readme_parses(line: str) -> None:
    verb, _ = parse(shlex.split(line))
    assert verb == line.split()[0]


def test_the_readmes_files_are_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#:]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
