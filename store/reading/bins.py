"""The start times of the bins of averages. Pure.

Bins of a fixed width begin at multiples of it since 1970, whole weeks on Mondays. In a time zone, bins of whole days
and weeks begin at local midnight: a day has 23, 24 or 25 hours. So the bin of a row is floor(local time / width), with
the zone's offset at the row's own time. DuckDB has no time zones without an extension, so it gets the offsets as
numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

import numpy as np

from store.memory.rollup import GRAINS_NS
from store.record import Int64s
from store.values.times import EPOCH, NS, whole_s

DAY_NS = 86_400 * 1_000_000_000
WEEK_NS = 7 * DAY_NS
_MONDAY_NS = -3 * DAY_NS  # 1969-12-29: the epoch is a Thursday


def grain_of(widths_ns: Collection[int]) -> int | None:
    """The length of the longest slots of which bins of all these widths since 1970 consist; None if none do."""
    return next((grain_ns for grain_ns in GRAINS_NS if not any(width % grain_ns for width in widths_ns)), None)


@dataclass(frozen=True, slots=True)
class Bins:
    """Bins of `width_ns`; `zone` only for widths of whole days."""

    width_ns: int
    zone: tzinfo | None = None

    @property
    def anchor_ns(self) -> int:
        """A time at which a bin begins; local if there is a zone."""
        return _MONDAY_NS if self.width_ns % WEEK_NS == 0 else 0

    def sql(self, time_ns: str, from_ns: int, to_ns: int) -> str:
        """DuckDB's text for the (local) start of the bin of `time_ns`, which is in [from, to)."""
        local = time_ns if self.zone is None else f"({time_ns} + {_offset_sql(self.zone, time_ns, from_ns, to_ns)})"
        past = f"({local} - {self.anchor_ns})"
        return f"{local} - (({past} % {self.width_ns}) + {self.width_ns}) % {self.width_ns}"

    def starts(self, times_ns: Int64s) -> Int64s:
        """The (local) starts of the bins of ascending times."""
        local = times_ns
        if self.zone is not None and len(times_ns):
            first_s, last_s = (int(times_ns[place]) // NS for place in (0, -1))
            since_s, offset_s = (
                np.array(part, np.int64) for part in zip(*_offsets(self.zone, first_s, last_s + 1), strict=True)
            )
            since_s[0] = np.iinfo(np.int64).min // NS
            local = times_ns + offset_s[np.searchsorted(since_s * NS, times_ns, side="right") - 1] * NS
        return local - (local - self.anchor_ns) % self.width_ns

    def start_ns(self, time_ns: int) -> int:
        """The instant at which the bin of a time begins."""
        return self.instant_ns(int(self.starts(np.array([time_ns]))[0]))

    def hold_whole(self, grain_ns: int, from_ns: int, to_ns: int) -> bool:
        """Whether each slot of this length in [from, to), of whole seconds, is in one bin."""
        if self.width_ns % grain_ns or self.zone is None:
            return self.width_ns % grain_ns == 0
        offsets, grain_s = _offsets(self.zone, from_ns // NS, to_ns // NS), grain_ns // NS
        return all(
            offset_s % grain_s == 0 and (place == 0 or since_s % grain_s == 0)
            for place, (since_s, offset_s) in enumerate(offsets)
        )

    def instant_ns(self, start_ns: int) -> int:
        """The instant of the (local) start of a bin."""
        if self.zone is None:
            return start_ns
        local = datetime(1970, 1, 1, tzinfo=self.zone) + timedelta(seconds=start_ns // 1_000_000_000)
        return whole_s(local) * NS


def _offset_sql(zone: tzinfo, time_ns: str, from_ns: int, to_ns: int) -> str:
    (_, first_s), *changes = _offsets(zone, from_ns // 1_000_000_000, to_ns // 1_000_000_000)
    whens = "".join(
        f"WHEN {time_ns} >= {since_s}000000000 THEN {offset_s}000000000 " for since_s, offset_s in reversed(changes)
    )
    return f"CASE {whens}ELSE {first_s}000000000 END" if changes else f"{first_s}000000000"


def _offsets(zone: tzinfo, from_s: int, to_s: int) -> Iterator[tuple[int, int]]:
    """(since, offset) of the zone from `from_s` on, in seconds; the first offset also applies before it."""
    known_s, offset_s = from_s, _offset(zone, from_s)
    yield known_s, offset_s
    while known_s < to_s:
        next_s = known_s + 86_400
        if _offset(zone, next_s) != offset_s:
            low_s, high_s = known_s, next_s
            while high_s - low_s > 1:
                middle_s = (low_s + high_s) // 2
                low_s, high_s = (middle_s, high_s) if _offset(zone, middle_s) == offset_s else (low_s, middle_s)
            offset_s = _offset(zone, next_s)
            yield high_s, offset_s
        known_s = next_s


def _offset(zone: tzinfo, instant_s: int) -> int:
    offset = (EPOCH + timedelta(seconds=instant_s)).astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())
