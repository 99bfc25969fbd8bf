"""Numbers that order a table's rows of one partition: the frame's offset, then the row's place in the frame."""

from __future__ import annotations

import numpy as np

from store.record import Int64s

OFFSET_BITS = 20  # a sequence is offset << OFFSET_BITS | place


class Sequencer:
    """Numbers batches as they come; a frame's rows may come in several, one after the other."""

    def __init__(self) -> None:
        self._frame: dict[str, tuple[int, int]] = {}  # by partition: the last offset, and its rows so far
        self._before: tuple[int, int] = (-1, 0)  # what that was before the last batch

    def number(self, partition: str, offset: Int64s) -> Int64s:
        """Per row of a batch, given their frames' offsets: the same in every replay."""
        starts = np.flatnonzero(np.concatenate(([True], offset[1:] != offset[:-1])))
        within = np.arange(len(offset)) - np.repeat(starts, np.diff(np.append(starts, len(offset))))
        last_offset, count = self._before = self._frame.get(partition, (-1, 0))
        if int(offset[0]) == last_offset:
            within[offset == last_offset] += count
        self._frame[partition] = (int(offset[-1]), int(within[-1]) + 1)
        # More rows than there are numbers (tiny readings in large arrays) share the last: of two with one key there
        # either may stand
        return (offset << OFFSET_BITS) | np.minimum(within, (1 << OFFSET_BITS) - 1)

    def undo(self, partition: str) -> None:
        """The last batch, of this partition, was not applied: it comes again."""
        self._frame[partition] = self._before
