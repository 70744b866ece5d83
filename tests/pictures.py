"""Pictures of the terminal UI for the README, of real screens on a real sandbox. `make pictures` writes them.

Not a part of `make docs`: names of pods and times differ from run to run.
"""

import asyncio
import re
from collections.abc import Iterator
from functools import partial
from html import escape, unescape
from pathlib import Path

from rich.cells import cell_len
from worlds.tui_app import Shown, app_on_sandbox

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
SIZE = (120, 36)
LOOKS = 12
"""That each alias has behind it: a history to be seen."""
FONTS = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
"""Of the reader's machine: nothing is fetched."""
TEXT = re.compile(r'<text class="(?P<class>[^"]*)" x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)" textLength="(?P<length>[\d.]+)" '
                  r'(?P<clip>clip-path="[^"]*")>(?P<text>[^<]*)</text>')  # fmt: skip


def picture(shown: Shown) -> str:
    """The screen as SVG; the same bytes for the same screen."""
    svg = shown.app.export_screenshot(title="kubectl extsvc tui", simplify=True)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", FONTS).replace("font-family: arial", "font-family: sans-serif")
    # At which those fonts are as wide as Rich's columns of 12.2 px, for viewers that do not heed textLength.
    svg = svg.replace("font-size: 20px", "font-size: 20.26px")
    # By Rich, of all that is written: it would change with every time that is shown.
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    svg = TEXT.sub(lambda found: "".join(words_at_their_places(found)), svg)
    return "".join(f"{line.rstrip()}\n" for line in svg.splitlines() if line.strip())


def words_at_their_places(found: re.Match[str]) -> Iterator[str]:
    """A text of Rich's, without the blanks around and between its words: some viewers leave them out."""
    text = unescape(found["text"]).replace("\xa0", " ")
    width = float(found["length"]) / max(cell_len(text), 1)
    for words in re.finditer(r"\S+(?: \S+)*", text):
        x = float(found["x"]) + width * cell_len(text[: words.start()])
        length = width * cell_len(words[0])
        yield (
            f'<text class="{found["class"]}" x="{x:g}" y="{found["y"]}" textLength="{length:g}" {found["clip"]}>'
            f"{escape(words[0])}</text>\n"
        )


async def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with app_on_sandbox("mixed", SIZE) as (shown, _):
        board = shown.app.board

        async def save(name: str) -> None:
            await shown.until(lambda: not board.asking and "asking" not in shown.text, "rest")
            (FOLDER / f"{name}.svg").write_text(picture(shown))

        def looked(times: int) -> bool:
            rounds = [looks for alias in board.aliases if (looks := board.looks.get(alias.service))]
            return 0 < len(board.aliases) == len(rounds) and all(
                len(looks) >= times and len(looks[-1].sources) == len(board.sources) for looks in rounds
            )

        await shown.until(lambda: looked(1), "the first verdicts")
        assert shown.app.live is not None
        shown.app.live.every(10.0)
        for times in range(2, LOOKS + 1):
            shown.app.live.probe_now([alias.service for alias in board.aliases])
            await shown.until(partial(looked, times), "a verdict")
        await shown.press("n")
        await shown.see("▸ pay-without-sni", "✗ XS0403", "watching 10s")
        await save("matrix")
        await shown.press("enter")
        await shown.see("[1 Path]", "XS0403")
        await save("path")
        await shown.press("3")
        await shown.see("[3 TLS]")
        await save("tls")
        await shown.press("1", "f")
        await shown.see("Fix XS0403 on pay-without-sni.default", "✓ server dry run")
        await save("fix")


if __name__ == "__main__":
    asyncio.run(main())
