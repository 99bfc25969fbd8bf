"""Functions of ours in DuckDB, over whole columns of lists at once: no Python runs for single rows or values.

positions          BIGINT[] times in order, BIGINT[] at → for each `at` how many of the times are not after it
weighted_positions DOUBLE[] weights, DOUBLE[] ratios from 0 to 1 → for each ratio the number, from 1, of the weight with
                   which this part of the sum of all weights is reached
spline_curvatures  BIGINT[] times in order (ns), DOUBLE[] values → the second derivatives (per s²) of the natural cubic
                   spline at each time; NaN where a list has a null value
refused            VARCHAR message → the error with this message, within DuckDB's TRY, where its own `error` cannot be
ranks              DOUBLE[] values → the rank of each among those of its list, from 1; equal values share the mean of
                   theirs; null for a null
xxhash64           BLOB → the eight bytes of its XXH64
json_sorted        VARCHAR JSON → the same without spaces, the keys of its objects in order, the last of equal ones;
                   empty for what is nested too deep, or has a number beyond a double; for those with objects
utf8_repaired      BLOB → its text, U+FFFD for what is not UTF-8; for the few that are not
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from store.engine.xxhash64 import hashes

_NS_PER_S = 1e9


def positions(times: pa.ChunkedArray, at: pa.ChunkedArray) -> pa.Array:
    """See the module."""
    time, sought, sought_row = _numbers(times), _numbers(at), _rows(at)
    # all numbers of all rows in one order: by row, then number, a time before a sought number that equals it
    number = np.concatenate([time, sought])
    is_sought = np.concatenate([np.zeros(len(time), np.int8), np.ones(len(sought), np.int8)])
    order = np.lexsort((is_sought, number, np.concatenate([_rows(times), sought_row])))
    before = np.cumsum(is_sought[order] == 0)
    found = np.empty(len(number), np.int64)
    found[order] = before
    return _lists(found[len(time) :] - _offsets(times)[:-1][sought_row], at)


def spline_curvatures(times: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.Array:
    """See the module. Solves the tridiagonal systems of all rows side by side (Thomas's algorithm)."""
    offsets, flat, value = _offsets(times), _numbers(times), _numbers(values)
    curvature = np.zeros(len(flat))
    lengths = np.diff(offsets)
    most = int(lengths.max(initial=0))
    rows = np.argsort(-lengths, kind="stable")  # the first n of them have a point number i
    starts, ends = offsets[:-1][rows], lengths[rows]
    upper, right = np.zeros(len(flat)), np.zeros(len(flat))
    with np.errstate(all="ignore"):
        for place in range(1, most - 1):
            here = starts[: np.searchsorted(-ends, -(place + 1), side="left")] + place
            before = (flat[here] - flat[here - 1]) / _NS_PER_S
            after = (flat[here + 1] - flat[here]) / _NS_PER_S
            slopes = (value[here + 1] - value[here]) / after - (value[here] - value[here - 1]) / before
            pivot = 2 * (before + after) - before * upper[here - 1]
            upper[here] = after / pivot
            right[here] = (6 * slopes - before * right[here - 1]) / pivot
        for place in range(most - 2, 0, -1):
            here = starts[: np.searchsorted(-ends, -(place + 1), side="left")] + place
            curvature[here] = right[here] - upper[here] * curvature[here + 1]
    return _lists(curvature, times)


def _offsets(lists: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Where the numbers of each list begin and end in `flatten`; a null has none."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
    return np.concatenate([[0], np.cumsum(lengths)])


def _rows(lists: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """The row of each number."""
    return np.repeat(np.arange(len(lists)), np.diff(_offsets(lists)))


def _numbers(lists: pa.ChunkedArray) -> npt.NDArray[Any]:
    """The numbers of all lists; a null is NaN, or 0 if they are integers."""
    flat = lists.combine_chunks().flatten()
    nothing = float("nan") if pa.types.is_floating(flat.type) else 0
    return np.asarray(pc.fill_null(flat, nothing).to_numpy(zero_copy_only=False))


def _lists(numbers: npt.NDArray[Any] | pa.Array, like: pa.ChunkedArray) -> pa.Array:
    """Lists of the same lengths as others."""
    return pa.ListArray.from_arrays(
        pa.array(_offsets(like).astype(np.int32)), numbers if isinstance(numbers, pa.Array) else pa.array(numbers)
    )


def weighted_positions(weights: pa.ChunkedArray, ratios: pa.ChunkedArray) -> pa.Array:
    """See the module. Raises ValueError for a ratio outside of 0 to 1."""
    offsets, row = _offsets(weights), _rows(ratios)
    sums = np.concatenate([[0.0], np.cumsum(_numbers(weights))])
    ratio = _numbers(ratios)
    if len(ratio) and not (ratio.min() >= 0 and ratio.max() <= 1):
        raise ValueError("Percentile must be between 0 and 1")
    first, last = offsets[:-1][row], offsets[1:][row]
    sought = sums[first] + ratio * (sums[last] - sums[first])
    found = np.clip(np.searchsorted(sums, sought, side="left") - first, 1, np.maximum(last - first, 1))
    return _lists(found, ratios)


def ranks(values: pa.ChunkedArray) -> pa.Array:
    """See the module."""
    value, row = _numbers(values), _rows(values)
    order = np.lexsort((value, row))  # NaN, also of nulls, is last in its row
    ordered, rows = value[order], row[order]
    is_first = np.ones(len(value), bool)
    is_first[1:] = (ordered[1:] != ordered[:-1]) | (rows[1:] != rows[:-1])
    firsts = np.flatnonzero(is_first)
    counts = np.diff(np.append(firsts, len(value)))
    found = np.empty(len(value))
    found[order] = np.repeat(firsts + (counts + 1) / 2, counts)
    found -= _offsets(values)[:-1][row]
    return _lists(pa.array(found, mask=np.isnan(value)), values)


def refused(messages: pa.ChunkedArray) -> pa.Array:
    """See the module."""
    first = messages.drop_null().slice(0, 1).to_pylist()
    if first:
        raise ValueError(first[0])
    return pa.nulls(len(messages))


def xxhash64(values: pa.ChunkedArray) -> pa.Array:
    """See the module."""
    column = pc.fill_null(values, b"").cast(pa.large_binary()).combine_chunks()
    _, offset_bytes, data = column.buffers()
    offsets = np.frombuffer(offset_bytes, np.int64)[column.offset : column.offset + len(column) + 1]
    flat = np.frombuffer(data or b"", np.uint8)
    found = np.empty(len(column), ">u8")
    starts, lengths = offsets[:-1], np.diff(offsets)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        found[rows] = hashes(flat[starts[rows, None] + np.arange(length)])
    return pa.Array.from_buffers(pa.binary(8), len(found), [None, pa.py_buffer(found)]).cast(pa.binary())


def utf8_repaired(values: pa.ChunkedArray) -> pa.Array:
    """See the module."""
    return pa.array([None if value is None else value.decode(errors="replace") for value in values.to_pylist()])


def json_sorted(values: pa.ChunkedArray) -> pa.Array:
    """See the module."""
    return pa.array([None if value is None else _sorted(value) for value in values.to_pylist()])


def _sorted(document: str) -> str:
    try:
        return _encode(json.loads(document))
    except (ValueError, RecursionError):  # the first for an infinity, and a whole number of more than 4,300 digits
        return ""


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode

FUNCTIONS = (
    (refused, ("VARCHAR",), '"NULL"'),
    (ranks, ("DOUBLE[]",), "DOUBLE[]"),
    (weighted_positions, ("DOUBLE[]", "DOUBLE[]"), "BIGINT[]"),
    (positions, ("BIGINT[]", "BIGINT[]"), "BIGINT[]"),
    (xxhash64, ("BLOB",), "BLOB"),
    (utf8_repaired, ("BLOB",), "VARCHAR"),
    (json_sorted, ("VARCHAR",), "VARCHAR"),
    (spline_curvatures, ("BIGINT[]", "DOUBLE[]"), "DOUBLE[]"),
)
"""Each with the types of its parameters and its result in DuckDB."""
