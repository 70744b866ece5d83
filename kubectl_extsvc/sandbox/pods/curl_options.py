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

CONFIG, CONNECT_TO, RESOLVE, URL, WRITE_OUT = "config", "connect-to", "resolve", "url", "write-out"


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
        "compressed", "disable", "fail", "globoff", "head", "http1.1", "include", "insecure", "ipv4", "location",
        "next", "no-progress-meter", "parallel", "parallel-immediate", "path-as-is", "show-error", "silent", "verbose",
    )
)  # fmt: skip

_WITH_VALUE: Mapping[str, Callable[[str], bool]] = {
    # How a probe stops after connecting: with a certificate that is none.
    "cert": _one_of("/dev/null"),
    "ciphers": _any,
    CONFIG: _one_of("-"),
    "connect-timeout": _any,
    CONNECT_TO: _any,
    "data": _no_file,
    "dump-header": _one_of("-", "/dev/null"),
    "header": _no_file,
    "limit-rate": _any,
    "max-time": _any,
    "noproxy": _any,
    "output": _one_of("-", "/dev/null"),
    "parallel-max": _any,
    # A hash, not a file with a key.
    "pinnedpubkey": lambda value: value.startswith("sha256//"),
    "proto": _one_of("=http,https"),
    "request": _any,
    RESOLVE: _any,
    "retry": _any,
    # Since curl 8.13, @file reads.
    URL: _no_file,
    "user": _any,
    "user-agent": _any,
    # @file reads, and since curl 8.3 %output{file} writes.
    WRITE_OUT: lambda value: _no_file(value) and "%output{" not in value,
}

_SHORT = {
    "4": "ipv4", "A": "user-agent", "D": "dump-header", "E": "cert", "H": "header", "I": "head", "K": CONFIG,
    "L": "location", "S": "show-error", "X": "request", "Z": "parallel", "d": "data", "f": "fail", "g": "globoff",
    "i": "include", "k": "insecure", "m": "max-time", "o": "output", "q": "disable", "s": "silent", "u": "user",
    "v": "verbose", "w": WRITE_OUT,
}  # fmt: skip

_CONFIG_LINE = re.compile(r'\s*([^\s=:"]+)(?:[\s=:]+"((?:[^"\\]|\\.)*)"|[\s=:]+(\S+))?')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def blocks(words: Sequence[str], config: str) -> tuple[Block, ...]:
    """The options of a command line without its program; config is what `-K -` reads. Raises CurlRefused."""
    rest, every, block = deque(words), list[Block](), list[Option]()
    while rest:
        word = rest.popleft()
        for option in _options_of(word, rest) if word.startswith("-") else [Option(URL, word)]:
            match option:
                case Option("config"):
                    rest.extendleft(reversed([*_config_words(config)]))
                case Option("next"):
                    every.append(tuple(block))
                    block = []
                case _:
                    block.append(option)
    return (*every, tuple(block))


def reads_config(words: Sequence[str]) -> bool:
    """Whether standard input is asked for."""
    return any(pair in (("-K", "-"), ("--config", "-")) for pair in pairwise(words))


def config_text(every: Sequence[Block]) -> str:
    """The same as a config file of curl."""
    return "\nnext\n".join("\n".join(_config_line(option) for option in block) for block in every) + "\n"


def _options_of(word: str, rest: deque[str]) -> Iterator[Option]:
    """Of one word, which may be several short options, and of the words after it that are their values."""
    if word.startswith("--"):
        yield _option(word[2:], word, rest)
        return
    for place, letter in enumerate(word[1:], 2):
        name = _SHORT.get(letter, "")
        if name in _WITH_VALUE:
            if word[place:]:
                rest.appendleft(word[place:])
            yield _option(name, f"-{letter}", rest)
            return
        yield _option(name, f"-{letter}", rest)


def _option(name: str, written: str, rest: deque[str]) -> Option:
    if name in _SWITCHES:
        return Option(name)
    if name not in _WITH_VALUE:
        raise CurlRefused(written, "is not for the pods of this sandbox")
    if not rest:
        raise CurlRefused(written, "requires parameter")
    value = rest.popleft()
    if not _WITH_VALUE[name](value):
        raise CurlRefused(written, "with this value is not for the pods of this sandbox")
    return Option(name, value)


def _config_words(config: str) -> Iterator[str]:
    for line in config.splitlines():
        found = _CONFIG_LINE.match(line)
        if found is None or found[1].startswith("#"):
            continue
        yield f"--{found[1]}"
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
