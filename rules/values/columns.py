"""The values of one measure in a batch, as floats, wherever they are in the batch.

A measure has its own column in multi-measure records. In single-measure records (Timestream) the measure name of the
record is its name, and its value is in `measure_value::double` or `measure_value::bigint`. Rules compare floats, so a
bigint beyond 2**53 is compared rounded; alerts report the exact value.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from rules.values.arrays import Bools, Float64s
from store.record import MeasureType, RecordBatch, SeriesIndex

NUMBERS = (MeasureType.DOUBLE, MeasureType.BIGINT)
_SINGLE = tuple(f"measure_value::{kind}" for kind in NUMBERS)
_SINGLE_OTHERS = tuple(f"measure_value::{kind}" for kind in MeasureType if kind not in NUMBERS)


class MeasureReader:
    """Reads one measure of one table from batches."""

    def __init__(self, measure: str, index: SeriesIndex) -> None:
        self.measure = measure
        self._index = index
        self._single: Bools = np.empty(0, np.bool_)  # whether a series' measure name is this measure

    def read(self, batch: RecordBatch) -> Float64s | None:
        """A value per row, NaN where it has none; None if no row has one."""
        own = batch.measures.get(self.measure)
        values = None if own is None or batch.types[self.measure] not in NUMBERS else as_floats(own)
        for name in _SINGLE:
            if name in batch.measures and name != self.measure:
                values = self._with_single(values, batch, batch.measures[name])
        return values

    def is_whole(self, batch: RecordBatch) -> bool:
        """Whether its values in the batch are bigint."""
        names = (self.measure, *_SINGLE)
        kinds = [batch.types[name] for name in names if name in batch.measures and batch.types[name] in NUMBERS]
        return bool(kinds) and kinds[0] is MeasureType.BIGINT

    def not_numbers(self, batch: RecordBatch) -> Bools | None:
        """Which rows have a value that is text, a boolean or a time, which no rule judges; None: no row has."""
        found: Bools | None = None
        own = batch.measures.get(self.measure)
        if own is not None and batch.types[self.measure] not in NUMBERS:
            found = _there(own)
        for name in _SINGLE_OTHERS:
            if name in batch.measures and name != self.measure:
                there = _there(batch.measures[name]) & self._mine(batch)
                found = there if found is None else found | there
        return found

    def exact(self, batch: RecordBatch, row: int) -> float:
        """The value at `row`, which must have one; an int if it is a bigint."""
        for name in (self.measure, *_SINGLE):
            if name in batch.measures and batch.types[name] in NUMBERS:
                value = batch.measures[name][row].as_py()
                if value is not None:
                    return float(value) if batch.types[name] is MeasureType.DOUBLE else int(value)
        raise LookupError(f"row {row} has no value of {self.measure}")

    def _with_single(self, values: Float64s | None, batch: RecordBatch, column: pa.Array) -> Float64s | None:
        mine = self._mine(batch)
        if not mine.any():
            return values
        single = np.where(mine, as_floats(column), np.nan)
        return single if values is None else np.where(np.isnan(values), single, values)

    def _mine(self, batch: RecordBatch) -> Bools:
        """Which rows are single-measure records of this measure."""
        new = self._index.keys[len(self._single) : len(self._index)]
        if new:
            self._single = np.append(self._single, [key.measure_name == self.measure for key in new])
        mine: Bools = self._single[batch.series]
        return mine


def _there(column: pa.Array) -> Bools:
    there: Bools = column.is_valid().to_numpy(zero_copy_only=False)
    return there


def as_floats(column: pa.Array) -> Float64s:
    """The column as float64, null being NaN."""
    values: Float64s = column.to_numpy(zero_copy_only=False)
    return values if values.dtype == np.float64 else values.astype(np.float64)
