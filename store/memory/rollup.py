"""What averages need of rows, summed up by zone and time: the number of values, their sum, the least, the greatest.

Times are cut into slots of one length, the grain: minutes, or a part of one for the newest rows.

Pure. Sums of parts of the same values, added in another order, differ in the last bits: by less than 1e-12 of the
largest value times their number. NaN is treated as DuckDB does: it is greater than all numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store.record import Int32s, Int64s

MINUTE_NS = 60_000_000_000
FINE_NS = 5_000_000_000
GRAINS_NS = (MINUTE_NS, FINE_NS)  # the cheapest first
Float64s = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
FEW_ROWS = 10_000  # are summed up in any case
LEAST_ROWS = 4  # per zone and slot, in a rollup of more rows
_DENSE = 65_536  # numbers of groups up to this, or few times the number of rows, are found without sorting


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Arrays of one length: `count` values (≥ 1), their sum, the least and the greatest."""

    count: Int64s
    total: Float64s
    least: Float64s
    greatest: Float64s

    def at(self, places: Places | slice) -> Sums:
        """Those at these places."""
        return Sums(self.count[places], self.total[places], self.least[places], self.greatest[places])


class RollupOf(NamedTuple):
    """Says what rollups there are of a chunk or file: the physical name of a measure, and the length of slots."""

    measure: str
    grain_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class Rollup:
    """The sums of one measure; arrays of one length, by zone number, then slot (since 1970), both ascending."""

    zone: Int32s
    slot: Int64s
    sums: Sums

    def __len__(self) -> int:
        return len(self.zone)

    @property
    def size_bytes(self) -> int:
        """Its size in RAM."""
        return len(self) * 44

    def runs(self, zones: Int32s, first: int, end: int) -> tuple[Places, Places]:
        """For each of these zones where its slots in [first, end) begin, and where they end. It reads no others."""
        starts, ends = (np.searchsorted(self.zone, zones, side) for side in ("left", "right"))
        return self._first_from(first, starts, ends), self._first_from(max(first, end), starts, ends)

    def _first_from(self, slot: int, starts: Places, ends: Places) -> Places:
        """The first place in each [start, end) with this slot or a later one; its end, if there is none."""
        low, high = starts, ends
        while (is_open := low < high).any():
            middle = (low + high) // 2
            is_before = is_open & (self.slot[np.where(is_open, middle, 0)] < slot)
            low, high = np.where(is_before, middle + 1, low), np.where(is_open & ~is_before, middle, high)
        return low


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Values of one measure, with the number of the zone (-1: none) and the time of each; in any order."""

    zone: Int32s
    time_ns: Int64s
    values: Float64s

    @property
    def size_bytes(self) -> int:
        """Its size in RAM."""
        return len(self.zone) * 20

    def at(self, places: Places) -> Samples:
        """Those at these places."""
        return Samples(self.zone[places], self.time_ns[places], self.values[places])


def places_in(starts: Places, ends: Places) -> Places:
    """All places in these runs, one run after the other."""
    lengths = ends - starts
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


NOTHING = Sums(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0))
EMPTY = Rollup(np.zeros(0, np.int32), np.zeros(0, np.int64), NOTHING)


def single(values: Float64s) -> Sums:
    """Each value alone."""
    return Sums(np.ones(len(values), np.int64), values, values, values)


def joined(parts: Sequence[Sums]) -> Sums:
    """All of them, one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Sums(
        np.concatenate([part.count for part in parts]),
        np.concatenate([part.total for part in parts]),
        np.concatenate([part.least for part in parts]),
        np.concatenate([part.greatest for part in parts]),
    )


def summed(major: Int64s, minor: Int64s, sums: Sums) -> tuple[Int64s, Int64s, Sums]:
    """One entry for each pair (major ≥ 0, minor), ascending."""
    if not len(major):
        return major, minor, sums
    group, majors, minors = _grouped(major, minor)
    size = len(majors)
    total = np.bincount(group, sums.total, size).astype(np.float64)
    count = np.bincount(group, sums.count, size).astype(np.int64)
    least, greatest = np.full(size, np.nan), np.full(size, -np.inf)
    with np.errstate(invalid="ignore"):  # NaN
        np.fmin.at(least, group, sums.least)
        np.maximum.at(greatest, group, sums.greatest)
    return majors, minors, Sums(count, total, least, greatest)


def rollup_of(samples: Samples, grain_ns: int) -> Rollup:
    """The rollup of these samples; those without a zone are left out."""
    of = samples if (samples.zone >= 0).all() else samples.at(np.flatnonzero(samples.zone >= 0))
    return _of(summed(of.zone.astype(np.int64), of.time_ns // grain_ns, single(of.values)))


def all_samples(parts: Sequence[Samples]) -> Samples:
    """All of them, one after the other."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Samples(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0))
    return Samples(
        np.concatenate([part.zone for part in parts]),
        np.concatenate([part.time_ns for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def merged(rollups: Sequence[Rollup]) -> Rollup:
    """The rollup of all their rows."""
    found = [rollup for rollup in rollups if len(rollup)]
    if len(found) < 2:
        return found[0] if found else EMPTY
    zone = np.concatenate([rollup.zone for rollup in found]).astype(np.int64)
    slot = np.concatenate([rollup.slot for rollup in found])
    return _of(summed(zone, slot, joined([rollup.sums for rollup in found])))


def _of(found: tuple[Int64s, Int64s, Sums]) -> Rollup:
    zone, slot, sums = found
    return Rollup(zone.astype(np.int32), slot, sums)


def _grouped(major: Int64s, minor: Int64s) -> tuple[Places, Int64s, Int64s]:
    """The number of each pair's group, by pair, and the pairs of the groups."""
    first = int(minor.min())
    span = int(minor.max()) - first + 1
    size = (int(major.max()) + 1) * span
    if size > max(_DENSE, 4 * len(major)):  # a few rows of distant times
        minors, place = np.unique(minor, return_inverse=True)
        pairs, group = np.unique(major * len(minors) + place, return_inverse=True)
        return group, pairs // len(minors), minors[pairs % len(minors)]
    key = major * span + (minor - first)
    is_there = np.zeros(size, np.bool_)
    is_there[key] = True
    pairs = np.flatnonzero(is_there)
    return (np.cumsum(is_there) - 1)[key], pairs // span, pairs % span + first


BY_TEMPLATE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Rolled:
    """The rollup of the first `rows` rows of a chunk or file; None if it would be hardly smaller than the rows.

    zoning  the zones that the series had, see `store.memory.zone_numbers`; BY_TEMPLATE: rows have them by themselves
    """

    zoning: int
    rows: int
    rollup: Rollup | None

    @property
    def size_bytes(self) -> int:
        """Its size in RAM."""
        return 0 if self.rollup is None else self.rollup.size_bytes


def is_of(found: Rolled | None, zoning: int) -> bool:
    """Whether it is there, and for these zones."""
    return found is not None and found.zoning in {zoning, BY_TEMPLATE}


def rolled(zoning: int, rows: int, parts: Sequence[Rollup | None]) -> Rolled:
    """The rollup of all rows of parts, if it is worth its size."""
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return Rolled(zoning, rows, None)
    rollup = merged(found)
    return Rolled(zoning, rows, rollup if rows <= FEW_ROWS or len(rollup) * LEAST_ROWS <= rows else None)
