"""What a world is: a few objects on a cluster, and the truth about them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from truth.objects import ISTIO_MUTUAL, Json, destination_rule

ERROR, WARNING, INFO = "error", "warning", "info"

HANGS = ("--probe-timeout=5s",)
"""Flags for worlds in which a call ends when its time is up. All others are given more than verify's default, since
many are asked at once."""

Found = tuple[str, str, str]
"""Code, severity and subject (KIND/NAMESPACE/NAME) of a finding."""


class Around(Enum):
    """What all worlds of a group stand in. Worlds with the same one are made, judged and cured at once."""

    OTHERS = "beside others"
    REGISTRY_ONLY = "under outboundTrafficPolicy REGISTRY_ONLY"
    ROOT_WILDCARD = "under a wildcard rule of the root namespace"
    DYNAMIC_DNS = "under outboundTrafficPolicy ALLOW_ANY_DYNAMIC_DNS"
    NO_ISTIO = "on a cluster without any Istio"
    NO_HTTP_PORT = "in a mesh in which no Service has an HTTP port 80"

    @property
    def policy(self) -> str:
        """meshConfig.outboundTrafficPolicy.mode; "" leaves it alone."""
        return {Around.REGISTRY_ONLY: "REGISTRY_ONLY", Around.DYNAMIC_DNS: "ALLOW_ANY_DYNAMIC_DNS"}.get(self, "")

    @property
    def objects(self) -> tuple[Json, ...]:
        if self is Around.ROOT_WILDCARD:
            return (destination_rule("mesh-mtls", "*.local", ISTIO_MUTUAL, "istio-system"),)
        return ()


@dataclass(frozen=True, slots=True)
class World:
    id: str
    """As a file's name; the alias has it too, unless aliases says otherwise."""
    row: str
    """What is wrong, or what is special and yet well, in words."""
    found: tuple[Found, ...] = ()
    """What verify says in its order, the true cause first; nothing of a healthy world."""
    objects: Sequence[Json] = ()
    create: Sequence[str] = ()
    """Arguments of our own create, after which the objects are written and the alias is broken."""
    broken_by: Sequence[Sequence[str]] = ()
    """kubectl commands."""
    around: Around = Around.OTHERS
    aliases: tuple[str, ...] = ()
    namespace: str = "default"
    """Of the aliases."""
    flags: tuple[str, ...] = ()
    """Of verify: --from and others."""
    pods: tuple[str, ...] = ()
    """Names of the pods (pods.py) that it needs."""
    cure: Callable[[str], str] | Literal["fix"] | None = "fix"
    """Our own fix; or what the user makes of the first finding's cure; None: no change of objects cures it."""
    left: tuple[Found, ...] = ()
    """What is rightly said after the cure."""
    sandbox: bool = False
    """The sandbox can hold it."""
    istioctl: frozenset[str] = frozenset()
    """Codes by which istioctl analyze would name the cause, if it gave one of them for an object of this world."""
    wants_secret: bool = False
    """The Secret pay-ca, with the outside's CA, which the sidecars of deployment/curl may read."""

    @property
    def names(self) -> tuple[str, ...]:
        return self.aliases or (self.id,)

    @property
    def is_broken(self) -> bool:
        return any(severity != INFO for _, severity, _ in self.found)

    @property
    def exit_code(self) -> int:
        return int(any(severity == ERROR for _, severity, _ in self.found))


def alias(name: str, namespace: str = "default") -> str:
    return f"Service/{namespace}/{name}"


def rule(name: str, namespace: str = "default") -> str:
    return f"DestinationRule/{namespace}/{name}"


def slice_of(name: str, suffix: str = "1", namespace: str = "default") -> str:
    return f"EndpointSlice/{namespace}/{name}-{suffix}"


def entry(name: str, namespace: str = "default") -> str:
    return f"ServiceEntry/{namespace}/{name}"


def virtual(name: str, namespace: str = "default") -> str:
    return f"VirtualService/{namespace}/{name}"


def filled(**words: str) -> Callable[[str], str]:
    """The cure with its words in capitals filled in."""

    def fill(cure: str) -> str:
        for word, value in words.items():
            cure = cure.replace(word, value)
        return cure

    return fill
