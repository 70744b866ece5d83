"""What verify found out, ready to be written in any format."""

from dataclasses import dataclass, field

from kubectl_extsvc.model.alias import Alias
from kubectl_extsvc.model.finding import Finding, Judgement, Severity
from kubectl_extsvc.model.observation import Observation, Stage, StageResult, StageState
from kubectl_extsvc.model.snapshot import Mesh, Snapshot, Unread


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One port of an alias, seen from one source."""

    observation: Observation
    stages: tuple[StageResult, ...]
    """One for each Stage, in order."""

    @property
    def incomplete(self) -> bool:
        return any(result.state is StageState.NOT_OBSERVED for result in self.stages)


@dataclass(frozen=True, slots=True)
class AliasReport:
    alias: Alias
    tls: str
    """Mode in effect and who decided, in a few words: SIMPLE by destinationrule/my-pay."""
    sources: tuple[SourceReport, ...]
    judgement: Judgement
    first_difference: Stage | None
    """Δ: the first stage at which two kinds of source differ, after translation; None if they agree."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.judgement.findings


@dataclass(frozen=True, slots=True)
class Report:
    aliases: tuple[AliasReport, ...]
    mesh: Mesh
    seconds: float
    at: str = ""
    """When it was made, RFC 3339, UTC; "" if that is not said."""
    unread: tuple[Unread, ...] = ()
    """Facts that could not be read, each with the right that unlocks it."""
    notes: tuple[str, ...] = ()
    """Said once for the whole run: no plain source, and which flag helps."""
    incomplete: bool = False
    """A stage of a requested source could not be observed, or there was no source at all."""
    snapshot: Snapshot = field(default_factory=Snapshot)
    """The objects that were judged. Not for any output."""

    def worst(self) -> Severity | None:
        found = [finding.severity for alias in self.aliases for finding in alias.findings]
        return min(found, key=lambda severity: severity.rank, default=None)
