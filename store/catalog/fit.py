"""Which records of a batch fit into a table, for any content of the log. Pure.

Normalise and the endpoint reject data that does not fit while they can still tell the sender. But they run ahead of the
store: two writers may send the same new measure with two types, and the table may be deleted and created again in the
meantime. So the final decision is made here, in log order: for WriteRecords the first type of a measure is kept, and a
record with a value of another type is rejected. A device's value of another type is stored in a column of that type. A
frame must never make `apply` raise, because every restart would read it again.

Times must be at least one second away from the limits of 64-bit nanoseconds (1677-09-21 to 2262-04-11), so that "just
after", and rounding to microseconds, do not overflow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from store.catalog.changes import ColumnChanges
from store.catalog.schema import Columns
from store.record import MeasureType, RecordBatch
from store.values.times import NS

EARLIEST_NS = -(2**63) + NS
LATEST_NS = 2**63 - 1 - NS


@dataclass(frozen=True, slots=True, eq=False)
class Unfit:
    """The records that do not fit (at least one), and the reasons."""

    rows: npt.NDArray[np.bool_]
    reasons: tuple[str, ...]


def unfit(batch: RecordBatch, columns: Columns, changes: ColumnChanges) -> Unfit | None:
    """The records that do not fit into a table with these columns; None if all fit."""
    rows = (batch.time_ns < EARLIEST_NS) | (batch.time_ns > LATEST_NS)
    reasons = ["a time is beyond what can be stored"] if rows.any() else []
    for name, kind in _conflicts(batch, columns, changes):
        has_value = batch.measures[name].is_valid().to_numpy(zero_copy_only=False)
        if has_value.any():
            rows |= has_value
            reasons.append(f"measure {name!r} has another type in the table than {kind.value}")
    return Unfit(rows, tuple(reasons)) if reasons else None


def without_conflicts(batch: RecordBatch, columns: Columns, changes: ColumnChanges) -> RecordBatch:
    """`batch` without measures that have another type in the table; after `unfit`, no row has their values."""
    gone = {name for name, _ in _conflicts(batch, columns, changes)}
    if not gone:
        return batch
    kept = {name: values for name, values in batch.measures.items() if name not in gone}
    return replace(batch, measures=kept, types={name: batch.types[name] for name in kept})


def _conflicts(batch: RecordBatch, columns: Columns, changes: ColumnChanges) -> list[tuple[str, MeasureType]]:
    """Measures of WriteRecords that have other types in the table, and for which this type was not decided either."""
    if not batch.by_version:
        return []
    return [
        (name, kind)
        for name, kind in batch.types.items()
        if name in batch.measures
        and columns.has_measure(name)
        and not columns.has_measure(name, kind)
        and changes.type_of(name) is not kind
    ]
