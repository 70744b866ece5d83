"""What a source's lookup of the alias's name came to: an answer, the answer that there is none, or no answer in time.

A resolver that got no answer in time tells its caller little more than one that was told NXDOMAIN: curl says 28 before
a name was found, or 6 if the resolver gave up first. What the name servers said to our own queries tells them apart.
"""

import re

from kubectl_extsvc.model.alias import Form
from kubectl_extsvc.model.observation import Case, Observation
from kubectl_extsvc.model.probe import Answer, Purpose
from kubectl_extsvc.model.resolution import Attempt, Reply, Resolution

_GAVE_UP = re.compile(r"temporary failure|try again|timed? ?out", re.IGNORECASE)
"""EAI_AGAIN in the words of glibc and of musl, and c-ares' ETIMEOUT."""
_RESOLVER_SECONDS = 4.5
"""A resolver gives up after 5 s, if its resolv.conf says no other (resolv.conf(5), musl src/network/res_msend.c)."""
_BY_NAME = (Purpose.ALIAS, Purpose.TARGET_HOST_HEADER)


def targets_of(way: Resolution, case: Case) -> tuple[str, ...]:
    """Names that the alias's name leads to, the last of them last."""
    if case.alias.form is not Form.EXTERNAL_NAME:
        return ()
    return tuple(dict.fromkeys((case.alias.host, *(name for each in way.attempts for name in each.cnames))))


def attempts_of(observation: Observation) -> list[Attempt]:
    """What was asked about the alias's name, and then about the target's own."""
    ways = (observation.resolution, observation.target_resolution)
    return [attempt for way in ways if isinstance(way, Resolution) for attempt in way.attempts]


def has_timed_out(observation: Observation, case: Case) -> bool:
    """Did the call of the alias end before anybody had said whether the name has an address?"""
    answer = observation.answer
    if answer is None or not _is_without_name(answer) or _was_told_no(observation, case):
        return False
    way = observation.resolution
    silent = isinstance(way, Resolution) and way.silent
    gave_up = bool(_GAVE_UP.search(answer.error)) or answer.times.total >= _RESOLVER_SECONDS
    return answer.exit_code == 28 or gave_up or silent


def is_unanswered(observation: Observation, case: Case) -> bool:
    """Is nothing known of the name here, while others were answered by the same name servers? Then its lookup was slow,
    or lost on its way."""
    unknown = has_timed_out(observation, case) and not _has_silent_servers_of_its_own(observation, case)
    return unknown and not _nobody_was_answered(case)


def _has_silent_servers_of_its_own(observation: Observation, case: Case) -> bool:
    way = observation.resolution
    if not isinstance(way, Resolution) or not way.silent:
        return False
    others = [o.resolution for o in case.observations if isinstance(o.resolution, Resolution)]
    answering = {server for other in others if other.addresses for server in other.name_servers}
    return bool(answering) and answering.isdisjoint(way.name_servers)


def _nobody_was_answered(case: Case) -> bool:
    """Did every lookup of every source end so? Then it is no chance: the DNS answers nobody."""
    asked = [observation for observation in case.observations if observation.answer is not None]
    answers = [a for o in asked for purpose in _BY_NAME for a in o.answers(purpose)]
    ways = [o.resolution for o in asked if isinstance(o.resolution, Resolution)]
    return (
        all(has_timed_out(observation, case) for observation in asked)
        and all(map(_is_without_name, answers))
        and not any(way.addresses for way in ways)
    )


def _is_without_name(answer: Answer) -> bool:
    return answer.exit_code == 6 or (answer.exit_code == 28 and answer.times.namelookup <= 0 and not answer.connected)


def _was_told_no(observation: Observation, case: Case) -> bool:
    """Did a name server answer, to a query of ours, that the end of the name has no address, or cannot be found out?"""
    way = observation.resolution
    if not isinstance(way, Resolution) or not way.attempts or way.addresses:
        return False
    if way.silent:
        return False
    ends = targets_of(way, case)[-1:] or (way.attempts[-1].name,)
    of_end = {attempt.reply for attempt in attempts_of(observation) if attempt.name in ends}
    # Of a target outside CoreDNS leaves out what it learnt: then the alias's own name is the last that is known.
    replies = of_end or {attempt.reply for attempt in way.attempts if attempt.name == way.attempts[-1].name}
    return bool(replies) and (Reply.SILENT not in replies or Reply.NO_SUCH_NAME in replies)
