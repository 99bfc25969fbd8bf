"""A hash of each row of a converted table: the same for the same key and values, wherever they come from. Pure.

64 bits, from all values by name; an absent value counts nothing. The hash of many rows is the sum of theirs, so it does
not depend on their order. Doubles count to the bit, except that every NaN is the same.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from pipeline.operations.importing.conversion import KIND

UInt64s = npt.NDArray[np.uint64]
_MIX = np.uint64(0x9E3779B97F4A7C15)
_COUNTED = ("time", "measure_name", "dimension", "measure")


def row_hashes(table: pa.Table) -> UInt64s:
    """The hash of each row."""
    total = np.zeros(len(table), np.uint64)
    for field, column in zip(table.schema, table.columns, strict=True):
        kind = field.metadata[KIND.encode()].decode()
        if kind in _COUNTED:
            values = column.combine_chunks()
            bits = _mixed(_bits(values), np.uint64(xxhash.xxh3_64_intdigest(f"{kind} {field.name}".encode()) | 1))
            if values.null_count:
                bits[values.is_null().to_numpy(zero_copy_only=False)] = 0
            total += bits
    return _mixed(total, _MIX)


def hash_of(hashes: Iterable[UInt64s]) -> str:
    """The hash of all these rows, in hexadecimal digits."""
    return f"{sum(int(of.sum(dtype=np.uint64)) for of in hashes) % 2**64:016x}"


def _mixed(bits: UInt64s, key: np.uint64) -> UInt64s:
    bits = (bits ^ key) * _MIX
    bits ^= bits >> np.uint64(29)
    bits *= key
    bits ^= bits >> np.uint64(32)
    return bits


def _bits(values: pa.Array) -> UInt64s:
    """64 bits of each value; undefined for nulls."""
    kind = values.type
    if pa.types.is_string(kind):
        values, kind = values.dictionary_encode(), pa.dictionary(pa.int32(), pa.string())
    if pa.types.is_dictionary(kind):
        words = [
            0 if word is None else xxhash.xxh3_64_intdigest(word.encode()) for word in values.dictionary.to_pylist()
        ]
        codes = values.indices.fill_null(0).to_numpy(zero_copy_only=False)
        hashes: UInt64s = np.array(words or [0], np.uint64)[codes]
        return hashes
    if pa.types.is_boolean(kind):
        return np.asarray(values.fill_null(False).cast(pa.uint8()).to_numpy(zero_copy_only=False), np.uint64)
    if pa.types.is_timestamp(kind):
        values = values.view(pa.int64())
    numbers = np.asarray(pc.fill_null(values, 0).to_numpy(zero_copy_only=False))
    if numbers.dtype == np.float64 and (nan := np.isnan(numbers)).any():
        numbers = np.where(nan, np.nan, numbers)
    return numbers.view(np.uint64)
