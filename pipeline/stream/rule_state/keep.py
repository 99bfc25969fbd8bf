"""Saves the rule state of a partition next to the magnetic tier, for the next owner of the partition.

Each snapshot is named by the offset that it covers; the highest is valid (`store.state.partition_state`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from urllib.parse import quote, unquote

from store.errors import StoreFormatError
from store.record import TableId
from store.state.partition_state import PartitionState

log = logging.getLogger(__name__)

BLOCKS = "rules/blocks/"
LOW_WATERMARK = "rules/floor"


class RuleKeep:
    """The saved rule state of `partition_id`. Its methods may block."""

    def __init__(self, keep: PartitionState, partition_id: str) -> None:
        self.partition_id = partition_id
        self._keep = keep
        self._saved: dict[TableId, int] = {}  # up to which offset

    def low_watermark(self) -> int:
        """The saved low watermark; 0 if there is none.

        A damaged one is logged; nothing is lost, because the log has everything above the low watermark, and each block
        skips what its state has seen.
        """
        try:
            kept = self._keep.latest(LOW_WATERMARK)
        except StoreFormatError as error:
            log.warning("the rules are evaluated for the whole log: %s", error)
            return 0
        return 0 if kept is None else kept[0]

    def blocks(self) -> Iterable[tuple[TableId, bytes, str]]:
        """The saved state of each block, and its place for messages. A damaged state is logged and left out."""
        for kind in self._keep.kinds(BLOCKS):
            names = [unquote(part) for part in kind.removeprefix(BLOCKS).split("/")]
            if len(names) != 3:
                continue
            try:
                kept = self._keep.latest(kind)
            except StoreFormatError as error:
                log.warning("the rules of %s start with empty state: %s", TableId(*names), error)
                self._keep.forget(kind)  # the next one may cover a lower offset
                continue
            if kept is not None:
                yield TableId(*names), kept[1], f"{self.partition_id}/{kind}"

    def inherit(self, former: RuleKeep) -> None:
        """Copy the state of `former` for blocks without a state here."""
        known = set(self._keep.kinds(BLOCKS))
        for block, data, _ in former.blocks():
            if kind_of(block) not in known:
                self._keep.save(kind_of(block), 0, data)

    def save(self, block: TableId, data: bytes, offset: int) -> None:
        """Save `data`, which covers offsets up to `offset`, instead of the previous state of `block`.

        State is a function of the log, so a second state for the same offset is not saved.
        """
        if offset >= 0 and self._saved.get(block) != offset:
            self._keep.save(kind_of(block), offset, data)
            self._saved[block] = offset

    def remove(self, block: TableId) -> None:
        """Remove the state of `block`."""
        self._keep.forget(kind_of(block))
        self._saved.pop(block, None)

    def save_low_watermark(self, low_watermark: int) -> None:
        """Save the low watermark."""
        self._keep.save(LOW_WATERMARK, low_watermark, b"")


def kind_of(block: TableId) -> str:
    """The kind under which the state of `block` is saved."""
    names = (quote(name, safe="").replace(".", "%2E") for name in (block.account, block.database, block.table))
    return BLOCKS + "/".join(names)
