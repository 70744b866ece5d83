"""Questions by exec: how many execs, by which tool, and what is made of a missing answer."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from worlds.fake_apiserver import status
from worlds.fake_curl import Asked, Reply, curl, missing
from worlds.object_store import LOST, ObjectStore, Printed, Program

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.model.finding import Fact
from kubectl_extsvc.model.probe import Answer, NoAnswer, Outcome, Purpose, Scheme, Transfer, Trust
from kubectl_extsvc.model.resolution import Attempt, Resolution, ResolutionUnknown
from kubectl_extsvc.model.resolution import Reply as Answered
from kubectl_extsvc.model.snapshot import Unread
from kubectl_extsvc.model.source import MeshMode, Source
from kubectl_extsvc.operations.asking import ask, ask_all, hosts_resolved
from kubectl_extsvc.probes.batch import Limits

WEB = Source("default", "web", "app", MeshMode.SIDECAR)
CRON = Source("shop", "cron", "app", MeshMode.PLAIN)
V4 = ("v4.channel.k8s.io",)
LIMITS = Limits()
CHAIN = Path(__file__).parents[1] / "worlds" / "chain.pem"


def transfers(count: int) -> tuple[Transfer, ...]:
    return tuple(
        Transfer(f"t{number}", Purpose.ALIAS, Scheme.HTTP, f"a{number}.default.svc.cluster.local", 80)
        for number in range(count)
    )


def statuses(outcomes: tuple[Outcome, ...]) -> list[tuple[str, int | str]]:
    """Transfer → HTTP status, or why there is none."""
    return [(o.transfer.id, o.status if isinstance(o, Answer) else o.reason) for o in outcomes]


def by_number(asked: Asked) -> Reply:
    """Status 200 + N for host aN."""
    return Reply(200 + int(asked.url.split("//a")[1].split(".")[0]))


def commands(store: ObjectStore) -> list[str]:
    return [command for _, _, command in store.execs()]


async def test_many_transfers_are_one_exec(store: ObjectStore, cluster: Cluster) -> None:
    store.on_exec("default/web", {"app": curl(by_number)})

    outcomes = await ask(cluster, WEB, transfers(60), LIMITS)

    assert statuses(outcomes) == [(f"t{number}", 200 + number) for number in range(60)]
    assert store.execs() == [("web", "app", "curl")]


async def test_without_transfers_nothing_is_run(store: ObjectStore, cluster: Cluster) -> None:
    assert await ask(cluster, WEB, (), LIMITS) == ()
    assert store.server.requests == []


def python3(argv: list[str], stdin: bytes) -> Printed:
    """What our program prints in an image that has only python3: a line for each transfer."""
    if argv[0] != "python3":
        return missing(argv[0])
    question = json.loads(stdin.splitlines()[1])
    fields = {"exit": 0, "error": "", "status": 204, "version": "1.1", "ip": "203.0.113.10", "port": 80,
              "times": [0.1, 0.2, 0, 0.3, 0.4], "headers": [], "body": "", "certs": [], "tls": "",
              "alpn": "", "first": ""}  # fmt: skip
    lines = (f"{question['token']} {json.dumps({'place': n, **fields})}\n" for n in range(len(question["transfers"])))
    return "".join(lines).encode(), b"", 0


async def test_without_curl_python3_is_asked_once_for_all(store: ObjectStore, cluster: Cluster) -> None:
    store.on_exec("default/web", {"app": python3})

    outcomes = await ask(cluster, WEB, transfers(9), LIMITS)

    assert statuses(outcomes) == [(f"t{number}", 204) for number in range(9)]
    assert commands(store) == ["curl", "python3"]


def busybox(argv: list[str], stdin: bytes) -> Printed:
    """wget of busybox 1.37: it knows none of GNU's long options, and prints headers to stderr."""
    if argv[0] != "wget":
        return missing(argv[0])
    if "--no-config" in argv:
        return b"", b"wget: unrecognized option: no-config\nBusyBox v1.37.0 (2025-08-05) multi-call binary.\n", 1
    return b"", b"Connecting to a (203.0.113.10:80)\n  HTTP/1.1 206 Partial\n  Server: x\n  \n", 0


async def test_without_curl_and_python3_wget_answers_however_many_transfers(
    store: ObjectStore, cluster: Cluster
) -> None:
    store.on_exec("default/web", {"app": busybox})

    outcomes = await ask(cluster, WEB, transfers(12), LIMITS)

    assert statuses(outcomes) == [(f"t{number}", 206) for number in range(12)]
    assert commands(store) == ["curl", "python3"] + ["wget"] * 24


