"""curl in a pod: the host's real curl, led to the loopback ports that play what it asks for.

Host header, SNI and the check of the certificate stay true, since the host in a URL is never changed: --connect-to and
--resolve lead each (host, port) to its loopback port, and everything else to a name that no resolver can be asked for.
What curl says about addresses and ports is translated back: in write-out by marks that only this run knows, in its
words (-v, errors) by the loopback ports in them.

Of several addresses a pod without a sidecar takes the first that does not refuse, as curl does by trying; but curl
would in the end also leave one that is silent.
"""

import asyncio
import os
import re
import secrets
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import anyio

from kubectl_extsvc.mesh.hosts import is_address
from kubectl_extsvc.sandbox.outside import pki
from kubectl_extsvc.sandbox.outside.network import LOOPBACK, Pair
from kubectl_extsvc.sandbox.pods.curl_options import (
    CONNECT_TO,
    FAILED_INIT,
    RESOLVE,
    URL,
    WRITE_OUT,
    Block,
    CurlRefused,
    Option,
    blocks,
    config_text,
    reads_config,
)

Write = Callable[[int, bytes], Awaitable[None]]
STDOUT, STDERR = 1, 2
CA_IN_POD = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True)
class Standpoint:
    """Where curl runs."""

    pod_ip: str
    addresses: Callable[[str], Sequence[str]]
    """What a host resolves to there; an address is its own answer."""
    local_port: Callable[[Sequence[str], int, int], Awaitable[tuple[str, int]]]
    """(addresses, port, turn) → the address that curl reaches, and the loopback port where it is. Another turn may be
    another endpoint."""


@dataclass(frozen=True, slots=True)
class Dialled:
    """What a loopback port is to curl."""

    name: str
    address: str
    port: int
    local_port: int

    @property
    def plain_name(self) -> str:
        """What curl is told to connect to. It drops a final dot, and does not ask its cache for addresses."""
        return LOOPBACK if is_address(self.name.strip("[]")) else self.name.removesuffix(".")


@dataclass(slots=True)
class Run:
    """One run of curl: what its words are translated by."""

    token: str
    pod_ip: str
    dialled: list[list[Dialled]] = field(default_factory=list)
    """By block."""
    unresolved: list[str] = field(default_factory=list)
    """Names, by their place in stand-ins."""


_HOST = r"\[[^\]]*\]|[^:\[\]]*"
_CONNECT_TO_VALUE = re.compile(rf"({_HOST}):(\d*):({_HOST}):(\d*)")
_RESOLVE_VALUE = re.compile(rf"\+?({_HOST}):(\d+):(.+)")
_URL_VALUE = re.compile(
    r"(?:(https?)://)?(?:[^/?#@]*@)?(\[[^\]]+\]|[^/?#:@\\\[\]\s]+)(?::(\d{1,5}))?(?:[/?#]|$)", re.IGNORECASE
)


async def run_curl(
    words: Sequence[str], stdin: AsyncIterator[bytes] | None, standpoint: Standpoint, write: Write
) -> int:
    """Run curl with these arguments; gives its exit code. The host must have curl (see available)."""
    if words[:1] in (["--version"], ["-V"]):
        return await _run_on_host(words[:1], b"", partial(write, STDOUT), partial(write, STDERR))
    config = ""
    if reads_config(words) and stdin is not None:
        config = b"".join([chunk async for chunk in stdin]).decode(errors="surrogateescape")
    try:
        every = blocks(words, config)
    except CurlRefused as refusal:
        await write(STDERR, f"{refusal}\n".encode(errors="surrogateescape"))
        return FAILED_INIT
    run = Run(f"~{secrets.token_hex(12)}~", standpoint.pod_ip)
    parallel = any(option.name == "parallel" for block in every for option in block)
    led = [await _led(block, place if parallel else 0, standpoint, run) for place, block in enumerate(every)]
    text = config_text(led).encode(errors="surrogateescape")
    out = translated(STDOUT, write, run, lines=False)
    err = translated(STDERR, write, run, lines=True)
    return await _run_on_host(["-K", "-"], text, out, err)


def available() -> bool:
    """Whether the host has curl."""
    return shutil.which("curl") is not None


# --- the way there ---------------------------------------------------------------------------------------------------


