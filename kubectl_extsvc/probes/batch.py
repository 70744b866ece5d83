"""What one exec in a source is asked, whatever tool answers it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.probe import ANOTHER_SOURCE, Answer, NoAnswer, Outcome, Transfer

MISSING = (126, 127)
"""Exit codes of a command that is not there, or cannot be executed."""

KILLED = (137, 143)
"""Exit codes of a command that was killed or told to end."""

BODY_LIMIT_BYTES = 64 * 1024
HEADER_VALUE_LIMIT = 4096
HEADERS_LIMIT = 200


class Tool(StrEnum):
    """Programs that an image may have."""

    CURL = "curl"
    PYTHON3 = "python3"
    WGET = "wget"
    BASH = "bash"


LADDER = (Tool.CURL, Tool.PYTHON3, Tool.WGET, Tool.BASH)
"""Best first. python3 comes before wget: it answers a whole batch in one exec, and everything that curl does."""


@dataclass(frozen=True, slots=True)
class Limits:
    probe_timeout: float = 5.0
    """Seconds for one transfer."""
    parallel: int = 32
    """Transfers at the same time in one exec."""


class Form(StrEnum):
    """How a tool is asked. Only curl has more than two forms, and wget two."""

    PARALLEL = "parallel"
    """curl ≥ 7.83: all transfers at once, answers and headers as JSON."""
    SEQUENTIAL = "sequential"
    """The same one after the other; the only way to tell bodies on one stdout apart."""
    CLASSIC = "classic"
    """Any curl: one after the other, answers as fields, headers as they came. wget: busybox's."""
    HANDSHAKE = "handshake"
    """curl ≥ 7.88: TLS with whoever answers, and not a byte after it, to see the certificates that were refused."""
    LISTEN = "listen"
    """Any curl: a bare connection, and what the server says at once."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One exec: what to run, and what is needed to read its answer."""

    tool: Tool
    transfers: tuple[Transfer, ...]
    argv: tuple[str, ...]
    stdin: bytes
    """Written to the command, then closed; b"" if it reads nothing."""
    token: str
    """Unguessable: marks our lines among what servers send."""
    seconds: float
    """The longest that the command can take by its own limits; the deadline of the exec must be later."""
    form: Form = Form.PARALLEL


@dataclass(frozen=True, slots=True)
class Retry:
    """Transfers to ask once more, by another tool or in another form."""

    tool: Tool
    form: Form
    transfers: tuple[Transfer, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    outcomes: tuple[Outcome, ...]
    """One for each transfer of the batch, in its order."""
    retry: Retry | None = None
    """What is worth another exec; None if there is nothing more to learn."""
    unshown: tuple[Transfer, ...] = ()
    """Whose certificate was refused unseen; a handshake by itself would show it."""


def next_tool(tool: Tool) -> Tool | None:
    """The tool to try in a container that does not have this one; None after the last."""
    place = LADDER.index(tool) + 1
    return LADDER[place] if place < len(LADDER) else None


def merged(outcomes: Sequence[Outcome], later: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """The outcomes, with a later run's in place of those of the same transfers, unless the later run learnt nothing."""
    newer = {outcome.transfer.id: outcome for outcome in later}
    return tuple(
        newer[outcome.transfer.id]
        if outcome.transfer.id in newer
        and (isinstance(newer[outcome.transfer.id], Answer) or isinstance(outcome, NoAnswer))
        else outcome
        for outcome in outcomes
    )


def missing_tool(batch: Batch) -> Reading:
    """The reading of a batch whose tool the container does not have: the next tool is worth an exec."""
    tool = next_tool(batch.tool)
    tools = ", ".join(LADDER)
    said = (
        f"none of {tools} is in this container; choose another source with --from, or use --ephemeral or --probe-pods"
    )
    outcomes = tuple(NoAnswer(transfer, said, ANOTHER_SOURCE) for transfer in batch.transfers)
    return Reading(outcomes, Retry(tool, Form.PARALLEL, batch.transfers) if tool else None)


def why_no_answer(tool: Tool, stderr: bytes, exit_code: int | None) -> str:
    """One line for a transfer that the output says nothing about."""
    words = one_line(stderr[:2000].decode("utf-8", "replace"), 200)
    said = f": {words}" if words else ""
    match exit_code:
        case None:
            return f"the stream to {tool} was lost before it answered; run the command again"
        case code if code in KILLED:
            return f"{tool} was killed (exit code {exit_code}) before it answered; run again with a longer --timeout"
        case _:
            return f"{tool} ended with exit code {exit_code} and no answer{said}"
