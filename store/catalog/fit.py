"""Which records of a batch a table can hold, whatever is in the log. Pure.

Normalise and the endpoint refuse at the door what does not fit, where its sender can be told. But they look ahead of
the store: two writers can bring one new measure with two types, and the table can be deleted and made anew meanwhile.
So log order decides, here: of WriteRecords the first type of a measure stands, and a record with a value of another is
refused. A device's value of another type is kept in a column of that type. A frame must never make `apply` raise, or
every restart would meet it again.

Times are kept one second away from the ends of 64-bit nanoseconds (1677-09-21 to 2262-04-11), so that "just after",
and rounding to microseconds, stay within them.
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
    """Which records a table refuses (at least one), and the reasons."""

    rows: npt.NDArray[np.bool_]
    reasons: tuple[str, ...]


def unfit(batch: RecordBatch, columns: Columns, changes: ColumnChanges) -> Unfit | None:
    """The records that a table with these columns cannot hold; None if it can hold them all."""
    rows = (batch.time_ns < EARLIEST_NS) | (batch.time_ns > LATEST_NS)
    reasons = ["a time is beyond what can be stored"] if rows.any() else []
    for name, kind in _conflicts(batch, columns, changes):
        has_value = batch.measures[name].is_valid().to_numpy(zero_copy_only=False)
        if has_value.any():
            rows |= has_value
            reasons.append(f"measure {name!r} has another type in the table, and came as {kind.value}")
    return Unfit(rows, tuple(reasons)) if reasons else None


def without_conflicts(batch: RecordBatch, columns: Columns, changes: ColumnChanges) -> RecordBatch:
    """`batch` without the measures that have another type in the table: nobody has a value of them any more."""
    gone = {name for name, _ in _conflicts(batch, columns, changes)}
    if not gone:
        return batch
    kept = {name: values for name, values in batch.measures.items() if name not in gone}
    return replace(batch, measures=kept, types={name: batch.types[name] for name in kept})


def _conflicts(batch: RecordBatch, columns: Columns, changes: ColumnChanges) -> list[tuple[str, MeasureType]]:
    """Measures of WriteRecords of which the table has other types, and neither has nor is to have this one."""
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
