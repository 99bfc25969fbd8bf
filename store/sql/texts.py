"""Columns of results as columns of text, value for value as `store.sql.values` has it, without a step per value.

A column has few different values, or its values are converted by Arrow: what Python does, it does for each different
value once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from store.sql.types import Scalar, ScalarType
from store.sql.values import formatter

_PLAIN = (1e-3, 1e7)  # where Java writes a double as everybody does
_WHOLE = (ScalarType.INTEGER, ScalarType.BIGINT)
SLICE_ROWS = 20_000
SLICE_BYTES = 4 * 2**20
_encoder = msgspec.json.Encoder()


def by_unique(column: pa.ChunkedArray, make: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """What `make` has for each value; it is called once, with the different values. Null remains null."""
    values = column.combine_chunks()
    is_double = pa.types.is_float64(values.type)
    coded = (values.view(pa.int64()) if is_double else values).dictionary_encode()  # -0.0 equals 0.0, its bits do not
    return make(coded.dictionary.view(pa.float64()) if is_double else coded.dictionary).take(coded.indices)


def scalar_texts(values: pa.Array, kind: Scalar) -> pa.Array:
    """The text of each value, none of which is null."""
    if kind is ScalarType.DOUBLE and pa.types.is_float64(values.type):
        return double_texts(values, *_PLAIN, formatter(kind))
    if kind is ScalarType.TIMESTAMP and pa.types.is_int64(values.type):
        return values.cast(pa.timestamp("ns")).cast(pa.string())
    if kind is ScalarType.BOOLEAN or (kind in _WHOLE and pa.types.is_integer(values.type)):
        return values.cast(pa.string())
    return pa.array(map(formatter(kind), values.to_pylist()), pa.string())


def double_texts(values: pa.Array, low: float, high: float, other: Callable[[float], str]) -> pa.Array:
    """The shortest text of each double, without an exponent where its size is in [low, high) or 0; else `other`."""
    numbers = values.to_numpy()
    size = np.abs(numbers)
    is_plain = ((size >= low) & (size < high)) | (size == 0)
    texts = np.empty(len(numbers), object)
    plain = numbers[is_plain]
    texts[is_plain] = _encoder.encode(plain.tolist())[1:-1].decode().split(",") if len(plain) else ()
    texts[~is_plain] = [other(number) for number in numbers[~is_plain].tolist()]
    return pa.array(texts, pa.string())


def with_nulls_as(texts: pa.Array, null: str) -> pa.Array:
    """The texts, with this one for null."""
    return texts.fill_null(null) if texts.null_count else texts


def around(before: str, texts: pa.Array, after: str) -> pa.Array:
    """Each text between these."""
    return pc.binary_join_element_wise(before, texts, after, "")


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Texts one after the other in UTF-8; `ends` are where each ends in `data`."""

    data: memoryview
    ends: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)

    @classmethod
    def of(cls, cells: Sequence[pa.Array], before: str, separator: str, after: str) -> Lines:
        """One text a row: its cells, n ≥ 1, none of them null, between `before` and `after`."""
        first, *others = cells
        if others:
            texts = pc.binary_join_element_wise(
                around(before, first, ""), *others[:-1], around("", others[-1], after), separator
            )
        else:
            texts = around(before, first, after)
        _, offsets, data = texts.buffers()
        if not len(texts):
            return cls(memoryview(b""), np.zeros(0, np.int64))
        ends = np.frombuffer(offsets, np.int32)[texts.offset + 1 : texts.offset + len(texts) + 1].astype(np.int64)
        return cls(memoryview(data or b""), ends)


def slices(table: pa.Table) -> Iterator[pa.Table]:
    """The rows in parts of about `SLICE_BYTES`, at most `SLICE_ROWS`: what is in memory as text is a few times that."""
    rows = max(1, min(SLICE_ROWS, table.num_rows * SLICE_BYTES // max(table.nbytes, 1)))
    for first in range(0, table.num_rows, rows):
        yield table.slice(first, rows)