async def test_without_any_tool_the_reason_names_them_and_a_flag(store: ObjectStore, cluster: Cluster) -> None:
    store.on_exec("default/web", {"app": lambda argv, stdin: missing(argv[0])})

    outcomes = await ask(cluster, WEB, transfers(2), LIMITS)

    said = (
        "none of curl, python3, wget, bash is in this container; choose another source with --from, "
        "or use --ephemeral or --probe-pods"
    )
    unlock = "a source with curl, python3, wget or bash (--from, --ephemeral, --probe-pods)"
    assert outcomes == tuple(NoAnswer(transfer, said, unlock) for transfer in transfers(2))


async def test_what_wget_cannot_ask_bash_does(store: ObjectStore, cluster: Cluster) -> None:
    def image(argv: list[str], stdin: bytes) -> Printed:
        if argv[:1] == ["timeout"] and "bash" in argv:
            return b"connected 1.000000 1.002000\n220 mail.test ESMTP\r\n", b"", 0
        return busybox(argv, stdin)

    store.on_exec("default/web", {"app": image})
    asked = (replace(transfers(1)[0], scheme=Scheme.TCP), replace(transfers(2)[1], scheme=Scheme.HTTPS, connect_to="a"))

    bare, encrypted = await ask(cluster, WEB, asked, LIMITS)

    assert isinstance(bare, Answer)
    assert (bare.connected, bare.first_words) == (True, "220 mail.test ESMTP")
    said = "wget cannot dial another host than the one in an https URL; use a source with curl or python3"
    assert encrypted == NoAnswer(asked[1], said, "a source with curl or python3 (--from, --ephemeral, --probe-pods)")


async def test_with_an_old_curl_openssl_shows_the_certificates_of_each_server_once(
    store: ObjectStore, cluster: Cluster
) -> None:
    shown = CHAIN.read_text()
    by_old_curl = curl(lambda asked: Reply(200))

    def image(argv: list[str], stdin: bytes) -> Printed:
        if argv[:3] == ["timeout", "5", "openssl"]:
            return (
                f"CONNECTED(00000003)\n---\nCertificate chain\n{shown}---\nServer certificate\n{shown}".encode(),
                b"",
                0,
            )
        return by_old_curl(argv, stdin)

    store.on_exec("default/web", {"app": image})
    https = replace(transfers(1)[0], scheme=Scheme.HTTPS, host="api.pay.example", port=443, connect_to="10.96.0.9")
    asked = (https, replace(https, id="again", path="/x"), replace(https, id="other", connect_to="203.0.113.20"))

    outcomes = await ask(cluster, WEB, (*asked, transfers(2)[1]), LIMITS)

    chains = [o.handshake.certificates for o in outcomes if isinstance(o, Answer) and o.handshake is not None]
    assert [len(chain) for chain in chains] == [1, 1, 1]
    assert [argv[3:] for argv in argvs(store) if argv[0] == "timeout"] == [
        ["s_client", "-connect", f"{address}:443", "-servername", "api.pay.example", "-showcerts"]
        for address in ("10.96.0.9", "203.0.113.20")
    ]


async def test_without_openssl_an_old_curls_certificates_are_asked_for_once_in_vain(
    store: ObjectStore, cluster: Cluster
) -> None:
    store.on_exec("default/web", {"app": curl(lambda asked: Reply(200))})
    https = replace(transfers(1)[0], scheme=Scheme.HTTPS, host="api.pay.example", port=443)

    outcomes = await ask(cluster, WEB, (https, replace(https, id="b", host="b.example")), LIMITS)

    assert [o.handshake.certificates for o in outcomes if isinstance(o, Answer) and o.handshake] == [(), ()]
    assert commands(store) == ["curl", "timeout"]


def speaking(argv: list[str], stdin: bytes) -> Printed:
    """curl, in a pod whose server at port 2525 speaks first."""
    config = stdin.decode()
    if "telnet://" not in config:
        return curl(lambda asked: Reply(0, 59, "failed setting cipher list", remote="10.96.0.9:2525"))(argv, stdin)
    token = re.search(r"n([0-9a-f]{16}) 0 j%\{json}", config)
    assert token is not None
    return f"220 mail.test \x1b[2JESMTP\r\n\n{token[1]} 0 j{{}}\n{token[1]} 0 .\n".encode(), b"", 0


