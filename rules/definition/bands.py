"""Bounds by time of day and weekday, in a time zone.

    time_zone: Europe/Berlin
    bands:
      - {days: [mon, fri-sun], from: "22:00", to: "06:00", max: 24}

A band begins at `from` on each of its days and ends before `to`, on the next day if that is not later. The first band
that a time is in decides; outside of all bands the level's own bounds hold, as they do for a bound that a band leaves
out. Local time is that of the zone at the time of the sample, so where clocks are set back an hour is in its band
twice, and where they are set forward there is none to be in it.

A week has 10,080 minutes, so the band of a time is one look into a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rules.definition.bounds import Bounds
from rules.values.arrays import Indices
from rules.values.local_time import LocalClock
from store.record import Int64s
from store.values.time_zones import UTC

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
_MINUTE_NS = 60 * 10**9
_EPOCH_MINUTE = 3 * DAY_MINUTES  # of the week: 1970-01-01 was a Thursday


class Normal(NamedTuple):
    """What is normal for values, and inside which an alert resolves: numbers, or an array of one for each value."""

    min: Any
    max: Any
    clear_min: Any
    clear_max: Any

    def wider(self, by: Any) -> Normal:
        """The same with both ends further apart, by `by` each."""
        return Normal(self.min - by, self.max + by, self.clear_min - by, self.clear_max + by)

    def each(self, chosen: Indices, count: int) -> Iterator[Normal]:
        """The same as numbers for each of the chosen of `count` values."""
        return map(Normal, *(np.broadcast_to(np.asarray(part), count)[chosen].tolist() for part in self))


@dataclass(frozen=True, slots=True)
class Band:
    """Bounds for a part of some days; minutes are of the day."""

    days: tuple[int, ...]
    first_minute: int
    end_minute: int
    bounds: Bounds
    clear: Bounds

    @property
    def minutes(self) -> int:
        """How long it lasts; a whole day if it ends when it begins."""
        return (self.end_minute - self.first_minute - 1) % DAY_MINUTES + 1


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one level, with those of its bands.

    clear  inside which a firing alert resolves; within the bounds
    """

    bounds: Bounds
    clear: Bounds
    bands: tuple[Band, ...] = ()
    time_zone: str = UTC

    @property
    def facts(self) -> tuple[object, ...]:
        """All of it, for the definition of a rule."""
        bands = [
            (*_facts(band.bounds, band.clear), band.days, band.first_minute, band.end_minute) for band in self.bands
        ]
        return *_facts(self.bounds, self.clear), bands, self.time_zone if bands else ""


def _facts(bounds: Bounds, clear: Bounds) -> tuple[float, ...]:
    return bounds.min, bounds.max, clear.min, clear.max


class Timetable:
    """The bounds of a level at any time."""

    def __init__(self, limits: Limits) -> None:
        choices = [(limits.bounds, limits.clear), *((band.bounds, band.clear) for band in limits.bands)]
        self._always = Normal(*_facts(*choices[0]))
        self._is_constant = not limits.bands
        self._clock = LocalClock(limits.time_zone)
        self._choices = np.array([_facts(*choice) for choice in choices]).T
        self._choice = _choice_by_minute(limits.bands)

    def at(self, time_ns: Int64s) -> Normal:
        """The bounds at each of these times."""
        if self._is_constant:
            return self._always
        local_minute = self._clock.at(time_ns) // _MINUTE_NS
        chosen = self._choice[(local_minute + _EPOCH_MINUTE) % WEEK_MINUTES]
        return Normal(*self._choices[:, chosen])


def _choice_by_minute(bands: tuple[Band, ...]) -> npt.NDArray[np.intp]:
    """For each minute of the week, which band decides, from 1; 0: none."""
    choice = np.zeros(WEEK_MINUTES, np.intp)
    for place, band in reversed([*enumerate(bands, 1)]):
        for day in band.days:
            first = day * DAY_MINUTES + band.first_minute
            choice[np.arange(first, first + band.minutes) % WEEK_MINUTES] = place
    return choice
