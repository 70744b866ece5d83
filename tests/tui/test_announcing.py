"""--plain: whole outputs of told events, one line a change."""

import os
import subprocess
import sys
from datetime import datetime

import anyio
import pytest
from tui.boards import CRON, NOON, WEB, alias, finding, plain, report, source

from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.live import Asked, Asking, Back, Judged, Known, LiveEvent, Lost, ObjectChanged
from kubectl_extsvc.model.observation import Stage
from kubectl_extsvc.model.resources import DESTINATION_RULES, VIRTUAL_SERVICES, ObjectRef
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.output.style import Style
from kubectl_extsvc.sandbox.running import running
from kubectl_extsvc.tui.announcing import Announcer

PAYMENTS, MAIL = alias("payments", "api.pay.example"), alias("mail", "smtp.example")
AT = datetime.fromtimestamp(NOON).strftime("%H:%M:%S")


def known(*aliases: object, sources: tuple[object, ...] = (WEB, CRON), notes: tuple[str, ...] = ()) -> Known:
    return Known(NOON, aliases, sources, Snapshot(), notes)  # type: ignore[arg-type]


def judged(an_alias: object, web: str, cron: str, *findings: object) -> Judged:
    return Judged(NOON, report(an_alias, (WEB, CRON), (web, cron), *findings), WEB)  # type: ignore[arg-type]


def announced(*events: LiveEvent, style: Style = Style()) -> list[str]:  # noqa: B008, frozen
    """What is said of the events, without the times; the first event's lines, which are Known's, without their own."""
    announcer = Announcer(style, "shop")
    lines = [line for event in events for line in announcer.take(event)]
    assert all(line.startswith(f"{AT}  ") for line in lines), lines
    return [line.removeprefix(f"{AT}  ") for line in lines]


def test_first_there_is_a_summary_and_then_a_line_for_each_change_and_none_for_what_stays() -> None:
    sni = finding(sources=("shop/web",))
    assert announced(
        known(PAYMENTS, MAIL),
        Asking(NOON, WEB, frozenset()),
        judged(PAYMENTS, "-", "38"),  # good, and one pod has not answered: not worth a line yet
        judged(PAYMENTS, "41", "38"),
        judged(PAYMENTS, "52", "12"),  # only other times
        judged(MAIL, "12", "not served"),
        judged(PAYMENTS, "tls", "38", sni),
        judged(PAYMENTS, "tls", "39", sni),
        judged(PAYMENTS, "503", "39", sni),
        judged(PAYMENTS, "40", "39"),
    ) == [
        "namespace shop: 2 aliases, 2 pods to probe from",
        "  from  web.shop (sidecar)",
        "  from  cron.shop (plain)",
        "  1  payments.shop → api.pay.example:80: not probed yet",
        "  2  mail.shop → smtp.example:80: not probed yet",
        "  1  payments.shop → api.pay.example:80: well; well from web.shop (sidecar); well from cron.shop (plain)",
        "  2  mail.shop → smtp.example:80: well; well from web.shop (sidecar); not served from cron.shop (plain)",
        '  1  payments.shop → api.pay.example:80: NOT WELL; XS0403 Envoy sends SNI "payments.shop", the server has no '
        "such name; failed at tls from web.shop (sidecar); well from cron.shop (plain)",
        '  1  payments.shop → api.pay.example:80: NOT WELL; XS0403 Envoy sends SNI "payments.shop", the server has no '
        "such name; failed at 503 from web.shop (sidecar); well from cron.shop (plain)",
        "  1  payments.shop → api.pay.example:80: well; well from web.shop (sidecar); well from cron.shop (plain)",
    ]  # fmt: skip


def test_what_is_bad_is_said_before_all_pods_have_answered() -> None:
    lines = announced(known(PAYMENTS), judged(PAYMENTS, "dns", "-"))
    assert lines[-1] == (
        "  1  payments.shop → api.pay.example:80: NOT WELL; failed at dns from web.shop (sidecar); "
        "not asked from cron.shop (plain)"
    )


def test_what_is_not_known_is_said_in_words_of_its_own() -> None:
    warned = finding("XS0207", "drift", Severity.WARNING, Stage.ENDPOINTS)
    said = [
        announced(known(PAYMENTS), judged(PAYMENTS, what, "9", *findings))[-1].partition(": ")[2]
        for what, findings in (("rbac", ()), ("tool", ()), ("unseen", ()), ("pending", ()), ("9", (warned,)))
    ]
    cron = "; well from cron.shop (plain)"
    assert said == [
        f"NOT WELL; no right to exec from web.shop (sidecar){cron}",
        f"NOT WELL; no tool to probe with from web.shop (sidecar){cron}",
        f"NOT WELL; not known at name from web.shop (sidecar){cron}",
        f"NOT WELL; too early to say from web.shop (sidecar){cron}",
        "NOT WELL; XS0207 warning: drift; warning at ep from web.shop (sidecar); warning at ep from cron.shop (plain)",
    ]


