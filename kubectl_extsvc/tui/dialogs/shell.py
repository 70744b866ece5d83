"""A shell in a pod to probe from, by kubectl, in place of the screen."""

import shutil
import signal
import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from kubectl_extsvc.model.source import Source
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.tui.dialogs.base import Dialog
from kubectl_extsvc.tui.keys import SHELL, bindings
from kubectl_extsvc.tui.lines import Line, line, span, within
from kubectl_extsvc.tui.widgets.lines_view import LinesView

if TYPE_CHECKING:
    from kubectl_extsvc.tui.app import ExtsvcApp

NO_KUBECTL = "kubectl is not on PATH, and a shell in a pod needs it"


def shell_argv(kubectl: str, source: Source, connection: Sequence[str]) -> list[str]:
    """connection: the flags that lead to the cluster."""
    where = ["-n", source.namespace, "-c", source.container]
    return [kubectl, "exec", "-it", *connection, *where, source.pod, "--", "sh"]


def shell_lines(sources: Sequence[Source], width: int, style: Style) -> list[Line]:
    texts = (f"{source.pod} ({source.mode}) in {source.namespace}, container {source.container}" for source in sources)
    return [within(line(span(text, style=style)), width, style) for text in texts]


def shell_words(argv: Sequence[str], style: Style) -> list[str]:
    """What is on the terminal before the shell begins."""
    command = " ".join(("kubectl", *argv[1:]))
    return [
        span(f"$ {command}", style=style).text,
        "extsvc waits, and nothing is probed, until this shell ends: exit or ctrl+d. ctrl+c where it does not begin.",
    ]


def open_shell(app: "ExtsvcApp", source: Source) -> None:
    """Give the terminal away until the shell ends."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        app.say(NO_KUBECTL)
        return
    argv = shell_argv(kubectl, source, app.options.connection)
    try:
        with app.suspend():
            # ctrl+c before the shell has the keys is for kubectl; a handler, unlike SIG_IGN, is not inherited.
            before = signal.signal(signal.SIGINT, lambda *_: None)
            print(*shell_words(argv, app.options.style), sep="\n", flush=True)
            try:
                code = subprocess.run(argv, check=False).returncode  # noqa: S603, no shell reads it
            finally:
                signal.signal(signal.SIGINT, before)
    except SuspendNotSupported:
        app.say("this terminal cannot be given to a shell")
        return
    except OSError as error:
        app.say(f"{kubectl}: {error.strerror}")
        return
    if code:
        app.say(f"the shell in {source.pod} ended with exit code {code}{_guess(code, source)}")


def _guess(code: int, source: Source) -> str:
    """As a shell, a container runtime says 126 or 127 of a program that it cannot start."""
    return f"; is there an sh in container {source.container}?" if code in (126, 127) else ""


class ShellScreen(Dialog):
    """Which pod?"""

    KEYS = SHELL
    BINDINGS = bindings(SHELL)
    CURSOR = True
    AUTO_FOCUS = "#dialog-body"

    def __init__(self, sources: Sequence[Source]) -> None:
        super().__init__()
        self._sources = tuple(sources)

    def heading(self) -> str:
        return "A shell in …"

    def body(self, width: int, style: Style) -> list[Line]:
        return shell_lines(self._sources, width, style)

    def action_take(self) -> None:
        source = self._sources[self.query_one("#dialog-body", LinesView).cursor]
        self.dismiss()
        open_shell(self.extsvc, source)
