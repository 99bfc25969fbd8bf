"""The newest value of a measure in each series of a table of one partition, as of now.

What is stored from the first question on is noted as it is applied (`store.memory.lasts`). What was stored before is
read once, backwards from the newest row: until each series that has later rows has a value, or to the time that is
asked for. So after a restart the newest files answer, unless some series have rows without the measure.
"""

# ruff: noqa: S608 - SQL is put together here, from quoted physical names

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from store import layout
from store.catalog.schema import MEASURE_NAME_COLUMN, Column, TableSchema
from store.engine import interruption
from store.errors import QueryFailed
from store.memory.lasts import LastValues, plain
from store.memory.newness import NEVER_NS, Bools
from store.reading.scan import END_OF_TIME_NS
from store.reading.snapshot import Snapshot
from store.record import Int32s, Int64s, SeriesKey
from store.table.table import Table

_FIRST_NS = 60_000_000_000  # is read first; then four times as much, and so on
_TRIES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Latest:
    """Arrays of one length: series ids, the time of the newest row with a value, the value (times in nanoseconds)."""

    series: Int32s
    time_ns: Int64s
    values: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.series)


def latest_of(
    table: Table, new_snapshot: Callable[[], Snapshot], measure: str, from_ns: int, *, may_follow: bool
) -> Latest | None:
    """The newest values of rows with times ≥ `from_ns`; None if the table has no such measure.

    The snapshots are of the table's partition alone. `may_follow`: whether the measure may be followed from now on.
    May block. Raises UnknownTable, UnknownDatabase, and what `Snapshot.execute` raises.
    """
    for _ in range(_TRIES):
        with new_snapshot() as snapshot:
            schema = snapshot.schema(table.id.database, table.id.table)
            column = next((of for of in schema.columns if of.kind == "measure" and of.name == measure), None)
            if column is None:
                return None
            read = _Reading(table, snapshot, schema, column)
            if column.expression is not None or not (may_follow or table.is_followed(column)):
                return read.between(from_ns, END_OF_TIME_NS)
            followed = table.follow(column)
            read.back(followed, from_ns)
            with table.locked():
                if not followed.is_lost:
                    series = np.flatnonzero(followed.time_ns >= from_ns).astype(np.int32)
                    return Latest(series, followed.time_ns[series], followed.values[series])
    raise QueryFailed(f"{table.id}: records that replace others remove values of {measure} as fast as they are read")


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads a measure of a table in a snapshot."""

    table: Table
    snapshot: Snapshot
    schema: TableSchema
    column: Column

    def back(self, followed: LastValues, from_ns: int) -> None:
        """Read what is not known yet, backwards from the newest row to `from_ns`."""
        if from_ns >= followed.known_from_ns:
            return
        may_have = self.table.may_have(self.column)
        width_ns = _FIRST_NS
        with _counted(self.table, followed):
            while from_ns < followed.known_from_ns:
                interruption.check()
                with self.table.locked():
                    to_ns = _open_until_ns(self.table.last_times(), followed, may_have)
                begin_ns = max(from_ns, to_ns - width_ns)
                found = self.between(begin_ns, to_ns) if to_ns > from_ns else None
                with self.table.locked():
                    if found is not None:
                        followed.take(found.series, found.time_ns, found.values, is_older=True)
                    followed.known_from_ns = min(followed.known_from_ns, begin_ns)
                width_ns *= 4

    def between(self, from_ns: int, to_ns: int) -> Latest:
        """The newest values of rows with times in [from, to)."""
        dimensions = [column for column in self.schema.scanned if column.kind == "dimension"]
        measure = self.column.quoted
        used = {self.column.physical, *(column.physical for column in dimensions)}
        source = self.snapshot.source(self.table.id, time_from_ns=from_ns, time_to_ns=to_ns, columns=used)
        key = ", ".join(column.quoted for column in (*dimensions, MEASURE_NAME_COLUMN))
        rows = self.snapshot.execute(
            f'SELECT {key}, max("{layout.TIME_NS}"), arg_max({measure}, "{layout.TIME_NS}") FROM {source} '
            f"WHERE {measure} IS NOT NULL GROUP BY {key}"
        )
        names = [column.name for column in dimensions]
        *keys, of_name, time_ns, values = rows.columns
        series, places = [], []
        for place, (name, *of) in enumerate(
            zip(of_name.to_pylist(), *(part.to_pylist() for part in keys), strict=True)
        ):
            pairs = sorted(pair for pair in zip(names, of, strict=True) if pair[1] is not None)
            known = self.table.index.find(SeriesKey(tuple(pairs), name))
            if known is not None:  # else of another partition
                series.append(known)
                places.append(place)
        at = np.array(places, np.intp)
        return Latest(np.array(series, np.int32), time_ns.to_numpy()[at], plain(values.combine_chunks())[at])


@contextmanager
def _counted(table: Table, followed: LastValues) -> Iterator[None]:
    """Count a reader."""
    with table.locked():
        followed.readers += 1
    try:
        yield
    finally:
        with table.locked():
            followed.readers -= 1


def _open_until_ns(last_ns: Int64s, followed: LastValues, may_have: Bools) -> int:
    """The time before which series without a known value may have one."""
    known_ns = np.full(len(last_ns), NEVER_NS, np.int64)
    count = min(len(last_ns), len(followed.time_ns))
    known_ns[:count] = followed.time_ns[:count]
    is_open = (known_ns < followed.known_from_ns) & (last_ns > known_ns)
    is_open[: len(may_have)] &= may_have[: len(is_open)]
    newest_ns = int(last_ns[is_open].max(initial=NEVER_NS))
    return min(newest_ns + 1, followed.known_from_ns)
