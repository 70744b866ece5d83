"""What the frames of an exec stream add up to, without any I/O.

A frame is one byte of channel and its payload: 1 stdout, 2 stderr, 3 the end as a metav1.Status
(apimachinery util/remotecommand/constants.go).
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from kubectl_extsvc.errors import ExecError
from kubectl_extsvc.model.hostile_text import one_line

STDIN, STDOUT, STDERR, STATUS = 0, 1, 2, 3
CLOSE_STDIN = b"\xff\x00"
"""v5: channel 255 closes the channel that its payload names."""

_EXECUTABLE_MISSING = re.compile(
    r"executable file .{0,300}not found in \$?PATH"  # runc, crun
    r"|exec: \"?[^\"]{1,300}\"?: (?:stat [^:]{1,300}: )?no such file or directory"  # runc, absolute path
    r"|error finding executable"  # gVisor
    r"|starting container process caused.{0,300}no such file or directory",
    re.IGNORECASE | re.DOTALL,
)
_RUNTIME_EXIT_CODES = (126, 127, 255)
"""With which a runtime may report, on the command's own streams, that it could not start it."""


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command in a container came to."""

    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)
    exit_code: int | None
    """None if the end was not seen: never a pass."""
    lost: str = ""
    """Why there is no exit code, one line."""
    truncated: bool = False
    """More was sent than was to be kept; the first bytes are here."""


class ExecFrames:
    """Frames in, an ExecResult out. Keeps each payload where it arrived and joins them once at the end."""

    def __init__(self, keep_bytes: int) -> None:
        self._room = keep_bytes
        self._truncated = False
        self._parts: dict[int, list[memoryview]] = {STDOUT: [], STDERR: [], STATUS: []}

    def feed(self, frame: bytes) -> None:
        if len(frame) < 2 or frame[0] not in self._parts:
            return  # the server opens each channel with an empty frame
        payload = memoryview(frame)[1:]
        if frame[0] != STATUS:
            if len(payload) > self._room:
                self._truncated = True
                payload = payload[: self._room]
            self._room -= len(payload)
        self._parts[frame[0]].append(payload)

    @property
    def ended(self) -> bool:
        """The status frame was seen."""
        return bool(self._parts[STATUS])

    def result(self, lost: str) -> ExecResult:
        """The result, now that no more frames come; lost tells why, in case there was no status.

        Raises ExecError if the status says that the command never ran.
        """
        stdout, stderr = b"".join(self._parts[STDOUT]), b"".join(self._parts[STDERR])
        if not self.ended:
            return ExecResult(stdout, stderr, None, lost, self._truncated)
        end = read_status(b"".join(self._parts[STATUS]))
        if isinstance(end, str):
            if stdout or stderr:
                return ExecResult(stdout, stderr, None, end, self._truncated)
            raise ExecError(end, executable_missing=is_executable_missing(end))
        if end in _RUNTIME_EXIT_CODES and len(stdout) + len(stderr) < 4096:
            said = (stdout + stderr).decode("utf-8", "replace")
            if "OCI runtime exec failed" in said and is_executable_missing(said):
                raise ExecError(one_line(said, 1000), executable_missing=True)
        return ExecResult(stdout, stderr, end, "", self._truncated)


def read_status(data: bytes) -> int | str:
    """Exit code in the Status of channel 3; or the message, if the command could not be run or its end is unknown."""
    try:
        status: Any = json.loads(data)
    except ValueError:
        return "the end of the command could not be read"
    if not isinstance(status, dict):
        return "the end of the command could not be read"
    if status.get("status") == "Success":
        return 0
    if status.get("reason") == "NonZeroExitCode":
        for cause in (status.get("details") or {}).get("causes") or []:
            if cause.get("reason") == "ExitCode" and re.fullmatch(r"-?\d{1,9}", str(cause.get("message"))):
                return int(cause["message"])
    return one_line(str(status.get("message") or "the command could not be run"), 1000)


def is_executable_missing(message: str) -> bool:
    """Whether a container runtime says that there is no such executable."""
    return _EXECUTABLE_MISSING.search(message) is not None
