"""One transfer as one run of wget, the last resort: GNU's, or busybox's in the classic form.

wget tells status and headers, and in words what failed. It does not tell addresses and times; it cannot dial another
address than the URL's under TLS, nor connect without sending. busybox checks no certificate and follows redirects;
the first response counts.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.probe import NoAnswer, Scheme, Times, Transfer
from kubectl_extsvc.probes.batch import (
    BODY_LIMIT_BYTES,
    KILLED,
    MISSING,
    Batch,
    Form,
    Limits,
    Reading,
    Retry,
    Tool,
    missing_tool,
    why_no_answer,
)
from kubectl_extsvc.probes.curl import checked_header, checked_method, curl_url
from kubectl_extsvc.probes.curl_answers import answer_of, split_headers
from kubectl_extsvc.probes.curl_exit import CurlExit

_WORDS: tuple[tuple[str, CurlExit], ...] = (
    (r"unable to resolve host|bad address|name or service not known|does not resolve", CurlExit.RESOLVE_HOST),
    (r"certificate", CurlExit.PEER_CERTIFICATE),
    (r"connection refused|no route to host|network is unreachable|can't connect", CurlExit.CONNECT),
    (r"timed out|timeout", CurlExit.TIMEOUT),
    (r"ssl|tls|handshake", CurlExit.TLS_CONNECT),
    (r"reset by peer", CurlExit.RECEIVE),
    (r"no data received|error getting response|server returned empty|unexpected end", CurlExit.EMPTY_REPLY),
    (r"no headers, assuming http/0\.9|bad header", CurlExit.UNSUPPORTED_PROTOCOL),
)
"""What both say when it fails, in the order in which it is looked for."""


def cannot_ask(transfer: Transfer) -> str:
    """Why wget is no help with this transfer, "" if it is."""
    dials_elsewhere = bool(transfer.connect_to or transfer.connect_port)
    if transfer.scheme is Scheme.TCP:
        return "wget cannot connect without sending a request; use a source with curl or python3"
    if transfer.scheme is Scheme.HTTPS and dials_elsewhere:
        return "wget cannot dial another host than the one in an https URL; use a source with curl or python3"
    return ""


def batch(transfer: Transfer, limits: Limits, token: str, form: Form = Form.PARALLEL) -> Batch:
    """One run of wget: GNU's, or busybox's in the classic form. Raises UsageError as curl.batch does."""
    seconds = f"{max(round(limits.probe_timeout), 1)}"
    headers = list(transfer.headers)
    asked = transfer
    if transfer.connect_to or transfer.connect_port:
        # Plain HTTP only: dial the other host and name this one in the Host header.
        asked = replace(
            transfer, host=transfer.connect_to or transfer.host, port=transfer.connect_port or transfer.port
        )
        if not any(name.lower() == "host" for name, _ in headers):
            headers.append(("Host", transfer.host if transfer.port == 80 else f"{transfer.host}:{transfer.port}"))
    sink = "-" if transfer.want_body else "/dev/null"
    lines = [word for name, value in headers for word in ("--header", checked_header(name, value))]
    method = checked_method(transfer.method)
    if form is Form.CLASSIC:
        argv = ["wget", "-S", "-Y", "off", "-T", seconds, "-O", sink, *lines]
        argv += ["--spider"] if method == "HEAD" else []
    else:
        argv = ["wget", "--no-config", "-S", "--no-proxy", "--no-hsts", "--tries=1", "--max-redirect=0"]
        argv += [f"--timeout={seconds}", "-O", sink, *lines]
        argv += ["--no-check-certificate"] if transfer.insecure else []
        argv += [] if method == "GET" else [f"--method={method}"]
    argv.append(curl_url(asked))
    # The name lookup, the connection and each read have the limit for themselves.
    return Batch(Tool.WGET, (transfer,), tuple(argv), b"", token, 3 * limits.probe_timeout, form)


def batches(transfers: Sequence[Transfer], limits: Limits, token: str, form: Form = Form.PARALLEL) -> tuple[Batch, ...]:
    """A run for each transfer that wget can ask; the others are left out (cannot_ask says why)."""
    return tuple(batch(transfer, limits, token, form) for transfer in transfers if not cannot_ask(transfer))


def read_answers(batch: Batch, stdout: bytes, stderr: bytes, exit_code: int | None) -> Reading:
    """The outcome of the one transfer. A retry means that this wget is busybox's. Never raises."""
    transfer = batch.transfers[0]
    if exit_code in MISSING:
        return missing_tool(batch)
    text = stderr[:400_000].decode("utf-8", "replace")
    if batch.form is not Form.CLASSIC and re.search(r"unrecognized option|BusyBox", text[:2000]):
        reason = why_no_answer(batch.tool, stderr, exit_code)
        return Reading((NoAnswer(transfer, reason),), Retry(Tool.WGET, Form.CLASSIC, (transfer,)))
    response = re.search(r"^  (HTTP/(\d(?:\.\d)?) (\d{3}).*(?:\n  .*)*)", text, re.MULTILINE)
    error = _error(text)
    if response is None and exit_code == 0:
        # GNU wget saves whatever comes as HTTP/0.9.
        error = "no headers, assuming HTTP/0.9"
    if response is None and (exit_code in (None, *KILLED) or not error):
        return Reading((NoAnswer(transfer, why_no_answer(batch.tool, stderr, exit_code)),))
    headers = (
        split_headers(re.sub(r"^  ", "", response[1], flags=re.MULTILINE).encode() + b"\n\n")[0] if response else ()
    )
    code = CurlExit.OK if response else _exit_code(error)
    answer = answer_of(
        transfer,
        exit_code=code,
        error="" if response else error,
        status=int(response[3]) if response else 0,
        http_version=response[2] if response else "",
        remote_ip="",
        remote_port=0,
        times=Times(),
        headers=headers,
        body=stdout[:BODY_LIMIT_BYTES],
        # busybox's takes any certificate.
        checks=batch.form is not Form.CLASSIC,
    )
    return Reading((answer or NoAnswer(transfer, why_no_answer(batch.tool, stderr, exit_code)),))


def _exit_code(error: str) -> CurlExit:
    return next((code for words, code in _WORDS if re.search(words, error, re.IGNORECASE)), CurlExit.RECEIVE)


def _error(text: str) -> str:
    """The lines that say what failed, as one."""
    known = "|".join(words for words, _ in _WORDS)
    return one_line(" ".join(line for line in text.split("\n") if re.search(known, line, re.IGNORECASE)), 240)
