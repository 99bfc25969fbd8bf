"""One finding of the doctor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from pipeline.config import Config


class Level(StrEnum):
    """The severity: nothing to do; works, with a warning; does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: what it checked, what it found, and, unless all is well, what to do."""

    check: str
    level: Level
    what: str
    remedy: str = ""


Check = Callable[[Config], Iterable[Finding]]
"""Looks at one matter within a second or two, and changes nothing. What it raises becomes a finding."""


def ok(check: str, what: str) -> Finding:
    """Nothing to do."""
    return Finding(check, Level.OK, what)


def warn(check: str, what: str, remedy: str) -> Finding:
    """It works, with a warning."""
    return Finding(check, Level.WARN, what, remedy)


def fail(check: str, what: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, Level.FAIL, what, remedy)