async def _led(block: Block, turn: int, standpoint: Standpoint, run: Run) -> Block:
    """A block whose connections all end on loopback."""
    led: list[Option] = []
    dialled: list[Dialled] = []
    for host, port in dict.fromkeys(destinations(block)):
        name, dialled_port, addresses = _dialled_as(host, port, block, standpoint)
        if not addresses:
            led.append(Option(CONNECT_TO, f"{host}:{port}:{_stand_in(name, run)}:"))
            continue
        address, local_port = await standpoint.local_port(addresses, dialled_port, turn)
        dialled.append(Dialled(name, address, dialled_port, local_port))
        plain = dialled[-1].plain_name
        led.append(Option(CONNECT_TO, f"{host}:{port}:{plain}:{local_port}"))
        if plain != LOOPBACK:
            led.append(Option(RESOLVE, f"{plain}:{local_port}:{LOOPBACK}"))
    # What a redirect may lead to.
    led.append(Option(CONNECT_TO, f"::{_stand_in('', run)}:"))
    place = len(run.dialled)
    run.dialled.append(dialled)
    for option in block:
        if option.name == WRITE_OUT and option.value is not None:
            led.append(Option(WRITE_OUT, marked(option.value, run.token, place)))
        elif option.name not in (CONNECT_TO, RESOLVE):
            led.append(option)
    return (
        Option("proto", "=http,https"),
        Option("proto-redir", "=http,https"),
        Option("proto-default", "http"),
        Option("noproxy", "*"),
        Option("globoff"),
        Option("cacert", str(pki.CA)),
        *led,
    )


def destinations(block: Block) -> Iterable[Pair]:
    """(host, port) of a block's URLs; with --location also the other port that HTTP has, where a redirect may lead."""
    location = any(option.name == "location" for option in block)
    for option in block:
        found = _URL_VALUE.match(option.value or "") if option.name == URL else None
        if found is None:
            continue
        default = 443 if (found[1] or "").lower() == "https" else 80
        yield found[2], int(found[3] or default)
        if location:
            yield from ((found[2], 80), (found[2], 443))


def _dialled_as(host: str, port: int, block: Block, standpoint: Standpoint) -> tuple[str, int, Sequence[str]]:
    """Name, port and addresses that curl would connect to, after the block's own --connect-to and --resolve."""
    name, dialled_port = host, port
    for option in block:
        found = _CONNECT_TO_VALUE.fullmatch(option.value or "") if option.name == CONNECT_TO else None
        if found and found[1].lower() in ("", host.lower()) and found[2] in ("", str(port)):
            name, dialled_port = found[3] or host, int(found[4] or port)
            break
    for option in block:
        given = _RESOLVE_VALUE.fullmatch(option.value or "") if option.name == RESOLVE else None
        if given and given[1].lower() in ("*", name.lower()) and given[2] == str(dialled_port):
            addresses = [address.strip("[]") for address in given[3].split(",")]
            return name, dialled_port, [address for address in addresses if is_address(address)]
    return name, dialled_port, standpoint.addresses(name.strip("[]"))


def _stand_in(name: str, run: Run) -> str:
    """A name in place of one that does not resolve: its label is too long for a resolver to ask anybody (RFC 1035)."""
    run.unresolved.append(name)
    return f"unresolved-{len(run.unresolved) - 1}-{'x' * 64}"


# --- what it says ----------------------------------------------------------------------------------------------------

_VARIABLE = re.compile(r"%%|%\{(\w+)\}")
_MARKED = ("remote_ip", "remote_port", "errormsg", "json")


def marked(write_out: str, token: str, place: int) -> str:
    """A write-out format that says where addresses stand in what comes of it, and in which block."""

    def mark(found: re.Match[str]) -> str:
        name = found[1]
        if name not in _MARKED:
            return found[0]
        content = "%{remote_ip} %{remote_port}" if name in ("remote_ip", "remote_port") else f"%{{{name}}}"
        return f"{token}{place} {name} {content}{token}"

    return _VARIABLE.sub(mark, write_out)


def translated(channel: int, write: Write, run: Run, *, lines: bool) -> Callable[[bytes], Awaitable[None]]:
    """Takes what curl writes, b"" at its end, and passes it on as the pod's curl would have written it."""
    token = run.token.encode()
    words = _Words(run)
    held = b""

    def plain(text: bytes) -> bytes:
        if not lines:
            return text
        return b"".join(words.line(line).encode(errors="surrogateescape") for line in _lines(text))

    async def take(data: bytes) -> None:
        nonlocal held
        held += data
        passed: list[bytes] = []
        while True:
            before, start, rest = held.partition(token)
            marked_text, end, after = rest.partition(token)
            if start and end:
                # Text before a mark is the end of a transfer's words, with or without a line end.
                passed += [plain(before), _unmarked(marked_text.decode(errors="surrogateescape"), run, words)]
                held = after
                continue
            # What may be the beginning of a token, or of a line, waits for more.
            safe = len(held) if not data else _safe_length(before, token, complete=bool(start), lines=lines)
            passed.append(plain(held[:safe]))
            held = held[safe:]
            break
        if text := b"".join(passed):
            await write(channel, text)

    return take


def _safe_length(text: bytes, token: bytes, *, complete: bool, lines: bool) -> int:
    if lines:
        return max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
    if complete:
        return len(text)
    ends = (len(text) - size for size in range(len(token) - 1, 0, -1) if text.endswith(token[:size]))
    return next(ends, len(text))


