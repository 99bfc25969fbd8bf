"""The maintenance operations of a table; `store.upkeep` decides when to run them.

One thread runs one operation at a time. Each has exclusive access to the table's files; none starts on a dropped table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from store.catalog.catalog import TableSettings
from store.magnetic.parquet import DataFile
from store.state.pending_rows import Entry
from store.table import (
    compaction,
    contents,
    damaged,
    deleting,
    flush,
    loading,
    pending_rows,
    retention,
    rolling,
    room,
    vacuum,
)
from store.table.core import Core, TableSize
from store.table.deleting import When
from store.table.progress import Pending

_COUNTED_AT_ONCE = 10  # files, in one pass of the maintenance


class CaredFor:
    """The maintenance interface of a table."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def pending(self) -> Pending | None:
        """Description of the unflushed rows; None if there are none."""
        return self._core.progress.pending(self._core.memory.uncommitted_bytes)

    def undurable(self) -> dict[str, int]:
        """The first offset per partition with rows that may be in neither the magnetic tier nor the pending rows.

        Or of a DELETE that has yet to be carried out, or to purge files.
        """
        with self._core.lock:
            first = self._core.progress.undurable()
            offsets = [deletion.offset for deletion in (*self._core.deletions, *self._core.deleted)]
            own = self._core.own_partition
            return first | ({own: min([*offsets, first.get(own, offsets[0])])} if offsets else {})

    def flush(
        self,
        advanced: Mapping[str, int],
        now_ns: int,
        store_rows: int,
        is_there: Callable[[], bool],
    ) -> bool:
        """Commit the rows beyond the magnetic tier up to `advanced`; returns whether there were any.

        `is_there` is called if there are rows to write, and returns whether the table still exists. Raises Fenced,
        MagneticConflict, MagneticUnavailable.
        """
        with self._writing() as core:
            return core is not None and flush.flush(core, advanced, now_ns, store_rows, is_there)

    @property
    def has_deletions(self) -> bool:
        """Whether DELETEs are to be carried out, or to be told."""
        return bool(self._core.deletions or self._core.deleted)

    def carry_out_deletions(self, when: When, is_there: Callable[[], bool], has_time: Callable[[], bool]) -> bool:
        """Carry out the DELETEs up to the offsets applied; returns whether all of them are. Before rows are flushed.

        `is_there` returns whether the table still exists, `has_time` whether to go on in this pass.
        Raises Fenced, MagneticConflict, MagneticUnavailable.
        """
        with self._writing() as core:
            if core is None or not deleting.carry_out(core, when, is_there, has_time):
                return False
            deleting.tell(core)
            return True

    def to_save(self, advanced: Mapping[str, int], now_ns: int) -> Entry | None:
        """Its entry of the pending rows: rows beyond the magnetic tier up to `advanced`. None if it was dropped."""
        with self._writing() as core:
            return None if core is None else pending_rows.entry_of(core, advanced, now_ns)

    @property
    def saved_to(self) -> Mapping[str, int]:
        """The offset per partition up to which the pending rows have its rows."""
        return self._core.progress.saved

    def is_saved(self, positions: Mapping[str, int]) -> None:
        """Record that the pending rows have its rows up to these positions, durably."""
        self._core.progress.saved = positions

    # Room

    def seal(self) -> int:
        """Compress the closed chunks that are committed; returns their number."""
        with self._writing() as core:
            return 0 if core is None else room.seal(core)

    def merge_chunks(self, most_bytes: int) -> int:
        """Merge small sealed chunks into larger ones, of at most `most_bytes`; returns the number of new ones."""
        with self._writing() as core:
            return 0 if core is None else room.merge(core, most_bytes)

    def close_chunk(self, now_ns: int) -> None:
        """Close the open chunk, so that all rows can be sealed once they are flushed."""
        with self._core.lock:
            if not self._core.is_dropped:
                self._core.memory.insert_head(now_ns)
                self._core.memory.close_chunk()

    def roll_up(self, settings: TableSettings, now_ns: int, room_bytes: int) -> int:
        """Roll up what queries of averages need, as long as there is room; returns by how much the rollups have grown.

        Last values that nobody asks for are not followed any more.

        May block. Raises DamagedRows, MagneticUnavailable, QueryFailed.
        """
        with self._core.lock:
            self._core.lasts.forget_unasked(now_ns)
        return 0 if self._core.is_dropped else rolling.roll_up(self._core, settings.zone, now_ns, room_bytes)

    @property
    def is_asked(self) -> bool:
        """Whether it may have rollups, or last values, since somebody asked for some not long ago. Any thread."""
        return self._core.rollups.is_asked or self._core.lasts.is_asked

    @property
    def rollup_bytes(self) -> int:
        """The size of its rollups in RAM. Any thread."""
        return rolling.size_bytes(self._core) if self._core.rollups.is_asked else 0

    @property
    def last_bytes(self) -> int:
        """The size of its last values in RAM. Any thread."""
        return self._core.lasts.size_bytes

    def size(self) -> TableSize:
        """The size of the table. Any thread."""
        return self._core.size()

    def oldest_sealed_ns(self) -> int | None:
        """When the oldest chunk that can be evicted was created; None if there is none."""
        return room.oldest_sealed_ns(self._core)

    def evict_oldest(self) -> int:
        """Evict the oldest sealed chunk; returns its bytes, 0 if there is none or another thread uses the files."""
        if not self._core.io_lock.acquire(blocking=False):
            return 0  # the maintenance of another store, whose tables share the memory tier
        try:
            return room.evict_oldest(self._core)
        finally:
            self._core.io_lock.release()

    # Rows of before the start

    @property
    def to_load_before_ns(self) -> int | None:
        """Rows of earlier times may be loaded back into RAM; None if there are none, or no more. Any thread."""
        past = self._core.past
        return None if past is None or loading.is_over(self._core) else past.before_ns

    def load_back(self, most_rows: int, created_ns: int) -> int:
        """Load about so many of them, the newest, as if they had come then; returns their number.

        Raises DamagedRows, MagneticUnavailable, QueryFailed.
        """
        with self._writing() as core:
            return 0 if core is None else loading.load(core, most_rows, created_ns)

    # Files

    def refresh(self) -> None:
        """Read the newest version of the magnetic tier. Raises Fenced."""
        with self._writing() as core:
            if core is not None:
                core.refresh_magnetic()

    def files(self) -> tuple[DataFile, ...]:
        """The files of the current version."""
        return self._core.magnetic.version.files

    def files_to_merge(self, now_ns: int) -> list[list[DataFile]]:
        """Groups of files, each to be rewritten as one file."""
        with self._writing() as core:
            return [] if core is None else compaction.files_to_merge(core, now_ns)

    def files_to_clean(self) -> list[DataFile]:
        """Files to be rewritten together in order to remove superseded rows; empty if there are none."""
        return compaction.files_to_clean(self._core)

    @property
    def has_superseded(self) -> bool:
        """Whether the table may have superseded rows."""
        return bool(self._core.superseded)

    def rewrite(self, files: Sequence[DataFile]) -> bool:
        """Replace `files`, all of one date, by one file without the superseded rows that are no longer needed.

        Returns False, and changes nothing, if another writer has removed one of them.
        """
        with self._writing() as core:
            return core is not None and compaction.rewrite(core, files)

    def has_damaged(self) -> bool:
        """Whether files of the current version are known to be damaged."""
        return damaged.has_damaged(self._core)

    def drop_damaged(self) -> bool:
        """Remove damaged files from the table, with those rows that RAM lacks; returns whether there were any."""
        with self._writing() as core:
            return core is not None and damaged.drop_damaged(core)

    def check_next(self) -> None:
        """Check a file that this process has not read yet. Raises DamagedRows."""
        self._core.magnetic.data.check_next(self._core.magnetic.version.files)

    def count_values(self) -> None:
        """Count the values of a few files that were not counted yet. Reads their footers."""
        core = self._core
        files = {file.path: file for file in core.magnetic.version.files}
        uncounted = [file for path, file in files.items() if path not in core.counted][:_COUNTED_AT_ONCE]
        measures = set(core.columns.stored.measures)
        for file in uncounted:
            core.counted[file.path] = file.size_bytes, core.magnetic.data.count_values(file, measures)
        for path in core.counted.keys() - files.keys():
            del core.counted[path]

    def retain(self, settings: TableSettings, now_ns: int, *, is_compaction_leader: bool = True) -> int:
        """Remove rows beyond retention; returns the number of removed files. `now_ns`: the time used for deletions."""
        with self._writing() as core:
            return (
                0
                if core is None
                else retention.retain(core, settings, now_ns, is_compaction_leader=is_compaction_leader)
            )

    def vacuum(self, now_ns: int) -> int:
        """Delete the files that no version needs; returns their number."""
        with self._writing() as core:
            return 0 if core is None else vacuum.vacuum(core, now_ns)

    def learn_contents(self) -> None:
        """Read from one more file what the records of each measure name have, if that is not known.

        Raises DamagedRows.
        """
        with self._writing() as core:
            if core is not None and not core.contents.is_complete:
                file = core.contents.next_file(core.magnetic.version.files)
                found = {} if file is None else contents.of_file(core.duck, core.magnetic, file)
                with core.lock:
                    core.contents.learn(file, found)

    @contextmanager
    def _writing(self) -> Iterator[Core | None]:
        """The internals, with exclusive access to the files, during which it is not dropped; None if it was."""
        with self._core.io_lock:
            yield None if self._core.is_dropped else self._core
