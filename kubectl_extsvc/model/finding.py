"""A judged fact."""

from dataclasses import dataclass
from enum import StrEnum

from kubectl_extsvc.model.fix import Step
from kubectl_extsvc.model.observation import Stage
from kubectl_extsvc.model.resources import ObjectRef


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 is worst."""
        return (Severity.ERROR, Severity.WARNING, Severity.INFO).index(self)


class Fact(StrEnum):
    """Kinds of evidence that a rule may need."""

    SERVICES = "services"
    ENDPOINT_SLICES = "endpointslices.discovery.k8s.io"
    ENDPOINTS = "endpoints"
    """The old kind, which only Kubernetes' mirror controller reads."""
    DESTINATION_RULES = "destinationrules.networking.istio.io"
    VIRTUAL_SERVICES = "virtualservices.networking.istio.io"
    SERVICE_ENTRIES = "serviceentries.networking.istio.io"
    SIDECARS = "sidecars.networking.istio.io"
    NETWORK_POLICIES = "networkpolicies.networking.k8s.io"
    PODS = "pods"
    MESH_CONFIG = "configmaps"
    """istio in the root namespace."""
    PROBES = "probes"
    PROXY = "the sidecar's configuration"
    RESOLUTION = "lookup of the target's host"
    NAME_PATH = "the way of the name"
    """Observation.resolution: search list, attempts, CNAMEs."""


@dataclass(frozen=True, slots=True)
class Finding:
    code: str
    """XS0403"""
    severity: Severity
    stage: Stage
    subject: ObjectRef
    message: str
    """One sentence: what is wrong, with the values that matter."""
    evidence: tuple[str, ...] = ()
    """What was seen, a line each."""
    cure: str = ""
    """What to do, one line; a command where one does it."""
    fix: tuple[Step, ...] = ()
    """The same as changes that can be planned; empty where only a person can do it."""
    sources: tuple[str, ...] = ()
    """Keys of the sources that it concerns; empty: all of them."""
    ports: tuple[int, ...] = ()
    """Numbers of the alias's ports that it concerns; empty: all of them."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A rule that could not judge."""

    code: str
    reason: str
    unlock: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What all rules say about one case."""

    findings: tuple[Finding, ...]
    """The true cause first."""
    skipped: tuple[Skipped, ...]
    passed: tuple[str, ...]
    """Codes that looked and found nothing."""
    broken: tuple[Skipped, ...] = ()
    """Rules that raised; a defect of ours, shown and never hidden."""
