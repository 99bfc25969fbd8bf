"""What is done to a table by whoever looks after it (`store.upkeep`): that decides when, and this does it.

One thread, one work at a time: each holds the table's files for itself, and is not begun on a table that was dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from store.catalog.catalog import TableSettings
from store.magnetic.parquet import DataFile
from store.state.pending_rows import Entry
from store.table import compaction, flush, pending_rows, retention, room, vacuum
from store.table.core import Core, TableSize
from store.table.progress import Pending


class CaredFor:
    """A table, as far as it is looked after."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def pending(self) -> Pending | None:
        """The rows that wait to be flushed; None if there are none."""
        return self._core.progress.pending(self._core.memory.uncommitted_bytes)

    def undurable(self) -> dict[str, int]:
        """By partition, the first offset with rows that neither the magnetic tier nor the pending rows may have."""
        with self._core.lock:
            return self._core.progress.undurable()

    def flush(
        self,
        advanced: Mapping[str, int],
        now_ns: int,
        store_rows: int,
        is_there: Callable[[], bool],
    ) -> bool:
        """Commit what is beyond the magnetic tier up to `advanced`; whether there was anything.

        `is_there` tells, when there are rows to write, whether the table has not been deleted.
        """
        with self._writing() as core:
            return core is not None and flush.flush(core, advanced, now_ns, store_rows, is_there)

    def to_save(self, advanced: Mapping[str, int], now_ns: int) -> Entry | None:
        """What is saved of it: the rows beyond the magnetic tier up to `advanced`. None if it was dropped."""
        with self._writing() as core:
            return None if core is None else pending_rows.entry_of(core, advanced, now_ns)

    @property
    def saved_to(self) -> Mapping[str, int]:
        """By partition, up to where the pending rows have its rows."""
        return self._core.progress.saved

    def is_saved(self, positions: Mapping[str, int]) -> None:
        """The pending rows have its rows up to these positions, durably."""
        self._core.progress.saved = positions

    # Room

    def seal(self) -> int:
        """Compress the closed chunks that the magnetic tier has; how many."""
        with self._writing() as core:
            return 0 if core is None else room.seal(core)

    def merge_chunks(self, most_bytes: int) -> int:
        """Make larger chunks of many sealed ones, none larger than `most_bytes`; how many were made."""
        with self._writing() as core:
            return 0 if core is None else room.merge(core, most_bytes)

    def close_chunk(self, now_ns: int) -> None:
        """Have all rows in chunks that can be sealed once they are flushed."""
        with self._core.lock:
            if not self._core.is_dropped:
                self._core.memory.insert_head(now_ns)
                self._core.memory.close_chunk()

    def size(self) -> TableSize:
        """What it takes. Any thread."""
        return self._core.size()

    def oldest_sealed_ns(self) -> int | None:
        """When the oldest chunk that could be evicted was made; None if there is none."""
        return room.oldest_sealed_ns(self._core)

    def evict_oldest(self) -> int:
        """Drop the oldest sealed chunk; its size in bytes, 0 if there is none, or another thread works on the table."""
        if not self._core.io_lock.acquire(blocking=False):
            return 0  # another store's upkeep is at it: of a table that shares the memory tier
        try:
            return room.evict_oldest(self._core)
        finally:
            self._core.io_lock.release()

    # Files

    def refresh(self) -> None:
        """Know the magnetic tier as other writers have left it. Raises Fenced."""
        with self._writing() as core:
            if core is not None:
                core.refresh_magnetic()

    def files(self) -> tuple[DataFile, ...]:
        """The files of the magnetic tier, as readers are given them now."""
        return self._core.magnetic.version.files

    def files_to_merge(self, now_ns: int) -> list[list[DataFile]]:
        """Groups of files, each to be rewritten as one."""
        with self._writing() as core:
            return [] if core is None else compaction.files_to_merge(core, now_ns)

    def files_to_clean(self) -> list[DataFile]:
        """Files that are to be rewritten together to be rid of superseded rows; empty if there are none."""
        return compaction.files_to_clean(self._core)

    @property
    def has_superseded(self) -> bool:
        """Whether a row stands somewhere that another has superseded."""
        return bool(self._core.superseded)

    def rewrite(self, files: Sequence[DataFile]) -> bool:
        """Put one file in the place of `files`, which are of one date, cleaned of what is superseded for good.

        False where another writer had taken one of them out: nothing is changed then.
        """
        with self._writing() as core:
            return core is not None and compaction.rewrite(core, files)

    def retain(self, settings: TableSettings, now_ns: int, *, is_compaction_leader: bool = True) -> int:
        """Take out what is past its retention; how many files went. `now_ns` is a time to delete by."""
        with self._writing() as core:
            return (
                0
                if core is None
                else retention.retain(core, settings, now_ns, is_compaction_leader=is_compaction_leader)
            )

    def vacuum(self, now_ns: int) -> int:
        """Remove the files that no version needs; how many went."""
        with self._writing() as core:
            return 0 if core is None else vacuum.vacuum(core, now_ns)

    @contextmanager
    def _writing(self) -> Iterator[Core | None]:
        """What is inside, for whoever writes its files; None if it was dropped. It is not dropped meanwhile."""
        with self._core.io_lock:
            yield None if self._core.is_dropped else self._core
