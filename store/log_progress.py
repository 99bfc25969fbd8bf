"""How far the log has been applied to a store: written by the thread that applies, read by any."""

from __future__ import annotations


class LogProgress:
    """By partition, up to where every record is applied; and how many rows were applied since the store was opened."""

    def __init__(self) -> None:
        self.rows = 0
        self._advanced: dict[str, int] = {}

    def advance(self, partition: str, offset: int) -> None:
        """Every record of `partition` up to and including `offset` has been applied."""
        if offset > self._advanced.get(partition, -2):
            self._advanced[partition] = offset

    def advanced(self) -> dict[str, int]:
        """By partition, up to where every record is applied."""
        return dict(self._advanced)
