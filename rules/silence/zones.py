"""What falls silent together: a zone, or all zones of an account's table.

A zone is silent as a whole if at least `share` of its series are, and two or more. That is one alert, which covers the
series that fall silent while it lasts. All zones are silent if at least `share` of them are, and two or more; for this
also a zone with a single series counts. What was told alone before does not count: it did not fall silent with others.

The first series of a zone that falls silent cannot know that others will follow. So it waits while at least `share` of
the zone are *quiet*, that is silent for half of their limit: either they are heard, and it is told alone, or they fall
silent, too, and the zone is told. The same holds for zones.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rules.values.arrays import Bools, Indices, grown
from store.record import Int64s, SeriesIndex, SeriesKey

ALL = 0
"""The group of all zones; those of single zones have higher numbers."""
NO_ZONE = -1
_ROUNDING = 1e-9


class Verdict(enum.Enum):
    """What to do with a series that falls silent."""

    ALONE = enum.auto()
    WAIT = enum.auto()
    TOGETHER = enum.auto()


@dataclass(slots=True)
class Group:
    """A zone, or all, that was silent once; `since_ns` and the longest limit of its series, of the last time."""

    since_ns: int
    limit_ns: int
    is_silent: bool


@dataclass(frozen=True, slots=True, eq=False)
class Sizes:
    """The series of each zone: how many there are, are quiet, and are silent. Arrays by group number."""

    sensors: Int64s
    quiet: Int64s
    silent: Int64s


class SilentZones:
    """The zones of one rule over one table."""

    def __init__(self, index: SeriesIndex, share: float) -> None:
        self.groups: dict[int, Group] = {}
        self._index = index
        self._share = share
        self._of_series: npt.NDArray[np.int32] = np.empty(0, np.int32)
        self._size = 0
        self._rezoned = index.rezoned
        self._numbers: dict[str, int] = {}
        self._names: list[str | None] = [None]

    @property
    def are_silent(self) -> bool:
        """Whether some group is."""
        return any(group.is_silent for group in self.groups.values())

    def grow(self, size: int) -> None:
        """Find the zones of the series below `size`, all of which are in the index."""
        if size <= self._size:
            return
        self._of_series = grown(self._of_series, size, NO_ZONE)
        zones = self._index.zones[self._size : size]
        self._of_series[self._size : size] = [NO_ZONE if zone is None else self.number_of(zone) for zone in zones]
        self._size = size

    def number_of(self, zone: str | None) -> int:
        """The group of a zone; None: of all."""
        if zone is None:
            return ALL
        number = self._numbers.setdefault(zone, len(self._names))
        if number == len(self._names):
            self._names.append(zone)
        return number

    def name_of(self, group: int) -> str | None:
        """The zone; None for all."""
        return self._names[group]

    def key_of(self, group: int) -> SeriesKey:
        """What the alert of a group is about."""
        zone = self._names[group]
        return SeriesKey((), "zones") if zone is None else SeriesKey((("zone_name", zone),), "zone")

    def sizes(self, member: Bools, quiet: Bools, silent: Bools) -> Sizes:
        """The sizes of all groups; that of `ALL` is in zones."""
        if self._rezoned != self._index.rezoned:  # a device was moved
            self._rezoned, self._size = self._index.rezoned, 0
            self.grow(len(member))
        zone = self._of_series[: len(member)]
        inside = zone != NO_ZONE

        def count(which: Bools) -> Int64s:
            counted: Int64s = np.bincount(zone[which & inside], minlength=len(self._names)).astype(np.int64)
            return counted

        found = Sizes(count(member), count(quiet), count(silent))
        there = found.sensors > 0
        there[[number for number, group in self.groups.items() if group.is_silent]] = False
        found.quiet[ALL] = np.count_nonzero(there & self._is_most(found.quiet, found.sensors))
        found.silent[ALL] = np.count_nonzero(there & self._is_most(found.silent, found.sensors))
        found.sensors[ALL] = np.count_nonzero(there)
        return found

    def ended(self, sizes: Sizes) -> list[int]:
        """The groups that were silent and are no more."""
        return [
            number
            for number, group in self.groups.items()
            if group.is_silent and not self._is_group(sizes.silent, sizes)[number]
        ]

    def end(self, group: int, covered: Indices) -> Indices:
        """The group is not silent any more; returns which of these covered series no other group covers."""
        self.groups[group].is_silent = False
        if self.is_silent(ALL):
            return covered[:0]
        zone = self._of_series[covered]
        silent = [number for number, of in self.groups.items() if of.is_silent]
        freed: Indices = covered[~np.isin(zone, silent) if group == ALL else zone == group]
        return freed

    def is_silent(self, group: int) -> bool:
        """Whether there is an alert of this group."""
        return group in self.groups and self.groups[group].is_silent

    def verdicts(self, sizes: Sizes, series: Indices) -> list[tuple[Verdict, int, Indices]]:
        """What to do with these series, which fall silent now: parts of them, each with its group (of ALONE: none)."""
        together, waits = self._is_group(sizes.silent, sizes), self._is_group(sizes.quiet, sizes)
        if self.is_silent(ALL) or together[ALL]:
            return [(Verdict.TOGETHER, ALL, series)]
        if waits[ALL]:
            return [(Verdict.WAIT, ALL, series)]
        zone = self._of_series[series]
        found = []
        for number in np.unique(zone).tolist():
            verdict = Verdict.ALONE
            if number != NO_ZONE:
                if self.is_silent(number) or together[number]:
                    verdict = Verdict.TOGETHER
                elif waits[number]:
                    verdict = Verdict.WAIT
            found.append((verdict, number, series[zone == number]))
        return found

    def begin(self, group: int, since_ns: int, limit_ns: int) -> bool:
        """The group is silent; returns whether it was not before. No two times have the same `since_ns`."""
        known = self.groups.get(group)
        if known is not None and known.is_silent:
            return False
        if known is not None:
            since_ns = max(since_ns, known.since_ns + 1)
        self.groups[group] = Group(since_ns, limit_ns, is_silent=True)
        return True

    def _is_group(self, part: Int64s, sizes: Sizes) -> Bools:
        """Which groups are a whole, if this part of each is what is asked about."""
        whole: Bools = self._is_most(part, sizes.sensors) & (part > 1)
        return whole

    def _is_most(self, part: Int64s, whole: Int64s) -> Bools:
        most: Bools = (part >= self._share * whole - _ROUNDING) & (part > 0)
        return most
