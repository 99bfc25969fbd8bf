"""Rows to be applied, and the stored rows of their keys: the input of `store.table.upsert`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from store.catalog.schema import Column
from store.record import Int32s, Int64s
from store.table.series_state import Places


@dataclass(frozen=True, slots=True, eq=False)
class Incoming:
    """Rows that fit into the table, in log order: arrays of one length; see `store.record.RecordBatch`.

    sequence  offset of the row's frame and position in it, see `store.sequence`
    columns   by stored column; null if the row has no value
    """

    series: Int32s
    time_ns: Int64s
    version: Int64s
    sequence: Int64s
    arrival_ns: Int64s
    columns: Mapping[Column, pa.Array]
    by_version: bool = False
    again: bool = False

    def __len__(self) -> int:
        return len(self.time_ns)

    def at(self, rows: Places, columns: Mapping[Column, pa.Array] | None = None) -> Incoming:
        """The rows with these indices; with `columns` instead of theirs, if given."""
        if columns is None:
            arrow = pa.array(rows)
            columns = {column: values.take(arrow) for column, values in self.columns.items()}
        return Incoming(
            self.series[rows],
            self.time_ns[rows],
            self.version[rows],
            self.sequence[rows],
            self.arrival_ns[rows],
            columns,
            self.by_version,
            self.again,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """The stored rows of the keys that were looked up.

    key       the number of the key of each row, ascending
    version   of the row
    measures  by the name that readers see; null if the row has no value; times are integer nanoseconds
    stored    for such names, the stored column that gives a row this value; may be missing for a name
    """

    key: Places
    version: Int64s
    measures: Mapping[str, pa.Array]
    stored: Mapping[str, Column]


NOTHING_STANDS = Standing(np.zeros(0, np.intp), np.zeros(0, np.int64), {}, {})
