"""Numbers that order a table's rows of one partition: first the offset of the frame, then the position in the frame."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from store.record import Int64s

OFFSET_BITS = 20  # a sequence is offset << OFFSET_BITS | position in the frame


class Sequencer:
    """Numbers the rows of batches in log order; the rows of a frame may arrive in several successive batches."""

    def __init__(self) -> None:
        self._frame: dict[str, tuple[int, int]] = {}  # partition → the last offset, and its number of rows so far
        self._before: tuple[int, int] = (-1, 0)  # the entry of the last batch's partition before that batch

    def number(self, partition: str, offset: Int64s) -> Int64s:
        """The sequence of each row of a batch, given the offsets of their frames; the same in every replay."""
        starts = np.flatnonzero(np.concatenate(([True], offset[1:] != offset[:-1])))
        within = np.arange(len(offset)) - np.repeat(starts, np.diff(np.append(starts, len(offset))))
        last_offset, count = self._before = self._frame.get(partition, (-1, 0))
        if int(offset[0]) == last_offset:
            within[offset == last_offset] += count
        self._frame[partition] = (int(offset[-1]), int(within[-1]) + 1)
        # Rows beyond the available numbers (tiny readings in large arrays) share the last one: of two rows among them
        # with the same key, either may win
        return (offset << OFFSET_BITS) | np.minimum(within, (1 << OFFSET_BITS) - 1)

    def undo(self, partition: str) -> None:
        """Take back the numbers of the last batch, of this partition: it was not applied and will come again."""
        self._frame[partition] = self._before


def lowered(sequence: Int64s, begins: Iterable[int]) -> Int64s:
    """Sequences of a commit in few different values: each is lowered to the lowest one since the last of `begins`.

    `begins` are offsets from which rows mean something else. All rows of earlier commits remain below, and all of
    later ones above; the order within the commit is lost.
    """
    lowest = int(sequence.min())
    bounds = np.unique([lowest, *(begin << OFFSET_BITS for begin in begins if begin << OFFSET_BITS > lowest)])
    return np.asarray(bounds[np.searchsorted(bounds, sequence, side="right") - 1])
