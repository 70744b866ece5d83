"""What lint found in files."""

from dataclasses import dataclass

from kubectl_extsvc.model.finding import Finding, Severity, Skipped


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """In a file, for a person and an editor."""

    file: str
    """As it was named on the command line, or found below it; stdin for standard input."""
    line: int = 1
    column: int = 1
    """Both from 1."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A file, or an object in it, that could not be judged."""

    place: Place
    message: str


@dataclass(frozen=True, slots=True)
class Located:
    """A finding, and where in the files it can be cured."""

    finding: Finding
    place: Place


@dataclass(frozen=True, slots=True)
class LintReport:
    findings: tuple[Located, ...]
    """By place."""
    problems: tuple[Problem, ...]
    files: int
    aliases: int
    skipped: tuple[Skipped, ...] = ()
    """Rules that need what only a cluster knows."""

    def worst(self) -> Severity | None:
        found = [located.finding.severity for located in self.findings]
        return min(found, key=lambda severity: severity.rank, default=None)
