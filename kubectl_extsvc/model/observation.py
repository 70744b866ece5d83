"""What one source saw of one port of one alias."""

from dataclasses import dataclass
from enum import StrEnum

from kubectl_extsvc.model.alias import Alias, AliasPort
from kubectl_extsvc.model.probe import Answer, NoAnswer, Outcome, Purpose, Scheme
from kubectl_extsvc.model.resolution import Resolution, ResolutionUnknown
from kubectl_extsvc.model.route import Route, RouteUnknown, RuleDecision
from kubectl_extsvc.model.snapshot import Snapshot
from kubectl_extsvc.model.source import Source


class Stage(StrEnum):
    """How far a request came, in order."""

    NAME = "name"
    DNS = "dns"
    ENDPOINTS = "endpoints"
    ROUTE = "route"
    TLS = "tls"
    HTTP = "http"


WAY = (Stage.NAME, Stage.DNS, Stage.ROUTE, Stage.ENDPOINTS, Stage.TLS, Stage.HTTP)
"""Stages in the order in which a request passes them: a proxy chooses the route before an endpoint."""


class StageState(StrEnum):
    OK = "ok"
    FAILED = "failed"
    PENDING = "pending"
    """Too early to judge: a name younger than the DNS cache time."""
    NOT_SERVED = "not-served"
    """This source is not meant to reach this stage: origination is the sidecar's work."""
    NOT_REACHED = "not-reached"
    """An earlier stage failed."""
    NOT_OBSERVED = "not-observed"
    """Nothing is known. Never a pass: the report is incomplete."""
    NOT_APPLICABLE = "not-applicable"
    """The stage does not exist here: no proxy, no TLS, no HTTP."""


@dataclass(frozen=True, slots=True)
class StageResult:
    stage: Stage
    state: StageState
    text: str = ""
    """What was seen, for a person; one line, cleaned."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What an application at a source should speak to a port of an alias."""

    served: bool
    """False: the port is not meant for this source (origination outside the mesh)."""
    scheme: Scheme
    host: str
    """In the URL: the alias's FQDN, or the target's host for TLS through an Endpoints alias."""
    why: str = ""
    """One line when not served, or when something about the call is special."""
    originates: bool = False
    """The application speaks http, and a sidecar is to make it TLS."""


@dataclass(frozen=True, slots=True)
class AccessLogLine:
    """Of the line that Envoy wrote about a failed probe."""

    flags: frozenset[str]
    """Response flags, for example {"URX", "UF"}."""
    details: str
    """Response code details."""
    transport_failure: str
    """Envoy's upstream transport failure reason, "" if none: TLS_error… CERTIFICATE_VERIFY_FAILED…"""
    upstream_host: str = ""
    envoy_cluster: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    source: Source
    port: AliasPort
    contract: Contract
    outcomes: tuple[Outcome, ...] = ()
    route: Route | RouteUnknown | None = None
    """Read from the sidecar's config dump, or computed (Route.observed is False); None where there is no sidecar."""
    decision: RuleDecision | None = None
    """Computed from the objects; None without a sidecar or without the objects."""
    access_log: AccessLogLine | None = None
    computed: Route | RouteUnknown | None = None
    """What istiod makes of the objects for this source; None where there is no sidecar. Never sold as observed."""
    unread: str = ""
    """Why the proxy could not be read, where the route is computed for want of an observed one."""
    resolution: Resolution | ResolutionUnknown | None = None
    """How the alias's whole name, which the probes call, leads to addresses here; None: not asked."""
    short_resolution: Resolution | ResolutionUnknown | None = None
    """The same for NAME.NAMESPACE, as applications of other namespaces may call it."""
    target_resolution: Resolution | ResolutionUnknown | None = None
    """The same for the target's own name without a final dot, as a pod that calls it by itself would ask."""

    def outcome(self, purpose: Purpose) -> Outcome | None:
        """The first outcome of that purpose."""
        return next((outcome for outcome in self.outcomes if outcome.transfer.purpose is purpose), None)

    def answers(self, purpose: Purpose) -> tuple[Answer, ...]:
        return tuple(o for o in self.outcomes if isinstance(o, Answer) and o.transfer.purpose is purpose)

    @property
    def answer(self) -> Answer | None:
        """The answer to the call of the alias itself, None if nothing is known."""
        outcome = self.outcome(Purpose.ALIAS)
        return outcome if isinstance(outcome, Answer) else None

    @property
    def unanswered(self) -> NoAnswer | None:
        outcome = self.outcome(Purpose.ALIAS)
        return outcome if isinstance(outcome, NoAnswer) else None


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known about one alias; what rules judge."""

    alias: Alias
    snapshot: Snapshot
    observations: tuple[Observation, ...] = ()
    expect_status: tuple[int, ...] = ()
    """--expect-status; empty: anything below 500."""
    expect_body: str = ""
    """--expect-body, a regular expression; "" = not checked."""
    fresh: bool = False
    """The Service is younger than the DNS cache time: an unknown name is PENDING, not an error."""
