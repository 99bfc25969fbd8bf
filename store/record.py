"""The nouns that travel: what a record is, which series it belongs to, and batches of records of one table.

A *record* is one reading after normalising: the dimensions that say who measured, a measure name, a time, a version,
and one or more measures. Its identity is (dimensions, measure name, time), as in Amazon Timestream. A *series* is what
a record has without its time: table + dimensions + measure name. Past the gateway records move only in batches, and a
row names its series by a small integer, so that rules and store keep their state in numpy arrays over series ids.

Nothing here does I/O or reads a clock. Series ids mean something only inside one process: whatever is written to disk
names a series by its dimensions and measure name.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Int64s: TypeAlias = npt.NDArray[np.int64]
Int32s: TypeAlias = npt.NDArray[np.int32]

DEFAULT_ACCOUNT = "default"


class MeasureType(enum.StrEnum):
    """The type of a measure's values, under the names Timestream gives them."""

    DOUBLE = "double"
    BIGINT = "bigint"
    BOOLEAN = "boolean"
    VARCHAR = "varchar"
    TIMESTAMP = "timestamp"  # int64 nanoseconds UTC in Arrow and in the store

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type in which the values of such a measure travel."""
        return _ARROW_TYPES[self]


_ARROW_TYPES = {
    MeasureType.DOUBLE: pa.float64(),
    MeasureType.BIGINT: pa.int64(),
    MeasureType.BOOLEAN: pa.bool_(),
    MeasureType.VARCHAR: pa.string(),
    MeasureType.TIMESTAMP: pa.timestamp("ns", tz="UTC"),
}


@dataclass(frozen=True, slots=True, order=True)
class TableId:
    """Where a table is: account ▸ database ▸ table."""

    account: str
    database: str
    table: str

    def __str__(self) -> str:
        return f"{self.account}/{self.database}.{self.table}"


Dimensions: TypeAlias = tuple[tuple[str, str], ...]
"""Dimensions of a series as (name, value) pairs, sorted by name; a dimension that is absent is not in it."""


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """What makes a series within its table: equal keys are one series."""

    dimensions: Dimensions
    measure_name: str


@dataclass(slots=True)
class SeriesIndex:
    """The series of one table: key ↔ id, ids dense from 0 in the order first seen; only ever grows.

    Written by the worker's event loop alone. Other threads may read: an id handed out stays valid, lists only grow.
    """

    table: TableId
    keys: list[SeriesKey] = field(default_factory=list)
    zones: list[str | None] = field(default_factory=list)
    retyped: int = 0  # how often what its columns are was changed: what was derived from their types is stale then
    rezoned: int = 0  # how often a known series changed its zone: what was derived from `zones` is stale then
    _ids: dict[SeriesKey, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)

    def id_of(self, key: SeriesKey, zone: str | None = None) -> int:
        """The id of `key`, made on first sight. `zone` is the zone's name where the table has zones."""
        series = self._ids.get(key)
        if series is None:
            self.zones.append(zone)
            self.keys.append(key)  # last: who reads in another thread goes by the number of keys
            series = self._ids[key] = len(self.keys) - 1
        elif zone is not None and self.zones[series] != zone:
            self.zones[series] = zone
            self.rezoned += 1
        return series

    def find(self, key: SeriesKey) -> int | None:
        """The id of `key`, or None if it has not been seen."""
        return self._ids.get(key)


@dataclass(slots=True)
class SeriesRegistry:
    """The one `SeriesIndex` per table of a process, shared by normalise, store and rules."""

    _tables: dict[TableId, SeriesIndex] = field(default_factory=dict)

    def of(self, table: TableId) -> SeriesIndex:
        """The index of `table`, made on first use."""
        index = self._tables.get(table)
        # `setdefault` is atomic: a query may open a new table while normalise meets it
        return index if index is not None else self._tables.setdefault(table, SeriesIndex(table))

    def holds(self, index: SeriesIndex) -> bool:
        """Whether this is the index of its table still; not after that was deleted."""
        return self._tables.get(index.table) is index

    def drop(self, table: TableId) -> None:
        """Forget a deleted table; a table made anew under its name starts with no series."""
        self._tables.pop(table, None)


@dataclass(frozen=True, slots=True, eq=False)
class RecordBatch:
    """Records of one table, in log order. All arrays have one length, n ≥ 1.

    series      int32    id in `index`
    time_ns     int64    event time, nanoseconds UTC
    version     int64    ≥ 1; of MQTT records always 1
    offset      int64    offset of each record's frame in `partition`, not decreasing
    arrival_ns  int64    when the gateway took it in
    measures    an Arrow array per measure name, of the type that `types` names; null where the record lacks the
                measure. A single-measure record (Timestream) has its value under "measure_value::<type>".
    by_version  whether Timestream's version rules decide between two records of one key (WriteRecords); otherwise the
                rows are merged by measure, and of one measure the later offset wins (MQTT)
    again       whether these were dead letters and are put through again: they keep their first arrival stamp, which is
                older than their place in the log
    """

    index: SeriesIndex
    partition: str
    series: Int32s
    time_ns: Int64s
    version: Int64s
    offset: Int64s
    arrival_ns: Int64s
    measures: Mapping[str, pa.Array]
    types: Mapping[str, MeasureType]
    by_version: bool = False
    again: bool = False

    @property
    def table(self) -> TableId:
        """The table all these records go to."""
        return self.index.table

    def __len__(self) -> int:
        return len(self.time_ns)

    def take(self, rows: npt.NDArray[np.intp] | Sequence[int]) -> RecordBatch:
        """The batch of these rows (indices or positions in ascending order)."""
        indices = np.asarray(rows, dtype=np.intp)
        arrow = pa.array(indices)
        return RecordBatch(
            self.index,
            self.partition,
            self.series[indices],
            self.time_ns[indices],
            self.version[indices],
            self.offset[indices],
            self.arrival_ns[indices],
            {name: values.take(arrow) for name, values in self.measures.items()},
            self.types,
            self.by_version,
            self.again,
        )


class Outcome(enum.IntEnum):
    """What the store did with one record."""

    NEW = 0
    SAME = 1  # the key was there with the same values (and version): nothing changed
    REPLACED = 2  # the key was there; this record's values stand now (MQTT: of the measures that it has)
    REJECTED = 3  # version rules: a higher version, or the same one with other values, is stored; or it does not fit
    SKIPPED = 4  # the table's own position covers this offset already: a replay
    MERGED = 5  # MQTT: the key was there without some of this record's measures; they were added, and none changed


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """What the store did with each record of a batch.

    outcomes          uint8   an `Outcome` per record
    existing_version  int64   of records rejected by version the one that stands; else 0: the table cannot hold it
    """

    outcomes: npt.NDArray[np.uint8]
    existing_version: Int64s
