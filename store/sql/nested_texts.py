"""Columns of arrays, rows, maps and time series as columns of text, put together from the texts of all their parts.

A column of a thousand time series has as few steps as one of numbers: the parts of all values are one column each, and
Arrow joins their texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from store.sql.texts import around, by_unique, scalar_texts, with_nulls_as
from store.sql.types import (
    TIMESTAMP,
    ArrayType,
    MapType,
    RowType,
    Scalar,
    SqlType,
    TimeSeriesType,
)


@dataclass(frozen=True, slots=True)
class SeriesForm:
    """How a time series is written: what is around its points; before the time of each, before its value, after it."""

    around: tuple[str, str]
    point: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class NestedForm:
    """How values with parts are written.

    scalar  the texts of values that are not null
    null    the text of null
    array   before and after the elements of an array, which have commas in between
    row     before the first field of a row, between the fields, and after the last
    series  None: as an array of rows
    """

    scalar: Callable[[Scalar, pa.Array], pa.Array]
    null: str
    array: tuple[str, str]
    row: Callable[[RowType], Sequence[str]]
    series: SeriesForm | None = None

    def texts(self, values: pa.Array, kind: SqlType) -> pa.Array:
        """The text of each value, also of null."""
        match kind:
            case ArrayType():
                made = around(self.array[0], _joined(values, self.texts(values.flatten(), kind.element)), self.array[1])
            case TimeSeriesType() if self.series is not None:
                points = self._points(values.flatten(), kind, self.series)
                made = around(self.series.around[0], _joined(values, points), self.series.around[1])
            case TimeSeriesType() | MapType():
                return self.texts(values, kind.rows)
            case RowType():
                kinds = [field for _, field in kind.fields]
                made = _interleaved(self.row(kind), list(map(self.texts, values.flatten(), kinds)))
            case _:
                made = by_unique(pa.chunked_array([values]), lambda unique: self.scalar(kind, unique))
        return pc.if_else(values.is_valid(), made, self.null) if values.null_count else made

    def _points(self, points: pa.Array, kind: TimeSeriesType, form: SeriesForm) -> pa.Array:
        times, values = points.flatten()
        told = by_unique(pa.chunked_array([times]), lambda unique: scalar_texts(unique, TIMESTAMP))
        return _interleaved(form.point, [with_nulls_as(told, self.null), self.texts(values, kind.value)])


def _joined(lists: pa.Array, parts: pa.Array) -> pa.Array:
    """The texts of the elements of each list, with commas in between; empty for null."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pc.binary_join(pa.ListArray.from_arrays(offsets, parts), ",")


def _interleaved(between: Sequence[str], parts: Sequence[pa.Array]) -> pa.Array:
    """The texts of each row, with these before, between and after them."""
    pieces: list[pa.Array | str] = [between[0]]
    for part, after in zip(parts, between[1:], strict=True):
        pieces += [part, after]
    return pc.binary_join_element_wise(*pieces, "")
