"""A timer wheel: deadlines of many connections for the price of one timer.

Time is counted in *turns* of the event loop's own timer, not in seconds of a clock: a loop that was stalled, and could
not read what devices sent, does not then find them all silent. Putting, removing, and a turn with nothing due are O(1).
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

SLOTS = 1_024


class Wheel(Generic[T]):
    """Items in the slots of the turns at which they are due.

    One later than `SLOTS` turns comes up early: whoever gets it looks at its own deadline and puts it again.
    """

    __slots__ = ("_slots", "now")

    def __init__(self) -> None:
        self.now = 0  # turns made
        self._slots: list[set[T]] = [set() for _ in range(SLOTS)]

    def put(self, item: T, turns: int) -> int:
        """The slot of `item`, due after `turns` turns from now: at least 1."""
        slot = (self.now + min(max(turns, 1), SLOTS - 1)) % SLOTS
        self._slots[slot].add(item)
        return slot

    def remove(self, item: T, slot: int) -> None:
        """Take `item` out of the slot that `put` gave; nothing happens if it came up already."""
        self._slots[slot].discard(item)

    def turn(self) -> set[T]:
        """The items that are due now; they are in the wheel no more."""
        self.now += 1
        slot = self.now % SLOTS
        due = self._slots[slot]
        if due:
            self._slots[slot] = set()
        return due
