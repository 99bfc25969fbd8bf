"""Saves the rule state of a partition next to the magnetic tier, for the next owner of the partition.

Each snapshot is named by the offset that it covers; the highest is valid (`store.state.partition_state`).
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, unquote

import msgspec

from pipeline.log.generation import Generation
from rules.values.listening import ListeningClock
from store.errors import DamagedObject
from store.objects.damage import Outcome, report
from store.record import TableId
from store.state.partition_state import PartitionState

BLOCKS = "rules/blocks/"
LOW_WATERMARK = "rules/floor"
GENERATIONS = "rules/generations"


class _LowWatermark(msgspec.Struct, array_like=True, frozen=True):
    """What is saved with the low watermark: the kinds of all blocks, and a `ListeningClock`."""

    blocks: list[str]
    clock: tuple[int, int, dict[str, int], list[tuple[int, int]]] | None = None


_low_watermark_decoder = msgspec.msgpack.Decoder(_LowWatermark)
_names_decoder = msgspec.msgpack.Decoder(list[str])

Generations = list[tuple[int, Generation]]
"""Ascending offsets, and the rules in force from each on: those of a state that covers the offset."""

_generations_decoder = msgspec.msgpack.Decoder(Generations)


class RuleKeep:
    """The saved rule state of `partition_id`. Its methods may block."""

    def __init__(self, keep: PartitionState, partition_id: str) -> None:
        self.partition_id = partition_id
        self._keep = keep
        self._saved: dict[TableId, int] = {}  # up to which offset
        self.clock: ListeningClock | None = None  # at the low watermark
        self._known: set[str] = set()  # the kinds of the blocks that were saved, at the low watermark

    def low_watermark(self) -> int:
        """The saved low watermark; 0 if there is none.

        A damaged one is logged; nothing is lost, because the log has everything above the low watermark, and each block
        skips what its state has seen.
        """
        try:
            kept = self._keep.latest(LOW_WATERMARK)
        except DamagedObject as error:
            report("rule state", f"the rules are evaluated for the whole log: {error}", Outcome.MADE_AGAIN)
            return 0
        if kept is None:
            return 0
        saved = _read_low_watermark(kept[1])
        self._known = set(saved.blocks)
        self.clock = None if saved.clock is None else ListeningClock(*saved.clock)
        return kept[0]

    def missing(self) -> list[TableId]:
        """The blocks whose state was saved and is not there."""
        gone = self._known - set(self._keep.kinds(BLOCKS))
        return [_block_of(kind) for kind in sorted(gone)]

    def generations(self) -> Generations:
        """The saved generations of rules; none if there are none, or they are damaged, which is logged."""
        try:
            kept = self._keep.latest(GENERATIONS)
            return [] if kept is None else _generations_decoder.decode(kept[1])
        except (DamagedObject, msgspec.MsgspecError) as error:
            report("rule state", f"the rules of now count as those of then: {error}", Outcome.LOST)
            self._keep.forget(GENERATIONS)
            return []

    def save_generations(self, generations: Generations) -> None:
        """Save these, before any state that is made by the last of them."""
        self._keep.save(GENERATIONS, generations[-1][0] + 1, msgspec.msgpack.encode(generations))

    def blocks(self) -> Iterable[tuple[TableId, int, bytes, str]]:
        """The saved state of each block, with the offset that it covers, and its place for messages.

        A damaged state is logged and left out.
        """
        for kind in self._keep.kinds(BLOCKS):
            if kind.count("/") != BLOCKS.count("/") + 2:
                continue
            block = _block_of(kind)
            try:
                kept = self._keep.latest(kind)
            except DamagedObject as error:
                report("rule state", f"the rules of {block} start with empty state: {error}", Outcome.LOST)
                self._keep.forget(kind)  # the next one may cover a lower offset
                continue
            if kept is not None:
                yield block, kept[0], kept[1], f"{self.partition_id}/{kind}"

    def inherit(self, former: RuleKeep) -> None:
        """Copy the state of `former` for blocks without a state here."""
        known = set(self._keep.kinds(BLOCKS))
        for block, _, data, _ in former.blocks():
            if kind_of(block) not in known:
                self._keep.save(kind_of(block), 0, data)

    def save(self, block: TableId, data: bytes, offset: int) -> int:
        """Save `data`, which covers offsets up to `offset`, instead of the previous state of `block`.

        Returns how many bytes this took.

        State is a function of the log, so a second state for the same offset is not saved.
        """
        if offset < 0 or self._saved.get(block) == offset:
            return 0
        size_bytes = self._keep.save(kind_of(block), offset, data)
        self._saved[block] = offset
        return size_bytes

    def remove(self, block: TableId) -> None:
        """Remove the state of `block`."""
        self._keep.forget(kind_of(block))
        self._saved.pop(block, None)

    def save_low_watermark(self, low_watermark: int, clock: ListeningClock | None = None) -> None:
        """Save the low watermark, and the clock there."""
        saved = None if clock is None else (clock.complete_ns, clock.listened_ns, clock.upto_ns, clock.gaps)
        blocks = sorted(kind_of(block) for block in self._saved)
        self._keep.save(LOW_WATERMARK, low_watermark, msgspec.msgpack.encode(_LowWatermark(blocks, saved)))


def _read_low_watermark(data: bytes) -> _LowWatermark:
    """What is saved with a low watermark; before there were clocks, it was the list of blocks alone."""
    if not data:
        return _LowWatermark([])
    try:
        return _low_watermark_decoder.decode(data)
    except msgspec.ValidationError:
        return _LowWatermark(_names_decoder.decode(data))


def _block_of(kind: str) -> TableId:
    return TableId(*(unquote(part) for part in kind.removeprefix(BLOCKS).split("/")))


def kind_of(block: TableId) -> str:
    """The kind under which the state of `block` is saved."""
    names = (quote(name, safe="").replace(".", "%2E") for name in (block.account, block.database, block.table))
    return BLOCKS + "/".join(names)
