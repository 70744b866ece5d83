"""Prints what curl 8.22 prints for the transfers on its standard input or in its arguments, without any network.

The shape is that of tests/probes/recorded_curls.json, where real curls were recorded.
"""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

from worlds.object_store import Printed, Program


@dataclass(frozen=True)
class Asked:
    """One transfer as curl was given it."""

    url: str
    options: dict[str, str | None]

    @property
    def dialled(self) -> str:
        """Host and port that --connect-to names, else those of the URL."""
        target = self.options.get("connect-to") or ""
        return ":".join(target.split(":")[2:]) if target else re.sub(r"^[a-z]+://([^/]*).*", r"\1", self.url)

    @property
    def connects_only(self) -> bool:
        return self.options.get("ciphers") == "none-at-all"


@dataclass(frozen=True)
class Reply:
    """What a transfer comes to."""

    status: int = 200
    exit_code: int = 0
    error: str = ""
    remote: str = "203.0.113.10:80"
    connect: float = 0.002
    headers: dict[str, str] = field(default_factory=dict)
    certs: str = ""
    """PEM."""


def curl(answer: Callable[[Asked], Reply]) -> Program:
    """A container whose only program is curl."""

    def program(argv: list[str], stdin: bytes) -> Printed:
        if argv[0] != "curl":
            return missing(argv[0])
        transfers = from_config(stdin.decode()) if "-K" in argv else from_argv(argv)
        return "".join(map(_record, ((asked, answer(asked)) for asked in transfers))).encode(), b"", 0

    return program


def missing(name: str) -> Printed:
    """What runc says of a command that is not there (containerd, Kubernetes 1.34), on the streams of the command."""
    said = (
        "OCI runtime exec failed: exec failed: unable to start container process: "
        f'exec: "{name}": executable file not found in $PATH'
    )
    return b"", said.encode(), 127


def from_config(config: str) -> list[Asked]:
    blocks: list[dict[str, str | None]] = [{}]
    for line in config.splitlines():
        if line == "next":
            blocks.append({})
            continue
        name, equals, value = line.partition(" = ")
        blocks[-1][name] = re.sub(r"\\(.)", r"\1", value[1:-1]) if equals else None
    return [Asked(block["url"] or "", block) for block in blocks]


def from_argv(argv: list[str]) -> list[Asked]:
    found: list[Asked] = []
    for chunk in shlex.join(argv[argv.index("--url") :]).split(" --next "):
        words = shlex.split(chunk)
        options: dict[str, str | None] = {}
        for word, following in zip(words, [*words[1:], "--"], strict=True):
            if word.startswith("--"):
                options[word[2:]] = None if following.startswith("--") else following
        found.append(Asked(options["url"] or "", options))
    return found


def _record(transfer: tuple[Asked, Reply]) -> str:
    asked, reply = transfer
    reply = connecting(reply) if asked.connects_only else reply
    address, _, port = reply.remote.rpartition(":")
    connected = reply.connect > 0
    fields = {
        "certs": reply.certs,
        "errormsg": reply.error or None,
        "exitcode": reply.exit_code,
        "http_code": reply.status,
        "http_version": "1.1" if reply.status else "0",
        "num_headers": len(reply.headers),
        "remote_ip": address if connected else "",
        "remote_port": int(port) if connected else -1,
        "response_code": reply.status,
        "time_appconnect": 0.0,
        "time_connect": reply.connect,
        "time_namelookup": 0.0 if reply.exit_code == 6 or reply.error.startswith("Resolving timed out") else 0.001,
        "time_starttransfer": 0.003 if reply.status else 0.0,
        "time_total": 0.004,
        "url": asked.url,
        "curl_version": "libcurl/8.22.0-DEV OpenSSL/3.0.19",
    }
    headers = "{" + ",\n".join(f'"{k}":{json.dumps([v])}' for k, v in reply.headers.items()) + "\n}"
    shown = json.dumps(fields, separators=(",", ":"))
    out = (asked.options["write-out"] or "").replace("\\n", "\n")
    return out.replace("%{json}", shown).replace("%{header_json}", headers)


def connecting(reply: Reply) -> Reply:
    """The end of a transfer that was to connect only: curl 8.22 fails at the ciphers, once it is connected."""
    if reply.connect == 0:
        return reply
    return Reply(0, 59, "failed setting cipher list: none-at-all", reply.remote, reply.connect)
