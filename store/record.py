"""The data types that the packages exchange: records, series, and batches of records of one table.

A *record* is one normalised reading: dimensions that identify the source, a measure name, a time, a version, and one or
more measures. Its identity is (dimensions, measure name, time), as in Amazon Timestream. A *series* is the identity
without the time: table + dimensions + measure name. Behind the gateway records are handled only in batches, and a row
refers to its series by a small integer, so that rules and store keep their state in numpy arrays over series ids.

This module does no I/O and reads no clock. Series ids are valid only within one process: data on disk identifies a
series by its dimensions and measure name.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from store.names import DEFAULT_ACCOUNT, MeasureType, TableId

__all__ = [
    "DEFAULT_ACCOUNT",
    "Applied",
    "Dimensions",
    "Int32s",
    "Int64s",
    "MeasureType",
    "Outcome",
    "RecordBatch",
    "Request",
    "SeriesIndex",
    "SeriesKey",
    "SeriesRegistry",
    "SeriesRoom",
    "TableId",
    "dimension_values",
    "joined",
]

Int64s: TypeAlias = npt.NDArray[np.int64]
Int32s: TypeAlias = npt.NDArray[np.int32]

Dimensions: TypeAlias = tuple[tuple[str, str], ...]
"""Dimensions of a series as (name, value) pairs, sorted by name; absent dimensions are left out."""


class _Key(NamedTuple):
    names: tuple[str, ...]
    values: tuple[str, ...]
    measure_name: str


class SeriesKey(_Key):
    """The identity of a series within its table: its dimensions, as `names` (sorted) and `values`, and a measure name.

    A tuple, because there are a hundred thousand: series with the same dimensions share their names.
    """

    __slots__ = ()

    def __new__(cls, dimensions: Dimensions, measure_name: str) -> Self:
        """The key of these dimensions."""
        names, values = zip(*dimensions, strict=True) if dimensions else ((), ())
        return cls.of(names, values, measure_name)

    @classmethod
    def of(cls, names: tuple[str, ...], values: tuple[str, ...], measure_name: str) -> Self:
        """The key of dimensions with these names, sorted, and values."""
        return tuple.__new__(cls, (names, values, measure_name))

    @property
    def dimensions(self) -> Dimensions:
        """The dimensions in pairs."""
        return tuple(zip(self.names, self.values, strict=True))

    def __getnewargs__(self) -> tuple[Dimensions, str]:
        """For copies."""
        return self.dimensions, self.measure_name


def dimension_values(keys: Sequence[SeriesKey], name: str) -> list[str | None]:
    """The value of one dimension of each series; None without it."""
    found: list[str | None] = []
    for names, of_names in groupby(keys, itemgetter(0)):  # mostly one
        at = names.index(name) if name in names else None
        found += [None if at is None else key.values[at] for key in of_names]
    return found


@dataclass(slots=True)
class SeriesIndex:
    """The series of one table: key ↔ id. Ids are dense from 0, in the order of first appearance; the index only grows.

    Only the worker's event loop writes to it. Other threads may read, because ids stay valid and lists only grow.
    """

    table: TableId
    keys: list[SeriesKey] = field(default_factory=list)
    zones: list[str | None] = field(default_factory=list)
    retyped: int = 0  # how often the columns of the table changed: everything derived from their types is stale then
    rezoned: int = 0  # how often a known series changed its zone: everything derived from `zones` is stale then
    dimensions: dict[str, None] = field(default_factory=dict)  # the names of the dimensions of all series
    _names: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)  # of dimensions, shared by keys
    room: SeriesRoom | None = field(default=None, repr=False)  # None: any number of series
    _ids: dict[SeriesKey, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)

    def id_of(self, key: SeriesKey, zone: str | None = None) -> int:
        """The id of `key`, a new one at its first appearance. `zone` is its zone, None without one."""
        series = self._ids.get(key)
        if series is None:
            series = self._add(key, zone)
        elif zone is not None and self.zones[series] != zone:
            self.zones[series] = zone
            self.rezoned += 1
        return series

    def admit(self, key: SeriesKey, zone: str | None = None) -> int | None:
        """The id of `key`, as `id_of`; None if it is new, and its account has no room for another series."""
        if key in self._ids:
            return self.id_of(key, zone)
        if self.room is not None and not self.room.take(self.table.account):
            return None
        return self._add(key, zone)

    def _add(self, key: SeriesKey, zone: str | None) -> int:
        names = self._names.get(key.names)
        if names is None:
            names = self._names[key.names] = key.names
            self.dimensions.update(dict.fromkeys(names))
        if names is not key.names:
            key = SeriesKey.of(names, key.values, key.measure_name)
        series = self._ids[key] = len(self.keys)
        self.zones.append(zone)
        self.keys.append(key)  # last, because readers in other threads rely on the number of keys
        return series

    def find(self, key: SeriesKey) -> int | None:
        """The id of `key`; None if it is unknown."""
        return self._ids.get(key)


@dataclass(slots=True)
class SeriesRoom:
    """How many series an account may have in this process: in all its tables, in the partitions of this process.

    Only series from the log are refused, by `SeriesIndex.admit`; what is saved is loaded in any case.
    """

    most: Callable[[str], int]  # of an account
    registries: list[SeriesRegistry] = field(default_factory=list, repr=False)
    _left: dict[str, int] = field(default_factory=dict)  # of what was counted last, by account

    def take(self, account: str) -> bool:
        """Whether there is room for one more, which is counted. Only the thread that adds series calls it."""
        left = self._left.get(account, 0) or min(self.most(account) - self.used(account), _COUNTED_SERIES)
        self._left[account] = max(left - 1, 0)
        return left > 0

    def used(self, account: str) -> int:
        """The number of its series now."""
        return sum(registry.count(account) for registry in tuple(self.registries))


_COUNTED_SERIES = 1_000  # after this number of new series they are counted again, since tables are opened and deleted


@dataclass(slots=True, eq=False)
class SeriesRegistry:
    """The one `SeriesIndex` per table of a process, shared by normalise, store and rules."""

    room: SeriesRoom | None = None
    _tables: dict[TableId, SeriesIndex] = field(default_factory=dict)
    _of_account: dict[str, dict[TableId, SeriesIndex]] = field(default_factory=dict)

    def of(self, table: TableId) -> SeriesIndex:
        """The index of `table`, created at its first use."""
        index = self._tables.get(table)
        if index is None:
            # `setdefault` is atomic: a query may open a new table while normalise does
            index = self._tables.setdefault(table, SeriesIndex(table, room=self.room))
            self._of_account.setdefault(table.account, {})[table] = index
        return index

    def count(self, account: str) -> int:
        """The number of series of all its tables."""
        return sum(len(index.keys) for index in tuple(self._of_account.get(account, {}).values()))

    def holds(self, index: SeriesIndex) -> bool:
        """Whether this is still the index of its table; False after the table was deleted."""
        return self._tables.get(index.table) is index

    def drop(self, table: TableId) -> None:
        """Remove a deleted table; a new table with the same name starts without series."""
        self._tables.pop(table, None)
        self._of_account.get(table.account, {}).pop(table, None)


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """The records of one WriteRecords request, in the frame at `offset`: so many `rows` of a batch.

    refused  of each record of the request: an `Outcome` if a limit keeps it out of the batch, or NEW; None: all are in
             the batch
    """

    offset: int
    rows: int
    refused: npt.NDArray[np.uint8] | None = None

    def whole(self, applied: Applied) -> Applied:
        """The outcomes of all its records, given those of its rows."""
        if self.refused is None:
            return applied
        outcomes, existing_version = self.refused.copy(), np.zeros(len(self.refused), np.int64)
        taken = np.flatnonzero(outcomes == Outcome.NEW)
        outcomes[taken], existing_version[taken] = applied.outcomes, applied.existing_version
        return Applied(outcomes, existing_version)


@dataclass(frozen=True, slots=True, eq=False)
class RecordBatch:
    """Records of one table, in log order. All arrays have the same length n ≥ 1; 0 only if all of its `requests` are
    refused.

    series      int32    id in `index`
    time_ns     int64    event time, nanoseconds UTC
    version     int64    ≥ 1; always 1 for MQTT records
    offset      int64    offset of each record's frame in `partition`, not decreasing
    arrival_ns  int64    when the gateway received it
    measures    an Arrow array per measure name, of the type that `types` names; null if the record does not have the
                measure. A single-measure record (Timestream) has its value under "measure_value::<type>".
    by_version  whether Timestream's version rules apply to two records with the same key (WriteRecords); otherwise the
                rows are merged by measure, and for each measure the later offset wins (MQTT)
    again       whether these are replayed dead letters: they keep their first arrival time, older than their offset
    requests    of WriteRecords, in order: what the rows belong to
    is_import   whether they are rows of the past from another system: the store has them, rules do not see them
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
    requests: tuple[Request, ...] = ()
    is_import: bool = False

    @property
    def table(self) -> TableId:
        """The table of all these records."""
        return self.index.table

    def __len__(self) -> int:
        return len(self.time_ns)

    def take(self, rows: npt.NDArray[np.intp] | Sequence[int]) -> RecordBatch:
        """The batch of these rows (indices in ascending order)."""
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
            self.requests,
            self.is_import,
        )

    def upto(self, offset: int) -> RecordBatch:
        """The batch of the rows of frames up to and including `offset`; nothing is copied."""
        count = int(np.searchsorted(self.offset, offset, side="right"))
        if count == len(self):
            return self
        return replace(
            self,
            series=self.series[:count],
            time_ns=self.time_ns[:count],
            version=self.version[:count],
            offset=self.offset[:count],
            arrival_ns=self.arrival_ns[:count],
            measures={name: values[:count] for name, values in self.measures.items()},
        )

    def by_request(self, applied: Applied) -> Iterator[tuple[int, Applied]]:
        """The offset of each WriteRecords request, and the outcomes of all its records, given those of this batch."""
        begins = 0
        for request in self.requests:
            rows = slice(begins, begins + request.rows)
            yield request.offset, request.whole(Applied(applied.outcomes[rows], applied.existing_version[rows]))
            begins += request.rows


