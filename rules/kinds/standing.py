"""How far the detectors of a rule are, and with which bound: by zone, and by series.

    learning ──200 windows──▶ provisional: some detectors judge ──1000 windows──▶ live: all of them do

Beside that, a series is suppressed while it is unusual: what it does is not learnt. Seldom asked; each time it is
computed from the whole state.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rules.values.arrays import Bools, Indices


class Stage(enum.StrEnum):
    """How far a series is."""

    LEARNING = "learning"
    PROVISIONAL = "provisional"
    LIVE = "live"


STAGES = tuple(Stage)


@dataclass(frozen=True, slots=True)
class ZoneStanding:
    """A zone: how many series are at each stage, how many are suppressed, the bound, and what it follows."""

    zone: str
    stages: dict[Stage, int]
    suppressed: int
    bound: float
    false: int
    right: int


@dataclass(frozen=True, slots=True)
class SeriesStanding:
    """A series by its id; learning, suppressed: the detectors that learn it still, and that do not for a while."""

    series: int
    zone: str
    stage: Stage
    learning: tuple[str, ...]
    suppressed: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """All series that a rule judges.

    series                 their ids
    zones, zone            names; for each series its place among these
    bounds                 of each zone
    feedback               by zone, how many alerts count as false and as right
    detectors              their names
    learning, suppressed   of each detector (rows) and series (columns), whether it is
    """

    series: Indices
    zones: tuple[str, ...]
    zone: Indices
    bounds: tuple[float, ...]
    feedback: dict[str, tuple[int, int]]
    detectors: tuple[str, ...]
    learning: Bools
    suppressed: Bools

    def by_zone(self) -> Iterator[ZoneStanding]:
        """All zones that have a series."""
        count, stage = len(self.zones), self._stage()
        stages = [np.bincount(self.zone[stage == place], minlength=count) for place in range(len(STAGES))]
        suppressed = np.bincount(self.zone[self.suppressed.any(0)], minlength=count)
        for place in np.unique(self.zone).tolist():
            name = self.zones[place]
            of = {stage: int(counts[place]) for stage, counts in zip(STAGES, stages, strict=True)}
            yield ZoneStanding(name, of, int(suppressed[place]), self.bounds[place], *self.feedback.get(name, (0, 0)))

    def by_series(self, zone: str | None, limit: int) -> Iterator[SeriesStanding]:
        """The first of all series, or of those of a zone."""
        chosen = np.arange(len(self.series))
        if zone is not None:
            chosen = chosen[np.array([name == zone for name in self.zones], np.bool_)[self.zone]]
        stage = self._stage()
        for at in chosen[:limit].tolist():
            yield SeriesStanding(
                int(self.series[at]),
                self.zones[self.zone[at]],
                STAGES[stage[at]],
                self._names(self.learning[:, at]),
                self._names(self.suppressed[:, at]),
            )

    def _stage(self) -> Indices:
        """The place in STAGES of each series."""
        return np.where(self.learning.all(0), 0, np.where(self.learning.any(0), 1, 2)).astype(np.intp)

    def _names(self, chosen: Bools) -> tuple[str, ...]:
        return tuple(name for name, is_chosen in zip(self.detectors, chosen.tolist(), strict=True) if is_chosen)
