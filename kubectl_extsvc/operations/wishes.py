"""What a person may ask of verify and of all that follows aliases. Nothing heavy is imported here, so that flags can be
checked, and a screen be drawn, before the work is loaded."""

from dataclasses import dataclass, field

from kubectl_extsvc.model.source import Candidate

INTERVAL = 10.0
"""Seconds between two looks from one source."""


@dataclass(frozen=True, slots=True)
class ProbeWishes:
    """How the aliases are to be called, and what is right."""

    probe: bool = True
    """False: no request is sent (--no-probe)."""
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    expect_status: tuple[int, ...] = ()
    expect_body: str = ""
    timeout: float = 5.0
    """Seconds for one transfer."""


@dataclass(frozen=True, slots=True)
class SourceWishes:
    """What the user said about where to look from."""

    named: tuple[tuple[str, str, str], ...] = ()
    """(kind, name, namespace) of each --from; kind is pod or one of WORKLOADS, namespace "" is the command's."""
    selector: str = ""
    container: str = ""
    picked: tuple[Candidate, ...] = ()
    """Pods that a person picked from a list, before all else; of one that goes another of its workload stands in."""
    probe_pods: bool = False
    ephemeral: bool = False
    """A source without a tool to ask with gets an ephemeral container."""
    image: str = ""
    """Of what is added; "" for the default."""


@dataclass(frozen=True, slots=True)
class VerifyWishes:
    names: tuple[str, ...] = ()
    all_namespaces: bool = False
    selector: str = ""
    sources: SourceWishes = field(default_factory=SourceWishes)
    asked: ProbeWishes = field(default_factory=ProbeWishes)
    just_changed: bool = False
    """Objects were changed a moment ago, so that what is wrong may be the state before, however old they are."""


@dataclass(frozen=True, slots=True)
class LiveWishes:
    names: tuple[str, ...] = ()
    """Aliases to follow; empty: all of the namespace."""
    all_namespaces: bool = False
    selector: str = ""
    sources: SourceWishes = field(default_factory=SourceWishes)
    asked: ProbeWishes = field(default_factory=ProbeWishes)
    interval: float = INTERVAL
