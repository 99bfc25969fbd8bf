"""The numbered messages of one call: *row* n is the n-th message of all its frames, in log order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self

import numpy as np

from pipeline.log.frame import Frame
from store.record import Int64s


@dataclass(frozen=True, slots=True)
class Call:
    """All sequences are indexed by row. `starts` is the row of the first message of each row's frame."""

    accounts: list[str]
    mqtt_topics: list[str]
    payloads: list[bytes]
    arrivals: Int64s
    offsets: Int64s
    starts: Int64s

    @classmethod
    def of(cls, frames: Sequence[tuple[int, Frame]]) -> Self:
        """The messages of these frames."""
        lengths = [len(frame) for _, frame in frames]
        return cls(
            list(chain.from_iterable(frame.accounts for _, frame in frames)),
            list(chain.from_iterable(frame.mqtt_topics for _, frame in frames)),
            list(chain.from_iterable(frame.payloads for _, frame in frames)),
            np.array(list(chain.from_iterable(frame.arrival_ns for _, frame in frames)), np.int64),
            np.repeat(np.array([offset for offset, _ in frames], np.int64), lengths),
            np.repeat(np.cumsum([0, *lengths[:-1]], dtype=np.int64), lengths),
        )

    def place_of(self, row: int) -> tuple[int, int]:
        """The log offset of the row's frame, and the row's index in it."""
        return int(self.offsets[row]), row - int(self.starts[row])
