"""argv → command → exit code. The only place that ends the process; stdout is data, stderr is talk.

Nothing heavy is imported here: --help, --version, usage errors and completion of verbs and flags must cost what the
interpreter costs.
"""

import gc
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

from kubectl_extsvc import commands
from kubectl_extsvc.commands.exit_codes import ExitCode
from kubectl_extsvc.commands.parsing import parse
from kubectl_extsvc.errors import ClusterError, ExtsvcError
from kubectl_extsvc.model.hostile_text import clean

LONGEST_ERROR = 4000
"""Characters."""
GARBAGE_OBJECTS = 100_000
"""Objects between two looks for garbage. At Python's 700, imports alone cause hundreds, a tenth of verify's time."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and give its exit code (see commands.exit_codes)."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["__complete"]:
        return complete(words[1:])
    gc.set_threshold(GARBAGE_OBJECTS)
    heeds_interrupts = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    if heeds_interrupts:
        # Nothing has begun that could be taken back: until then Ctrl-C just ends the process.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        name, args = parse(words)
        if heeds_interrupts:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _as_interrupt)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            signal.signal(signal.SIGHUP, _as_interrupt)
        code = int(commands.module_of(name).run(args))
        sys.stdout.flush()
    except KeyboardInterrupt:
        # Whoever changed something has already said what was taken back.
        return ExitCode.INTERRUPTED
    except ExtsvcError as error:
        print(said(error), file=sys.stderr)
        return ExitCode.FAILED
    except BrokenPipeError:
        # The reader of our output left (| head); Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    return code


def said(error: ExtsvcError) -> str:
    """The line for the user. Errors of the API server carry kubectl's own first words already."""
    # An error may quote what was typed, or what a server said: neither may speak to the terminal.
    text = clean(str(error), limit=LONGEST_ERROR)
    in_kubectls_words = isinstance(error, ClusterError) or text.startswith("Error in configuration")
    return text if in_kubectls_words else f"error: {text}"


def complete(argv: Sequence[str] | None = None) -> int:
    """Answer kubectl's completion protocol: a candidate a line, then the cobra directive.

    Somebody waits at a prompt: this neither fails nor talks, nor lets anything else talk, and has an end.
    """
    from kubectl_extsvc.commands.completing import LIMIT, candidates

    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    _keep_quiet()
    lines = candidates(list(sys.argv[1:] if argv is None else argv), time.monotonic() + LIMIT)
    signal.setitimer(signal.ITIMER_REAL, 0)
    for line in lines:
        print(line)
    return ExitCode.DONE


def _give_up(_signal: int, _frame: FrameType | None) -> None:
    """Whatever hangs, a thread that asks a dead name server too."""
    from kubectl_extsvc.commands.completing import NO_FILES

    os.write(sys.stdout.fileno(), f"{NO_FILES}\n".encode())
    os._exit(ExitCode.DONE)


def _keep_quiet() -> None:
    """Leave neither us nor a credential plugin anything to ask by: no stdin, stderr, terminal or display."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 2)
    with suppress(OSError):  # already the first of a process group: started by hand
        os.setsid()
    for display in ("DISPLAY", "WAYLAND_DISPLAY"):
        os.environ.pop(display, None)


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    """SIGTERM and a closed terminal take the same way out as Ctrl-C, so that what was begun is taken back."""
    signal.raise_signal(signal.SIGINT)
