"""A resolver in Python for a pod: each query by itself, with what the name server said and how long it took.

The libc's own resolver tells addresses and nothing of the way. The program asks as glibc does (resolv/res_query.c,
res_search): A and AAAA at once for each name of the search list; NXDOMAIN, no data and SERVFAIL lead to the next name,
silence ends it. It must run on Python 3.6, and is sent as the first line of standard input, its question as the second.
"""

import json
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from kubectl_extsvc.model.hostile_text import one_line
from kubectl_extsvc.model.resolution import Attempt, Reply, Resolution
from kubectl_extsvc.probes.python3 import ARGV as ARGV
from kubectl_extsvc.probes.resolv_conf import canonical_address, resolv_conf_of

ATTEMPT_SECONDS = 2.0
"""For one name of the search list, whatever the number of name servers."""
AT_ONCE = 32
MOST_ATTEMPTS = 40
MOST_CNAMES = 16
MOST_ADDRESSES = 64


def stdin_of(names: Sequence[str], conf: str = "/etc/resolv.conf", hosts: str = "/etc/hosts", port: int = 53) -> bytes:
    """What the program reads."""
    question = {
        "names": list(names),
        "conf": conf,
        "hosts": hosts,
        "port": port,
        "seconds": ATTEMPT_SECONDS,
        "at_once": AT_ONCE,
    }
    return f"{json.dumps(PROGRAM)}\n{json.dumps(question)}\n".encode()


def seconds_of(names: Sequence[str]) -> float:
    """The longest that the program takes."""
    return ceil(len(names) / AT_ONCE) * (ATTEMPT_SECONDS + 1)


def resolutions_in(stdout: bytes) -> dict[str, Resolution]:
    """Name → its way; names of which nothing was said whole are absent. Never raises."""
    conf = resolv_conf_of("")
    found: dict[str, Resolution] = {}
    # The last piece is no line: a lost stream may have cut it.
    for line in stdout.split(b"\n")[:-1]:
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            continue
        match said:
            case {"conf": str(text)}:
                conf = resolv_conf_of(text)
            case {"name": str(name), "attempts": list(attempts)}:
                ways = tuple(way for way in map(_attempt, attempts[:MOST_ATTEMPTS]) if way is not None)
                written = conf.addresses_of(name)
                last = ways[-1].name if ways else ""
                addresses = written or tuple(a for way in ways if way.name == last for a in way.addresses)
                found[name] = Resolution(
                    name, "python3", ways, addresses, conf.name_servers, conf.search, conf.ndots, bool(written)
                )
    return found


def _attempt(said: Mapping[str, Any]) -> Attempt | None:
    try:
        addresses = (canonical_address(str(address)) for address in said["addresses"][:MOST_ADDRESSES])
        return Attempt(
            name=one_line(str(said["name"]), 255),
            record="AAAA" if said["record"] == "AAAA" else "A",
            reply=Reply(said["reply"]),
            cnames=tuple(one_line(str(name), 255) for name in said["cnames"][:MOST_CNAMES]),
            addresses=tuple(address for address in addresses if address),
            seconds=min(max(float(said["seconds"]), 0.0), 3600.0),
        )
    except (KeyError, TypeError, ValueError, OverflowError, IndexError, AttributeError):
        return None


