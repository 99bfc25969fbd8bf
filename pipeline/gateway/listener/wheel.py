"""A timer wheel: deadlines of many connections with one timer.

Time is counted in *turns* of the event loop's timer, not in seconds of a clock: so after a stall of the loop, in which
it could not read, devices do not seem to have been silent. Adding, removing, and a turn with nothing due are O(1).
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

SLOTS = 1_024


class Wheel(Generic[T]):
    """Items in the slots of the turns at which they are due.

    An item later than `SLOTS` turns comes up early: the receiver checks its own deadline and puts it again.
    """

    __slots__ = ("_slots", "now")

    def __init__(self) -> None:
        self.now = 0  # the number of turns so far
        self._slots: list[set[T]] = [set() for _ in range(SLOTS)]

    def put(self, item: T, turns: int) -> int:
        """Add `item`, due after `turns` turns from now (at least 1); returns its slot."""
        slot = (self.now + min(max(turns, 1), SLOTS - 1)) % SLOTS
        self._slots[slot].add(item)
        return slot

    def remove(self, item: T, slot: int) -> None:
        """Remove `item` from the slot that `put` returned; does nothing if it was due already."""
        self._slots[slot].discard(item)

    def turn(self) -> set[T]:
        """Remove and return the items that are due now."""
        self.now += 1
        slot = self.now % SLOTS
        due = self._slots[slot]
        if due:
            self._slots[slot] = set()
        return due
