"""What can go wrong with rules, by who must act.

RuleError
├── RuleFileError         the operator: rule files are wrong; holds every problem of every file
└── RuleSnapshotError     us, or a damaged file: bytes that are not a snapshot of rule state
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One problem of a rule file; its text is `file:line: message`, or `file: message` if no line is known."""

    file: str
    line: int | None
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}"


class RuleError(Exception):
    """Base of all errors of this package."""


class RuleFileError(RuleError):
    """Rule files are wrong. `problems` are all problems, in the order of the files and their lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class RuleSnapshotError(RuleError):
    """Bytes that are not a snapshot of rule state, or of a version that this program cannot read."""