PROGRAM = r"""
import json, os, socket, struct, sys, threading, time

asked = json.loads(sys.stdin.readline())
A, CNAME, AAAA = 1, 5, 28
lock = threading.Lock()

def say(thing):
    with lock:
        sys.stdout.write(json.dumps(thing) + chr(10))
        sys.stdout.flush()

def text(path):
    try:
        with open(path, "rb") as file:
            return file.read(200000).decode("utf-8", "replace")
    except OSError:
        return ""

servers, search, ndots, written = [], [], 1, set()
for line in text(asked["conf"]).splitlines():
    words = line.split("#")[0].split(";")[0].split()
    if words[:1] == ["nameserver"] and len(words) > 1:
        servers.append(words[1])
    elif words[:1] == ["search"] or words[:1] == ["domain"]:
        search = [word[:-1] if word.endswith(".") else word for word in words[1:] if word != "."]
    elif words[:1] == ["options"]:
        for word in words[1:]:
            if word.startswith("ndots:") and word[6:].isdigit():
                ndots = min(int(word[6:]), 15)
servers = servers[:3] or ["127.0.0.1"]
for line in text(asked["hosts"]).splitlines():
    written.update(word.lower() for word in line.split("#")[0].split()[1:])
say({"conf": text(asked["conf"]) + chr(10) + text(asked["hosts"])})

def candidates(name):
    if name.endswith("."):
        return [name[:-1]]
    searched = [name + "." + domain for domain in search]
    every = [name] + searched if name.count(".") >= ndots else searched + [name]
    return [one for place, one in enumerate(every) if one not in every[:place]]

def query(ident, name, kind):
    message = struct.pack("!6H", ident, 0x0100, 1, 0, 0, 0)
    for label in name.encode("ascii").split(b"."):
        if not 0 < len(label) < 64:
            raise ValueError(name)
        message += struct.pack("!B", len(label)) + label
    if len(message) > 266:
        raise ValueError(name)
    return message + struct.pack("!BHH", 0, kind, 1)

def name_at(message, place):
    labels, end, jumps = [], None, 0
    while True:
        size = message[place]
        if size >= 192:
            end = place + 2 if end is None else end
            place = (size & 63) * 256 + message[place + 1]
            jumps += 1
            if jumps > 64:
                raise ValueError("a name without end")
        elif size:
            labels.append(message[place + 1:place + 1 + size].decode("utf-8", "replace").lower())
            place += size + 1
        else:
            return ".".join(labels), place + 1 if end is None else end

def read(message, name, kind):
    ident, flags, questions, answers = struct.unpack("!4H", message[:8])
    place = 12
    for _ in range(questions):
        _, place = name_at(message, place)
        place += 4
    leads, found = {}, {}
    for _ in range(answers):
        owner, place = name_at(message, place)
        type_, class_, _, size = struct.unpack("!HHIH", message[place:place + 10])
        data = place + 10
        place = data + size
        if type_ == CNAME:
            leads[owner] = name_at(message, data)[0]
        elif type_ == kind and size == (4 if kind == A else 16):
            family = socket.AF_INET if kind == A else socket.AF_INET6
            found.setdefault(owner, []).append(socket.inet_ntop(family, message[data:place]))
    cnames, here = [], name.lower()
    while here in leads and len(cnames) < 16 and leads[here] not in cnames:
        here = leads[here]
        cnames.append(here)
    addresses = found.get(here, [])
    code = flags & 15
    reply = "found" if addresses else {0: "no data", 3: "NXDOMAIN"}.get(code, "SERVFAIL")
    return {"reply": reply, "cnames": cnames, "addresses": addresses}

def by_tcp(address, family, message, rest):
    with socket.socket(family, socket.SOCK_STREAM) as stream:
        stream.settimeout(rest)
        stream.connect(address)
        stream.sendall(struct.pack("!H", len(message)) + message)
        data = b""
        while len(data) < 2 or len(data) < 2 + struct.unpack("!H", data[:2])[0]:
            more = stream.recv(65536)
            if not more:
                raise OSError("cut")
            data += more
        return data[2:]

def attempt(name):
    began = time.monotonic()
    results = {}
    try:
        ids = {}
        for kind in (A, AAAA):
            ident = struct.unpack("!H", os.urandom(2))[0]
            while ident in ids:
                ident = (ident + 1) % 65536
            ids[ident] = (kind, query(ident, name, kind))
    except ValueError:
        # No resolver would ask for it.
        ids, results = {}, dict((kind, {"reply": "SERVFAIL", "cnames": [], "addresses": []}) for kind in (A, AAAA))
    for number, server in enumerate(servers):
        wanted = dict((i, pair) for i, pair in ids.items() if results.get(pair[0], {"reply": "SERVFAIL"})["reply"]
                      == "SERVFAIL")
        rest = asked["seconds"] - (time.monotonic() - began)
        if not wanted or rest <= 0:
            break
        try:
            family, _, _, _, address = socket.getaddrinfo(server, asked["port"], 0, socket.SOCK_DGRAM)[0]
            ends = time.monotonic() + rest / (len(servers) - number)
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect(address)
                for kind, message in wanted.values():
                    sock.send(message)
                while wanted and time.monotonic() < ends:
                    sock.settimeout(max(ends - time.monotonic(), 0.001))
                    answer = sock.recv(65536)
                    if len(answer) < 12:
                        continue
                    ident, flags = struct.unpack("!HH", answer[:4])
                    if ident not in wanted or not flags & 0x8000:
                        continue
                    kind, message = wanted.pop(ident)
                    try:
                        if flags & 0x0200:
                            answer = by_tcp(address, family, message, max(ends - time.monotonic(), 0.001))
                        results[kind] = read(answer, name, kind)
                    except (ValueError, IndexError, struct.error, OSError):
                        results[kind] = {"reply": "SERVFAIL", "cnames": [], "addresses": []}
                    results[kind]["seconds"] = time.monotonic() - began
        except (OSError, UnicodeError):
            continue
    spent = time.monotonic() - began
    ways = []
    for kind in (A, AAAA):
        way = results.get(kind, {"reply": "no answer", "cnames": [], "addresses": []})
        way["name"], way["record"] = name, "A" if kind == A else "AAAA"
        way.setdefault("seconds", spent)
        ways.append(way)
    return ways

def resolve(name):
    ways = []
    if name.lower().rstrip(".") not in written:
        for one in candidates(name):
            ways += attempt(one)
            if any(way["addresses"] or way["reply"] == "no answer" for way in ways[-2:]):
                break
    say({"name": name, "attempts": ways})

todo = list(asked["names"])
def work():
    while True:
        with lock:
            if not todo:
                return
            name = todo.pop(0)
        try:
            resolve(name)
        except Exception as error:
            sys.stderr.write(type(error).__name__ + ": " + str(error) + chr(10))

threads = [threading.Thread(target=work) for _ in range(min(asked["at_once"], len(todo)))]
for thread in threads:
    thread.daemon = True
    thread.start()
for thread in threads:
    thread.join()
os._exit(0)
"""
