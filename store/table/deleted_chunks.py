"""The chunks of a table that have rows of a DELETE, and chunks without these rows, which take their places.

Sealed chunks are copied while batches are applied and queries read; the unsealed ones, which are small, in the moment
in which all are replaced.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from contextlib import closing

from store.catalog.deletion import ROW
from store.engine.duck import Cursor, run
from store.memory.removal import columns_of, without_rows
from store.memory.tier import Chunk, select_rows
from store.table.core import Core
from store.table.deletions import Deletion, is_deleted, with_keys


class DeletedChunks:
    """The chunks with such rows, and the copies of the sealed ones."""

    def __init__(self, core: Core, deletion: Deletion) -> None:
        """None are found yet."""
        self._core = core
        self._deletion = deletion
        self._begins: list[int] = []
        self._mixed: list[Chunk] = []
        self._copies: list[tuple[Chunk, Chunk]] = []

    def copy(self) -> None:
        """Find them, and copy the sealed ones. Raises QueryFailed."""
        core, deletion = self._core, self._deletion
        with core.lock:
            core.memory.insert_head(core.now_ns)
            self._begins = [offset for offset, _ in core.columns.changes.eras.get(core.own_partition, ())]
            chunks = [chunk for chunk in core.memory.chunks if self._may_have_rows(chunk)]
        own = core.number_of(core.own_partition)
        with closing(core.duck.cursor()) as cursor:
            having = [chunk for chunk in chunks if self._has_rows(cursor, chunk)]
            # in a replay: which of its rows came later is not known any more
            self._mixed = [c for c in having if c.sealed and c.last_sequence.get(own, -1) >= deletion.end]
            for chunk in having:
                if chunk.sealed and chunk not in self._mixed:
                    self._copies.append((chunk, self._copy(cursor, chunk)))

    def replace(self) -> None:
        """Put chunks without the rows in their places. Under the table's lock."""
        core, memory = self._core, self._core.memory
        memory.insert_head(core.now_ns)
        for chunk in self._mixed:
            core.evict(chunk)
        while self._copies:
            memory.replace(*self._copies.pop())
        with closing(core.duck.cursor()) as cursor:
            for chunk in [chunk for chunk in memory.chunks if not chunk.sealed and self._may_have_rows(chunk)]:
                if self._has_rows(cursor, chunk):
                    memory.replace(chunk, self._copy(cursor, chunk))

    def discard(self) -> None:
        """Drop the copies that have not taken a place. Under the table's lock."""
        while self._copies:
            self._core.memory.discard(self._copies.pop()[1])

    def _may_have_rows(self, chunk: Chunk) -> bool:
        return self._deletion.chosen.may_be_in(chunk.from_ns, chunk.to_ns)

    def _has_rows(self, cursor: Cursor, chunk: Chunk) -> bool:
        rows = with_keys(self._core, chunk.name, self._deletion.chosen)
        where = is_deleted(self._core, self._deletion)
        return bool(run(cursor, f"SELECT 1 FROM {rows} WHERE {where} LIMIT 1").num_rows)

    def _copy(self, cursor: Cursor, chunk: Chunk) -> Chunk:
        return without_rows(self._core.memory, cursor, chunk, self._kept, self._begins)

    def _kept(self, chunk: Chunk) -> str:
        """The query for the rows of a chunk that stay."""
        rows = with_keys(self._core, f"({select_rows(chunk)})", self._deletion.chosen)
        listed = ", ".join(f"{ROW}.{column}" for column in columns_of(chunk))
        return f"SELECT {listed} FROM {rows} WHERE NOT {is_deleted(self._core, self._deletion)}"
