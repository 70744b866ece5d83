"""Where we knowingly say something else than pilot-oracle, and why. Each is as narrow as it can be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kubectl_extsvc.model.resources import Json

Differences = Mapping[str, tuple[Any, Any]]
"""Field of the way → (istiod's, ours)."""


@dataclass(frozen=True, slots=True)
class Known:
    name: str
    reason: str
    holds: Callable[[Json, Json, Differences], bool]
    """Whether it is all that a world's call differs in."""


KNOWN: tuple[Known, ...] = ()
