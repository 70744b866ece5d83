"""What curl printed, read as one outcome for each transfer.

Reading never raises: what cannot be read is NoAnswer, and never a pass.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from kubectl_extsvc.mesh.hosts import is_address
from kubectl_extsvc.model.hostile_text import clean, one_line
from kubectl_extsvc.model.probe import (
    Answer,
    Certificate,
    Handshake,
    NoAnswer,
    Outcome,
    Scheme,
    Times,
    Transfer,
    Trust,
)
from kubectl_extsvc.probes.batch import (
    BODY_LIMIT_BYTES,
    HEADER_VALUE_LIMIT,
    HEADERS_LIMIT,
    KILLED,
    MISSING,
    Batch,
    Form,
    Reading,
    Retry,
    Tool,
    missing_tool,
    why_no_answer,
)
from kubectl_extsvc.probes.certificates import certificates_in_pem
from kubectl_extsvc.probes.curl import CLASSIC_FIELDS, version_of
from kubectl_extsvc.probes.curl_exit import AFTER_CONNECTING, CurlExit, meaning


class _Record(NamedTuple):
    """What one transfer printed on stdout, up to its last mark."""

    before: bytes
    """Headers (classic form) and body."""
    parts: Mapping[bytes, bytes]
    """By letter: j JSON, h headers as JSON, w fields of the classic form."""

    @property
    def aborted(self) -> bool:
        """Ended by curl because of another transfer."""
        return _object(self.parts.get(b"j", b"")).get("exitcode") == CurlExit.ABORTED


def read_answers(batch: Batch, stdout: bytes, stderr: bytes, exit_code: int | None) -> Reading:
    """One outcome for each transfer of the batch, and what to ask again in the classic form of an old curl.

    exit_code is that of the whole run, None if the stream was lost: what was printed completely until then counts.
    The run's own exit code says nothing about a single transfer.
    """
    if exit_code in MISSING:
        return missing_tool(batch)
    records = _records(batch.token, stdout)
    silence = why_no_answer(batch.tool, _without_marks(batch.token, stderr), exit_code)
    outcomes: list[Outcome] = []
    again: list[Transfer] = []
    unshown: list[Transfer] = []
    spoken = _spoken(batch.token, records, stderr)
    for place, transfer in enumerate(batch.transfers):
        record = records.get(place)
        if record is None or record.aborted:
            answer, open_ = None, _another_run_helps(batch.form, records, stderr, exit_code)
        elif batch.form is Form.CLASSIC:
            answer, open_ = _classic_answer(transfer, record, spoken.get(place)), False
        else:
            answer, open_ = _json_answer(transfer, record), _json_is_poor(record)
        outcomes.append(answer or NoAnswer(transfer, silence))
        if open_:
            again.append(transfer)
        elif record is not None and answer is not None and _hides_certificates(record, answer):
            unshown.append(transfer)
    retry = Retry(Tool.CURL, Form.CLASSIC, tuple(again)) if again else None
    return Reading(tuple(outcomes), retry, tuple(unshown))


def shown_certificates(batch: Batch, stdout: bytes) -> dict[str, tuple[Certificate, ...]]:
    """Transfer id → the chain, of a batch in the form of a handshake."""
    records = _records(batch.token, stdout)
    chains = {
        transfer.id: _certificates(_object(records[place].parts.get(b"j", b"")))
        for place, transfer in enumerate(batch.transfers)
        if place in records
    }
    return {id: chain for id, chain in chains.items() if chain}


def first_words(batch: Batch, stdout: bytes) -> dict[str, str]:
    """Transfer id → what the server said by itself, of a batch that listens; who said nothing is absent."""
    records = _records(batch.token, stdout)
    heard = {
        transfer.id: one_line(records[place].before[:1000].decode("utf-8", "replace"), 200)
        for place, transfer in enumerate(batch.transfers)
        if place in records
    }
    return {id: words for id, words in heard.items() if words}


def _hides_certificates(record: _Record, answer: Answer) -> bool:
    """Whether this curl could show the certificate that it refused, if it did not refuse it.

    7.88 and later have certs in their JSON; built with OpenSSL they are filled after the handshake only, which a chain
    that is not trusted ends (lib/vtls/openssl.c).
    """
    refused = answer.exit_code == CurlExit.PEER_CERTIFICATE
    known = answer.handshake is not None and answer.handshake.certificates
    return refused and not known and "certs" in _object(record.parts.get(b"j", b""))


def _certificates(fields: Mapping[str, Any]) -> tuple[Certificate, ...]:
    return certificates_in_pem(_text(fields.get("certs")))


def _another_run_helps(form: Form, records: Mapping[int, _Record], stderr: bytes, exit_code: int | None) -> bool:
    """Whether a transfer without answer is worth another run, in the classic form."""
    if exit_code in (None, 0, *KILLED):
        return False
    if not records:
        # curl < 7.66 knows no --parallel, < 7.68 no --parallel-immediate.
        return form is not Form.CLASSIC and exit_code == CurlExit.FAILED_INIT and b"--parallel" in stderr
    # The run ended early, and each further run answers at least one transfer more. curl < 7.66 ends its run at the
    # first transfer that fails. Later ones do so at exit code 27 (is_fatal_error in src/tool_operate.c), which up to
    # curl 8.5 is what a server causes that sends too large headers.
    return True


def _json_is_poor(record: _Record) -> bool:
    """Whether this curl's JSON says less than the classic form would.

    < 7.70: no %{json}. < 7.75: no exit code in it. < 7.83, and 7.83 as it was mostly built: no headers.
    7.83-7.88: headers between two of one name are lost (curl commit 842be672c8, in 8.0.0).
    """
    fields = _object(record.parts.get(b"j", b""))
    if not isinstance(fields.get("exitcode"), int):
        return True
    version = version_of(_text(fields.get("curl_version")))
    if version is None or version >= (8, 0, 0) or fields["exitcode"] or not _whole(fields.get("http_code")):
        return False
    headers = _json_header_pairs(record.parts.get(b"h", b""))
    return not headers or _whole(fields.get("num_headers")) > len(headers)


def _records(token: str, stdout: bytes) -> dict[int, _Record]:
    """Complete records by the place of their transfer."""
    mark = re.escape(token.encode()) + rb" (\d{1,6}) ([a-z.])"
    # The line end before a mark is ours, but for "e", which is meant for stderr and comes on stdout before curl 7.63.
    pieces = re.split(rb"(?:\n(?=" + re.escape(token.encode()) + rb" \d{1,6} [^e]))?" + mark, stdout)
    records: dict[int, _Record] = {}
    parts: dict[bytes, bytes] = {}
    before = pieces[0]
    for place, letter, text in _triples(pieces):
        if letter == b".":
            records.setdefault(place, _Record(before, parts))
            before, parts = text.removeprefix(b"\n"), {}
        else:
            parts[letter] = text
    return records


def _triples(pieces: Sequence[bytes]) -> Iterator[tuple[int, bytes, bytes]]:
    for start in range(1, len(pieces) - 2, 3):
        yield int(pieces[start]), pieces[start + 1], pieces[start + 2]


def _without_marks(token: str, stderr: bytes) -> bytes:
    lines = stderr.splitlines()
    return b"\n".join(line for line in lines if token.encode() not in line and b"--write-out variable" not in line)


# --- JSON ------------------------------------------------------------------------------------------------------------


def _json_answer(transfer: Transfer, record: _Record) -> Answer | None:
    fields = _object(record.parts.get(b"j", b""))
    exit_code = fields.get("exitcode")
    status = _whole(fields.get("http_code", fields.get("response_code")))
    if not isinstance(exit_code, int):
        return None
    error = fields.get("errormsg")
    return answer_of(
        transfer,
        exit_code=exit_code,
        error=error if isinstance(error, str) else "",
        status=status,
        http_version=_text(fields.get("http_version")),
        remote_ip=_text(fields.get("remote_ip")),
        remote_port=_whole(fields.get("remote_port")),
        times=Times(
            namelookup=_seconds(fields.get("time_namelookup")),
            connect=_seconds(fields.get("time_connect")),
            appconnect=_seconds(fields.get("time_appconnect")),
            starttransfer=_seconds(fields.get("time_starttransfer")),
            total=_seconds(fields.get("time_total")),
        ),
        headers=headers_of(_json_header_pairs(record.parts.get(b"h", b""))),
        body=record.before,
        certificates=_certificates(fields),
    )


def _object(text: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(text.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


_STRING = r'"(?:[^"\\]|\\.)*"'
_HEADER = re.compile(rf"({_STRING}):\[((?:{_STRING},?)*)\]", re.DOTALL)


def _json_header_pairs(text: bytes) -> list[tuple[str, str]]:
    # Read leniently, pair by pair: before 8.0.0 curl's JSON of repeated headers could be no JSON.
    pairs: list[tuple[str, str]] = []
    for name, values in _HEADER.findall(text.decode("utf-8", "replace")):
        pairs += [(_string(name), _string(value)) for value in re.findall(_STRING, values, re.DOTALL)]
    return pairs


def _string(quoted: str) -> str:
    try:
        value = json.loads(quoted, strict=False)
    except ValueError:
        return quoted[1:-1]
    return value if isinstance(value, str) else ""


# --- classic ---------------------------------------------------------------------------------------------------------


def _spoken(token_text: str, records: Mapping[int, _Record], stderr: bytes) -> dict[int, tuple[int, str]]:
    """Exit code and words by place: curl says them on stderr before its mark for the transfer."""
    token = token_text.encode()
    spoken: dict[int, tuple[int, str]] = {}
    said = (0, "")
    unmarked = iter(sorted(records))
    for line in stderr.split(b"\n"):
        if found := re.match(rb"curl: \((\d{1,3})\) ?(.*)", line):
            said = (int(found[1]), found[2].decode("utf-8", "replace"))
            continue
        if found := re.match(re.escape(token) + rb" (\d{1,6}) e", line):
            place = int(found[1])
        elif line.startswith(b"curl: unknown --write-out variable: 'stderr'"):
            place = next(unmarked, -1)
        else:
            continue
        spoken[place] = said
        said = (0, "")
    # curl < 7.66 says nothing more after the transfer that ended its run.
    if said != (0, "") and records:
        spoken[max(records)] = said
    return spoken


def _classic_answer(transfer: Transfer, record: _Record, spoken: tuple[int, str] | None) -> Answer | None:
    words = record.parts.get(b"w", b"").decode("utf-8", "replace").strip("\n").split("\t")
    if spoken is None or len(words) != len(CLASSIC_FIELDS):
        return None
    fields = dict(zip(CLASSIC_FIELDS, words, strict=True))
    headers, body = split_headers(record.before)
    exit_code, error = spoken
    return answer_of(
        transfer,
        exit_code=exit_code,
        error=error,
        status=_whole(fields["http_code"]),
        http_version=fields["http_version"],
        remote_ip=fields["remote_ip"],
        remote_port=_whole(fields["remote_port"]),
        times=Times(
            namelookup=_seconds(fields["time_namelookup"]),
            connect=_seconds(fields["time_connect"]),
            appconnect=_seconds(fields["time_appconnect"]),
            starttransfer=_seconds(fields["time_starttransfer"]),
            total=_seconds(fields["time_total"]),
        ),
        headers=headers,
        body=body,
    )


def split_headers(raw: bytes) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """Headers of the last header block at the front of raw (1xx answers come before it), and what follows."""
    pairs: list[tuple[str, str]] = []
    while raw.startswith(b"HTTP/"):
        # A body may begin with "HTTP/" too: only an interim answer is followed by another block.
        status = raw.split(b"\n", 1)[0].split(b" ")[1:2]
        end = re.search(rb"\r?\n\r?\n", raw)
        block, raw = (raw[: end.start()], raw[end.end() :]) if end else (raw, b"")
        pairs = []
        for line in block.decode("utf-8", "replace").split("\n")[1:]:
            name, colon, value = line.partition(":")
            if colon:
                pairs.append((name, value.strip()))
        if not status or not status[0].startswith(b"1"):
            break
    return headers_of(pairs), raw


# --- both ------------------------------------------------------------------------------------------------------------


def headers_of(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Names in lower case, cleaned. Values of one name are joined (RFC 9110 5.3), but for cookies, which come last."""
    joined: dict[str, str] = {}
    cookies: list[tuple[str, str]] = []
    for raw_name, raw_value in pairs[:HEADERS_LIMIT]:
        name = one_line(raw_name, 200).lower()
        value = one_line(raw_value, HEADER_VALUE_LIMIT)
        if not name:
            continue
        if name == "set-cookie":
            cookies.append((name, value))
        else:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return tuple((name, one_line(value, HEADER_VALUE_LIMIT)) for name, value in joined.items()) + tuple(cookies)


