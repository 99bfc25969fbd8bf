"""Limits a table's size in RAM: seals committed chunks, merges them, and evicts the oldest sealed chunk.

Rows that are not in the magnetic tier are never evicted. The caller holds `io_lock`.
"""

from __future__ import annotations

from collections.abc import Sequence

from store.memory.tier import Chunk
from store.table.core import Core, last_offset


def seal(core: Core) -> int:
    """Compress the closed chunks that are committed; returns their number."""
    with core.lock:
        chunks = core.memory.sealable(core.numbered(core.magnetic.version.positions))
    for chunk in chunks:
        _replace(core, [chunk])
    return len(chunks)


def merge(core: Core, most_bytes: int) -> int:
    """Merge small sealed chunks into larger ones, of at most `most_bytes`; returns the number of new ones."""
    made = 0
    while chunks := core.memory.mergeable(most_bytes):
        _replace(core, chunks)
        made += 1
    return made


def evict_oldest(core: Core) -> int:
    """Evict the oldest sealed chunk; returns its size in bytes, 0 if there is none."""
    with core.lock:
        chunk = _oldest_sealed(core)
        if chunk is None:
            return 0
        core.evict(chunk)
        return chunk.size_bytes


def oldest_sealed_ns(core: Core) -> int | None:
    """When the chunk that `evict_oldest` would evict was created. Any thread."""
    chunk = _oldest_sealed(core)
    return None if chunk is None else chunk.created_ns


def begins_of(core: Core) -> list[int]:
    """The offsets from which rows mean something else. The caller holds `lock`."""
    return [offset for offset, _ in core.columns.changes.eras.get(core.own_partition, ())]


def _oldest_sealed(core: Core) -> Chunk | None:
    return min(
        (chunk for chunk in list(core.memory.chunks) if chunk.sealed), key=lambda chunk: chunk.created_ns, default=None
    )


def _replace(core: Core, chunks: Sequence[Chunk]) -> None:
    with core.lock:
        begins = begins_of(core)
    sealed = core.memory.seal(chunks, begins)
    with core.lock:
        core.memory.swap(chunks, sealed)
        core.sealed_through = max(core.sealed_through, last_offset(sealed))
