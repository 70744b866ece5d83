"""Exit codes, the same for every command and output format."""

from enum import IntEnum


class ExitCode(IntEnum):
    DONE = 0
    """Done, and well."""
    FINDINGS = 1
    """Findings at or above --fail-on."""
    FAILED = 2
    """It could not be done: usage, cluster, permission, NotFound."""
    INCOMPLETE = 3
    """A stage of a requested source could not be observed."""
    INTERRUPTED = 130