def _lines(text: bytes) -> Iterable[str]:
    return re.split(r"(?<=[\n\r])", text.decode(errors="surrogateescape"))


def _unmarked(text: str, run: Run, words: "_Words") -> bytes:
    place, name, content = text.split(" ", 2)
    of_block = run.dialled[int(place)]
    match name:
        case "remote_ip" | "remote_port":
            address, _, port = content.partition(" ")
            dialled = _meant(of_block, int(port or 0), "")
            address, port = (dialled.address, str(dialled.port)) if dialled else (address, port)
            said = address if name == "remote_ip" else port
        case "errormsg":
            said = words.translated(content, of_block)
        case _:
            said = _translated_json(content, of_block, words)
            said = re.sub(rf'("local_ip":\s*)"{re.escape(LOOPBACK)}"', rf'\g<1>"{run.pod_ip}"', said)
    return said.encode(errors="surrogateescape")


def _translated_json(text: str, of_block: Sequence[Dialled], words: "_Words") -> str:
    text = _JSON_ERROR.sub(lambda error: words.translated(error[0], of_block), text)
    found = _JSON_REMOTE_PORT.search(text)
    if found and (dialled := _meant(of_block, int(found[1]), text)):
        text = f"{text[: found.start(1)]}{dialled.port}{text[found.end(1) :]}"
        text = re.sub(r'("remote_ip":\s*)"[^"]*"', rf'\g<1>"{dialled.address}"', text)
    return text


def _meant(every: Iterable[Dialled], local_port: int, text: str) -> Dialled | None:
    """What a loopback port is; if it is several things, the one that the text names."""
    known = [dialled for dialled in every if dialled.local_port == local_port]
    named = (dialled for dialled in known if dialled.plain_name in text)
    return next(named, known[0] if known else None)


_JSON_ERROR = re.compile(r'"errormsg":\s*"(?:[^"\\]|\\.)*"')
_JSON_REMOTE_PORT = re.compile(r'"remote_port":\s*(\d+)')
_STAND_IN = re.compile(r"unresolved-(\d+)-x{64}")
_OF_OUR_OPTIONS = re.compile(
    r"\* (Added \S+ to DNS cache|Hostname \S+ was found in DNS cache|RESOLVE |Connecting to (hostname|port): )"
)
_PORT = re.compile(r"(?:port:? |:)(\d+)\b")


class _Words:
    """Translates what curl says on stderr; keeps which connection it speaks of, since not every line names its port."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._every = [dialled for block in run.dialled for dialled in block]
        self._current: Dialled | None = None

    def line(self, line: str) -> str:
        """A line with its end, or ""."""
        if line[:1] in ("<", ">", "{", "}"):
            return line
        translated = self.translated(line, self._every)
        ours = _OF_OUR_OPTIONS.search(line)
        # What stands before may be of the progress meter.
        return line[: ours.start()] if ours else translated

    def translated(self, text: str, candidates: Sequence[Dialled]) -> str:
        """Words about one of these connections."""
        text = _STAND_IN.sub(lambda found: self._run.unresolved[int(found[1])] or "(elsewhere)", text)
        text = text.replace(str(pki.CA), CA_IN_POD)
        for port in map(int, _PORT.findall(text)):
            self._current = _meant(candidates, port, text) or self._current
        dialled = self._current
        if dialled is None or not (LOOPBACK in text or "(nil)" in text or str(dialled.local_port) in text):
            return text
        text = text.replace(f"from {LOOPBACK}", f"from {self._run.pod_ip}").replace("(nil)", dialled.name)
        text = re.sub(rf"\b{dialled.local_port}\b", str(dialled.port), text)
        text = text.replace(f"{LOOPBACK} ({LOOPBACK})", f"{dialled.name} ({dialled.address})")
        return text.replace(LOOPBACK, dialled.address)


# --- the process -----------------------------------------------------------------------------------------------------


async def _run_on_host(
    words: Sequence[str],
    stdin: bytes,
    out: Callable[[bytes], Awaitable[None]],
    err: Callable[[bytes], Awaitable[None]],
) -> int:
    # No proxies, no ~/.curlrc, nothing of the user's; -q counts as the first argument only.
    environment = {"PATH": os.environ.get("PATH", os.defpath)}
    process = await asyncio.create_subprocess_exec(
        "curl", "-q", *words, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_feed(process, stdin))
            tasks.create_task(_pass(process.stdout, out))
            tasks.create_task(_pass(process.stderr, err))
        return await process.wait()
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


async def _feed(process: Process, stdin: bytes) -> None:
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.write(stdin)
        await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


async def _pass(stream: asyncio.StreamReader, take: Callable[[bytes], Awaitable[None]]) -> None:
    while data := await stream.read(65536):
        await take(data)
    await take(b"")
