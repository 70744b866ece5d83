"""Reading what tools printed: recorded from curls between 7.61 and 8.22, from wgets, and made up by hypothesis."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.probe import Answer, NoAnswer, Outcome, Purpose, Scheme, Transfer
from kubectl_extsvc.probes.asking import batches, cannot_ask, read_answers
from kubectl_extsvc.probes.batch import LADDER, Batch, Form, Limits, Retry, Tool, merged, next_tool
from kubectl_extsvc.probes.curl_exit import AFTER_CONNECTING, MEANING, CurlExit, meaning

TOKEN = "3f9a7c20d1e84b65"
RECORDED: dict[str, list[dict[str, Any]]] = json.loads(Path(__file__).with_name("recorded_curls.json").read_text())
HEADERS = (
    ("x-a", "1, 2"),
    ("server", "envoy"),
    ("content-length", "0"),
    ("connection", "close"),
    ("set-cookie", "a=1"),
    ("set-cookie", "b=2"),
)


def transfer(id: str, scheme: Scheme = Scheme.HTTP, **more: Any) -> Transfer:
    return Transfer(id, Purpose.ALIAS, scheme, "127.0.0.1", 80, **more)


ASKED = (
    transfer("repeated"),
    transfer("refused"),
    transfer("closing"),
    transfer("talker", Scheme.TCP),
    transfer("last"),
)


def curl_batch(transfers: tuple[Transfer, ...] = ASKED, form: Form = Form.PARALLEL) -> Batch:
    (batch,) = batches(Tool.CURL, transfers, Limits(), TOKEN, form)
    return batch


@pytest.mark.parametrize("version", RECORDED)
def test_every_curl_of_the_last_eight_years_gives_the_same_answers(version: str) -> None:
    outcomes: tuple[Outcome, ...] = tuple(NoAnswer(asked, "") for asked in ASKED)
    todo: Retry | None = Retry(Tool.CURL, Form.PARALLEL, ASKED)
    for recorded in RECORDED[version]:
        assert todo is not None
        assert [(asked.id) for asked in todo.transfers] == recorded["transfers"]
        printed = (recorded["stdout"].encode("latin-1"), recorded["stderr"].encode("latin-1"), recorded["exit_code"])
        reading = read_answers(curl_batch(todo.transfers, todo.form), *printed)
        outcomes, todo = merged(outcomes, reading.outcomes), reading.retry
    assert todo is None
    answers = {o.transfer.id: o for o in outcomes if isinstance(o, Answer)}
    assert {id: (a.exit_code, a.status, a.connected) for id, a in answers.items()} == {
        "repeated": (0, 200, True),
        "refused": (7, 0, False),
        "closing": (52, 0, True),
        "talker": (0, 0, True),
        "last": (0, 404, True),
    }
    assert answers["repeated"].headers == HEADERS
    assert (answers["last"].http_version, answers["last"].remote_ip) == ("1.1", "127.0.0.1")
    assert "onnect" in answers["refused"].error
    assert answers["talker"].error == ""


def printed_by_curl(version: str = "8.22.0") -> bytes:
    return str(RECORDED[version][0]["stdout"]).encode("latin-1")


def test_a_lost_stream_keeps_what_was_said_whole_and_passes_nothing_else() -> None:
    whole = printed_by_curl()
    marks = [place for place in range(len(whole)) if whole.startswith(f"{TOKEN} ".encode(), place)]
    # Cut within the last record.
    reading = read_answers(curl_batch(), whole[: marks[-1]], b"", None)
    lost = [o for o in reading.outcomes if isinstance(o, NoAnswer)]
    assert [o.reason for o in lost] == ["the stream to curl was lost before it answered; run the command again"]
    assert reading.retry is None


@pytest.mark.parametrize(
    ("stderr", "exit_code", "reason"),
    [
        (b"", None, "the stream to curl was lost before it answered; run the command again"),
        (b"", 137, "curl was killed (exit code 137) before it answered; run again with a longer --timeout"),
        (b"curl: \x1b[31mbad\nconfig\n", 26, "curl ended with exit code 26 and no answer: curl: [31mbad config"),
        (b"", 0, "curl ended with exit code 0 and no answer"),
    ],
)
def test_silence_has_a_reason(stderr: bytes, exit_code: int | None, reason: str) -> None:
    reading = read_answers(curl_batch(ASKED[:1]), b"", stderr, exit_code)
    assert reading.outcomes == (NoAnswer(ASKED[0], reason),)
    assert reading.retry is None


def test_a_missing_tool_leads_down_the_ladder_and_the_last_one_says_so() -> None:
    tools = [Tool.CURL]
    retry: Retry | None = Retry(Tool.CURL, Form.PARALLEL, ASKED[:1])
    while retry is not None:
        (batch,) = batches(retry.tool, retry.transfers, Limits(), TOKEN, retry.form)
        reading = read_answers(batch, b"", b"exec failed", 127)
        retry = reading.retry
        if retry is not None:
            tools.append(retry.tool)
    assert tuple(tools) == LADDER
    assert reading.outcomes == (
        NoAnswer(
            ASKED[0],
            "none of curl, python3, wget, bash is in this container; choose another source with --from, "
            "or use --ephemeral or --probe-pods",
            "a source with curl, python3, wget or bash (--from, --ephemeral, --probe-pods)",
        ),
    )
    assert next_tool(Tool.BASH) is None


def test_a_later_answer_replaces_and_a_later_silence_does_not() -> None:
    first, second = ASKED[:2]
    answer, silence = Answer(first, 0, status=200), NoAnswer(second, "lost")
    later = (NoAnswer(first, "later"), Answer(second, 7))
    assert merged((answer, silence), later) == (answer, later[1])


def record(fields: object, headers: str = "{}", place: int = 0) -> bytes:
    words = json.dumps(fields)
    return f"\n{TOKEN} {place} j{words}\n{TOKEN} {place} h{headers}\n{TOKEN} {place} .\n".encode()


def outcome(fields: object, headers: str = "{}", asked: Transfer = ASKED[0]) -> Outcome:
    return read_answers(curl_batch((asked,)), record(fields, headers), b"", 0).outcomes[0]


def test_a_curl_that_lacks_tls_learnt_nothing() -> None:
    fields = {"exitcode": 1, "errormsg": 'Protocol "https" not supported or disabled in libcurl', "http_code": 0}
    assert isinstance(outcome(fields), NoAnswer)


def test_what_answers_without_speaking_http_is_an_answer() -> None:
    fields = {"exitcode": 1, "errormsg": "Received HTTP/0.9 when not allowed", "http_code": 0, "time_connect": 0.1}
    answer = outcome(fields)
    assert isinstance(answer, Answer)
    assert (answer.exit_code, answer.connected) == (CurlExit.UNSUPPORTED_PROTOCOL, True)


def test_a_failed_handshake_proves_a_connection_whichever_field_curl_leaves_empty() -> None:
    without_time = outcome(
        {"exitcode": 35, "http_code": 0, "time_connect": 0.0, "remote_ip": "10.0.0.1", "time_total": 0.2}
    )
    without_address = outcome({"exitcode": 35, "http_code": 0, "time_connect": 0.1, "remote_ip": "", "remote_port": -1})
    silent = outcome({"exitcode": 28, "http_code": 0, "time_connect": 0.0, "remote_ip": ""})
    answers = [o for o in (without_time, without_address, silent) if isinstance(o, Answer)]
    assert [(a.connected, a.remote_port) for a in answers] == [(True, 0), (True, 0), (False, 0)]
    assert answers[0].error == "the TLS handshake failed"


def test_more_body_than_was_wanted_is_no_timeout() -> None:
    asked = transfer("a", want_body=True)
    printed = b"b" * 70_000 + record({"exitcode": 28, "errormsg": "timed out", "http_code": 200})
    answer = read_answers(curl_batch((asked,)), printed, b"", 28).outcomes[0]
    assert isinstance(answer, Answer)
    assert (answer.exit_code, answer.error, len(answer.body)) == (0, "", 65536)


def test_headers_that_are_no_json_are_read_as_far_as_they_are_plain() -> None:
    answer = outcome(
        {"exitcode": 0, "http_code": 200}, '{"set-cookie":["a","b"],\n"x":["\\u001b[1m"],"set-cookie":],"y":['
    )
    assert isinstance(answer, Answer)
    assert answer.headers == (("x", "[1m"), ("set-cookie", "a"), ("set-cookie", "b"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = [
    "exitcode",
    "errormsg",
    "http_code",
    "http_version",
    "remote_ip",
    "remote_port",
    "time_connect",
    "curl_version",
    "num_headers",
    "exit",
    "error",
    "status",
    "version",
    "ip",
    "port",
    "times",
    "headers",
    "body",
    "place",
]
PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"\n",
            b"connected 1.0 2\n",
            b"curl: (7) no\n",
            b"  HTTP/1.1 200 OK\n",
            b"HTTP/1.1 100 x\r\n\r\n",
            b"HTTP/\r\n\r\n",
        ]
    ),
    st.builds(
        lambda place, letter: f"\n{TOKEN} {place} {letter}".encode(), st.integers(0, 7), st.sampled_from("jhwe.")
    ),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6).map(lambda fields: record(fields)),
    st.dictionaries(st.sampled_from(NAMES), VALUES).map(lambda f: f"{TOKEN} {json.dumps(f)}\n".encode()),
    st.lists(st.text("0123456789.\t-", max_size=6), max_size=10).map(
        lambda words: f"\n{TOKEN} 0 w{chr(9).join(words)}\n{TOKEN} 0 .\n".encode()
    ),
)


@settings(deadline=None)
@given(
    st.lists(PIECES, max_size=8).map(b"".join),
    st.lists(PIECES, max_size=4).map(b"".join),
    st.sampled_from([None, 0, 1, 2, 7, 27, 126, 127, 137]),
    st.sampled_from(
        [(Tool.CURL, form) for form in Form]
        + [
            (Tool.PYTHON3, Form.PARALLEL),
            (Tool.WGET, Form.PARALLEL),
            (Tool.WGET, Form.CLASSIC),
            (Tool.BASH, Form.PARALLEL),
        ]
    ),
)
def test_reading_never_raises_and_gives_one_outcome_a_transfer(
    stdout: bytes, stderr: bytes, exit_code: int | None, asked: tuple[Tool, Form]
) -> None:
    for batch in batches(asked[0], ASKED, Limits(), TOKEN, asked[1]):
        reading = read_answers(batch, stdout, stderr, exit_code)
        assert tuple(o.transfer for o in reading.outcomes) == batch.transfers
        for found in reading.outcomes:
            repr(found).encode()
            if isinstance(found, Answer):
                assert all(one_line(value, 5000) == value for _, value in found.headers)
                assert found.times.total >= 0
        if reading.retry is not None:
            assert set(reading.retry.transfers) <= set(batch.transfers)


# --- wget ------------------------------------------------------------------------------------------------------------

GNU_MISSING = b"""--2026-11-24 13:50:14--  http://127.0.0.1/missing
Connecting to 127.0.0.1:80... connected.
HTTP request sent, awaiting response...
  HTTP/1.1 404 Not Found
  Content-Length: 2
  Server: envoy
