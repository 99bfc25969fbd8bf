"""Up to where of each partition a table has what: applied, saved in the pending rows, durable. Pure; under the table's
lock.

A record is applied once: what the magnetic tier, the pending rows or the table's birth covers is not applied again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pending:
    """Rows that wait to be flushed: since when, by the monotonic clock, and since which of the store's rows.

    size_bytes  what they take in RAM
    is_first    whether nothing of the table was flushed yet
    """

    since_ns: int
    from_row: int
    size_bytes: int
    is_first: bool


class Progress:
    """Offsets by partition of one table."""

    def __init__(self, born: Mapping[str, int]) -> None:
        """Nothing applied yet; records up to `born` are not the table's."""
        self.saved: Mapping[str, int] = {}  # rows up to this offset are in the pending rows
        self.unflushed: dict[str, int] = {}  # the first offset with rows that the magnetic tier may lack
        self._born = born
        self._applied_to: dict[str, int] = {}  # the last record that was not skipped
        self._last: dict[str, int] = {}  # the last offset with rows
        self._since: tuple[int, int] | None = None  # when the first unflushed row came, and which of the store's it was
        self._is_flushed_once = False

    def covered_to(self, partition: str, flushed: Mapping[str, int]) -> int:
        """Records up to this offset are not to be applied again, given the positions of the magnetic tier."""
        return max(position.get(partition, -1) for position in (flushed, self._born, self.saved))

    def applied(self, partition: str, offset: int) -> None:
        """Records up to this one are applied."""
        self._applied_to[partition] = offset

    def is_applied_beyond(self, positions: Mapping[str, int]) -> bool:
        """Whether any record was applied that lies beyond these positions."""
        return any(offset > positions.get(partition, -1) for partition, offset in self._applied_to.items())

    def stored(self, partition: str, first: int, last: int, now_ns: int, store_rows: int) -> None:
        """Rows of these offsets are in RAM, unflushed."""
        self.unflushed.setdefault(partition, first)
        self._last[partition] = last
        self._since = self._since or (now_ns, store_rows)

    def flushed(self, upto: Mapping[str, int], now_ns: int, store_rows: int) -> None:
        """The magnetic tier has the rows up to these positions."""
        self.unflushed = {
            partition: upto.get(partition, -1) + 1
            for partition in self.unflushed
            if self._last.get(partition, -1) > upto.get(partition, -1)
        }
        self._is_flushed_once = True
        self._since = (now_ns, store_rows) if self.unflushed else None

    def pending(self, size_bytes: int) -> Pending | None:
        """What waits to be flushed, of this size; None if nothing does."""
        return None if self._since is None else Pending(*self._since, size_bytes, not self._is_flushed_once)

    def undurable(self) -> dict[str, int]:
        """The first offset with rows that neither the magnetic tier nor the pending rows may have."""
        first = {
            partition: max(offset, self.saved.get(partition, -1) + 1) for partition, offset in self.unflushed.items()
        }
        return {partition: offset for partition, offset in first.items() if offset <= self._last.get(partition, -1)}