@pytest.mark.parametrize(
    ("mode", "listens", "heard", "runs"),
    [
        (MeshMode.PLAIN, True, "220 mail.test [2JESMTP", 2),
        (MeshMode.PLAIN, False, "", 1),
        # There Envoy is at the other end, and waits.
        (MeshMode.SIDECAR, True, "", 1),
    ],
)
async def test_curl_listens_where_it_may_tell_something(
    store: ObjectStore, cluster: Cluster, mode: MeshMode, listens: bool, heard: str, runs: int
) -> None:
    store.on_exec("default/web", {"app": speaking})
    bare = replace(transfers(1)[0], scheme=Scheme.TCP, host="mail.shop", port=2525, listen=listens)

    (outcome,) = await ask(cluster, replace(WEB, mode=mode), (bare,), LIMITS)

    assert isinstance(outcome, Answer)
    assert (outcome.connected, outcome.first_words) == (True, heard)
    assert commands(store) == ["curl"] * runs


def argvs(store: ObjectStore) -> list[list[str]]:
    return [
        [value for key, value in seen.query if key == "command"]
        for seen in store.server.requests
        if seen.path.endswith("/exec") and "Upgrade" in seen.headers
    ]


async def test_a_certificate_that_was_refused_unseen_is_looked_at_in_one_more_exec(
    store: ObjectStore, cluster: Cluster
) -> None:
    def answer(asked: Asked) -> Reply:
        if "pinnedpubkey" in asked.options:
            return Reply(0, 90, "SSL: public key does not match pinned public key", certs=shown)
        if asked.url.startswith("https://a1"):
            return Reply(0, 60, "SSL certificate problem: unable to get local issuer certificate", certs="")
        return Reply(200, certs=shown)

    shown = CHAIN.read_text()
    store.on_exec("default/web", {"app": curl(answer)})
    asked = tuple(replace(transfer, scheme=Scheme.HTTPS, port=443) for transfer in transfers(3))

    outcomes = await ask(cluster, WEB, asked, LIMITS)

    seen = [(o.exit_code, o.handshake) for o in outcomes if isinstance(o, Answer)]
    chains = [(code, h.trust, [c.subject for c in h.certificates]) for code, h in seen if h is not None]
    assert chains == [
        (0, Trust.TRUSTED, ["CN = pay.test"]),
        (60, Trust.UNTRUSTED, ["CN = pay.test"]),
        (0, Trust.TRUSTED, ["CN = pay.test"]),
    ]
    assert commands(store) == ["curl", "curl"]


async def test_a_server_that_cannot_end_stdin_gets_arguments(store: ObjectStore, cluster: Cluster) -> None:
    store.on_exec("default/web", {"app": curl(by_number)}, V4)

    outcomes = await ask(cluster, WEB, transfers(40), LIMITS)

    assert statuses(outcomes) == [(f"t{number}", 200 + number) for number in range(40)]
    first, *later = [seen for seen in store.server.requests if "Upgrade" in seen.headers]
    assert ("stdin", "true") in first.query
    assert all(("stdin", "false") in seen.query and ("command", "-K") not in seen.query for seen in later)
    assert 1 < len(later) < 8
    assert max(len(str(seen.query)) for seen in later) < 16_000


async def test_such_a_server_and_no_curl_leave_wget(store: ObjectStore, cluster: Cluster) -> None:
    store.on_exec("default/web", {"app": busybox}, V4)

    assert statuses(await ask(cluster, WEB, transfers(2), LIMITS)) == [("t0", 206), ("t1", 206)]


async def test_a_forbidden_exec_names_the_verbs(store: ObjectStore, cluster: Cluster) -> None:
    said = 'pods "web" is forbidden: User "u" cannot get resource "pods/exec" in API group ""'
    store.server.on("GET", "/api/v1/namespaces/default/pods/web/exec", status(403, "Forbidden", said))

    outcomes = await ask(cluster, WEB, transfers(1), LIMITS)

    verbs = "get and create pods/exec"
    assert outcomes == (NoAnswer(transfers(1)[0], f"{said} (needs get and create on pods/exec)", unlock=verbs),)


async def test_a_lost_status_is_no_answer_and_never_a_pass(store: ObjectStore, cluster: Cluster) -> None:
    store.on_exec("default/web", {"app": lambda argv, stdin: (b"", b"", LOST)})

    outcomes = await ask(cluster, WEB, transfers(1), LIMITS)

    said = "the stream to curl was lost before it answered; run the command again"
    assert outcomes == (NoAnswer(transfers(1)[0], said),)


