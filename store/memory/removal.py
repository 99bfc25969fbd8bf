"""Removes rows from chunks: a chunk without them takes the place of one that has them, which readers may keep.

The new chunk has no rollups: these are made again.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from collections.abc import Callable, Sequence

from store import layout
from store.engine.duck import Cursor, run
from store.memory.tier import Chunk, MemoryTier

FIXED = (layout.SERIES_ID, layout.TIME_NS, layout.VERSION, layout.PARTITION, layout.SEQUENCE)


def columns_of(chunk: Chunk) -> list[str]:
    """The columns of a chunk's rows, in the form of an unsealed one."""
    return [*(f'"{name}"' for name in FIXED), *(column.quoted for column in chunk.measures.values())]


def without_rows(
    memory: MemoryTier, cursor: Cursor, chunk: Chunk, kept: Callable[[Chunk], str], begins: Sequence[int]
) -> Chunk:
    """A copy of a chunk with the rows of the query `kept`; must be followed by `MemoryTier.replace`.

    Sealed, if the chunk is; this is slow, and needs no lock except against `drop`. An unsealed one needs the lock.
    """
    copy = memory.seal([chunk], begins, kept) if chunk.sealed else memory.copy(chunk, kept(chunk))
    values = "".join(f", count({column.quoted})" for column in copy.measures.values())
    time = f'"{layout.TIME_NS}"'
    found = run(cursor, f"SELECT count(*), min({time}), max({time}){values} FROM {copy.name}")
    rows, first_ns, last_ns, *counts = (column[0].as_py() for column in found.columns)
    copy.size_bytes = chunk.size_bytes * rows // max(chunk.rows, 1)
    copy.rows, copy.values = rows, sum(counts)
    if rows:
        copy.from_ns, copy.to_ns = first_ns, last_ns
    return copy
