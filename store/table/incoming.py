"""Rows on their way into a table, and what stands at their keys: the values that `store.table.upsert` decides about."""

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
    """Rows that the table can hold, in log order: arrays of one length; see `store.record.RecordBatch`.

    sequence  the offset of each row's frame and its place there, see `store.sequence`
    columns   by stored column, null where the row lacks it
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
        """These rows; with `columns`, in place of theirs."""
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
    """The rows that stand at keys that were looked up.

    key       which of the keys, ascending
    version   of the row
    measures  by name as readers are given them, null where the row lacks it; times are integer nanoseconds
    stored    the stored column that makes a row have a value under such a name; a name may have none
    """

    key: Places
    version: Int64s
    measures: Mapping[str, pa.Array]
    stored: Mapping[str, Column]


NOTHING_STANDS = Standing(np.zeros(0, np.intp), np.zeros(0, np.int64), {}, {})
