"""Frames of an exec stream add up to a result, without any network."""

import json
from typing import Any

import pytest

from kubectl_extsvc.cluster.exec_frames import ExecFrames, ExecResult, is_executable_missing, read_status
from kubectl_extsvc.errors import ExecError

SUCCESS = {"metadata": {}, "status": "Success"}
NO_EXECUTABLE = (
    "Internal error occurred: error executing command in container: failed to exec in container: failed to start "
    'exec "4c5e": OCI runtime exec failed: exec failed: unable to start container process: exec: "nope": '
    "executable file not found in $PATH: unknown"
)


def exit_status(code: str) -> dict[str, Any]:
    return {
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": code}]},
    }


def frames(*pairs: tuple[int, bytes], end: dict[str, Any] | None = None, keep_bytes: int = 1000) -> ExecFrames:
    collected = ExecFrames(keep_bytes)
    for channel, payload in pairs:
        collected.feed(bytes([channel]) + payload)
    if end is not None:
        collected.feed(b"\x03" + json.dumps(end).encode())
    return collected


def test_streams_stay_apart_and_a_character_may_be_torn() -> None:
    collected = frames((1, b""), (2, b""), (1, b"caf\xc3"), (2, b"oops"), (1, b"\xa9"), end=SUCCESS)

    assert collected.result("") == ExecResult("café".encode(), b"oops", 0)


def test_a_non_zero_exit_is_a_result() -> None:
    assert frames((1, b"out"), end=exit_status("7")).result("") == ExecResult(b"out", b"", 7)


def test_exec_without_status_frame_has_no_exit_code() -> None:
    assert frames((1, b"half")).result("cut") == ExecResult(b"half", b"", None, lost="cut")


def test_a_status_in_two_frames_is_read_as_one() -> None:
    data = json.dumps(SUCCESS).encode()

    assert frames((3, data[:5]), (3, data[5:])).result("") == ExecResult(b"", b"", 0)


def test_an_executable_that_is_missing_raises() -> None:
    with pytest.raises(ExecError) as caught:
        frames(end={"status": "Failure", "reason": "InternalError", "message": NO_EXECUTABLE}).result("")

    assert (str(caught.value), caught.value.executable_missing) == (NO_EXECUTABLE, True)


def test_a_command_that_could_not_be_run_for_another_reason_raises_with_it() -> None:
    message = 'unable to upgrade connection: container not found ("curl")'
    with pytest.raises(ExecError) as caught:
        frames(end={"status": "Failure", "reason": "InternalError", "message": f"{message}\n\x1b[2J"}).result("")

    assert (str(caught.value), caught.value.executable_missing) == (f"{message} [2J", False)


def test_a_failure_after_output_is_a_lost_end_and_not_a_command_that_never_ran() -> None:
    end = {"status": "Failure", "reason": "InternalError", "message": "the kubelet went away"}

    assert frames((1, b"half"), end=end).result("") == ExecResult(b"half", b"", None, lost="the kubelet went away")


def test_a_runtime_that_reports_the_missing_executable_as_output_is_understood() -> None:
    said = b'OCI runtime exec failed: exec failed: exec: "curl": executable file not found in $PATH: unknown\r\n'
    with pytest.raises(ExecError) as caught:
        frames((1, said), end=exit_status("126")).result("")

    assert caught.value.executable_missing


def test_a_shell_that_misses_a_command_is_a_result() -> None:
    assert frames((2, b"sh: nope: not found\n"), end=exit_status("127")).result("").exit_code == 127


def test_no_more_is_kept_than_was_asked_for() -> None:
    result = frames((1, b"12345"), (2, b"67"), (1, b"890"), end=SUCCESS, keep_bytes=6).result("")

    assert result == ExecResult(b"12345", b"6", 0, truncated=True)


def test_exactly_as_much_as_is_kept_is_not_truncated() -> None:
    assert frames((1, b"12345"), end=SUCCESS, keep_bytes=5).result("") == ExecResult(b"12345", b"", 0)


def test_unknown_channels_are_passed_over() -> None:
    assert frames((4, b"resize"), (255, b"\x01"), (1, b"x"), end=SUCCESS).result("") == ExecResult(b"x", b"", 0)


@pytest.mark.parametrize(
    ("status", "end"),
    [
        (b"{", "the end of the command could not be read"),
        (b"[]", "the end of the command could not be read"),
        (b'{"status": "Failure"}', "the command could not be run"),
        (b'{"status": "Failure", "reason": "NonZeroExitCode", "message": "m", "details": {"causes": null}}', "m"),
        (json.dumps(exit_status("many")).encode(), "command terminated with non-zero exit code: exit status many"),
        (json.dumps(exit_status("137")).encode(), 137),
    ],
)
def test_a_status_is_an_exit_code_or_a_message(status: bytes, end: int | str) -> None:
    assert read_status(status) == end


@pytest.mark.parametrize(
    ("message", "missing"),
    [
        ('exec: "/bin/nope": stat /bin/nope: no such file or directory: unknown', True),
        ("executable file `nope` not found in $PATH: No such file or directory", True),
        ('error finding executable "nope" in PATH', True),
        ('container not found ("curl")', False),
        ("open /etc/hosts: no such file or directory", False),
    ],
)
def test_each_runtimes_words_for_a_missing_executable_are_known(message: str, missing: bool) -> None:
    assert is_executable_missing(message) is missing
