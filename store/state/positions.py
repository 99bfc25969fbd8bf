"""The low watermark of a partition, below which everything is durable and the log may be trimmed; partition numbers.

One offset is valid for all tables, also for those without new records: rows of a table below it are in the magnetic
tier or among the pending rows, and a table whose own position is higher skips the rows that it has. So a table without
new records needs no commits.

The catalog numbers the partitions in order of appearance, and rows contain the number: of two rows with the same key
that of the later partition wins.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping, Sequence

from store import layout
from store.errors import DamagedObject
from store.objects.damage import Outcome, report
from store.state.partition_state import PartitionState

_BESIDE = struct.Struct(">qQ")


class Positions:
    """The low watermark of one partition. One thread writes; others may read."""

    def __init__(self, partitions: Sequence[str], keep: PartitionState, own_partition: str) -> None:
        """Load the low watermark. `partitions`: all partitions, in the order of their numbers.

        `pending_rows`: the offset up to which rows were pending when it was saved; -1 if none were. `catalog`: the
        version of the catalog then; 0 if that is not known.
        """
        self.partitions = list(partitions)
        self._keep = keep
        self._own_partition = own_partition
        self._lowering = threading.Lock()
        self._numbers = {partition: number for number, partition in enumerate(self.partitions)}
        try:
            kept = keep.latest(layout.LOW_WATERMARK)
        except DamagedObject as error:
            kept = None
            report(
                "position",
                f"{error}; the whole log is read again, and what is there already is skipped",
                Outcome.MADE_AGAIN,
            )
        self.low_watermarks: dict[str, int] = {} if kept is None else {own_partition: kept[0]}
        self.pending_rows, self.catalog = _BESIDE.unpack(kept[1]) if kept and kept[1] else (-1, 0)

    def number_of(self, partition: str) -> int:
        """The number of `partition`. Raises KeyError for a partition that is not registered."""
        return self._numbers[partition]

    def save(self, low_watermarks: Mapping[str, int], pending_rows: int = -1, catalog: int = 0) -> None:
        """Raise the low watermark, durably; for the others see the constructor."""
        low_watermark = low_watermarks.get(self._own_partition)
        if low_watermark is not None and low_watermark > self.low_watermarks.get(self._own_partition, -1):
            self._keep.save(layout.LOW_WATERMARK, low_watermark, _BESIDE.pack(pending_rows, catalog))
            self.low_watermarks = {self._own_partition: low_watermark}

    def forget(self) -> None:
        """Have the whole log read again."""
        self._keep.forget(layout.LOW_WATERMARK)
        self.low_watermarks = {}

    def lower(self, low_watermark: int) -> None:
        """Lower the low watermark to at most this offset, durably. Any thread.

        If the process is killed halfway, there is none: then the whole log is read again, and each table skips the rows
        that it has.
        """
        with self._lowering:
            if low_watermark < self.low_watermarks.get(self._own_partition, -1):
                self._keep.forget(layout.LOW_WATERMARK)
                self._keep.save(layout.LOW_WATERMARK, low_watermark, b"")
                self.low_watermarks = {self._own_partition: low_watermark}
