"""What was found in a file, and what was made of it. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any


class Verdict(enum.StrEnum):
    """What becomes of a thing here."""

    RUNS = "runs"  # unchanged
    TRANSLATED = "translated"  # into files of ours
    LOOK = "look"  # it runs, or is translated, but a person has to look at something
    NOT = "not"  # it has no equivalent, or is not understood
    SKIPPED = "skipped"  # it has nothing to do with Timestream


@dataclass(frozen=True, slots=True)
class Finding:
    """A thing at a line of a file (from 1; None: unknown), what becomes of it, and why."""

    file: str
    line: int | None
    verdict: Verdict
    what: str
    why: str = ""


@dataclass(slots=True)
class Translation:
    """What was made of all files.

    tables    of a streamgauge.yaml, by name
    rules     groups of rule files, by the name of the file
    requests  of Timestream's protocol: (operation, request), by the name of the file
    """

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    rules: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    requests: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)

    @property
    def only_table(self) -> str | None:
        """The table of the streamgauge.yaml, if there is one alone."""
        return next(iter(self.tables)) if len(self.tables) == 1 else None


@dataclass(slots=True)
class Report:
    """The findings in the order of files and lines, and the translation."""

    findings: list[Finding] = field(default_factory=list)
    translation: Translation = field(default_factory=Translation)

    def add(self, file: str, line: int | None, verdict: Verdict, what: str, why: str = "") -> None:
        """Add a finding."""
        self.findings.append(Finding(file, line, verdict, what, why))

    @property
    def is_whole(self) -> bool:
        """Whether everything runs or is translated."""
        return all(finding.verdict is not Verdict.NOT for finding in self.findings)
