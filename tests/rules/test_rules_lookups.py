"""A lookup that nobody answered in time is no NXDOMAIN: what is said of it, and when it is an error all the same."""

from typing import Any

import pytest
from worlds.cases import CRON, PASSTHROUGH, PAY_HOST, answer, by_origin, case, name_alias, resolution_of, seen, tried

from kubectl_extsvc.model.finding import Severity
from kubectl_extsvc.model.observation import Case, Observation, Stage, StageState
from kubectl_extsvc.model.probe import Answer, Purpose, Times
from kubectl_extsvc.model.resolution import Reply, Resolution
from kubectl_extsvc.rules import judge
from kubectl_extsvc.rules.stages import stages_of

TIMED_OUT = answer(28, error="Resolving timed out after 5001 milliseconds", times=Times(total=5.001))
WELL = seen(by_origin(200), route=PASSTHROUGH)
FOUND = resolution_of(tried(PAY_HOST, Reply.FOUND, "203.0.113.10"))
SILENT = resolution_of(tried(PAY_HOST, Reply.SILENT))
UNKNOWN = f'the lookup of "{PAY_HOST}" timed out in this pod: it is not known whether the name resolves there'
NOT_KNOWN = ("XS0102", Severity.INFO, UNKNOWN)


def said(judged: Case) -> list[tuple[str, Severity, str]]:
    return [(f.code, f.severity, f.message) for f in judge(judged).findings]


def at(outcome: Answer, way: Resolution | None = None, *more: Answer, **changes: Any) -> Observation:
    return seen(outcome, *more, source=CRON, resolution=way, **changes)


def gave_up(seconds: float = 0.01, error: str = "Could not resolve host") -> Answer:
    return answer(6, error=error, times=Times(total=seconds))


@pytest.mark.parametrize(
    "slow",
    [
        at(TIMED_OUT),
        at(TIMED_OUT, FOUND),
        at(TIMED_OUT, SILENT),
        at(gave_up(5.0)),
        at(gave_up(error="Could not resolve host: x (Temporary failure in name resolution)")),
        at(gave_up(), SILENT),
    ],
    ids=["28", "28, found a moment later", "28 and silence", "6 after 5 s", "6 EAI_AGAIN", "6 and silence"],
)
def test_while_others_are_answered_it_is_only_said_and_the_verdict_is_incomplete(slow: Observation) -> None:
    judged = case(name_alias(), WELL, slow)
    assert said(judged) == [NOT_KNOWN]
    (name, *others) = stages_of(slow, judged)
    assert (name.stage, name.state) == (Stage.NAME, StageState.NOT_OBSERVED)
    assert name.text.startswith("the lookup timed out: curl ")
    assert {result.state for result in others} <= {StageState.NOT_REACHED, StageState.NOT_APPLICABLE}


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        (
            at(TIMED_OUT, resolution_of(tried(PAY_HOST, Reply.NO_SUCH_NAME))),
            f'"{PAY_HOST}" does not resolve in this pod, and does elsewhere',
        ),
        (at(gave_up(5.0), resolution_of(tried(PAY_HOST, Reply.FAILED))), None),
        (at(gave_up()), f'"{PAY_HOST}" does not resolve in this pod, and does elsewhere'),
        (at(gave_up(), FOUND), f'"{PAY_HOST}" does not resolve in this pod, and does elsewhere'),
    ],
    ids=["28 and NXDOMAIN", "6 and SERVFAIL", "6 at once", "6 at once, found by another"],
)
def test_an_answer_that_there_is_no_address_is_an_error_however_long_it_took(
    lost: Observation, message: str | None
) -> None:
    (finding,) = said(case(name_alias(), WELL, lost))
    assert finding[:2] == ("XS0102", Severity.ERROR)
    assert message is None or finding[2] == message


@pytest.mark.parametrize(
    ("ways", "message"),
    [
        ((None, None), f'the lookup of "{PAY_HOST}" times out'),
        ((SILENT, SILENT), "no DNS server answers this pod (10.96.0.10)"),
    ],
)
def test_where_nobody_is_answered_it_is_an_error(ways: tuple[Resolution | None, ...], message: str) -> None:
    behind, plain = (
        seen(TIMED_OUT, route=PASSTHROUGH, resolution=ways[0]), seen(TIMED_OUT, source=CRON, resolution=ways[1])
    )  # fmt: skip
    assert said(case(name_alias(), behind, plain)) == [("XS0102", Severity.ERROR, message)]


def test_a_pod_with_name_servers_of_its_own_that_are_silent_is_an_error() -> None:
    others = resolution_of(tried(PAY_HOST, Reply.SILENT), servers=("192.0.2.53",))
    well = seen(by_origin(200), route=PASSTHROUGH, resolution=FOUND)
    message = "no DNS server answers this pod (192.0.2.53)"
    assert said(case(name_alias(), well, at(TIMED_OUT, others))) == [("XS0102", Severity.ERROR, message)]


def test_one_answer_to_whatever_query_shows_that_the_dns_is_there() -> None:
    other = answer(status=200, purpose=Purpose.TARGET_HOST_HEADER)
    assert said(case(name_alias(), at(TIMED_OUT, None, other))) == [NOT_KNOWN]
    assert said(case(name_alias(), at(TIMED_OUT, FOUND))) == [NOT_KNOWN]


def test_what_our_own_query_got_is_evidence() -> None:
    (finding,) = judge(case(name_alias(), WELL, at(TIMED_OUT, FOUND))).findings
    assert finding.evidence == (
        "curl 28: Resolving timed out after 5001 milliseconds",
        "asked once more: 203.0.113.10, 0.0 s",
    )
