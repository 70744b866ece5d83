"""The same questions to real servers, asked by curl in each of its forms and by python3, must get the same answers."""

import subprocess
import sys
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.probe_servers import TLS_NAME, Street

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.model.probe import Answer, Handshake, NoAnswer, Outcome, Purpose, Scheme, Transfer, Trust
from kubectl_extsvc.probes import curl as asking_curl
from kubectl_extsvc.probes.asking import batches, read_answers
from kubectl_extsvc.probes.batch import Batch, Form, Limits, Retry, Tool, merged
from kubectl_extsvc.probes.curl_answers import first_words, shown_certificates
from kubectl_extsvc.probes.curl_exit import CurlExit

Run = Callable[[Batch, str], tuple[bytes, bytes, int]]

TOKEN = "3f9a7c20d1e84b65"
UNRESOLVABLE = f"{'x' * 64}.test"
"""A label of 64 characters fails in the resolver itself, without a name server."""
LOOPBACK = "127.0.0.1"


def transfer(
    id: str, port: int, path: str = "/", *, host: str = LOOPBACK, scheme: Scheme = Scheme.HTTP, **more: object
) -> Transfer:
    return Transfer(id, Purpose.ALIAS, scheme, host, port, path, **more)  # type: ignore[arg-type]


def https(id: str, port: int, path: str = "/", *, host: str = TLS_NAME, **more: object) -> Transfer:
    return transfer(id, port, path, host=host, scheme=Scheme.HTTPS, connect_to=LOOPBACK, **more)


def tcp(id: str, port: int, host: str = LOOPBACK) -> Transfer:
    return transfer(id, port, host=host, scheme=Scheme.TCP)


def questions(servers: Street) -> dict[Transfer, tuple[Collection[int], int]]:
    """Each with the exit codes that are right, and the HTTP status."""
    ok = {CurlExit.OK}
    return {
        transfer("ok", servers.http): (ok, 200),
        transfer("missing", servers.http, "/missing"): (ok, 404),
        transfer("redirect is an answer", servers.http, "/moved"): (ok, 302),
        transfer("head", servers.http, method="HEAD"): (ok, 200),
        transfer("interim", servers.http, "/interim"): (ok, 200),
        transfer("chunked", servers.http, "/chunked"): (ok, 200),
        transfer("hostile", servers.http, "/hostile"): (ok, 200),
        transfer("forged", servers.http, "/forged"): (ok, 200),
        transfer("huge header", servers.http, "/huge-header"): (
            {CurlExit.OUT_OF_MEMORY, CurlExit.RECEIVE, CurlExit.TOO_LARGE},
            200,
        ),
        transfer("not http", servers.http, "/not-http"): ({CurlExit.UNSUPPORTED_PROTOCOL}, 0),
        transfer("no name", servers.http, host=UNRESOLVABLE): ({CurlExit.RESOLVE_HOST}, 0),
        transfer("refused", servers.refusing): ({CurlExit.CONNECT}, 0),
        transfer("silent", servers.silent): ({CurlExit.TIMEOUT}, 0),
        transfer("closing", servers.closing): ({CurlExit.EMPTY_REPLY}, 0),
        transfer("resetting", servers.resetting): ({CurlExit.RECEIVE}, 0),
        https("tls", servers.tls): (ok, 200),
        https("tls, wrong name", servers.tls, host="other.test"): ({CurlExit.TLS_CONNECT}, 0),
        https("tls, name not in certificate", servers.tls, host="localhost"): ({CurlExit.TLS_CONNECT}, 0),
        transfer("tls, address in certificate", servers.tls, scheme=Scheme.HTTPS): (ok, 200),
        https("tls to http", servers.talker): ({CurlExit.TLS_CONNECT}, 0),
        https("tls to closing", servers.closing): ({CurlExit.TLS_CONNECT}, 0),
        https("tls refused", servers.refusing): ({CurlExit.CONNECT}, 0),
        tcp("tcp http", servers.http): (ok, 0),
        tcp("tcp tls", servers.tls): (ok, 0),
        tcp("tcp silent", servers.silent): (ok, 0),
        tcp("tcp talker", servers.talker): (ok, 0),
        tcp("tcp refused", servers.refusing): ({CurlExit.CONNECT}, 0),
        tcp("tcp no name", servers.http, host=UNRESOLVABLE): ({CurlExit.RESOLVE_HOST}, 0),
    }