def joined(batches: Sequence[RecordBatch]) -> RecordBatch:
    """Batches of WriteRecords requests of one table, in log order, with the same measures, as one."""
    first = batches[0]
    if len(batches) == 1:
        return first

    def column(of: Callable[[RecordBatch], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate([of(batch) for batch in batches])

    return replace(
        first,
        series=column(lambda batch: batch.series),
        time_ns=column(lambda batch: batch.time_ns),
        version=column(lambda batch: batch.version),
        offset=column(lambda batch: batch.offset),
        arrival_ns=column(lambda batch: batch.arrival_ns),
        measures={name: pa.concat_arrays([batch.measures[name] for batch in batches]) for name in first.measures},
        requests=tuple(request for batch in batches for request in batch.requests),
    )


class Outcome(enum.IntEnum):
    """What the store did with one record."""

    NEW = 0
    SAME = 1  # the key existed with the same values (and version): nothing changed
    REPLACED = 2  # the key existed; this record's values replaced the stored ones (MQTT: of the measures that it has)
    REJECTED = 3  # version rules: a higher version, or the same with other values, is stored; or it does not fit
    SKIPPED = 4  # the table's own position already covers this offset: a replay
    MERGED = 5  # MQTT: the key existed without some of this record's measures; they were added, and no value changed
    TOO_MANY_SERIES = 6  # WriteRecords: the account has no room for another series
    TOO_MANY_COLUMNS = 7  # WriteRecords: the table, or the account, has no room for another measure or dimension


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """What the store did with each record of a batch.

    outcomes          uint8   an `Outcome` per record
    existing_version  int64   the stored version, of records rejected by version rules; else 0 (of rejected records: the
                              table cannot hold them)
    """

    outcomes: npt.NDArray[np.uint8]
    existing_version: Int64s
