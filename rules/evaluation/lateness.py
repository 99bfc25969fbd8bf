"""`lateness: 30s`: rows wait until none that belongs before them is expected any more; then they are judged in order.

Rows wait by *unit*: a series, or a zone or a group if the rule is about these. A row is judged when

- a row of its unit has come that is later by more than `lateness`, or
- nothing came of its unit for `lateness`, on the clock of our listening, or
- more than MOST_HELD rows of the table wait: then all are judged, at the next tick.

A row that is earlier than another of its unit by more than `lateness` when it comes, or than one that has been judged,
is late, and not judged. So any order of rows within `lateness` is judged as their order in time, with the same alerts.
Of repeated rows the last one counts. A row ahead of its arrival (`rules.values.ahead`) is taken for one of its arrival,
so that one wrong clock does not make all others late.

What is judged because of a row is told at its place in the log. Cost: 40 bytes a row, and 8 a measure.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as with_
from typing import Any

import numpy as np
import pyarrow as pa

from rules.definition.selection import ZONE_NAME
from rules.evaluation.lane import Found, Lane
from rules.evaluation.watch import Watch
from rules.kinds.judging import Inputs
from rules.saved.state import LaneState
from rules.values.ahead import latest_sound_ns
from rules.values.arrays import NEVER, Bools, Float64s, Indices, grown, packed, unpacked
from rules.values.listening import ListeningClock
from rules.values.samples import Rows, Signals, highest_before
from store.record import Int64s, MeasureType, RecordBatch, SeriesIndex, SeriesKey

MOST_HELD = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Rows that wait, in the order of the log. order_ns: the time by which they are put in order; value: by measure."""

    series: Indices
    unit: Indices
    time_ns: Int64s
    order_ns: Int64s
    arrival_ns: Int64s
    value: Float64s

    def __len__(self) -> int:
        return len(self.series)

    def of(self, chosen: Bools | Indices) -> Held:
        """The chosen rows."""
        rows = {name: getattr(self, name)[chosen] for name in _KINDS}
        return Held(**rows, value=self.value[:, chosen])


def joined(parts: Sequence[Held]) -> Held:
    """All rows of these."""
    rows = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _KINDS}
    return Held(**rows, value=np.concatenate([part.value for part in parts], axis=1))


class Units:
    """The unit of each series. by: the dimensions that make one; None: each series is one."""

    def __init__(self, by: tuple[str, ...] | None, index: SeriesIndex) -> None:
        self.known = index if by is None else SeriesIndex(index.table)
        self._by = by
        self._index = index
        self._of: Indices = np.empty(0, np.intp)
        self._rank: Int64s = np.empty(0, np.int64)
        self._size, self._rezoned = 0, index.rezoned

    def of(self, series: Indices) -> Indices:
        """The units of these series, all of which are in the index."""
        if self._by is None:
            return series
        if self._rezoned != self._index.rezoned:
            self._size, self._rezoned = 0, self._index.rezoned
        size = len(self._index)
        self._of = grown(self._of, size, -1)
        self._rank = grown(self._rank, size, 0)
        for one in range(self._size, size):
            self._of[one] = self.known.id_of(self._key(one, self._by))
            self._rank[one] = zlib.crc32(repr(self._index.keys[one]).encode())
        self._size = size
        return self._of[series]

    def rank(self, series: Indices) -> Int64s:
        """By what the rows of one unit and time are put in order: the same in every process."""
        return np.zeros(len(series), np.int64) if self._by is None else self._rank[series]

    def _key(self, series: int, by: tuple[str, ...]) -> SeriesKey:
        values = dict(self._index.keys[series].dimensions)
        if ZONE_NAME in by:
            values[ZONE_NAME] = self._index.zones[series] or ""
        return SeriesKey(tuple((name, values[name]) for name in sorted(by) if name in values), "")