def wrong(outcomes: tuple[Outcome, ...], expected: dict[Transfer, tuple[Collection[int], int]]) -> list[object]:
    """Outcomes that are not as expected; the status of an answer that failed does not matter."""
    found: list[object] = []
    for outcome, (asked, (exit_codes, status)) in zip(outcomes, expected.items(), strict=True):
        assert outcome.transfer is asked
        match outcome:
            case Answer(exit_code=code) if code in exit_codes and (code or outcome.status == status):
                pass
            case _:
                found.append(outcome)
    return found


def ask(
    run: Run,
    program: str,
    tool: Tool,
    transfers: tuple[Transfer, ...],
    form: Form = Form.PARALLEL,
    timeout: float = 2.0,
) -> tuple[Outcome, ...]:
    """Ask as an operation would, with all retries."""
    outcomes: tuple[Outcome, ...] = tuple(NoAnswer(transfer, "not asked") for transfer in transfers)
    retry: Retry | None = Retry(tool, form, transfers)
    rounds = 0
    while retry is not None:
        (batch,) = batches(retry.tool, retry.transfers, Limits(timeout), TOKEN, retry.form)
        reading = read_answers(batch, *run(batch, program))
        outcomes, retry = merged(outcomes, reading.outcomes), reading.retry
        rounds += 1
        assert rounds <= len(transfers) + 2
    return outcomes


@pytest.mark.parametrize("form", [Form.PARALLEL, Form.SEQUENTIAL, Form.CLASSIC])
def test_curl_names_every_outcome_in_every_form(servers: Street, run: Run, curl: str, form: Form) -> None:
    expected = questions(servers)
    assert wrong(ask(run, curl, Tool.CURL, tuple(expected), form), expected) == []


def test_python3_names_every_outcome_as_curl_does(servers: Street, run: Run) -> None:
    expected = questions(servers)
    assert wrong(ask(run, sys.executable, Tool.PYTHON3, tuple(expected)), expected) == []


def programs(curl: str) -> list[tuple[str, Tool, Form]]:
    return [
        (curl, Tool.CURL, Form.PARALLEL),
        (curl, Tool.CURL, Form.CLASSIC),
        (sys.executable, Tool.PYTHON3, Form.PARALLEL),
    ]


def test_bodies_come_back_whole_and_forged_marks_are_only_text(servers: Street, run: Run, curl: str) -> None:
    paths = {
        "/": "hello\n",
        "/chunked": "four chunk",
        "/http-body": "HTTP/1.1 500 No\nX-Not: mine\n\nbody",
        "/interim": "late",
        "/hostile": "]0;owned[/x]",
        "/forged": '\nTOKEN 0 j{"exitcode":0,"http_code":204}\nTOKEN 0 h{}\nTOKEN 0 .\ntoken 1 w204\n',
        "/big": "b" * 65536,
        "/moved": "",
    }
    asked = tuple(transfer(path, servers.http, path, want_body=True) for path in paths)
    for program, tool, form in programs(curl):
        outcomes = ask(run, program, tool, asked, form)
        # A carriage return could hide what stands before it, so it does not come back.
        bodies = {o.transfer.path: o.body.replace("\r", "") for o in outcomes if isinstance(o, Answer)}
        assert bodies == paths, (tool, form)


def test_a_body_that_was_not_asked_for_stays_in_the_pod(servers: Street, run: Run, curl: str) -> None:
    asked = (transfer("a", servers.http, "/big"), transfer("b", servers.http, want_body=True))
    bodies = [o.body for o in ask(run, curl, Tool.CURL, asked) if isinstance(o, Answer)]
    assert bodies == ["", "hello\n"]


