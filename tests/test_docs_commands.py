"""What pages show of a command is what it prints: blocks of console below a comment that names a sandbox's scenario."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kubectl_extsvc.sandbox.running import why_no_sidecars

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"<!-- sandbox: (?P<scenario>\S+) -->\n```console\n(?P<text>.*?)```\n", re.DOTALL)
VARIES = (
    (r"curl-[a-z0-9]+-[a-z0-9]{5}\b", "curl-POD"),
    (r"\b[0-9]+(\.[0-9]+)? m?s\b", "TIME"),
    (r"\b[0-9]+ (passed|skipped)\b", r"N \1"),
    (r" {2,}", "  "),
)
"""What is another in each run, and the width of columns that comes of it."""


def blocks() -> list[tuple[str, str, str]]:
    """Page, scenario and text."""
    pages = sorted(DOCS.glob("*.md"))
    return [
        (page.name, found["scenario"], found["text"]) for page in pages for found in BLOCK.finditer(page.read_text())
    ]


def ran(scenario: str, text: str) -> str:
    """The block with what its commands print in one sandbox, on stdout and stderr."""
    commands = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
    shows = "".join(f"cat <<'SHOWN'\n$ {command}\nSHOWN\n{command} 2>&1\n" for command in commands)
    script = f'kubectl() {{ shift; "{sys.executable}" -m kubectl_extsvc "$@"; }}\n{shows}'
    sandbox = [sys.executable, "-m", "kubectl_extsvc", "sandbox", "--scenario", scenario, "--", "bash", "-c", script]
    return subprocess.run(sandbox, capture_output=True, text=True, timeout=50).stdout


def steady(text: str) -> str:
    for pattern, word in VARIES:
        text = re.sub(pattern, word, text)
    return text


def test_pages_show_commands() -> None:
    assert len(blocks()) >= 3
    assert why_no_sidecars() == ""


@pytest.mark.parametrize(("page", "scenario", "text"), blocks(), ids=lambda value: value.split("\n")[0])
def test_a_page_shows_what_a_command_prints(page: str, scenario: str, text: str) -> None:
    if "| jq " in text and shutil.which("jq") is None:
        pytest.skip("no jq on this machine")
    assert steady(ran(scenario, text)) == steady(text)


def test_the_pages_of_docs_lead_somewhere() -> None:
    lost = []
    for page in DOCS.glob("*.md"):
        for link, anchor in re.findall(r"\]\(([^)#:]+)(#[^)]*)?\)", page.read_text()):
            target = DOCS / link
            if not target.exists() or (anchor and f"\n## {anchor[1:].upper()}\n" not in target.read_text()):
                lost.append(f"{page.name}: {link}{anchor}")
    assert lost == []
