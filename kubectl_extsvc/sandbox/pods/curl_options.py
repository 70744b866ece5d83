"""curl's command line in a pod: what of it is run on the host.

Only what is listed here is. Nothing listed reads or writes a file, keeps state, uses a proxy, or speaks anything but
HTTP; curl's own words and exit code 2 answer the rest.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

FAILED_INIT = 2

CONNECT_TO, RESOLVE, URL, WRITE_OUT = "connect-to", "resolve", "url", "write-out"


class CurlRefused(Exception):
    """str() is what curl would write to stderr, without the last line end."""

    def __init__(self, option: str, words: str) -> None:
        super().__init__(
            f"curl: option {option}: {words}\ncurl: try 'curl --help' or 'curl --manual' for more information"
        )


@dataclass(frozen=True, slots=True)
class Option:
    name: str
    """Long, without dashes."""
    value: str | None = None
    """None for a switch."""


Block = tuple[Option, ...]
"""The options between two --next."""


def _any(_: str) -> bool:
    return True


def _no_file(value: str) -> bool:
    return not value.startswith("@")


def _one_of(*values: str) -> Callable[[str], bool]:
    return lambda value: value in values


_SWITCHES = frozenset(
    (
        "anyauth", "basic", "compressed", "disable", "fail", "fail-early", "fail-with-body", "get", "globoff",
        "head", "http0.9", "http1.0", "http1.1", "http2", "http2-prior-knowledge", "include", "insecure", "ipv4",
        "location", "next", "no-buffer", "no-keepalive", "parallel", "parallel-immediate", "path-as-is",
        "progress-bar", "progress-meter", "raw", "show-error", "show-headers", "silent", "ssl-no-revoke",
        "styled-output", "tcp-nodelay", "tlsv1", "tlsv1.2", "tlsv1.3", "verbose",
    )
)  # fmt: skip

_WITH_VALUE: Mapping[str, Callable[[str], bool]] = {
    "cacert": _one_of("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem", "/cacert.pem"),
    # How a probe stops after connecting: with a certificate that is none.
    "cert": _one_of("/dev/null"),
    "ciphers": _any,
    "connect-timeout": _any,
    CONNECT_TO: _any,
    "data": _no_file,
    "data-ascii": _no_file,
    "data-binary": _no_file,
    "data-raw": _any,
    "dump-header": _one_of("-", "/dev/null"),
    "expect100-timeout": _any,
    "header": _no_file,
    "json": _no_file,
    "limit-rate": _any,
    "max-filesize": _any,
    "max-redirs": _any,
    "max-time": _any,
    "noproxy": _any,
    "output": _one_of("-", "/dev/null"),
    "parallel-max": _any,
    "proto": _one_of("=http,https", "=https", "=http"),
    "proto-default": _one_of("http", "https"),
    "range": _any,
    "referer": _any,
    "request": _any,
    RESOLVE: _any,
    "retry": _any,
    "retry-delay": _any,
    "retry-max-time": _any,
    "tls-max": _any,
    # Since curl 8.13, @file reads.
    URL: _no_file,
    "user": _any,
    "user-agent": _any,
    # @file reads, and since curl 8.3 %output{file} writes.
    WRITE_OUT: lambda value: _no_file(value) and "%output{" not in value,
}

_SHORT = {
    "0": "http1.0", "4": "ipv4", "A": "user-agent", "D": "dump-header", "E": "cert", "G": "get", "H": "header",
    "I": "head", "K": "config", "L": "location", "N": "no-buffer", "S": "show-error", "X": "request", "Z": "parallel",
    "d": "data", "e": "referer", "f": "fail", "g": "globoff", "i": "include", "k": "insecure", "m": "max-time",
    "o": "output", "q": "disable", "r": "range", "s": "silent", "u": "user", "v": "verbose", "w": "write-out",
    ":": "next", "#": "progress-bar",
}  # fmt: skip

_CONFIG_LINE = re.compile(r'\s*(-\S+|[^\s=:]+)[\s=:]*(?:"((?:[^"\\]|\\.)*)"|(\S+))?')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "v": "\v"}


def blocks(words: Sequence[str], config: str) -> tuple[Block, ...]:
    """The options of a command line without its program; config is what `-K -` reads. Raises CurlRefused."""
    rest, every, block = deque(words), list[Block](), list[Option]()
    positional = False
    while rest:
        word = rest.popleft()
        if word == "--":
            positional = True
            continue
        if positional or not word.startswith("-") or word == "-":
            block.append(Option(URL, word))
            continue
        for option in _options_of(word, rest):
            match option:
                case Option("config"):
                    rest.extendleft(reversed([*_config_words(config)]))
                case Option("next"):
                    every.append(tuple(block))
                    block = []
                case _:
                    block.append(option)
    return (*every, tuple(block))


def asks_for_help(words: Sequence[str]) -> str | None:
    """--version or --help, if that is all that is asked."""
    named = {"-V": "--version", "--version": "--version", "-h": "--help", "--help": "--help"}
    return next((named[word] for word in words[:1] if word in named), None)


def reads_config(words: Sequence[str]) -> bool:
    """Whether standard input is asked for."""
    return "-K-" in words or any(pair in (("-K", "-"), ("--config", "-")) for pair in pairwise(words))


def config_text(every: Sequence[Block]) -> str:
    """The same as a config file of curl."""
    return "\nnext\n".join("\n".join(_config_line(option) for option in block) for block in every) + "\n"


def _options_of(word: str, rest: deque[str]) -> Iterator[Option]:
    """Of one word, which may be several short options, and of the words after it that are their values."""
    if word.startswith("--"):
        yield _option(word[2:], word, None, rest)
        return
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        name = _SHORT.get(letter)
        if name is None:
            raise CurlRefused(f"-{letter}", _NOT_HERE if letter.isalnum() else "is unknown")
        has_value = name == "config" or name in _WITH_VALUE
        yield _option(name, f"-{letter}", letters if has_value and letters else None, rest)
        if has_value:
            return


_NOT_HERE = "is not for the pods of this sandbox"


def _option(name: str, written: str, value: str | None, rest: deque[str]) -> Option:
    if name in _SWITCHES or (name.startswith("no-") and name[3:] in _SWITCHES):
        return Option(name)
    if name != "config" and name not in _WITH_VALUE:
        raise CurlRefused(written, _NOT_HERE)
    if value is None and not rest:
        raise CurlRefused(written, "requires parameter")
    value = rest.popleft() if value is None else value
    allowed = value == "-" if name == "config" else _WITH_VALUE[name](value)
    if not allowed or "\0" in value:
        raise CurlRefused(written, f"with this value {_NOT_HERE}")
    return Option(name, value)


def _config_words(config: str) -> Iterator[str]:
    for line in config.splitlines():
        found = _CONFIG_LINE.match(line)
        if found is None or found[1].startswith("#"):
            continue
        yield found[1] if found[1].startswith("-") else f"--{found[1]}"
        if found[2] is not None:
            yield re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), found[2])
        elif found[3] is not None:
            yield found[3]


def _config_line(option: Option) -> str:
    if option.value is None:
        return option.name
    escaped = option.value.replace("\\", "\\\\").replace('"', '\\"')
    for letter, character in _ESCAPES.items():
        escaped = escaped.replace(character, f"\\{letter}")
    return f'{option.name} = "{escaped}"'
