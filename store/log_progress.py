"""How far the log has been applied to a store. Written by the thread that applies; any thread may read."""

from __future__ import annotations


class LogProgress:
    """The offset per partition up to which every record is applied, and the number of rows applied since the start."""

    def __init__(self) -> None:
        self.rows = 0
        self._advanced: dict[str, int] = {}

    def advance(self, partition: str, offset: int) -> None:
        """Record that every record of `partition` up to and including `offset` has been applied."""
        if offset > self._advanced.get(partition, -2):
            self._advanced[partition] = offset

    def advanced(self) -> dict[str, int]:
        """Partition → the offset up to which every record is applied."""
        return dict(self._advanced)
