"""The chunks of a table that have rows of a DELETE, and chunks without these rows, which take their places.

Sealed chunks are copied and replaced one by one, while batches are applied and queries read; the unsealed ones, which
are small, in the moment in which the DELETE is done.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing

from store.catalog.deletion import ROW
from store.engine.duck import Cursor, run
from store.errors import QueryFailed
from store.memory.removal import columns_of, without_rows
from store.memory.tier import Chunk, select_rows
from store.table.core import Core
from store.table.deletions import Deletion, is_deleted, with_keys

log = logging.getLogger(__name__)


class DeletedChunks:
    """The chunks with such rows, once no file has one of them."""

    def __init__(self, core: Core, deletion: Deletion) -> None:
        self._core = core
        self._deletion = deletion
        self._begins = [offset for offset, _ in core.columns.changes.eras.get(core.own_partition, ())]

    def replace_sealed(self, has_time: Callable[[], bool]) -> bool:
        """Put chunks without the rows in the places of sealed ones, until the time is up; returns whether all are."""
        with self._core.lock:
            chunks = [chunk for chunk in self._core.memory.chunks if chunk.sealed and not self._is_mixed(chunk)]
        with closing(self._core.duck.cursor()) as cursor:
            for chunk in chunks:
                if self._has_rows(cursor, chunk):
                    self._replace_sealed(cursor, chunk)
                    if not has_time():
                        return False
        return True

    def replace_others(self) -> None:
        """The same for the unsealed ones; the mixed ones leave RAM. Under the table's lock."""
        memory = self._core.memory
        memory.insert_head(self._core.now_ns)
        with closing(self._core.duck.cursor()) as cursor:
            for chunk in [chunk for chunk in memory.chunks if self._has_rows(cursor, chunk)]:
                if chunk.sealed:
                    self._core.evict(chunk)
                else:
                    memory.replace(chunk, self._copy(cursor, chunk))

    def _replace_sealed(self, cursor: Cursor, chunk: Chunk) -> None:
        core = self._core
        try:
            copy = self._copy(cursor, chunk)
        except QueryFailed as error:  # too little memory: its rows are in files
            log.warning("%s: rows leave RAM, as they cannot be copied without deleted ones: %s", core.id, error)
            with core.lock:
                core.evict(chunk)
            return
        with core.lock:
            if core.is_dropped:
                core.memory.discard(copy)
            else:
                core.memory.replace(chunk, copy)

    def _is_mixed(self, chunk: Chunk) -> bool:
        """Whether it has rows of before and after: which are which is not known any more in a replay."""
        return chunk.last_sequence.get(self._core.number_of(self._core.own_partition), -1) >= self._deletion.end

    def _has_rows(self, cursor: Cursor, chunk: Chunk) -> bool:
        if not self._deletion.chosen.may_be_in(chunk.from_ns, chunk.to_ns):
            return False
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
