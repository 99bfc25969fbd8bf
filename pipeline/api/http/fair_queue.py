"""Chooses the next query: accounts take turns, and none can have every slot. Decides only; starts nothing.

An account has at most `per_account` slots, and the last free slot is reserved for an account without one. Within an
account the order is that of the requests; among accounts with waiting queries, the one that was served last comes last.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """How many queries run and wait at once."""

    slots: int = 4
    per_account: int = 2  # one account alone uses both cores of the reference machine, as DuckDB releases the GIL
    waiting: int = 256
    waiting_per_account: int = 64


class FairQueue(Generic[T]):
    """Running and waiting queries, by account."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._waiting: OrderedDict[str, deque[T]] = OrderedDict()
        self._running: Counter[str] = Counter()

    @property
    def running(self) -> int:
        """The number of queries with a slot."""
        return self._running.total()

    @property
    def waiting(self) -> int:
        """The number of waiting queries."""
        return sum(map(len, self._waiting.values()))

    def waiting_of(self, account: str) -> int:
        """The number of waiting queries of an account."""
        return len(self._waiting.get(account, ()))

    def is_full(self, account: str) -> bool:
        """Whether the account may not have more waiting queries."""
        limits = self.limits
        return self.waiting >= limits.waiting or self.waiting_of(account) >= limits.waiting_per_account

    def ask(self, account: str, item: T) -> None:
        """Add `item` to the waiting ones."""
        self._waiting.setdefault(account, deque()).append(item)

    def withdraw(self, account: str, item: T) -> None:
        """Remove `item` from the waiting ones."""
        self._waiting[account].remove(item)
        self._tidy(account)

    def next(self) -> T | None:
        """The item that gets a slot now; None if no slot is free for any waiting item."""
        account = next(filter(self._may_start, self._waiting), None)
        if account is None:
            return None
        item = self._waiting[account].popleft()
        self._waiting.move_to_end(account)
        self._tidy(account)
        self._running[account] += 1
        return item

    def leave(self, account: str) -> None:
        """Free one slot of the account."""
        self._running[account] -= 1

    def _may_start(self, account: str) -> bool:
        free, own = self.limits.slots - self.running, self._running[account]
        return free > 0 and (own == 0 or (own < self.limits.per_account and free > 1))

    def _tidy(self, account: str) -> None:
        if not self._waiting[account]:
            del self._waiting[account]
