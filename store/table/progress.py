"""The progress of a table per partition: applied, saved in the pending rows, durable. Pure; under the table's lock.

A record is applied once: offsets that the magnetic tier, the pending rows or the table's birth cover are skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pending:
    """Rows to be flushed: since when, by the monotonic clock, and from which row of the store's count.

    size_bytes  their size in RAM
    is_first    whether nothing of the table has been flushed yet
    """

    since_ns: int
    from_row: int
    size_bytes: int
    is_first: bool


class Progress:
    """The offsets of one table, by partition."""

    def __init__(self, born: Mapping[str, int]) -> None:
        """Nothing is applied yet; records up to `born` do not belong to the table."""
        self.saved: Mapping[str, int] = {}  # rows up to this offset are in the pending rows
        self.unflushed: dict[str, int] = {}  # the first offset with rows that the magnetic tier may not have
        self._born = born
        self._applied_to: dict[str, int] = {}  # the offset of the last record that was not skipped
        self._last: dict[str, int] = {}  # the last offset with rows
        self._since: tuple[int, int] | None = None  # of the first unflushed row: when it was applied, and its number
        self._is_flushed_once = False

    def covered_to(self, partition: str, flushed: Mapping[str, int]) -> int:
        """The offset up to which records must not be applied again, given the positions of the magnetic tier."""
        return max(position.get(partition, -1) for position in (flushed, self._born, self.saved))

    def applied(self, partition: str, offset: int) -> None:
        """Record that everything up to this offset is applied."""
        self._applied_to[partition] = offset

    def is_applied_beyond(self, positions: Mapping[str, int]) -> bool:
        """Whether a record with an offset beyond these positions was applied."""
        return any(offset > positions.get(partition, -1) for partition, offset in self._applied_to.items())

    def stored(self, partition: str, first: int, last: int, now_ns: int, store_rows: int) -> None:
        """Record that RAM has unflushed rows with these offsets."""
        self.unflushed.setdefault(partition, first)
        self._last[partition] = last
        self._since = self._since or (now_ns, store_rows)

    def flushed(self, upto: Mapping[str, int], now_ns: int, store_rows: int) -> None:
        """Record that the magnetic tier has the rows up to these positions."""
        self.unflushed = {
            partition: upto.get(partition, -1) + 1
            for partition in self.unflushed
            if self._last.get(partition, -1) > upto.get(partition, -1)
        }
        self._is_flushed_once = True
        self._since = (now_ns, store_rows) if self.unflushed else None

    def pending(self, size_bytes: int) -> Pending | None:
        """Description of the unflushed rows, which have this size; None if there are none."""
        return None if self._since is None else Pending(*self._since, size_bytes, not self._is_flushed_once)

    def undurable(self) -> dict[str, int]:
        """The first offset per partition with rows that may be in neither the magnetic tier nor the pending rows."""
        first = {
            partition: max(offset, self.saved.get(partition, -1) + 1) for partition, offset in self.unflushed.items()
        }
        return {partition: offset for partition, offset in first.items() if offset <= self._last.get(partition, -1)}
