"""What the store knows of each series of a table beside its key: its last time and its most recent rows.

The *recent rows* of a series are the times of its last `DEPTH` rows, each with a digest of the row's values. They
answer most late and repeated rows without a look-up: for times ≥ `known_from_ns` of its series, the stored rows are
exactly those held here. A digest is 64 bits, keyed anew in each process; it lives in memory only.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from store.memory.newness import NEVER_NS
from store.record import Int32s, Int64s

UInt64s = npt.NDArray[np.uint64]

DEPTH = 16  # rows remembered per series: 80 s of the reference load in 25 MB for 100,000 series
_KEY = secrets.randbits(64) | 1
_MIX = np.uint64(0x9E3779B97F4A7C15)


class SeriesState:
    """Arrays over the series ids of one table; they grow by doubling."""

    def __init__(self, depth: int = DEPTH) -> None:
        """Nothing known yet; `depth` rows are remembered per series."""
        self.depth = depth
        self.last_ns: Int64s = np.full(0, NEVER_NS, np.int64)
        self.known_from_ns: Int64s = np.full(0, NEVER_NS, np.int64)
        self.times_ns: Int64s = np.full((0, depth), NEVER_NS, np.int64)
        self.digests: UInt64s = np.zeros((0, depth), np.uint64)
        self._oldest: npt.NDArray[np.intp] = np.zeros(0, np.intp)

    def reserve(self, count: int) -> None:
        """Make room for series ids below `count`."""
        have = len(self.last_ns)
        if count <= have:
            return
        more = max(count, 2 * have, 64) - have
        self.last_ns = np.concatenate((self.last_ns, np.full(more, NEVER_NS, np.int64)))
        self.known_from_ns = np.concatenate((self.known_from_ns, np.full(more, NEVER_NS, np.int64)))
        self.times_ns = np.concatenate((self.times_ns, np.full((more, self.depth), NEVER_NS, np.int64)))
        self.digests = np.concatenate((self.digests, np.zeros((more, self.depth), np.uint64)))
        self._oldest = np.concatenate((self._oldest, np.zeros(more, np.intp)))

    def restore(self, last_ns: Int64s) -> None:
        """Take in persisted last times: nothing is known of rows up to them."""
        self.reserve(len(last_ns))
        self.last_ns[: len(last_ns)] = last_ns
        seen = last_ns != NEVER_NS
        self.known_from_ns[: len(last_ns)][seen] = last_ns[seen] + 1

    def note(self, series: Int32s, time_ns: Int64s, digests: UInt64s | None) -> None:
        """Remember rows that were stored; `series` holds each once. Without digests: rows not to be judged here."""
        self.last_ns[series] = np.maximum(self.last_ns[series], time_ns)
        if digests is None:
            self.known_from_ns[series] = np.maximum(self.known_from_ns[series], time_ns + 1)
            return
        slot = self._oldest[series]
        forgotten = self.times_ns[series, slot]
        later = forgotten >= self.known_from_ns[series]
        if later.any():
            self.known_from_ns[series[later]] = forgotten[later] + 1
        self.times_ns[series, slot] = time_ns
        self.digests[series, slot] = digests
        self._oldest[series] = (slot + 1) % self.depth


def digest(measures: Iterable[tuple[str, pa.Array]], count: int) -> UInt64s:
    """A digest per row of all its values, given by measure; absent and null are one."""
    total = np.zeros(count, np.uint64)
    for name, values in measures:
        bits = bits_of(values)
        key = np.uint64((hash(name) ^ _KEY) & 0xFFFFFFFFFFFFFFFF | 1)
        bits = (bits ^ key) * _MIX
        bits ^= bits >> np.uint64(29)
        bits *= key
        bits ^= bits >> np.uint64(32)
        if values.null_count:
            bits[values.is_null().to_numpy(zero_copy_only=False)] = 0
        total += bits
    return total


def bits_of(values: pa.Array) -> UInt64s:
    """64 bits per value that are equal where values are, in this process; of a null any."""
    if pa.types.is_string(values.type):
        coded = values.dictionary_encode()
        words = np.array([hash(word) & 0xFFFFFFFFFFFFFFFF for word in coded.dictionary.to_pylist()] or [0], np.uint64)
        return np.asarray(words[coded.indices.fill_null(0).to_numpy(zero_copy_only=False)], np.uint64)
    if pa.types.is_boolean(values.type):
        return np.asarray(values.fill_null(False).cast(pa.uint8()).to_numpy(zero_copy_only=False), np.uint64)
    if pa.types.is_timestamp(values.type):
        values = values.view(pa.int64())
    if values.null_count:
        values = pc.fill_null(values, 0)
    return np.asarray(values.to_numpy(zero_copy_only=False).view(np.uint64))
