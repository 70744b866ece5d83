"""The tools behind two functions, so that one loop serves them all:

open_batches = list(batches(Tool.CURL, transfers, limits, token))
while open_batches:
    run them → read_answers → merge the outcomes; a reading's retry gives more batches
"""

from collections.abc import Sequence

from kubectl_extsvc.model.probe import BETTER_SOURCE, NoAnswer, Transfer
from kubectl_extsvc.probes import bash, curl, curl_answers, python3, wget
from kubectl_extsvc.probes.batch import Batch, Form, Limits, Reading, Tool


def batches(
    tool: Tool,
    transfers: Sequence[Transfer],
    limits: Limits,
    token: str,
    form: Form = Form.PARALLEL,
    *,
    stdin_ends: bool = True,
) -> tuple[Batch, ...]:
    """The runs that ask all transfers: one for curl and python3, one a transfer for wget and bash. Raises UsageError.

    Without stdin_ends (an API server that cannot close a command's stdin) curl gets its transfers as arguments, in as
    many runs as that takes; python3 reads two lines and needs no end.
    """
    if not transfers:
        return ()
    match tool:
        case Tool.CURL if not stdin_ends:
            return curl.argv_batches(transfers, limits, token, form)
        case Tool.CURL:
            return (curl.batch(transfers, limits, token, form),)
        case Tool.PYTHON3:
            return (python3.batch(transfers, limits, token),)
        case Tool.WGET:
            return wget.batches(transfers, limits, token, form)
        case Tool.BASH:
            return bash.batches(transfers, limits, token)


def cannot_ask(tool: Tool, transfers: Sequence[Transfer]) -> tuple[NoAnswer, ...]:
    """Outcomes of the transfers that this tool is no help with."""
    match tool:
        case Tool.CURL | Tool.PYTHON3:
            return ()
        case Tool.WGET:
            cannot = wget.cannot_ask
        case Tool.BASH:
            cannot = bash.cannot_ask
    reasons = ((transfer, cannot(transfer)) for transfer in transfers)
    return tuple(NoAnswer(transfer, reason, BETTER_SOURCE) for transfer, reason in reasons if reason)


def read_answers(batch: Batch, stdout: bytes, stderr: bytes, exit_code: int | None) -> Reading:
    """One outcome for each transfer of the batch, in its order, and what is worth another exec. Never raises.

    exit_code is None if the stream was lost. For a tool that is not in the container give 127, whatever words the
    container runtime had for it.
    """
    match batch.tool:
        case Tool.CURL:
            return curl_answers.read_answers(batch, stdout, stderr, exit_code)
        case Tool.PYTHON3:
            return python3.read_answers(batch, stdout, stderr, exit_code)
        case Tool.WGET:
            return wget.read_answers(batch, stdout, stderr, exit_code)
        case Tool.BASH:
            return bash.read_answers(batch, stdout, stderr, exit_code)
