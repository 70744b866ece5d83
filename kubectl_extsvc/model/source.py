"""Where we look from."""

from dataclasses import dataclass, field
from enum import StrEnum


class MeshMode(StrEnum):
    """How a pod takes part in the mesh."""

    SIDECAR = "sidecar"
    PLAIN = "plain"
    AMBIENT = "ambient"


@dataclass(frozen=True, slots=True)
class Source:
    """A container in a running pod from which we look."""

    namespace: str
    pod: str
    container: str
    """The application container that probes run in; never istio-proxy (its traffic is not captured)."""
    mode: MeshMode
    labels: tuple[tuple[str, str], ...] = ()
    """The pod's labels, sorted: workloadSelectors match against them."""
    proxy_container: str = field(default="istio-proxy")
    addresses: tuple[str, ...] = ()
    """The pod's own."""
    annotations: tuple[tuple[str, str], ...] = ()
    """Of the pod, sorted: those of istio.io and its subdomains."""
    as_proxy_user: bool = False
    """The container runs as user or group 1337, whose traffic is not captured."""
    image: str = field(default="", compare=False)
    """Of the container, as the pod's spec has it: which tools are likely there. "" if it is not known."""

    @property
    def key(self) -> str:
        """Unique in a report: NAMESPACE/POD."""
        return f"{self.namespace}/{self.pod}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A running pod that a person may pick to look from."""

    namespace: str
    pod: str
    workload: str
    """deployment/web, or pod/NAME where nothing made it."""
    mode: MeshMode
    why_not: str = ""
    """What keeps it from being looked from, "" if nothing does."""

    @property
    def key(self) -> str:
        """That of its Source."""
        return f"{self.namespace}/{self.pod}"