def test_aliases_and_pods_that_come_and_go_are_said_and_numbers_stay() -> None:
    job = plain("job")
    lines = announced(
        known(PAYMENTS, MAIL),
        known(MAIL, notes=("no running plain pod",), sources=(WEB,)),
        known(MAIL, PAYMENTS, notes=("no running plain pod",), sources=(WEB, job)),
        judged(MAIL, "9", "-"),
        Asked(NOON, job, frozenset(), 1.0, "pods/exec is forbidden"),
        Asked(NOON, job, frozenset(), 1.0, "pods/exec is forbidden"),
        Asked(NOON, job, frozenset(), 1.0),
    )
    assert lines[5:] == [
        "  1  payments.shop → api.pay.example:80: is gone",
        "pod cron.shop (plain) is gone",
        "note: no running plain pod",
        "  3  payments.shop → api.pay.example:80: is new",
        "pod job.shop (plain) is probed from, too",
        "pod job.shop (plain) gives no answer: pods/exec is forbidden",
        "pod job.shop (plain) answers again",
    ]


def test_objects_and_the_cluster_itself_are_said_once() -> None:
    rule = ObjectRef("DestinationRule", "shop", "payments")
    lines = announced(
        known(PAYMENTS),
        ObjectChanged(NOON, "MODIFIED", rule, frozenset((PAYMENTS.service,))),
        ObjectChanged(NOON, "DELETED", rule, frozenset()),  # of no alias here
        Lost(NOON, "the connection was refused", NOON + 1),
        Lost(NOON, "the connection was refused", NOON + 2),
        Back(NOON),
        Lost(NOON, "the connection was refused", NOON + 1),
    )
    assert lines[4:] == [
        "destinationrule/payments in namespace shop was changed",
        "the cluster does not answer: the connection was refused",
        "the cluster answers again",
        "the cluster does not answer: the connection was refused",
    ]


@pytest.mark.parametrize("ascii_only", [True, False])
def test_text_from_elsewhere_cannot_speak_to_the_terminal(ascii_only: bool) -> None:
    hostile = finding(message="a\x1b[2Jb\rc\u202ed\x9b1m")
    bad = source("we\x1b]0;x\x07b")
    announcer = Announcer(Style(ascii=ascii_only), "shop")
    lines = [
        *announcer.take(known(PAYMENTS, sources=(bad,), notes=("no\x1b[1m\npod",))),
        *announcer.take(Judged(NOON, report(PAYMENTS, (bad,), ("tls",), hostile), bad)),
        *announcer.take(Asked(NOON, bad, frozenset(), 1.0, "x\x1b[31m\ny")),
        *announcer.take(Lost(NOON, "l\x1b[31m\no", NOON)),
        *announcer.summary(),
    ]
    assert len(lines) > 6
    assert [line for line in lines if not line.isprintable() or (ascii_only and not line.isascii())] == []


async def test_a_run_in_the_sandbox_through_pipes_fixes_what_breaks_without_textual() -> None:
    async with running("healthy") as sandbox:
        env = {**os.environ, "KUBECONFIG": str(sandbox.kubeconfig), "PYTHONPROFILEIMPORTTIME": "1"}
        command = [sys.executable, "-m", "kubectl_extsvc", "tui", "--plain", "--interval", "2s"]
        async with await anyio.open_process(command, env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stderr is not None
            out, stdin = _Lines(process.stdout), process.stdin
            err = _Lines(process.stderr)

            async with anyio.create_task_group() as group:
                group.start_soon(err.drain)
                await out.until("namespace default: 3 aliases, 2 pods to probe from")
                for name in ("my-httpbin", "my-pay", "my-wikipedia"):
                    await out.until(f"{name}.default", "well; ")
                my_pay = next(line.split()[1] for line in out.lines if "my-pay.default" in line)

                out.mark()
                await stdin.send(b"?\n99\n" + f"{my_pay}\n".encode())
                await out.until("q          quit")
                await out.until("there is no such choice")
                await out.until("my-pay.default → api.pay.example:443     Endpoints · SIMPLE")

                out.mark()
                no_name = {"spec": {"trafficPolicy": {"tls": {"sni": None, "subjectAltNames": None}}}}
                to = [{"route": [{"destination": {"host": "my-pay.default.svc.cluster.local"}}]}]
                sandbox.patch(DESTINATION_RULES, "default", "my-pay", no_name)
                sandbox.patch(VIRTUAL_SERVICES, "default", "my-pay", {"spec": {"http": to}})
                await out.until("destinationrule/my-pay in namespace default was changed")
                await out.until("my-pay.default", "NOT WELL; XS0403")

                out.mark()
                await stdin.send(f"f {my_pay}\n".encode())
                await out.until("+       sni: api.pay.example")
                await out.until("Make this change?")
                out.mark()
                await stdin.send(b"y\n")
                await out.until("destinationrule.networking.istio.io/my-pay configured")
                await out.until("my-pay.default", ": well; ")
                await stdin.send(b"q\n")
                assert await process.wait() == 0
    modules = {line.rpartition("|")[2].strip() for line in err.lines}
    assert "kubectl_extsvc.tui.plain" in modules
    assert modules & {"textual", "rich"} == set()
    assert [line for line in out.lines if not line.isprintable()] == []


class _Lines:
    """What a process has said, line by line."""

    def __init__(self, stream: anyio.abc.ByteReceiveStream) -> None:
        self._stream, self._rest, self._from = stream, b"", 0
        self.lines: list[str] = []

    def mark(self) -> None:
        """What was said so far counts no more."""
        self._from = len(self.lines)

    async def until(self, *words: str, seconds: float = 40.0) -> None:
        """Until a line has all the words."""
        with anyio.fail_after(seconds):
            while not any(all(word in line for word in words) for line in self.lines[self._from :]):
                self._take(await self._stream.receive())

    async def drain(self) -> None:
        async for data in self._stream:
            self._take(data)

    def _take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.lines += [line.decode() for line in lines]
