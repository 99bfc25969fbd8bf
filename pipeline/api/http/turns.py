"""Whose query is next: accounts take turns, and none can have every slot. Decides; starts nothing.

An account has at most `per_account` slots, and the last free slot is for an account that has none. Within an account
the order is that of asking; among accounts with waiting queries, the one that was served last is last.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """How many run and wait at once."""

    slots: int = 4
    per_account: int = 2  # one account alone uses both cores of the reference machine, as DuckDB releases the GIL
    waiting: int = 256
    waiting_per_account: int = 64


class Turns(Generic[T]):
    """What runs and what waits, by account."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._waiting: OrderedDict[str, deque[T]] = OrderedDict()
        self._running: Counter[str] = Counter()

    @property
    def running(self) -> int:
        """How many have a slot."""
        return self._running.total()

    @property
    def waiting(self) -> int:
        """How many have none yet."""
        return sum(map(len, self._waiting.values()))

    def waiting_of(self, account: str) -> int:
        """How many of an account have none yet."""
        return len(self._waiting.get(account, ()))

    def is_full(self, account: str) -> bool:
        """Whether no more of this account may wait."""
        limits = self.limits
        return self.waiting >= limits.waiting or self.waiting_of(account) >= limits.waiting_per_account

    def ask(self, account: str, item: T) -> None:
        """`item` waits from now on."""
        self._waiting.setdefault(account, deque()).append(item)

    def withdraw(self, account: str, item: T) -> None:
        """`item`, which waits, does so no more."""
        self._waiting[account].remove(item)
        self._tidy(account)

    def next(self) -> T | None:
        """What gets a slot now; None if none is free for any that wait."""
        account = next(filter(self._may_start, self._waiting), None)
        if account is None:
            return None
        item = self._waiting[account].popleft()
        self._waiting.move_to_end(account)
        self._tidy(account)
        self._running[account] += 1
        return item

    def leave(self, account: str) -> None:
        """One of the account's slots is free again."""
        self._running[account] -= 1

    def _may_start(self, account: str) -> bool:
        free, own = self.limits.slots - self.running, self._running[account]
        return free > 0 and (own == 0 or (own < self.limits.per_account and free > 1))

    def _tidy(self, account: str) -> None:
        if not self._waiting[account]:
            del self._waiting[account]
