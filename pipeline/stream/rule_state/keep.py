"""Where the state of a partition's rules is kept: beside the magnetic tier, for whoever owns the partition next.

Each snapshot is named by the offset it covers, and the highest counts (`store.state.keep`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from urllib.parse import quote, unquote

from store.errors import StoreFormatError
from store.record import TableId
from store.state.keep import PartitionState

log = logging.getLogger(__name__)

BLOCKS = "rules/blocks/"
LOW_WATERMARK = "rules/floor"


class RuleKeep:
    """What is kept of the rules in `partition_id`. Its methods may block."""

    def __init__(self, keep: PartitionState, partition_id: str) -> None:
        self.partition_id = partition_id
        self._keep = keep
        self._saved: dict[TableId, int] = {}  # up to where

    def low_watermark(self) -> int:
        """The next offset as last saved; 0 where there is none.

        What is damaged is reported; nothing is lost: the log holds what no low watermark covers, and each block skips
        what its state has seen.
        """
        try:
            kept = self._keep.latest(LOW_WATERMARK)
        except StoreFormatError as error:
            log.warning("the rules are evaluated for the whole log: %s", error)
            return 0
        return 0 if kept is None else kept[0]

    def blocks(self) -> Iterable[tuple[TableId, bytes, str]]:
        """What is kept of each block, and where, for people. Of a damaged one nothing: it is reported."""
        for kind in self._keep.kinds(BLOCKS):
            names = [unquote(part) for part in kind.removeprefix(BLOCKS).split("/")]
            if len(names) != 3:
                continue
            try:
                kept = self._keep.latest(kind)
            except StoreFormatError as error:
                log.warning("the rules of %s start with empty state: %s", TableId(*names), error)
                self._keep.forget(kind)  # what is saved next may be good for less
                continue
            if kept is not None:
                yield TableId(*names), kept[1], f"{self.partition_id}/{kind}"

    def inherit(self, former: RuleKeep) -> None:
        """Keep what `former` has of blocks of which nothing is kept here."""
        known = set(self._keep.kinds(BLOCKS))
        for block, data, _ in former.blocks():
            if kind_of(block) not in known:
                self._keep.save(kind_of(block), 0, data)

    def save(self, block: TableId, data: bytes, offset: int) -> None:
        """Keep `data`, which covers offsets up to `offset`, in the place of what was kept of `block`.

        A state is a function of the log: nothing new is to be kept of the same offset.
        """
        if offset >= 0 and self._saved.get(block) != offset:
            self._keep.save(kind_of(block), offset, data)
            self._saved[block] = offset

    def remove(self, block: TableId) -> None:
        """Keep nothing of `block`."""
        self._keep.forget(kind_of(block))
        self._saved.pop(block, None)

    def save_low_watermark(self, low_watermark: int) -> None:
        """Keep this."""
        self._keep.save(LOW_WATERMARK, low_watermark, b"")


def kind_of(block: TableId) -> str:
    """As what the state of `block` is kept."""
    names = (quote(name, safe="").replace(".", "%2E") for name in (block.account, block.database, block.table))
    return BLOCKS + "/".join(names)