def test_headers_are_lower_case_joined_and_cleaned_whatever_asked(servers: Street, run: Run, curl: str) -> None:
    asked = (transfer("a", servers.http, "/repeated"), transfer("b", servers.http, "/hostile"))
    for program, tool, form in programs(curl):
        repeated, hostile = ask(run, program, tool, asked, form)
        assert isinstance(repeated, Answer)
        assert isinstance(hostile, Answer)
        assert repeated.headers == (
            ("x-a", "1, 2"),
            ("server", "envoy"),
            ("content-length", "0"),
            ("connection", "close"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ), (tool, form)
        evil = hostile.header("x-evil") or ""
        assert evil.isprintable()
        assert evil.endswith("1m [@click=app.quit]")
        assert hostile.header("server") == "envoy"


def test_headers_host_and_method_reach_the_server_as_given(servers: Street, run: Run, curl: str) -> None:
    headers = (("Host", "my-httpbin.default"), ("X-Quoted", 'a "b" \\c; @d'), ("X-Empty", ""))
    asked = (
        transfer("a", servers.http, "/echo?q=a b&c=ü%20#f", headers=headers, method="PATCH", want_body=True),
        https("b", servers.tls, "/echo", want_body=True),
    )
    for program, tool, form in programs(curl):
        first, second = ask(run, program, tool, asked, form)
        assert isinstance(first, Answer)
        assert isinstance(second, Answer)
        lines = first.body.split("\n")
        assert lines[0].startswith("PATCH /echo?q=a%20b&c=%C3%BC%20"), lines
        assert {"Host: my-httpbin.default", 'X-Quoted: a "b" \\c; @d'} <= set(lines)
        assert [line.strip() for line in lines if line.startswith("X-Empty")] == ["X-Empty:"]
        assert f"Host: {TLS_NAME}:{servers.tls}" in second.body.split("\n")


def test_a_bare_connection_sends_no_byte_and_returns_at_once(servers: Street, run: Run, curl: str) -> None:
    servers.heard.clear()
    asked = (tcp("a", servers.silent), tcp("b", servers.talker))
    outcomes = ask(run, curl, Tool.CURL, asked, timeout=20)
    totals = [o.times.total for o in outcomes if isinstance(o, Answer) and o.connected]
    assert len(totals) == 2
    assert max(totals) < 3
    assert all(heard == b"" for texts in servers.heard.values() for heard in texts)


def test_two_hundred_transfers_are_one_run(servers: Street, run: Run, curl: str) -> None:
    asked = tuple(transfer(str(n), servers.http if n % 10 else servers.refusing) for n in range(200))
    runs: list[float] = []

    def counted(batch: Batch, program: str) -> tuple[bytes, bytes, int]:
        runs.append(batch.seconds)
        return run(batch, program)

    outcomes = ask(counted, curl, Tool.CURL, asked, timeout=10)
    assert [o.exit_code for o in outcomes if isinstance(o, Answer)] == [0 if n % 10 else 7 for n in range(200)]
    version = asking_curl.version_of(subprocess.run([curl, "--version"], capture_output=True, text=True).stdout)
    assert runs == [70.0] or version < (7, 84, 0)  # type: ignore[operator]


def test_transfers_in_argv_answer_like_those_on_stdin(servers: Street, run: Run, curl: str) -> None:
    asked = tuple(transfer(str(n), servers.http, f"/{'p' * 300}", headers=(("X-A", '"\\'),)) for n in range(12))
    runs = asking_curl.argv_batches(asked, Limits(), TOKEN, Form.CLASSIC)
    statuses = [o.status for b in runs for o in read_answers(b, *run(b, curl)).outcomes if isinstance(o, Answer)]
    assert statuses == [200] * 12
    assert len(runs) > 1
    assert all(sum(map(len, b.argv)) < 6000 and b.stdin == b"" for b in runs)


def test_insecure_takes_any_certificate(servers: Street, run: Run, curl: str) -> None:
    asked = (transfer("a", servers.tls, host="127.0.0.1", scheme=Scheme.HTTPS, insecure=True),)
    assert [o.status for o in ask(run, curl, Tool.CURL, asked) if isinstance(o, Answer)] == [200]


@pytest.mark.parametrize(
    "bad",
    [
        {"host": "a b"},
        {"host": "evil/x"},
        {"host": "user@host"},
        {"host": "a\nnext"},
        {"host": "-K"},
        {"host": ""},
        {"host": "fe80::1%eth0"},
        {"host": "::1]:80/#"},
        {"port": 0},
        {"port": 65536},
        {"path": "relative"},
        {"path": "/a\nurl=file:///etc/passwd"},
        {"path": "/a\x00"},
        {"path": "/\ud800"},
        {"method": "GET /x HTTP/1.1\r\nX:"},
        {"method": ""},
        {"headers": (("X", "a\r\nY: b"),)},
        {"headers": (("@/etc/passwd", "a"),)},
        {"headers": (("X:Y", "a"),)},
        {"headers": (("X", "\x1b"),)},
        {"connect_to": "a:b"},
        {"connect_port": 70000},
    ],
    ids=ascii,
)
@pytest.mark.parametrize("tool", Tool)
def test_what_could_change_the_question_is_refused(bad: dict[str, object], tool: Tool) -> None:
    values: dict[str, object] = {"host": "a.test", "port": 80, **bad}
    asked = Transfer("a", Purpose.ALIAS, Scheme.HTTP, **values)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="cannot be used in a probe; nothing was asked"):
        batches(tool, (asked,), Limits(), TOKEN)


