"""What can go wrong, as a tree. Each message is one line that says what, where and what next.

ExtsvcError                exit 2 unless said otherwise
├── UsageError             the command line, or a value in it, cannot be meant
├── ConfigurationError     kubeconfig, context, credentials
├── ClusterError           the API server was not reached, or its answer could not be read
│   └── ApiError           the API server answered with a Status
├── ExecError              a command in a container never started
├── Refused                we will not do it: foreign object, other intent, a wish that would end as plaintext
└── TimedOut               the command's own deadline passed
"""

from collections.abc import Mapping
from typing import Any


class ExtsvcError(Exception):
    """Base of all that a user is told in one line. str() is that line, without the leading "error: "."""


class UsageError(ExtsvcError):
    """The command line cannot be meant as it stands. Nothing was asked of the cluster."""


class ConfigurationError(ExtsvcError):
    """The kubeconfig or its credentials cannot be used."""


class ClusterError(ExtsvcError):
    """The API server was not reached, or its answer could not be read. str() is kubectl's own sentence."""


class ApiError(ClusterError):
    """The API server's own refusal.

    status is the decoded metav1.Status; code, reason and the object's kind and name come from it.
    str() is kubectl's wording: `Error from server (NotFound): services "x" not found`.
    """

    def __init__(self, message: str, *, code: int, reason: str, status: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.status = dict(status or {})


class ExecError(ExtsvcError):
    """A command in a container never started: forbidden, no such container, no such executable."""

    def __init__(self, message: str, *, forbidden: bool = False, executable_missing: bool = False) -> None:
        super().__init__(message)
        self.forbidden = forbidden
        self.executable_missing = executable_missing


class Refused(ExtsvcError):
    """We could, and will not. The message ends with what was changed, or "nothing was changed"."""


class TimedOut(ExtsvcError):
    """The deadline of the whole command passed. The message says what was still open."""


def cause_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error to tell a user about of several that ended a task group: ours before others, else the first."""
    leaves: list[BaseException] = []
    open_groups: list[BaseExceptionGroup[BaseException]] = [group]
    while open_groups:
        for error in open_groups.pop().exceptions:
            if isinstance(error, BaseExceptionGroup):
                open_groups.append(error)
            else:
                leaves.append(error)
    return next((error for error in leaves if isinstance(error, ExtsvcError)), leaves[0])