class WaitingLane:
    """The rules of a lane whose rows wait."""

    def __init__(self, lane: Lane, lateness_ns: int, by: tuple[str, ...] | None, index: SeriesIndex) -> None:
        self.lane = lane
        self.name = f"{lateness_ns} {' '.join(by) if by is not None else '-'}"
        self.late = 0  # rows that were not judged, since the start
        self._lateness_ns = lateness_ns
        self._index = index
        self._units = Units(by, index)
        self._chunks: list[Held] = []
        self._newest_ns: Int64s = np.empty(0, np.int64)  # by unit, its latest row
        self._mark_ns: Int64s = np.empty(0, np.int64)  # what is before this is judged
        self._heard_ns: Int64s = np.empty(0, np.int64)  # on the listening clock
        self._whole: set[str] = set()  # measures that are bigint

    def evaluate(
        self,
        batch: RecordBatch,
        rows: Indices,
        series: Indices,
        clock: ListeningClock,
        *,
        repeats: bool,  # noqa: ARG002
    ) -> Iterator[Found]:
        """The events because of these rows, each at the row that caused it."""
        given = self.lane.given(batch, rows, series)
        yield from self.lane.hear(Inputs(batch, rows, series, clock, given, {}))
        self._whole |= {name for name, of in self.lane.measures.items() if of.reader.is_whole(batch)}
        at, held = self._held(given, batch, series)
        if len(held):
            released = self._take(at, held, clock)
            yield from self._judge(*released, clock, batch.partition)

    def tick(self, clock: ListeningClock) -> Iterator[Found]:
        """The events because of time."""
        self._units.of(np.empty(0, np.intp))  # a restored row may be of a series that has not come again
        idle: Bools = self._heard_ns <= clock.listened_ns - self._lateness_ns
        if sum(map(len, self._chunks)) > MOST_HELD:
            idle = np.ones(len(self._heard_ns), np.bool_)
        released = self._release(lambda held: idle[held.unit])
        if released is not None:
            self._mark_ns[released.unit] = self._newest_ns[released.unit]
            yield from self._judge(np.full(len(released), -1, np.intp), released, clock, "")
        yield from self.lane.tick(clock, 2 * self._lateness_ns)  # no sample waits longer

    def _held(self, given: Mapping[str, Rows | None], batch: RecordBatch, series: Indices) -> tuple[Indices, Held]:
        """Rows of the batch with a number of any measure."""
        value = np.full((len(given), len(batch)), np.nan)
        for place, rows in enumerate(given.values()):
            if rows is not None:
                value[place, rows.row] = rows.value
        at = np.flatnonzero(~np.isnan(value).all(axis=0))
        own = series[at - (len(batch) - len(series))]
        time_ns, arrival_ns = batch.time_ns[at], batch.arrival_ns[at]
        order_ns = np.minimum(time_ns, latest_sound_ns(arrival_ns))
        return at, Held(own, self._units.of(own), time_ns, order_ns, arrival_ns, value[:, at])

    def _take(self, at: Indices, held: Held, clock: ListeningClock) -> tuple[Indices, Held]:
        """Take in rows; returns those that are judged now, with the row that caused it."""
        self._grow(len(self._units.known))
        order = np.argsort(held.unit, kind="stable")
        unit, order_ns = held.unit[order], held.order_ns[order]
        before_ns = np.maximum(highest_before(unit, order_ns), self._newest_ns[unit])
        mark_ns = np.maximum(_less(before_ns, self._lateness_ns), self._mark_ns[unit])
        is_late = np.empty(len(order), np.bool_)
        is_late[order] = order_ns < mark_ns
        self.late += int(np.count_nonzero(is_late))
        self._chunks.append(held.of(~is_late))
        newest_ns = np.maximum(before_ns, order_ns)
        self._newest_ns[unit] = newest_ns  # of a unit that occurs more than once, the last one stays
        self._mark_ns[unit] = np.maximum(_less(newest_ns, self._lateness_ns), self._mark_ns[unit])
        self._heard_ns[held.unit] = clock.times_of(held.arrival_ns)
        released = self._release(lambda chunk: chunk.order_ns < self._mark_ns[chunk.unit])
        if released is None:
            return at[:0], held.of(np.empty(0, np.intp))
        causes = _causes(unit, _less(newest_ns, self._lateness_ns), released)
        return at[order[causes]], released

    def _release(self, is_due: Any) -> Held | None:
        """Remove the rows that are due, and return them in order of time."""
        parts, kept = [], []
        for chunk in self._chunks:
            due = is_due(chunk)
            if due.any():
                parts.append(chunk.of(due))
                chunk = chunk.of(~due)  # noqa: PLW2901  # what is left of it
            if len(chunk):
                kept.append(chunk)
        self._chunks = kept
        if not parts:
            return None
        held = joined(parts)
        return held.of(np.lexsort((-np.arange(len(held)), self._units.rank(held.series), held.order_ns)))

    @property
    def watches(self) -> Sequence[tuple[int, Watch]]:
        """The rules with their places."""
        return self.lane.watches

    def grow(self, size: int) -> None:
        """Make room for the series ids below `size`, all of which are in the index."""
        self.lane.grow(size)

    def signals_of(self, watch: Watch) -> Signals | None:
        """The signals that are the subjects of a rule; None if these are others."""
        return self.lane.signals_of(watch)

    def _judge(self, at: Indices, held: Held, clock: ListeningClock, partition: str) -> Iterator[Found]:
        """The events by these rows, which are in order."""
        if not len(held):
            return
        rows = np.arange(len(held))
        batch = self._batch(held, partition)
        given = self.lane.given(batch, rows, held.series)
        for found in self.lane.judge(batch, rows, held.series, clock, given, repeats=True):
            yield found._replace(event=with_(found.event, row=int(at[found.event.row])))

    def _batch(self, held: Held, partition: str) -> RecordBatch:
        """The rows as they came."""
        columns, types = {}, {}
        for place, measure in enumerate(self.lane.measures):
            types[measure] = MeasureType.BIGINT if measure in self._whole else MeasureType.DOUBLE
            values = pa.array(held.value[place], pa.float64(), from_pandas=True)
            columns[measure] = values.cast(pa.int64(), safe=False) if measure in self._whole else values
        ones = np.ones(len(held), np.int64)
        series = held.series.astype(np.int32)
        return RecordBatch(*(self._index, partition, series, held.time_ns, ones, ones, held.arrival_ns, columns, types))

    def _grow(self, units: int) -> None:
        self._newest_ns = grown(self._newest_ns, units, NEVER)
        self._mark_ns = grown(self._mark_ns, units, NEVER)
        self._heard_ns = grown(self._heard_ns, units, NEVER)

    def snapshot(self, size: int) -> LaneState:
        """The saved form; `size` is the number of series."""
        units = np.flatnonzero(self._newest_ns != NEVER)
        known = self._units.known
        held = joined(self._chunks) if self._chunks else None
        return LaneState(
            self.lane.snapshot(size),
            [(known.keys[unit].measure_name, known.keys[unit].dimensions) for unit in units.tolist()],
            packed(self._newest_ns[units], np.int64),
            packed(self._mark_ns[units], np.int64),
            packed(self._heard_ns[units], np.int64),
            {} if held is None else _packed(held, units),
            sorted(self._whole),
        )

    def restore(self, saved: LaneState, ids: Indices) -> None:
        """Restore a saved form; `ids` are the series by their saved index. Raises ValueError or KeyError."""
        self.lane.restore(saved.signals, ids)
        keys = (SeriesKey(dimensions, name) for name, dimensions in saved.units)
        units = np.array([self._units.known.id_of(key) for key in keys], np.intp)
        self._grow(len(self._units.known))
        self._newest_ns[units] = unpacked(saved.newest_ns, np.int64)
        self._mark_ns[units] = unpacked(saved.mark_ns, np.int64)
        self._heard_ns[units] = unpacked(saved.heard_ns, np.int64)
        self._whole = set(saved.whole)
        if saved.held:
            self._chunks = [_unpacked(saved.held, ids, units, len(self.lane.measures))]


