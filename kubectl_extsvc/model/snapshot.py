"""What was read of the cluster at one moment, and what could not be read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubectl_extsvc.model.resources import Json

EXEC_VERBS = "get and create pods/exec"
"""The right that every look from inside a pod needs: a WebSocket asks for get, and since Kubernetes 1.35
for create too (kubernetes #134577)."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Facts that are missing, which is not the same as facts that are empty."""

    what: str
    """A resource in plural, with its group (destinationrules.networking.istio.io), or words (the proxy of pod x)."""
    reason: str
    """One line: the server's words, or ours."""
    unlock: str = ""
    """The right that would help, for example: list destinationrules.networking.istio.io."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """The Istio that is installed, as far as it is known."""

    installed: bool
    """The cluster serves networking.istio.io."""
    api_version: str = ""
    """Newest served version of networking.istio.io: v1, v1beta1 or v1alpha3."""
    version: tuple[int, int] | None = None
    """(1, 31), from a proxy or from istiod; None if unknown."""
    root_namespace: str = "istio-system"

    @property
    def alias_mode(self) -> bool:
        """ExternalName Services are mere names of their target: Istio ≥ 1.21 (istio #47664).

        networking.istio.io/v1 is served since 1.22, so it is proof enough where no version is known.
        """
        return self.version >= (1, 21) if self.version else self.api_version == "v1"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Objects as the API gave them, by kind. A kind that could not be read is in unread, under its plural."""

    services: tuple[Json, ...] = ()
    endpoint_slices: tuple[Json, ...] = ()
    endpoints: tuple[Json, ...] = ()
    """v1 Endpoints of Services that have no slice: why they were not mirrored."""
    destination_rules: tuple[Json, ...] = ()
    virtual_services: tuple[Json, ...] = ()
    service_entries: tuple[Json, ...] = ()
    sidecars: tuple[Json, ...] = ()
    pods: tuple[Json, ...] = ()
    """Pods that have an address of an alias's endpoints."""
    pods_at: frozenset[str] | None = None
    """Addresses whose pods were asked for; None: the pods are all that there are."""
    network_policies: tuple[Json, ...] = ()
    """Of the sources' namespaces."""
    mesh_config: Json = field(default_factory=dict)
    """MeshConfig of istiod; {} without Istio, and then all its defaults hold."""
    all_namespaces: bool = False
    """Services are those of the whole cluster, and slices at least as far as no selector makes them."""
    slice_namespaces: frozenset[str] | None = None
    """Namespaces of which the slices that Services with selector have are here too; None: of all whose Services are."""
    mesh: Mesh = field(default_factory=lambda: Mesh(installed=False))
    cluster_domain: str = "cluster.local"
    resolved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Outside host → the addresses that a source got for it just now; a host that was not looked up is absent."""
    unread: Mapping[str, Unread] = field(default_factory=dict)

    def has_slices_of_pods(self, namespace: str) -> bool:
        """Were the slices of a namespace's Services with selector read?"""
        return self.slice_namespaces is None or namespace in self.slice_namespaces