def answer_of(
    transfer: Transfer,
    *,
    exit_code: int,
    error: str,
    status: int,
    http_version: str,
    remote_ip: str,
    remote_port: int,
    times: Times,
    headers: tuple[tuple[str, str], ...],
    body: bytes,
    certificates: tuple[Certificate, ...] = (),
    tls_version: str = "",
    alpn: str = "",
    first_words: str = "",
    checks: bool = True,
) -> Answer | None:
    """An answer, with what one tool or another gets wrong put right; None if the tool learnt nothing.

    checks: the tool checks certificates, if it is not told not to.
    """
    if not status and (
        exit_code in (CurlExit.FAILED_INIT, CurlExit.NOT_BUILT_IN)
        or (exit_code == CurlExit.UNSUPPORTED_PROTOCOL and "HTTP/0.9" not in error)
    ):
        # curl itself could not: nothing was learnt about the alias.
        return None
    if not times.connect and (remote_ip or status or exit_code in AFTER_CONNECTING):
        # curl 7.87-7.88 leaves time_connect at 0 if the handshake fails; curl 8 leaves remote_ip empty instead.
        times = Times(times.namelookup, times.total, times.appconnect, times.starttransfer, times.total)
    if transfer.scheme is Scheme.TCP and times.connect and exit_code in AFTER_CONNECTING:
        # Connected; all that came after it was made to fail (see curl.py).
        exit_code, error = 0, ""
        times = Times(times.namelookup, times.connect, 0.0, 0.0, times.connect)
    if not transfer.want_body or transfer.scheme is Scheme.TCP:
        body = b""
    if exit_code == CurlExit.OK and not status and transfer.scheme is not Scheme.TCP:
        # curl < 7.66 takes whatever comes for HTTP/0.9.
        exit_code, error = CurlExit.UNSUPPORTED_PROTOCOL, "Received HTTP/0.9 when not allowed"
    if exit_code == CurlExit.TIMEOUT and status and len(body) >= BODY_LIMIT_BYTES:
        # More body than was wanted: as far as we asked, it came to its end.
        exit_code, error = 0, ""
    if exit_code and (not error or exit_code == CurlExit.OUT_OF_MEMORY):
        error = meaning(exit_code)
    answer = Answer(
        transfer,
        exit_code=int(exit_code),
        error=one_line(error) if exit_code else "",
        status=status,
        http_version=http_version if http_version in ("1.0", "1.1", "2", "3") else "",
        remote_ip=one_line(remote_ip, 64),
        remote_port=max(remote_port, 0),
        times=times,
        headers=headers,
        body=clean(body[:BODY_LIMIT_BYTES].decode("utf-8", "replace"), BODY_LIMIT_BYTES),
        first_words=one_line(first_words, 200) if transfer.scheme is Scheme.TCP else "",
    )
    if transfer.scheme is not Scheme.HTTPS or not answer.connected:
        return answer
    handshake = Handshake(
        # An address is no server name (RFC 6066, 3), and a final dot is not sent.
        sni="" if is_address(transfer.host) else transfer.host.removesuffix("."),
        certificates=certificates,
        trust=_trust(answer) if checks else Trust.NOT_CHECKED,
        version=one_line(tls_version, 20),
        # All curls of today offer h2 and http/1.1, and do not say what was chosen but by what they then speak.
        alpn=one_line(alpn, 40) or ("h2" if answer.http_version == "2" else ""),
    )
    return replace(answer, handshake=handshake)


_NAME_MISMATCH = re.compile(
    r"subject name|target host|host ?name|IP address mismatch|does not match|doesn't match", re.IGNORECASE
)


def _trust(answer: Answer) -> Trust:
    """A name that is not in a certificate says nothing against its chain, which is checked first."""
    if answer.transfer.insecure:
        return Trust.NOT_CHECKED
    if answer.exit_code in (CurlExit.PEER_CERTIFICATE, CurlExit.PEER_CERTIFICATE_OLD):
        return Trust.TRUSTED if _NAME_MISMATCH.search(answer.error) else Trust.UNTRUSTED
    return Trust.TRUSTED if answer.status or answer.times.appconnect > 0 else Trust.NOT_CHECKED


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int:
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else 0
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9 else 0


def _seconds(value: object) -> float:
    if isinstance(value, str):
        # Some locales print a decimal comma.
        text = value.replace(",", ".")
        value = float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,12})?", text) else 0.0
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0.0
    return float(value) if math.isfinite(value) and 0 <= value < 10**9 else 0.0