def _less(time_ns: Int64s, span_ns: int) -> Int64s:
    """So much earlier; NEVER stays."""
    return np.where(time_ns == NEVER, NEVER, time_ns - span_ns)


def _causes(unit: Indices, mark_ns: Int64s, released: Held) -> Indices:
    """For each released row, the place of the first row of its unit whose mark is behind it.

    unit    of the rows of a batch, which are sorted by it, and in the order of the log within it
    mark_ns after each of these rows, which never falls within a unit
    """
    times, rank = np.unique(np.concatenate([mark_ns, released.order_ns]), return_inverse=True)
    of_rows = unit * len(times) + rank[: len(unit)]
    of_released = released.unit * len(times) + rank[len(unit) :]
    places: Indices = np.searchsorted(of_rows, of_released, side="right")
    return places


_KINDS: dict[str, Any] = {
    "series": np.uint32,
    "unit": np.uint32,
    "time_ns": np.int64,
    "order_ns": np.int64,
    "arrival_ns": np.int64,
}


def _packed(held: Held, units: Indices) -> dict[str, bytes]:
    saved = with_(held, unit=np.searchsorted(units, held.unit))
    return {
        **{name: packed(getattr(saved, name), kind) for name, kind in _KINDS.items()},
        "value": packed(held.value, np.float64),
    }


def _unpacked(saved: Mapping[str, bytes], ids: Indices, units: Indices, measures: int) -> Held:
    rows: dict[str, Any] = {name: unpacked(saved[name], kind) for name, kind in _KINDS.items()}
    rows |= {"series": ids[rows["series"]], "unit": units[rows["unit"]]}
    return Held(**rows, value=unpacked(saved["value"], np.float64).reshape(measures, -1))