def test_a_refused_header_does_not_show_its_value() -> None:
    asked = Transfer("a", Purpose.ALIAS, Scheme.HTTP, "a.test", 80, headers=(("Authorization", "secret\n"),))
    with pytest.raises(UsageError, match="the header 'Authorization' cannot") as refused:
        batches(Tool.CURL, (asked,), Limits(), TOKEN)
    assert "secret" not in str(refused.value)


@settings(deadline=None)
@given(st.text(st.characters(blacklist_categories=["Cc", "Cs"]), max_size=60))
def test_no_header_value_adds_a_line_to_the_config(value: str) -> None:
    def lines(value: str) -> int:
        asked = Transfer("a", Purpose.ALIAS, Scheme.HTTP, "a.test", 80, headers=(("X-A", value),))
        return batches(Tool.CURL, (asked,), Limits(), TOKEN)[0].stdin.count(b"\n")

    assert lines(value) == lines("plain")


def test_ipv6_stands_in_brackets_wherever_curl_splits_at_colons() -> None:
    asked = Transfer("a", Purpose.ADDRESS, Scheme.HTTPS, "a.test", 443, connect_to="2001:DB8::0:1", connect_port=8443)
    config = batches(Tool.CURL, (asked,), Limits(), TOKEN)[0].stdin.decode()
    assert 'connect-to = "a.test:443:[2001:db8::1]:8443"' in config.split("\n")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1 OpenSSL/3.0.19", (7, 88, 1)),
        ("libcurl/8.22.0-DEV OpenSSL/3.0.19", (8, 22, 0)),
        ("curl 8.5 (x)", (8, 5, 0)),
        ("BusyBox v1.35", None),
        ("", None),
    ],
)
def test_version_of_curl(text: str, version: tuple[int, int, int] | None) -> None:
    assert asking_curl.version_of(text) == version


def handshakes(outcomes: tuple[Outcome, ...]) -> list[Handshake | None]:
    return [outcome.handshake for outcome in outcomes if isinstance(outcome, Answer)]


def test_a_handshake_shows_chain_trust_and_server_name(servers: Street, run: Run, curl: str) -> None:
    asked = (
        https("checked", servers.tls),
        https("taken", servers.tls, insecure=True),
        transfer("by address", servers.tls, scheme=Scheme.HTTPS),
        https("alert", servers.tls, host="other.test"),
        transfer("plaintext", servers.http),
    )
    for program, tool, form in programs(curl):
        checked, taken, by_address, alert, plaintext = handshakes(ask(run, program, tool, asked, form))
        (certificate,) = checked.certificates if checked and form is not Form.CLASSIC else [None]
        assert (checked, taken, by_address, alert, plaintext) == (
            Handshake(TLS_NAME, (certificate,) if certificate else (), Trust.TRUSTED, *spoken(checked)),
            Handshake(TLS_NAME, (certificate,) if certificate else (), Trust.NOT_CHECKED, *spoken(checked)),
            Handshake("", (certificate,) if certificate else (), Trust.TRUSTED, *spoken(checked)),
            Handshake("other.test"),
            None,
        ), (tool, form)
        if certificate:
            assert (certificate.subject, certificate.issuer) == (f"CN = {TLS_NAME}", "CN = test CA")
            assert certificate.names == (TLS_NAME, "127.0.0.1")
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            assert certificate.not_before < now < certificate.not_after


def spoken(handshake: Handshake | None) -> tuple[str, str]:
    """TLS version and ALPN: curl does not say them."""
    assert handshake is not None
    assert handshake.version in ("", "TLSv1.3")
    return handshake.version, handshake.alpn


def test_a_refused_chain_is_shown_by_python3_at_once_and_by_curl_when_asked_again(
    strangers: Street, run: Run, curl: str
) -> None:
    asked = (https("a", strangers.tls), https("b", strangers.tls, method="POST", headers=(("X-Once", "1"),)))
    by_python = handshakes(ask(run, sys.executable, Tool.PYTHON3, asked))
    assert [(h and h.trust, h and [c.subject for c in h.certificates]) for h in by_python] == [
        (Trust.UNTRUSTED, [f"CN = {TLS_NAME}"])
    ] * 2

    (batch,) = batches(Tool.CURL, asked, Limits(2.0), TOKEN)
    reading = read_answers(batch, *run(batch, curl))
    assert [h and h.trust for h in handshakes(reading.outcomes)] == [Trust.UNTRUSTED] * 2
    if reading.unshown:
        (again,) = batches(Tool.CURL, reading.unshown, Limits(2.0), TOKEN, Form.HANDSHAKE)
        chains = shown_certificates(again, run(again, curl)[0])
        assert chains == {id: h.certificates for id, h in zip("ab", by_python, strict=True) if h}


