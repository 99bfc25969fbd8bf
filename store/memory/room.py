"""What the memory tier of a process may take, all its tables together, and which of them give way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

_MERGED_CHUNK_SHARE = 6  # of the limit is a merged chunk at most: eviction drops whole chunks


class Evictable(Protocol):
    """A table, as far as it gives way."""

    def oldest_sealed_ns(self) -> int | None:
        """When the oldest chunk that could be evicted was made; None if there is none."""
        ...

    def evict_oldest(self) -> int:
        """Drop that chunk; its size in bytes, 0 if it cannot be now."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryRoom:
    """`limit_bytes` of RAM, and what of it is used."""

    used_bytes: Callable[[], int]
    limit_bytes: int

    @property
    def is_over(self) -> bool:
        """Whether more is used than may be."""
        return self.used_bytes() > self.limit_bytes

    @property
    def most_chunk_bytes(self) -> int:
        """What a merged chunk takes at most."""
        return self.limit_bytes // _MERGED_CHUNK_SHARE

    def make(self, tables: Sequence[Evictable]) -> int:
        """Drop sealed chunks, the oldest of all tables first, until enough is free; how many went."""
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
