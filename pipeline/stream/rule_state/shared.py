"""The state of a partition's rules beside a magnetic tier that workers share: what an owner leaves for the next one.

Each snapshot is named by the offset it covers, and the highest counts (`store.objects.keep`).
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, unquote

from store.objects.keep import StreamKeep
from store.record import TableId

BLOCKS = "rules/blocks/"
FLOOR = "rules/floor"


class RuleObjects:
    """The `RuleKeep` of whoever owns `stream`."""

    def __init__(self, keep: StreamKeep, stream: str) -> None:
        self._keep = keep
        self._stream = stream
        self._saved: dict[TableId, int] = {}  # up to where

    def floors(self) -> dict[str, int]:
        """See `RuleKeep`: of the one stream."""
        kept = self._keep.latest(FLOOR)
        return {} if kept is None else {self._stream: kept[0]}

    def blocks(self) -> Iterable[tuple[TableId, bytes, str]]:
        """See `RuleKeep`."""
        for kind in self._keep.kinds(BLOCKS):
            kept = self._keep.latest(kind)
            names = [unquote(part) for part in kind.removeprefix(BLOCKS).split("/")]
            if kept is not None and len(names) == 3:
                yield TableId(*names), kept[1], f"{self._stream}/{kind}"

    def save(self, block: TableId, data: bytes, offset: int) -> None:
        """See `RuleKeep`. A state is a function of the log: nothing new is to be kept of the same offset."""
        if offset >= 0 and self._saved.get(block) != offset:
            self._keep.save(_kind(block), offset, data)
            self._saved[block] = offset

    def remove(self, block: TableId) -> None:
        """See `RuleKeep`."""
        self._keep.forget(_kind(block))

    def save_floors(self, floors: dict[str, int]) -> None:
        """See `RuleKeep`."""
        floor = floors.get(self._stream)
        if floor is not None:
            self._keep.save(FLOOR, floor, b"")


def _kind(block: TableId) -> str:
    names = (quote(name, safe="").replace(".", "%2E") for name in (block.account, block.database, block.table))
    return BLOCKS + "/".join(names)
