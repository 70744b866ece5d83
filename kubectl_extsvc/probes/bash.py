"""One bare connection or one plain HTTP request by bash alone (/dev/tcp), where an image has no better tool.

The script is fixed; what differs comes as arguments and is never read as a script. It cannot speak TLS. timeout ends
it, since bash itself waits for a connection as long as the kernel does.
"""

import re
from collections.abc import Sequence

from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.probe import NoAnswer, Scheme, Times, Transfer
from kubectl_extsvc.probes.batch import (
    BODY_LIMIT_BYTES,
    MISSING,
    Batch,
    Limits,
    Reading,
    Tool,
    missing_tool,
    why_no_answer,
)
from kubectl_extsvc.probes.curl import checked_header, checked_host, checked_method, checked_path, checked_port
from kubectl_extsvc.probes.curl_answers import answer_of, split_headers
from kubectl_extsvc.probes.curl_exit import CurlExit

LISTEN_SECONDS = "0.3"
"""How long a bare connection waits for a server that speaks first."""
OUT_OF_TIME = (124, 143)
"""Exit codes of timeout: of coreutils, and of busybox."""

SCRIPT = """
began=${EPOCHREALTIME:-0}
exec 3<>"/dev/tcp/$1/$2" || exit 7
echo "connected $began ${EPOCHREALTIME:-0}"
[ -z "$4" ] || printf %s "$4" >&3
IFS= read -r -d "" -n 100000 -t "$3" text <&3
printf %s "$text"
exit 0
"""

_WORDS: tuple[tuple[str, CurlExit], ...] = (
    (r"name or service not known|name resolution|name does not resolve|no address", CurlExit.RESOLVE_HOST),
    (r"connection refused|no route|unreachable|connect:|/dev/tcp", CurlExit.CONNECT),
)


def cannot_ask(transfer: Transfer) -> str:
    """Why bash is no help with this transfer, "" if it is."""
    return "bash cannot speak TLS; use a source with curl or python3" if transfer.scheme is Scheme.HTTPS else ""


def batches(transfers: Sequence[Transfer], limits: Limits, token: str) -> tuple[Batch, ...]:
    """A run for each transfer that bash can ask. Raises UsageError as curl.batch does."""
    return tuple(_batch(transfer, limits, token) for transfer in transfers if not cannot_ask(transfer))


def _batch(transfer: Transfer, limits: Limits, token: str) -> Batch:
    host = checked_host(transfer.connect_to or transfer.host).strip("[]")
    port = checked_port(transfer.connect_port or transfer.port)
    request = "" if transfer.scheme is Scheme.TCP else _request(transfer)
    wait = f"{limits.probe_timeout:.3f}" if request else LISTEN_SECONDS
    seconds = limits.probe_timeout + 1
    argv = ("timeout", f"{seconds:.0f}", "bash", "-c", SCRIPT, "bash", host, f"{port}", wait, request)
    return Batch(Tool.BASH, (transfer,), argv, b"", token, seconds)


def _request(transfer: Transfer) -> str:
    host = checked_host(transfer.host)
    checked_port(transfer.port)
    given = {name.lower() for name, _ in transfer.headers}
    usual = (
        ("Host", host if transfer.port == 80 else f"{host}:{transfer.port}"),
        ("User-Agent", "kubectl-extsvc"),
        ("Accept", "*/*"),
        ("Connection", "close"),
    )
    pairs = [*((name, value) for name, value in usual if name.lower() not in given), *transfer.headers]
    lines = [f"{checked_method(transfer.method)} {checked_path(transfer.path)} HTTP/1.1"]
    return "\r\n".join([*lines, *(checked_header(name, value) for name, value in pairs), "", ""])


def read_answers(batch: Batch, stdout: bytes, stderr: bytes, exit_code: int | None) -> Reading:
    """The outcome of the one transfer. Never raises."""
    (transfer,) = batch.transfers
    if exit_code in MISSING:
        return missing_tool(batch)
    silence = Reading((NoAnswer(transfer, why_no_answer(batch.tool, stderr, exit_code)),))
    first, _, text = stdout.partition(b"\n")
    found = re.fullmatch(rb"connected (\d{1,12}(?:[.,]\d{1,6})?) (\d{1,12}(?:[.,]\d{1,6})?)", first)
    if exit_code is None:
        return silence
    error = one_line(stderr[:2000].decode("utf-8", "replace"), 200)
    headers: tuple[tuple[str, str], ...] = ()
    if found is None:
        words = (code for pattern, code in _WORDS if re.search(pattern, error, re.IGNORECASE))
        code = CurlExit.TIMEOUT if exit_code in OUT_OF_TIME else next(words, None)
        if code is None:
            return silence
        status, body, times = 0, b"", Times()
    else:
        began, connected = (float(number.replace(b",", b".")) for number in found.groups())
        spent = max(connected - began, 0.000001)
        times = Times(0.0, spent, 0.0, 0.0, spent)
        said = re.match(rb"HTTP/1\.[01] (\d{3})", text)
        status = int(said[1]) if said and transfer.scheme is Scheme.HTTP else 0
        headers, body = split_headers(text) if status else ((), text)
        code, error = _end(transfer, text, status)
    answer = answer_of(
        transfer,
        exit_code=code,
        error=error,
        status=status,
        http_version=text[5:8].decode("ascii", "replace") if status else "",
        remote_ip="",
        remote_port=0,
        times=times,
        headers=headers,
        body=_unchunked(dict(headers), body)[:BODY_LIMIT_BYTES],
        first_words=text.decode("utf-8", "replace"),
    )
    return Reading((answer,)) if answer is not None else silence


def _end(transfer: Transfer, text: bytes, status: int) -> tuple[CurlExit, str]:
    """How a connection ended, in curl's codes. bash does not tell a closed one from one that is silent."""
    if status or transfer.scheme is Scheme.TCP:
        return CurlExit.OK, ""
    if text:
        return CurlExit.UNSUPPORTED_PROTOCOL, "Received HTTP/0.9 when not allowed"
    return CurlExit.EMPTY_REPLY, "Empty reply from server, or none in time"


def _unchunked(headers: dict[str, str], body: bytes) -> bytes:
    if "chunked" not in headers.get("transfer-encoding", "").lower():
        return body
    whole = b""
    while found := re.match(rb"([0-9A-Fa-f]{1,8})[^\n]*\n", body):
        size = int(found[1], 16)
        if not size:
            break
        whole += body[found.end() : found.end() + size]
        body = body[found.end() + size :].removeprefix(b"\r").removeprefix(b"\n")
    return whole
