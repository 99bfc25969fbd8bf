"""The state of each series of a table besides its key: its last time and its most recent rows.

The *recent rows* of a series are the times of its last `DEPTH` rows, each with a digest of the row's values. They
decide most late and repeated rows without a look-up: for times ≥ `known_from_ns` of a series, the stored rows are
exactly the recent ones. A digest has 64 bits, and its key is random in each process; it exists only in memory.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from store.memory.newness import NEVER_NS, Bools
from store.record import Int32s, Int64s

UInt64s = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]

DEPTH = 16  # rows remembered per series: 80 s of the reference load in 25 MB for 100,000 series
_KEY = secrets.randbits(64) | 1
_MIX = np.uint64(0x9E3779B97F4A7C15)


class SeriesState:
    """Arrays over the series ids of one table; they grow by doubling."""

    def __init__(self, depth: int = DEPTH) -> None:
        """Start without series; `depth` rows are remembered per series."""
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
        """Set saved last times; the rows up to them are unknown."""
        self.reserve(len(last_ns))
        self.last_ns[: len(last_ns)] = last_ns
        seen = last_ns != NEVER_NS
        self.known_from_ns[: len(last_ns)][seen] = last_ns[seen] + 1

    def forget_rows(self) -> None:
        """Forget the recent rows of all series, some of which are deleted: until others come, keys are looked up."""
        np.maximum(self.known_from_ns, self.last_ns + (self.last_ns != NEVER_NS), out=self.known_from_ns)
        self.times_ns[:] = NEVER_NS

    def remember(
        self,
        series: Int32s,
        time_ns: Int64s,
        digests: UInt64s | None,
        slot: Places | None = None,
        is_known: Bools | None = None,
    ) -> None:
        """Remember rows that were stored, in order. Without digests, their values are unknown.

        `slot` is the index of rows whose time is already remembered, -1 for others; `is_known`: whether the recent rows
        of the series reach back to the row's time. Without both, all rows are new.
        """
        if digests is None:
            np.maximum.at(self.last_ns, series, time_ns)
            np.maximum.at(self.known_from_ns, series, time_ns + 1)
            return
        if slot is not None and is_known is not None:
            changed = is_known & (slot >= 0)
            self.digests[series[changed], slot[changed]] = digests[changed]
            new = np.flatnonzero(is_known & (slot < 0))
            if not len(new):
                return
            series, time_ns, digests = series[new], time_ns[new], digests[new]
        self._note_all(series, time_ns, digests)

    def _note_all(self, series: Int32s, time_ns: Int64s, digests: UInt64s) -> None:
        order = np.argsort(series, kind="stable")
        ends = np.append(np.flatnonzero(series[order][1:] != series[order][:-1]), len(order) - 1)
        if len(ends) == len(order):
            self._note(series, time_ns, digests)
            return
        # The number of later rows of the same series: the last `depth` rows are remembered, in rounds of one row per
        # series.
        after = np.repeat(ends, np.diff(np.append(-1, ends))) - np.arange(len(order))
        early = order[after >= self.depth]
        if len(early):
            np.maximum.at(self.last_ns, series[early], time_ns[early])
            np.maximum.at(self.known_from_ns, series[early], time_ns[early] + 1)
        for round_ in range(min(self.depth, int(after.max()) + 1) - 1, -1, -1):
            rows = order[after == round_]
            self._note(series[rows], time_ns[rows], digests[rows])

    def _note(self, series: Int32s, time_ns: Int64s, digests: UInt64s) -> None:
        """Remember rows; `series` has no repeats."""
        self.last_ns[series] = np.maximum(self.last_ns[series], time_ns)
        slot = self._oldest[series]
        forgotten = self.times_ns[series, slot]
        later = forgotten >= self.known_from_ns[series]
        if later.any():
            self.known_from_ns[series[later]] = forgotten[later] + 1
        self.times_ns[series, slot] = time_ns
        self.digests[series, slot] = digests
        self._oldest[series] = (slot + 1) % self.depth


def digest(measures: Iterable[tuple[str, pa.Array]], count: int) -> UInt64s:
    """A digest of all values of each row, given by measure; absent and null are the same."""
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
    """64 bits per value, which are equal if the values are, within this process; undefined for nulls."""
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