def test_looking_at_a_refused_certificate_sends_no_request(strangers: Street, run: Run, curl: str) -> None:
    (batch,) = batches(Tool.CURL, (https("a", strangers.tls_silent),), Limits(2.0), TOKEN, Form.HANDSHAKE)
    run(batch, curl)
    end = time.monotonic() + 5
    while not strangers.heard and time.monotonic() < end:
        time.sleep(0.01)  # curl has ended, and the server may not have noticed yet
    assert strangers.heard == {"tls_silent": [b""]}


def test_a_bare_connection_hears_who_speaks_first_where_the_tool_can_listen(servers: Street, run: Run) -> None:
    asked = (tcp("a", servers.talker), tcp("b", servers.silent), tcp("c", servers.http))
    outcomes = ask(run, sys.executable, Tool.PYTHON3, asked)
    assert [o.first_words for o in outcomes if isinstance(o, Answer)] == ["220 mail.test ESMTP", "", ""]


def by_bash(run: Run, asked: tuple[Transfer, ...]) -> tuple[Outcome, ...]:
    runs = batches(Tool.BASH, asked, Limits(1.0), TOKEN)
    return tuple(outcome for one in runs for outcome in read_answers(one, *run(one, "")).outcomes)


def test_curl_hears_who_speaks_first_and_sends_nothing(servers: Street, run: Run, curl: str) -> None:
    asked = (tcp("a", servers.talker), tcp("b", servers.silent), tcp("c", servers.http), tcp("d", servers.refusing))
    before = {name: len(said) for name, said in servers.heard.items()}
    for stdin_ends in (True, False):
        heard: dict[str, str] = {}
        for batch in batches(Tool.CURL, asked, Limits(2.0), TOKEN, Form.LISTEN, stdin_ends=stdin_ends):
            stdout, _, _ = run(batch, curl)
            heard |= first_words(batch, stdout)
        assert heard == {"a": "220 mail.test ESMTP"}
    said = [text for name, texts in servers.heard.items() for text in texts[before.get(name, 0) :]]
    assert b"".join(said) == b""


def test_bash_alone_connects_listens_and_speaks_plain_http(servers: Street, run: Run) -> None:
    asked = {
        transfer("ok", servers.http, want_body=True): (0, 200, "hello\n", ""),
        transfer("chunked", servers.http, "/chunked", want_body=True): (0, 200, "four chunk", ""),
        transfer("by another name", servers.http, host="a.test", connect_to=LOOPBACK): (0, 200, "", ""),
        transfer("not http", servers.http, "/not-http"): (CurlExit.UNSUPPORTED_PROTOCOL, 0, "", ""),
        transfer("no name", servers.http, host=UNRESOLVABLE): (CurlExit.RESOLVE_HOST, 0, "", ""),
        transfer("refused", servers.refusing): (CurlExit.CONNECT, 0, "", ""),
        transfer("closing", servers.closing): (CurlExit.EMPTY_REPLY, 0, "", ""),
        tcp("talker", servers.talker): (0, 0, "", "220 mail.test ESMTP"),
        tcp("waiting", servers.http): (0, 0, "", ""),
        tcp("tcp refused", servers.refusing): (CurlExit.CONNECT, 0, "", ""),
    }
    answers = [outcome for outcome in by_bash(run, tuple(asked)) if isinstance(outcome, Answer)]
    assert {a.transfer: (a.exit_code, a.status, a.body, a.first_words) for a in answers} == asked
    assert [a.transfer.id for a in answers if not a.connected] == ["no name", "refused", "tcp refused"]


def test_what_a_transfer_holds_is_never_read_as_a_script(servers: Street, run: Run) -> None:
    asked = transfer("a", servers.http, "/echo?$(id)`id`", headers=(("X-A", "$(id); `id` \"'"),), want_body=True)
    (answer,) = by_bash(run, (asked,))
    assert isinstance(answer, Answer)
    assert {"GET /echo?$(id)`id` HTTP/1.1", "X-A: $(id); `id` \"'"} <= set(answer.body.split("\n"))


def test_bash_cannot_speak_tls(servers: Street) -> None:
    assert batches(Tool.BASH, (https("a", servers.tls),), Limits(), TOKEN) == ()
