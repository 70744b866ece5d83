"""A batch of transfers as one run of curl.

Transfers go to curl as a config file on its standard input, so that one exec carries hundreds of them; where the API
server cannot close a command's standard input (before v5.channel.k8s.io, Kubernetes < 1.30), they go into argv, in
chunks. Nothing is ever written to a file: the root file system may be read-only.

Bodies: curl has one stdout, and parallel transfers would mix their bodies there. A batch in which any transfer wants
its body therefore runs one transfer after the other: each body is what stands between two of our marks. Servers cannot
forge a mark, since the token in it never leaves the pod on the wire.

Connections alone (Scheme.TCP): curl has no option for "connect, then stop", telnet:// blocks until the time is up, and
http:// would send a request to something that may not expect one. But an https:// transfer with a client certificate
and ciphers that cannot be loaded fails right after connecting, before a byte is sent (exit codes 58 and 59; tried from
curl 7.61 to 8.22 against silent, talking, TLS and closing servers). What a server says by itself is heard by telnet://
all the same, in a run of its own (Form.LISTEN): with its standard input at an end curl sends nothing, and prints what
comes until the time is up. Only who begins with a telnet command (0xFF 0xFB to 0xFE) gets telnet's answer to it.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from math import ceil
from typing import Never
from urllib.parse import quote

from kubectl_extsvc.errors import UsageError
from kubectl_extsvc.model.probe import Scheme, Transfer
from kubectl_extsvc.probes.batch import Batch, Form, Limits, Tool

Option = tuple[str, str | None]
"""Long name without dashes, and value; None for a switch."""

ARGV_LIMIT_BYTES = 5000
"""For transfers in argv: each argument is a query parameter of the exec URL, and gateways take 8 KiB of URL."""

_TOKEN_CHARACTERS = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOSTNAME = re.compile(r"[0-9A-Za-z_-]+(\.[0-9A-Za-z_-]+)*\.?")
# Control characters, and lone surrogates, which have no bytes.
_UNUSABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")

LISTEN_SECONDS = 0.6
"""For connecting and listening; telnet:// keeps curl from all other transfers, so that they come one by one."""

_AT_ONCE = (Form.PARALLEL, Form.HANDSHAKE)

# Fields of the classic form, in order; known to every curl since 7.50 (http_version).
CLASSIC_FIELDS = (
    "http_code",
    "http_version",
    "remote_ip",
    "remote_port",
    "time_namelookup",
    "time_connect",
    "time_appconnect",
    "time_starttransfer",
    "time_total",
)


def batch(transfers: Sequence[Transfer], limits: Limits, token: str, form: Form = Form.PARALLEL) -> Batch:
    """One run of curl that reads its transfers from standard input.

    token is a fresh secret of letters and digits. A parallel batch becomes sequential if a transfer wants its body.
    Raises UsageError if a host, path, method or header cannot be meant.
    """
    form = _possible(form, transfers)
    blocks = [_options(transfer, limits, _mark(token, place), form) for place, transfer in enumerate(transfers)]
    config = "\nnext\n".join("\n".join(_config_line(option) for option in block) for block in blocks) + "\n"
    argv = (*_command(form, limits), "-K", "-")
    return _batch(transfers, argv, config.encode(), limits, token, form)


def argv_batches(
    transfers: Sequence[Transfer], limits: Limits, token: str, form: Form = Form.PARALLEL
) -> tuple[Batch, ...]:
    """The same without standard input: as many runs as it takes to keep each argv short."""
    chunks: list[list[Transfer]] = []
    size = ARGV_LIMIT_BYTES
    for transfer in transfers:
        weight = sum(len(word) + 1 for word in _arguments(_options(transfer, limits, _mark(token, 0), form)))
        if size + weight > ARGV_LIMIT_BYTES:
            chunks.append([])
            size = 0
        chunks[-1].append(transfer)
        size += weight
    return tuple(_argv_batch(chunk, limits, token, form) for chunk in chunks)


