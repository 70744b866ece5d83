"""Fields of one line: a choice among words, and a button. Their words are ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget

from kubectl_extsvc.tui.keys import CHOOSING, bindings


class Choice(Widget, can_focus=True):
    """(•)this ( )that: left, right and space take another one."""

    BINDINGS = bindings(CHOOSING)
    DEFAULT_CSS = "Choice { height: 1; width: 1fr; }"

    @dataclass
    class Changed(Message):
        choice: "Choice"
        value: str

    def __init__(self, values: Sequence[str], value: str, *, ascii: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._values, self.value = tuple(values), value
        self._chosen = "(*)" if ascii else "(•)"

    def render(self) -> Text:
        shown = Text()
        for value in self._values:
            chosen = value == self.value
            style = "reverse" if chosen and self.has_focus else "bold" if chosen else ""
            shown.append(f"{self._chosen if chosen else '( )'}{value}", style=style)
            shown.append(" ")
        return shown

    def action_next(self) -> None:
        self._move(1)

    def action_previous(self) -> None:
        self._move(-1)

    def _move(self, step: int) -> None:
        index = (self._values.index(self.value) + step) % len(self._values)
        self.value = self._values[index]
        self.refresh()
        self.post_message(self.Changed(self, self.value))

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()


class Push(Widget, can_focus=True):
    """[ Delete ]: enter presses it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "press", show=False)]
    DEFAULT_CSS = "Push { height: 1; width: auto; }"

    class Pressed(Message):
        pass

    def __init__(self, words: str, *, disabled: bool = False) -> None:
        super().__init__(disabled=disabled)
        self._words = f"[ {words} ]"

    def render(self) -> Text:
        return Text(self._words, style="reverse" if self.has_focus else "dim" if self.disabled else "bold")

    def action_press(self) -> None:
        self.post_message(self.Pressed())

    def on_click(self) -> None:
        self.action_press()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
