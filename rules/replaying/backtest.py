"""Rules over history: rows in order of event time → the alerts that would have fired. Pure: tables in, alerts out.

It is the engine of the stream. The log has the rows in the order of their arrival, history in that of their times, so
rows that were late live are judged here. History does not say when we listened, either: silence is noticed as if we
always had.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rules.alerts.transition import Status, Transition
from rules.replaying.replay import Replay
from rules.rule import RuleSet
from rules.values.arrays import Float64s, Indices
from store.record import Int32s, Int64s, SeriesKey, TableId
from store.values.times import NS

ROWS = 100_000
"""Of a batch."""
ZONE = "zone_name"
"""The column of zones in a table of the store."""
MOST_TICK_S = 30
"""Between two ticks: from one to the next, a reading is believed to be so long after it (`rules.values.listening`)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What the columns of a table are. measure_name, zone: None: there is no such column."""

    time: str
    dimensions: tuple[str, ...]
    measures: tuple[str, ...]
    zone: str | None = None
    measure_name: str | None = None


@dataclass(slots=True)
class FoundAlert:
    """An alert: how it fired, and when it resolved; None: it still fires at the end."""

    fired: Transition
    resolved_ns: int | None = None
    levels: list[Transition] = field(default_factory=list)  # each change of its level


class Backtest:
    """Rules over the history of one table."""

    def __init__(self, rules: RuleSet, table: TableId, layout: Layout) -> None:
        self.alerts: dict[str, FoundAlert] = {}  # by id, in the order in which they fired
        self.rows = 0
        self._layout = layout
        self._replay = Replay(rules, table)
        self._ids: dict[tuple[str | None, ...], int] = {}
        self._begins_ns: int | None = None
        self._every_ns = _tick_ns(self._replay.shortest_span_ns)

    def feed(self, table: pa.Table) -> None:
        """Judge some more rows, none of which is earlier than those before."""
        layout = self._layout
        time_ns = times_of(table[layout.time])
        order = np.argsort(time_ns, kind="stable")
        series = self._series(table)
        columns = self._values(table)
        for chosen in self._batches(order, time_ns):
            values = {name: column[chosen] for name, column in columns.items()}
            self._note(self._replay.feed(series[chosen], time_ns[chosen], values))
        self.rows += len(order)

    def end(self, at_ns: int | None) -> None:
        """History ends: nothing more was heard until then. None: it ends with its last row."""
        if at_ns is not None and self._begins_ns is not None:
            self._note(self._replay.listen(at_ns, self._every_ns))

    def _batches(self, order: Indices, time_ns: Int64s) -> Iterator[Indices]:
        """The rows batch by batch, each after the ticks before it."""
        if self._replay.shortest_span_ns is None or not len(order):
            yield from (order[start : start + ROWS] for start in range(0, len(order), ROWS))
            return
        if self._begins_ns is None:
            self._begins_ns = int(time_ns[order[0]])
        tick = -(-(time_ns[order] - self._begins_ns) // self._every_ns)  # each row is at this one, or before it
        cuts = [0, *(np.flatnonzero(np.diff(tick)) + 1).tolist(), len(order)]
        for start, stop in pairwise(cuts):
            upto_ns = self._begins_ns + max(int(tick[start]) - 1, 0) * self._every_ns
            self._note(self._replay.listen(upto_ns, self._every_ns))
            yield order[start:stop]

    def _values(self, table: pa.Table) -> dict[str, Float64s]:
        """The values of each row by measure, of those that are numbers."""
        return {
            name: table[name].cast(pa.float64()).to_numpy()
            for name in self._layout.measures
            if _is_number(table[name].type)
        }

    def _series(self, table: pa.Table) -> Int32s:
        """The series of each row."""
        layout = self._layout
        names = [*layout.dimensions, *(name for name in (layout.measure_name, layout.zone) if name is not None)]
        if not names or not len(table):
            return np.full(len(table), self._id((), None, ""), np.int32)
        columns = [table[name].cast(pa.string()).combine_chunks().dictionary_encode() for name in names]
        codes = np.array([pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False) for column in columns])
        distinct, which = np.unique(codes, axis=1, return_inverse=True)
        texts = [[*column.dictionary.to_pylist(), None] for column in columns]
        ids = [self._id_of([texts[place][code] for place, code in enumerate(codes)]) for codes in distinct.T.tolist()]
        return np.array(ids, np.int32)[which.ravel()]

    def _id_of(self, values: Sequence[str | None]) -> int:
        known = self._ids.get(tuple(values))
        if known is None:
            layout = self._layout
            rest = list(values[len(layout.dimensions) :])
            measure_name = rest.pop(0) if layout.measure_name is not None else None
            zone = rest.pop(0) if layout.zone is not None else None
            pairs = zip(layout.dimensions, values, strict=False)
            dimensions = tuple(sorted((name, value) for name, value in pairs if value is not None))
            known = self._ids[tuple(values)] = self._id(dimensions, zone, measure_name or "")
        return known

    def _id(self, dimensions: tuple[tuple[str, str], ...], zone: str | None, measure_name: str) -> int:
        return self._replay.series(SeriesKey(dimensions, measure_name), zone)

    def _note(self, transitions: Iterable[Transition]) -> None:
        for one in transitions:
            known = self.alerts.get(one.id)
            if known is None:
                self.alerts[one.id] = FoundAlert(one)
            elif one.status is Status.RESOLVED:
                known.resolved_ns = one.time_ns
            else:
                known.levels.append(one)


def times_of(column: pa.ChunkedArray) -> Int64s:
    """A column of timestamps as nanoseconds."""
    time_ns: Int64s = column.cast(pa.timestamp("ns")).to_numpy().astype(np.int64)
    return time_ns


def values_of(table: pa.Table, layout: Layout, dimensions: dict[str, str], measure: str) -> tuple[Int64s, Float64s]:
    """The times and values of one measure of the series with these dimensions."""
    chosen = table
    for name, value in dimensions.items():
        if name in table.column_names:
            chosen = chosen.filter(pc.equal(chosen[name].cast(pa.string()), value))
    if measure not in chosen.column_names:
        return np.empty(0, np.int64), np.empty(0)
    values: Float64s = chosen[measure].cast(pa.float64()).to_numpy()
    there = ~np.isnan(values)
    return times_of(chosen[layout.time])[there], values[there]


def split(from_ns: int, to_ns: int, step_ns: int) -> Iterator[tuple[int, int]]:
    """[from, to) in pieces, the last of which may be shorter."""
    for start in range(from_ns, to_ns, step_ns):
        yield start, min(start + step_ns, to_ns)


def _tick_ns(shortest_span_ns: int | None) -> int:
    """How far ticks are apart: the shortest span is met within a sixtieth, from second to second at most."""
    seconds = (shortest_span_ns or 0) // (60 * NS)
    return min(max(seconds, 1), MOST_TICK_S) * NS


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


_COLUMN_KINDS = {"DIMENSION": "dimensions", "MULTI": "measures", "MEASURE_VALUE": "measures"}


def layout_of(described: Iterable[Sequence[str]]) -> Layout:
    """The columns of a table of the store, of which DESCRIBE tells name, type and kind."""
    found: dict[str, list[str]] = {"dimensions": [], "measures": []}
    zone = None  # of a table that no message with a zone was written to
    for name, _, kind, *_ in described:
        if name == ZONE:
            zone = ZONE
        elif kind in _COLUMN_KINDS:
            found[_COLUMN_KINDS[kind]].append(name)
    return Layout("time", (*found["dimensions"],), (*found["measures"],), zone, "measure_name")
