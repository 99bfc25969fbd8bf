"""Keeping the memory tier small: sealing what is committed, merging it, and dropping the oldest sealed chunks.

Rows that the magnetic tier lacks are never dropped. Where those alone pass the cap, tables are flushed early.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from store.memory.tier import Chunk
from store.table.table import Table


def seal(table: Table) -> int:
    """Compress the closed chunks that the magnetic tier has; how many."""
    with table.io_lock:  # which keeps the table from being dropped
        if table.is_dropped:
            return 0
        with table.lock:
            chunks = table.memory.sealable(table.numbered(table.magnetic.version.positions))
        for chunk in chunks:
            _replace(table, [chunk])
        return len(chunks)


def merge(table: Table, most_bytes: int) -> int:
    """Make larger chunks of many sealed ones, none larger than `most_bytes`; how many were made."""
    made = 0
    with table.io_lock:
        while not table.is_dropped and (chunks := table.memory.mergeable(most_bytes)):
            _replace(table, chunks)
            made += 1
    return made


def _replace(table: Table, chunks: Sequence[Chunk]) -> None:
    sealed = table.memory.seal(chunks)
    with table.lock:
        table.memory.swap(chunks, sealed)


def make_room(tables: Sequence[Table], used_bytes: Callable[[], int], limit_bytes: int) -> int:
    """Drop sealed chunks, the oldest of all tables first, until no more than `limit_bytes` is used; how many went."""
    excess = used_bytes() - limit_bytes
    if excess <= 0:
        return 0
    oldest_first = sorted(
        ((chunk, table) for table in tables for chunk in list(table.memory.chunks) if chunk.sealed),
        key=lambda pair: pair[0].created_ns,
    )
    dropped = 0
    for chunk, table in oldest_first:
        if excess <= 0:
            break
        if not table.io_lock.acquire(blocking=False):
            continue  # another store's upkeep is at it: of a table that shares the memory tier
        try:
            with table.lock:
                if chunk in table.memory.chunks:
                    table.evict(chunk)
                    excess -= chunk.size_bytes
                    dropped += 1
        finally:
            table.io_lock.release()
    return dropped


def largest_unsealed(tables: Sequence[Table]) -> Table | None:
    """The table whose unsealed chunks take most, None if there is no row in any."""
    sizes = [
        (sum(chunk.size_bytes for chunk in list(table.memory.chunks) if not chunk.sealed), position)
        for position, table in enumerate(tables)
    ]
    most, position = max(sizes, default=(0, 0))
    return tables[position] if most else None
