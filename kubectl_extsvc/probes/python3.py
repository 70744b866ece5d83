"""A batch of transfers asked by Python, for images without curl (python:slim has none).

The program is sent as the first line of standard input and the questions as the second, so neither needs standard
input to be closed, and the exec's URL stays short. It knows what a probe needs of HTTP/1.1 and nothing more, and uses
curl's exit codes. It must run on Python 3.6.

What differs from curl: HTTP/1.1 only, and a body that nobody wanted is not read to its end.
"""

import binascii
import json
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from kubectl_extsvc.model.probe import NoAnswer, Outcome, Scheme, Times, Transfer
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
from kubectl_extsvc.probes.certificates import certificates_in_der
from kubectl_extsvc.probes.curl import checked_header, checked_host, checked_method, checked_path, checked_port
from kubectl_extsvc.probes.curl_answers import answer_of, headers_of

LISTEN_SECONDS = 0.3
"""How long a bare connection waits for a server that speaks first."""

# -I: no PYTHON* variables, no modules from the working directory.
ARGV = ("python3", "-I", "-c", "import json,sys;exec(json.loads(sys.stdin.readline()))")


def batch(transfers: Sequence[Transfer], limits: Limits, token: str) -> Batch:
    """One run of python3 for all transfers. Raises UsageError if a host, path, method or header cannot be meant."""
    questions = {
        "token": token,
        "limit": limits.probe_timeout,
        "parallel": limits.parallel,
        "body_bytes": BODY_LIMIT_BYTES,
        "listen": LISTEN_SECONDS,
        "transfers": [_question(transfer) for transfer in transfers],
    }
    stdin = f"{json.dumps(PROGRAM)}\n{json.dumps(questions)}\n".encode()
    seconds = ceil(len(transfers) / limits.parallel) * (limits.probe_timeout + 0.5)
    return Batch(Tool.PYTHON3, tuple(transfers), ARGV, stdin, token, seconds)


def read_answers(batch: Batch, stdout: bytes, stderr: bytes, exit_code: int | None) -> Reading:
    """One outcome for each transfer of the batch. Never raises."""
    if exit_code in MISSING:
        return missing_tool(batch)
    lines: dict[int, Mapping[str, Any]] = {}
    start = f"{batch.token} ".encode()
    # The last piece is no line: a lost stream may have cut it.
    for line in stdout.split(b"\n")[:-1]:
        if not line.startswith(start):
            continue
        try:
            fields = json.loads(line[len(start) :])
        except (ValueError, RecursionError):
            continue
        if isinstance(fields, dict) and isinstance(fields.get("place"), int):
            lines[fields["place"]] = fields
    silence = why_no_answer(batch.tool, stderr[-300:], exit_code)
    outcomes: list[Outcome] = []
    for place, transfer in enumerate(batch.transfers):
        answer = _answer(transfer, lines[place]) if place in lines else None
        outcomes.append(answer or NoAnswer(transfer, silence))
    return Reading(tuple(outcomes))


def _question(transfer: Transfer) -> dict[str, object]:
    checked_host(transfer.host)
    checked_host(transfer.connect_to or transfer.host)
    checked_port(transfer.port)
    for name, value in transfer.headers:
        checked_header(name, value)
    return {
        "scheme": str(transfer.scheme),
        "host": transfer.host,
        "port": transfer.port,
        "dial": transfer.connect_to or transfer.host,
        "dial_port": checked_port(transfer.connect_port or transfer.port),
        "path": "/" if transfer.scheme is Scheme.TCP else checked_path(transfer.path),
        "method": checked_method(transfer.method),
        "headers": list(transfer.headers),
        "insecure": transfer.insecure,
        "body": transfer.want_body,
    }