2026-11-24 13:50:14 ERROR 404: Not Found.

"""
GNU_UNTRUSTED = b"""--2026-11-24 13:50:14--  https://127.0.0.1:36011/
Connecting to 127.0.0.1:36011... connected.
ERROR: The certificate of '127.0.0.1' is not trusted.
"""
BUSYBOX_OK = b"""Connecting to a.test (127.0.0.1:80)
  HTTP/1.1 200 OK
  Server: envoy
  Content-Length: 6
  
saving to '/dev/null'
null                 100% |********************************|     6  0:00:00 ETA
'/dev/null' saved
"""  # noqa: W293


@pytest.mark.parametrize(
    ("form", "stderr", "exit_code", "expected"),
    [
        (Form.PARALLEL, GNU_MISSING, 8, (0, 404, "envoy")),
        (Form.PARALLEL, GNU_UNTRUSTED, 5, (60, 0, None)),
        (Form.PARALLEL, b"wget: unable to resolve host address 'a.test'\n", 4, (6, 0, None)),
        (Form.PARALLEL, b"Connecting to 127.0.0.1:80... failed: Connection refused.\n", 4, (7, 0, None)),
        (Form.PARALLEL, b"HTTP request sent, awaiting response... No data received.\n", 4, (52, 0, None)),
        (Form.PARALLEL, b"Read error (Connection timed out) in headers.\n", 4, (28, 0, None)),
        (Form.PARALLEL, b"Read error (Connection reset by peer) in headers.\n", 4, (56, 0, None)),
        (Form.PARALLEL, b"GnuTLS: An unexpected TLS packet was received.\n", 4, (35, 0, None)),
        (Form.PARALLEL, b"Length: unspecified\n", 0, (1, 0, None)),
        (Form.CLASSIC, BUSYBOX_OK, 0, (0, 200, "envoy")),
        (Form.CLASSIC, b"wget: bad address 'a.test'\n", 1, (6, 0, None)),
        (Form.CLASSIC, b"wget: can't connect to remote host (127.0.0.1): Connection refused\n", 1, (7, 0, None)),
        (Form.CLASSIC, b"wget: error getting response\n", 1, (52, 0, None)),
        (Form.CLASSIC, b"wget: download timed out\n", 1, (28, 0, None)),
        (Form.CLASSIC, b"  HTTP/1.1 503 no\nwget: server returned error: HTTP/1.1 503 no\n", 1, (0, 503, None)),
    ],
)
def test_what_wget_says_becomes_an_exit_code_of_curl(
    form: Form, stderr: bytes, exit_code: int, expected: tuple[int, int, str | None]
) -> None:
    (batch,) = batches(Tool.WGET, ASKED[:1], Limits(), TOKEN, form)
    (answer,) = read_answers(batch, b"", stderr, exit_code).outcomes
    assert isinstance(answer, Answer)
    assert (answer.exit_code, answer.status, answer.header("server")) == expected


def test_a_wget_that_is_busybox_is_asked_in_its_own_words() -> None:
    (batch,) = batches(Tool.WGET, ASKED[:1], Limits(), TOKEN)
    reading = read_answers(batch, b"", b"wget: unrecognized option '--no-config'\nBusyBox v1.35.0\n", 1)
    assert reading.retry == Retry(Tool.WGET, Form.CLASSIC, ASKED[:1])
    (batch,) = batches(Tool.WGET, ASKED[:1], Limits(2.0), TOKEN, Form.CLASSIC)
    assert batch.argv == ("wget", "-S", "-Y", "off", "-T", "2", "-O", "/dev/null", "http://127.0.0.1:80/")


def test_wget_says_what_it_cannot_ask_and_dials_elsewhere_by_host_header() -> None:
    elsewhere = Transfer("a", Purpose.ALIAS, Scheme.HTTP, "a.test", 8080, connect_to="10.0.0.1", connect_port=80)
    tls = Transfer("b", Purpose.ALIAS, Scheme.HTTPS, "a.test", 443, connect_to="10.0.0.1")
    asked = (elsewhere, tls, ASKED[3])
    (batch,) = batches(Tool.WGET, asked, Limits(), TOKEN)
    assert batch.argv[-3:] == ("--header", "Host: a.test:8080", "http://10.0.0.1:80/")
    assert [(o.transfer, o.unlock) for o in cannot_ask(Tool.WGET, asked)] == [
        (tls, "a source with curl or python3 (--from, --ephemeral, --probe-pods)"),
        (ASKED[3], "a source with curl or python3 (--from, --ephemeral, --probe-pods)"),
    ]
    assert cannot_ask(Tool.CURL, asked) == ()


# --- words -----------------------------------------------------------------------------------------------------------


def test_every_exit_code_that_has_a_name_has_a_meaning() -> None:
    assert set(MEANING) == set(CurlExit)
    assert set(MEANING) >= AFTER_CONNECTING
    assert meaning(99) == "curl exit code 99"
