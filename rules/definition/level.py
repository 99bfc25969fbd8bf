"""One level of severity of a rule: its bounds, and for how long they must be exceeded. Most rules have one, unnamed."""

from __future__ import annotations

from dataclasses import dataclass

from rules.definition.bands import Limits

SEVERITIES = ("info", "warning", "critical")
"""The names of levels, from the least to the most severe."""
SEVERITY = "severity"
"""The label that says which level an alert is at."""


@dataclass(frozen=True, slots=True)
class Hold:
    """For how long something must be so: a duration, or a number of successive samples."""

    ns: int = 0
    samples: int = 0


AT_ONCE = Hold()


@dataclass(frozen=True, slots=True)
class Damping:
    """A subject that fired `fires` times `within_ns` is flapping: it resolves only after so long inside `clear`."""

    fires: int
    within_ns: int


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a rule.

    name        of `SEVERITIES`; empty if the rule has no other level
    hold        how long values must stay beyond the bounds before it fires (`for`)
    clear_for   how long they must stay inside `clear` before it resolves
    keep_ns     how long it stays firing after the last value beyond the bounds, at least (`keep_firing_for`)
    damping     None: it may fire and resolve as often as its values do
    """

    limits: Limits
    name: str = ""
    hold: Hold = AT_ONCE
    clear_for: Hold = AT_ONCE
    keep_ns: int = 0
    damping: Damping | None = None

    @property
    def facts(self) -> tuple[object, ...]:
        """All of it, for the definition of a rule."""
        damping = None if self.damping is None else (self.damping.fires, self.damping.within_ns)
        holds = (self.hold.ns, self.hold.samples, self.clear_for.ns, self.clear_for.samples, self.keep_ns)
        return self.name, self.limits.facts, holds, damping