def _answer(transfer: Transfer, fields: Mapping[str, Any]) -> Outcome | None:
    try:
        namelookup, connect, appconnect, starttransfer, total = (float(seconds) for seconds in fields["times"])
        return answer_of(
            transfer,
            exit_code=int(fields["exit"]),
            error=str(fields["error"]),
            status=int(fields["status"]),
            http_version=str(fields["version"]),
            remote_ip=str(fields["ip"]),
            remote_port=int(fields["port"]),
            times=Times(namelookup, connect, appconnect, starttransfer, total),
            headers=headers_of([(str(name), str(value)) for name, value in fields["headers"]]),
            body=str(fields["body"]).encode("utf-8", "replace"),
            certificates=certificates_in_der(binascii.a2b_base64(der) for der in fields["certs"]),
            tls_version=str(fields["tls"]),
            alpn=str(fields["alpn"]),
            first_words=str(fields["first"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


PROGRAM = """
import base64, json, os, re, socket, ssl, sys, threading, time

class Failed(Exception):
    pass

batch = json.loads(sys.stdin.readline())
lock = threading.Lock()
printed = set()

def say(answer):
    with lock:
        if answer["place"] in printed:
            return
        printed.add(answer["place"])
        sys.stdout.write(batch["token"] + " " + json.dumps(answer) + chr(10))
        sys.stdout.flush()

def blank(place):
    return {"place": place, "exit": 0, "error": "", "status": 0, "version": "", "ip": "", "port": 0,
            "times": [0.0] * 5, "headers": [], "body": "", "certs": [], "tls": "", "alpn": "", "first": ""}

def ask(place, q):
    answer = blank(place)
    began = time.monotonic()
    def reached(stage):
        answer["times"][stage] = max(time.monotonic() - began, 0.000001)
    def left():
        rest = began + batch["limit"] - time.monotonic()
        if rest <= 0:
            raise socket.timeout()
        return rest
    sock = None
    try:
        try:
            found = socket.getaddrinfo(q["dial"], q["dial_port"], 0, socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Failed(6, "Could not resolve host: " + q["dial"])
        reached(0)
        sock = connected(q, found, left)
        answer["ip"], answer["port"] = sock.getpeername()[:2]
        reached(1)
        if q["scheme"] == "https":
            try:
                sock = secured(q, sock, left)
            except Failed as failed:
                if failed.args[0] == 60:
                    answer["certs"] = refused_chain(q, found, left)
                raise
            reached(2)
            answer["certs"] = shown(sock)
            answer["tls"], answer["alpn"] = sock.version() or "", sock.selected_alpn_protocol() or ""
        if q["scheme"] == "tcp":
            answer["first"] = first_words(sock, left)
        else:
            converse(q, sock, left, answer, reached)
    except Failed as failed:
        answer["exit"], answer["error"] = failed.args
    except socket.timeout:
        answer["exit"], answer["error"] = 28, "Operation timed out"
    except OSError as error:
        answer["exit"], answer["error"] = 56, "Recv failure: " + (error.strerror or str(error))
    except Exception as error:
        answer["exit"], answer["error"] = 2, type(error).__name__ + ": " + str(error)
    finally:
        if sock is not None:
            sock.close()
    reached(4)
    say(answer)

def first_words(sock, left):
    sock.settimeout(min(left(), batch["listen"]))
    try:
        return sock.recv(200).decode("utf-8", "replace")
    except OSError:
        return ""

def connected(q, found, left):
    problem = ""
    for number, (family, kind, proto, _, address) in enumerate(found):
        sock = socket.socket(family, kind, proto)
        try:
            rest = left()
            sock.settimeout(rest if number == len(found) - 1 else rest / 2)
            sock.connect(address)
            return sock
        except socket.timeout:
            problem = "timeout"
        except OSError as error:
            problem = error.strerror or str(error)
        sock.close()
    if problem == "timeout":
        raise Failed(28, "Connection timed out")
    raise Failed(7, "Failed to connect to %s port %d: %s" % (q["dial"], q["dial_port"], problem))

def context_of(insecure):
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context

def shown(sock):
    chain = []
    try:
        # Public since Python 3.13, there since 3.10.
        for one in getattr(sock, "_sslobj").get_unverified_chain() or []:
            chain.append(one if isinstance(one, bytes) else one.public_bytes(2))
    except Exception:
        chain = []
    chain = chain or [der for der in [sock.getpeercert(True)] if der]
    return [base64.b64encode(der).decode() for der in chain[:10]]

def refused_chain(q, found, left):
    sock = None
    try:
        sock = connected(q, found, left)
        sock.settimeout(left())
        sock = context_of(True).wrap_socket(sock, server_hostname=q["host"])
        return shown(sock)
    except Exception:
        return []
    finally:
        if sock is not None:
            sock.close()

def secured(q, sock, left):
    sock.settimeout(left())
    try:
        return context_of(q["insecure"]).wrap_socket(sock, server_hostname=q["host"])
    except socket.timeout:
        raise
    except (ssl.SSLError, ssl.CertificateError) as error:
        text = str(error)
        refused = isinstance(error, ssl.CertificateError) or "CERTIFICATE_VERIFY_FAILED" in text
        raise Failed(60 if refused else 35, text)
    except (OSError, ValueError) as error:
        raise Failed(35, "TLS connect error: " + str(error))

def converse(q, sock, left, answer, reached):
    host = "[%s]" % q["host"] if ":" in q["host"] else q["host"]
    if q["port"] != (443 if q["scheme"] == "https" else 80):
        host += ":%d" % q["port"]
    given = set(name.lower() for name, _ in q["headers"])
    usual = [("Host", host), ("User-Agent", "kubectl-extsvc"), ("Accept", "*/*"), ("Connection", "close")]
    headers = [pair for pair in usual if pair[0].lower() not in given] + q["headers"]
    end = chr(13) + chr(10)
    lines = ["%s %s HTTP/1.1" % (q["method"], q["path"])] + ["%s: %s" % tuple(pair) for pair in headers]
    sock.settimeout(left())
    sock.sendall((end.join(lines) + end + end).encode("utf-8"))
    raw = b""
    def more(text):
        sock.settimeout(left())
        return text + sock.recv(65536)
    while True:
        found = re.search(b"\\r?\\n\\r?\\n", raw)
        if found is None:
            if len(raw) > 300000:
                raise Failed(56, "Too large response headers")
            longer = more(raw)
            if raw == b"" and longer != b"":
                reached(3)
            if longer == raw:
                if raw == b"":
                    raise Failed(52, "Empty reply from server")
                if not raw.startswith(b"HTTP/"):
                    raise Failed(1, "Received HTTP/0.9 when not allowed")
                raise Failed(56, "Recv failure: connection closed within the headers")
            raw = longer
            if not raw.startswith(b"HTTP/"[:len(raw)]):
                raise Failed(1, "Received HTTP/0.9 when not allowed")
            continue
        head, raw = raw[:found.start()], raw[found.end():]
        first = re.match(b"HTTP/([0-9.]+) ([0-9]{3})", head)
        if first is None:
            raise Failed(1, "Unsupported HTTP version in response")
        status = int(first.group(2))
        if status // 100 == 1 and status != 101:
            continue
        break
    answer["status"], answer["version"] = status, first.group(1).decode()
    for line in head.decode("utf-8", "replace").split(chr(10))[1:]:
        name, colon, value = line.partition(":")
        if colon:
            answer["headers"].append((name.strip(), value.strip()))
    if q["body"] and q["method"] != "HEAD" and status not in (204, 304):
        answer["body"] = body(dict((n.lower(), v) for n, v in answer["headers"]), raw, more).decode("utf-8", "replace")

def body(headers, raw, more):
    wanted = batch["body_bytes"]
    if headers.get("transfer-encoding", "").lower().endswith("chunked"):
        text = b""
        while len(text) < wanted:
            while b"\\n" not in raw and len(raw) < 1000:
                longer = more(raw)
                if longer == raw:
                    raise Failed(18, "transfer closed with outstanding read data remaining")
                raw = longer
            size, _, raw = raw.partition(b"\\n")
            try:
                size = int(size.split(b";")[0].strip(), 16)
            except ValueError:
                raise Failed(56, "Malformed encoding found in chunked-encoding")
            if size == 0:
                break
            while len(raw) < size + 2 and len(text) + len(raw) < wanted:
                longer = more(raw)
                if longer == raw:
                    raise Failed(18, "transfer closed with outstanding read data remaining")
                raw = longer
            text += raw[:size]
            raw = raw[size + 2:]
        return text[:wanted]
    length = headers.get("content-length", "")
    whole = int(length) if re.match("[0-9]{1,15}$", length) else None
    goal = wanted if whole is None else min(whole, wanted)
    while len(raw) < goal:
        longer = more(raw)
        if longer == raw:
            if whole is not None:
                raise Failed(18, "transfer closed with outstanding read data remaining")
            break
        raw = longer
    return raw[:goal]

todo = list(enumerate(batch["transfers"]))
while todo:
    now, todo = todo[:batch["parallel"]], todo[batch["parallel"]:]
    ends = time.monotonic() + batch["limit"] + 0.4
    threads = [threading.Thread(target=ask, args=pair) for pair in now]
    for thread in threads:
        thread.daemon = True
        thread.start()
    for thread in threads:
        thread.join(max(ends - time.monotonic(), 0))
    for place, q in now:
        late = blank(place)
        late["exit"], late["error"] = 28, "Resolving timed out"
        say(late)
os._exit(0)
"""
