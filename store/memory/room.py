"""The limit of the memory tier, for all tables of a process together, and the choice of chunks to evict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

_ROLLUP_SHARE = 16  # of the limit
_MERGED_CHUNK_SHARE = 6  # a merged chunk has at most this part of the limit, because whole chunks are evicted


class Evictable(Protocol):
    """A table from which chunks can be evicted."""

    def oldest_sealed_ns(self) -> int | None:
        """When the oldest chunk that can be evicted was created; None if there is none."""
        ...

    def evict_oldest(self) -> int:
        """Evict that chunk; returns its size in bytes, 0 if it cannot be evicted now."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryRoom:
    """The limit of `limit_bytes` of RAM, and the current use."""

    used_bytes: Callable[[], int]
    limit_bytes: int

    def is_over(self) -> bool:
        """Whether the use is above the limit."""
        return self.used_bytes() > self.limit_bytes

    @property
    def most_chunk_bytes(self) -> int:
        """The maximum size of a merged chunk."""
        return self.limit_bytes // _MERGED_CHUNK_SHARE

    @property
    def most_rollup_bytes(self) -> int:
        """The size of rollups from which on no more are made; they are part of the use."""
        return self.limit_bytes // _ROLLUP_SHARE

    def make(self, tables: Sequence[Evictable]) -> int:
        """Evict sealed chunks, oldest of all tables first, until the use is within the limit; returns their number."""
        excess, dropped = self.used_bytes() - self.limit_bytes, 0
        busy: set[int] = set()
        while excess > 0:
            ages = [(table.oldest_sealed_ns(), at) for at, table in enumerate(tables) if at not in busy]
            known = [(made_ns, at) for made_ns, at in ages if made_ns is not None]
            if not known:
                break
            _, at = min(known)
            freed = tables[at].evict_oldest()
            if not freed:
                busy.add(at)
                continue
            excess, dropped = excess - freed, dropped + 1
        return dropped