def version_of(text: str) -> tuple[int, int, int] | None:
    """(7, 88, 1) of what `curl --version`, or curl_version in its JSON, says; None if it is no curl."""
    found = re.search(r"\b(?:lib)?curl[/ ](\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def _argv_batch(transfers: Sequence[Transfer], limits: Limits, token: str, form: Form) -> Batch:
    form = _possible(form, transfers)
    words = [_arguments(_options(t, limits, _mark(token, place), form)) for place, t in enumerate(transfers)]
    argv = [*_command(form, limits), *words[0]]
    for more in words[1:]:
        argv += ["--next", *more]
    return _batch(transfers, tuple(argv), b"", limits, token, form)


def _possible(form: Form, transfers: Iterable[Transfer]) -> Form:
    bodies = any(transfer.want_body for transfer in transfers)
    return Form.SEQUENTIAL if form is Form.PARALLEL and bodies else form


def _batch(
    transfers: Sequence[Transfer], argv: tuple[str, ...], stdin: bytes, limits: Limits, token: str, form: Form
) -> Batch:
    at_once = limits.parallel if form in _AT_ONCE else 1
    each = LISTEN_SECONDS if form is Form.LISTEN else limits.probe_timeout
    seconds = ceil(len(transfers) / at_once) * each
    return Batch(Tool.CURL, tuple(transfers), argv, stdin, token, seconds, form)


def _command(form: Form, limits: Limits) -> tuple[str, ...]:
    # -q only counts as the first argument: no .curlrc. -sS: no meter, but errors on stderr.
    # --no-progress-meter: curl 7.88 shows the meter of parallel transfers in spite of -s.
    parallel = ("--parallel", "--parallel-immediate", "--parallel-max", f"{limits.parallel}", "--no-progress-meter")
    return ("curl", "-q", "-sS", *(parallel if form in _AT_ONCE else ()))


def _mark(token: str, place: int) -> str:
    # The place, not the transfer's id: write-out gives "%" and "\" a meaning.
    return f"{token} {place} "


def _options(transfer: Transfer, limits: Limits, mark: str, form: Form) -> list[Option]:
    if form is Form.LISTEN:
        dialled = checked_host(transfer.connect_to or transfer.host)
        return [
            ("url", f"telnet://{dialled}:{checked_port(transfer.connect_port or transfer.port)}"),
            ("noproxy", "*"),
            ("proto", "=telnet"),
            ("max-time", f"{LISTEN_SECONDS:.3f}"),
            ("write-out", _write_out(mark, form)),
        ]
    seconds = f"{limits.probe_timeout:.3f}"
    options: list[Option] = [
        ("url", curl_url(transfer)),
        ("globoff", None),
        ("path-as-is", None),
        # Pods often carry HTTP_PROXY.
        ("noproxy", "*"),
        # No --location: a redirect is an answer.
        ("proto", "=http,https"),
        ("connect-timeout", seconds),
        ("max-time", seconds),
        ("write-out", _write_out(mark, form)),
    ]
    if transfer.connect_to or transfer.connect_port:
        options.append(("connect-to", _connect_to(transfer)))
    if transfer.scheme is Scheme.TCP:
        return [*options, ("output", "/dev/null"), ("cert", "/dev/null"), ("ciphers", "none-at-all")]
    if form is Form.HANDSHAKE:
        # No key has this hash: the connection ends after the handshake (exit code 90), and before the request.
        return [*options, ("output", "/dev/null"), ("insecure", None), ("pinnedpubkey", f"sha256//{'A' * 43}=")]
    if form is Form.CLASSIC:
        options.append(("dump-header", "-"))
    if transfer.want_body and transfer.method != "HEAD":
        # curl cannot stop after 64 KiB without calling it an error; this keeps an endless body small until max-time.
        options.append(("limit-rate", "512K"))
    else:
        options.append(("output", "/dev/null"))
    if transfer.insecure:
        options.append(("insecure", None))
    match checked_method(transfer.method):
        case "GET":
            pass
        case "HEAD":
            options.append(("head", None))
        case method:
            options.append(("request", method))
    for name, value in transfer.headers:
        line = checked_header(name, value)
        # "Name:" would take a header of curl's own away; "Name;" sends it empty.
        options.append(("header", line if value.strip() else f"{name};"))
    return options


def _write_out(mark: str, form: Form) -> str:
    if form is Form.CLASSIC:
        fields = "\\t".join(f"%{{{field}}}" for field in CLASSIC_FIELDS)
        # stderr gets a mark too, after curl's own words about this transfer. Before curl 7.63 there is no %{stderr}:
        # the complaint about it is a mark just as well.
        return f"%{{stderr}}{mark}e\\n%{{stdout}}\\n{mark}w{fields}\\n{mark}.\\n"
    return f"\\n{mark}j%{{json}}\\n{mark}h%{{header_json}}\\n{mark}.\\n"


def curl_url(transfer: Transfer) -> str:
    """The URL, safe to hand to a tool. Raises UsageError."""
    host = checked_host(transfer.host)
    scheme = Scheme.HTTPS if transfer.scheme is Scheme.TCP else transfer.scheme
    path = "/" if transfer.scheme is Scheme.TCP else checked_path(transfer.path)
    return f"{scheme}://{host}:{checked_port(transfer.port)}{path}"


def _connect_to(transfer: Transfer) -> str:
    dialled = checked_host(transfer.connect_to or transfer.host)
    port = checked_port(transfer.connect_port or transfer.port)
    return f"{checked_host(transfer.host)}:{transfer.port}:{dialled}:{port}"


def checked_host(host: str) -> str:
    """A host as it stands in a URL, IPv6 in brackets. Raises UsageError for anything but a name or an address."""
    if ":" in host:
        try:
            return f"[{ip_address(host)}]" if "%" not in host else _refuse("host", host)
        except ValueError:
            _refuse("host", host)
    return host if _is_host(host) else _refuse("host", host)


def is_host_name(host: str) -> bool:
    """Whether a resolver can be asked for it: a name, and no address."""
    return _is_host(host) and not host.replace(".", "").isdigit()


def _is_host(host: str) -> bool:
    return len(host) <= 254 and _HOSTNAME.fullmatch(host) is not None and not host.startswith("-")


def checked_port(port: int) -> int:
    """The port. Raises UsageError beyond 1-65535."""
    return port if 0 < port < 65536 else _refuse("port", str(port))


def checked_path(path: str) -> str:
    """The path and query, percent-encoded where a URL needs it. Raises UsageError."""
    if not path.startswith("/") or _UNUSABLE.search(path):
        _refuse("path", path)
    return quote(path, safe="!#$%&'()*+,-./:;=?@[]_~|^{}\\`\"<>")


def checked_method(method: str) -> str:
    """The request method. Raises UsageError unless it is an HTTP token."""
    return method if _TOKEN_CHARACTERS.fullmatch(method) else _refuse("method", method)


def checked_header(name: str, value: str) -> str:
    """A request header as one line. Raises UsageError for control characters: a line end would start another header."""
    if not _TOKEN_CHARACTERS.fullmatch(name) or _UNUSABLE.search(value):
        # The value may be a secret.
        _refuse("header", name)
    return f"{name}: {value}"


def _refuse(what: str, value: str) -> Never:
    raise UsageError(f"the {what} {value[:100]!a} cannot be used in a probe; nothing was asked")


def _config_line(option: Option) -> str:
    name, value = option
    if value is None:
        return name
    if _UNUSABLE.search(value):
        _refuse(name, value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name} = "{escaped}"'


def _arguments(options: Iterable[Option]) -> list[str]:
    words: list[str] = []
    for name, value in options:
        words += [f"--{name}"] if value is None else [f"--{name}", value]
    return words