async def test_what_was_said_before_the_status_was_lost_counts(store: ObjectStore, cluster: Cluster) -> None:
    whole = curl(by_number)

    def torn(argv: list[str], stdin: bytes) -> Printed:
        stdout, stderr, _ = whole(argv, stdin)
        return stdout[: len(stdout) // 2 + 40], stderr, LOST

    store.on_exec("default/web", {"app": torn})

    outcomes = await ask(cluster, WEB, transfers(2), LIMITS)

    assert [isinstance(outcome, Answer) for outcome in outcomes] == [True, False]


HOSTS = ("my-pay.shop", "api.pay.example.")


def getent(address: str) -> Program:
    def run(argv: list[str], stdin: bytes) -> Printed:
        if argv[0] != "getent":
            return curl(by_number)(argv, stdin)
        words = "".join(f"{word if word[:4] == '127.' else address} STREAM {word}\n" for word in argv[2:])
        return words.encode(), b"", 0

    return run


async def test_all_sources_are_asked_everything_and_the_plain_one_knows_outside_hosts_best(
    store: ObjectStore, cluster: Cluster
) -> None:
    store.on_exec("default/web", {"app": getent("240.240.0.1")})
    store.on_exec("shop/cron", {"app": getent("203.0.113.20")})

    replies = await ask_all(cluster, {WEB: transfers(2), CRON: transfers(1)}, HOSTS, LIMITS)

    assert sorted(replies.outcomes) == [("default/web", "t0"), ("default/web", "t1"), ("shop/cron", "t0")]
    assert replies.resolutions == {
        (key, name): Resolution(name, "getent", addresses=(address,))
        for key, address in (("default/web", "240.240.0.1"), ("shop/cron", "203.0.113.20"))
        for name in HOSTS
    }
    assert (replies.resolved, replies.unread) == ({"api.pay.example": ("203.0.113.20",)}, {})


async def test_without_any_resolver_the_lookup_is_unread_and_the_probes_count(
    store: ObjectStore, cluster: Cluster
) -> None:
    store.on_exec("shop/cron", {"app": curl(by_number)})

    replies = await ask_all(cluster, {CRON: transfers(1)}, HOSTS, LIMITS)

    reason = "pod/cron has no tool that tells: none of python3, nslookup, getent"
    unlock = "a source with python3, nslookup or getent (--from, --ephemeral, --probe-pods)"
    assert replies.unread == {Fact.RESOLUTION: Unread(Fact.RESOLUTION, reason, unlock)}
    assert replies.resolutions == {("shop/cron", name): ResolutionUnknown(reason, unlock) for name in HOSTS}
    assert statuses(tuple(replies.outcomes.values())) == [("t0", 200)]


# --- what outside hosts resolve to -----------------------------------------------------------------------------------


def tried(reply: Answered, *addresses: str) -> Resolution:
    return Resolution("a.example.", "python3", (Attempt("a.example", "A", reply, (), addresses),), addresses)


PLAIN = Source("default", "cron", "app", MeshMode.PLAIN)
BEHIND = Source("default", "web", "app", MeshMode.SIDECAR)


@pytest.mark.parametrize(
    ("plain", "behind", "resolved"),
    [
        (tried(Answered.FOUND, "192.0.2.1"), tried(Answered.FOUND, "240.240.0.1"), {"a.example": ("192.0.2.1",)}),
        (tried(Answered.NO_SUCH_NAME), tried(Answered.FOUND, "240.240.0.1"), {"a.example": ()}),
        # No answer is no addresses only where a name server said so.
        (tried(Answered.SILENT), tried(Answered.FOUND, "240.240.0.1"), {"a.example": ("240.240.0.1",)}),
        (tried(Answered.SILENT), tried(Answered.SILENT), {}),
    ],
)
def test_a_host_that_nobody_told_about_in_time_is_not_taken_for_one_without_addresses(
    plain: Resolution, behind: Resolution, resolved: dict[str, tuple[str, ...]]
) -> None:
    ways = {(PLAIN.key, "a.example."): plain, (BEHIND.key, "a.example."): behind}
    found, unread = hosts_resolved((BEHIND, PLAIN), ("a.example.",), ways)
    assert found == resolved
    reasons = {fact: told.reason for fact, told in unread.items()}
    assert reasons == (
        {} if resolved else {Fact.RESOLUTION: "no name server answered pod/cron about a.example in time"}
    )
