"""What the maintaining thread does, one pass at a time: flush, seal, make room, merge, retain, vacuum, save positions.

Every table with unflushed rows is flushed within `FLUSH_AFTER_NS`, so that no position lies more than 30 s or 600,000
messages behind; the first flush of each comes at another moment, and so do all after it.
"""

from __future__ import annotations

import functools
import logging
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from store.catalog.catalog import Catalog
from store.host_time import SETTLES_AFTER_NS, Settled, is_set
from store.magnetic import compaction_plan
from store.magnetic.parquet import DataFile
from store.state import checkpoint
from store.state.checkpoint import CheckpointKeeping
from store.state.positions import StreamPositions
from store.table import compaction
from store.table.flush import flush
from store.table.retention import retain
from store.table.room import largest_unsealed, make_room, merge, seal
from store.table.table import Table
from store.table.vacuum import vacuum

T = TypeVar("T")
log = logging.getLogger(__name__)

HOUR_NS = 3_600_000_000_000

LOOK_EVERY_NS = 1_000_000_000  # for what other workers did
MERGE_EVERY_NS = 10_000_000_000  # shared files are looked at; our own we know
FLUSH_AFTER_NS = 25_000_000_000
FLUSH_ROWS = 500_000  # of the whole store, since a table's first unflushed one
FLUSH_BYTES = 64 * 1024 * 1024
MOST_FLUSHED_ALONE = 150  # tables with unflushed rows; with more, small ones share the checkpoint
COMMIT_EVERY_NS = 200_000_000  # then tables are committed in turn, five a second
SMALL_BYTES = 1024 * 1024
POSITIONS_EVERY_NS = 5_000_000_000
CLEAN_EVERY_NS = 600_000_000_000
MERGED_CHUNK_SHARE = 6  # of the memory limit is a merged chunk at most: eviction drops whole chunks
RETAIN_EVERY_NS = 3_600_000_000_000
VACUUM_EVERY_NS = 1_200_000_000_000


class Work(Protocol):
    """What upkeep needs of the store."""

    catalog: Catalog

    is_overtaken: bool

    def all_tables(self) -> list[Table]:
        """The tables there are now."""
        ...

    def tables_beside(self) -> list[Table]:
        """The tables of all stores of the process, which share its memory tier."""
        ...

    def open_kept(self) -> None:
        """Open the tables, made by whomever, whose files are this store's to look after."""
        ...

    def take_in_changes(self) -> None:
        """Have the tables know what was decided, by whomever, about their columns."""
        ...

    def drop_deleted(self, *, now: bool = False) -> None:
        """Let go of tables that other workers have deleted; `now`: of all that were deleted up to now."""
        ...

    def is_keeper_of(self, table: Table) -> bool:
        """Whether the table's files are this store's to merge, vacuum and retain."""
        ...

    def is_there(self, table: Table) -> bool:
        """Whether the table has not been deleted, by whomever, up to now."""
        ...

    def attempt(self, table: Table, work: Callable[[], T]) -> T | None:
        """What `work` on the table's files returns; None if another worker came before."""
        ...

    def advanced(self) -> Mapping[str, int]:
        """Per stream, up to where every record is applied."""
        ...

    def rows_applied(self) -> int:
        """How many rows were applied since the store was opened."""
        ...

    def table_bytes(self) -> int:
        """What the memory tier takes."""
        ...


def newest_row_ns(tables: Iterable[Table]) -> int | None:
    """The latest event time of all rows there are; None if there is none."""
    last = [int(table.state.last_ns.max()) for table in tables if len(table.state.last_ns)]
    newest_ns = max(last, default=-1)
    return newest_ns if newest_ns >= 0 else None


def waiting_of(tables: Iterable[Table]) -> list[Table]:
    """Those that have rows to flush."""
    return [table for table in tables if table.unflushed_since_ns is not None]


@dataclass(slots=True)
class Upkeep:
    """When what was done last."""

    work: Work
    positions: StreamPositions
    clock_ns: Callable[[], int]  # the host's, which may be set: for how old something is
    monotonic_ns: Callable[[], int]  # for how long ago something was done
    memory_limit_bytes: int
    checkpoint: CheckpointKeeping
    observe: Callable[[str, float], None] = lambda _work, _took_s: None  # is told "flush" and "compaction", in seconds
    _checkpoint_ns: int = 0
    _checkpoint_rows: int = 0
    _saved_ns: int = 0
    _done_ns: dict[tuple[str, Table | None], int] = field(default_factory=dict)
    settled_ns: int = 0  # the time to delete by, see `store.host_time`
    _settled: Settled | None = None

    def run(self) -> None:
        """One pass over what is due."""
        self._look_at_clock()
        if self._is_due("look", None, LOOK_EVERY_NS):
            self.work.drop_deleted()
            self.work.open_kept()
            self.work.take_in_changes()
        if self.work.is_overtaken:
            return
        tables = self.work.all_tables()
        waiting = waiting_of(tables)
        if (beside := self._waiting_beside()) > MOST_FLUSHED_ALONE:
            flushed = self._flush_in_turn(waiting, beside * COMMIT_EVERY_NS)
        else:
            flushed = [self.flush(table) for table in waiting if self._is_flush_due(table)]
        if any(flushed) or self.monotonic_ns() - self._saved_ns >= POSITIONS_EVERY_NS:
            self.save_positions()
        for table in tables:
            seal(table)
            merge(table, self.memory_limit_bytes // MERGED_CHUNK_SHARE)
        self._keep_under_limit(tables)
        for table in tables:
            self.work.attempt(table, functools.partial(self._look_after, table))
        self._done_ns = {key: done for key, done in self._done_ns.items() if key[1] is None or not key[1].is_dropped}

    @property
    def is_clock_believed(self) -> bool:
        """Whether the host's time is the one to delete by."""
        return self._settled is None or not self._settled.is_waiting

    def _look_at_clock(self) -> None:
        wall_ns, was_believed = self.clock_ns(), self.is_clock_believed
        if self._settled is None:
            self._settled = Settled(newest_row_ns(self.work.all_tables()))
        self.settled_ns = self._settled.now_ns(wall_ns, self.monotonic_ns())
        if was_believed and not self.is_clock_believed and is_set(self.settled_ns):
            log.warning(
                "the host's clock is %.1f h later than what the store knew: if that is wrong, set it right; nothing is "
                "deleted for its age by it before it has stood for %d h",
                (wall_ns - self.settled_ns) / HOUR_NS,
                SETTLES_AFTER_NS // HOUR_NS,
            )

    def _look_after(self, table: Table) -> None:
        """Merge, retain and vacuum; of shared files what falls to us."""
        self.compact(table)
        is_keeper = self.work.is_keeper_of(table)
        if self._is_due("retain", table, RETAIN_EVERY_NS):
            info = self.work.catalog.find(table.id)
            if info is not None:
                retain(table, info.settings, self.settled_ns, is_keeper=is_keeper)
        if is_keeper and self._is_due("vacuum", table, VACUUM_EVERY_NS):
            vacuum(table, self.monotonic_ns())

    def flush_all(self) -> None:
        """Make everything durable that is applied and advanced: at the end, when moments count."""
        if self._waiting_beside() > MOST_FLUSHED_ALONE:
            self._save_checkpoint()
        else:
            for table in self.work.all_tables():
                self.flush(table)
        self.save_positions()

    def _waiting_beside(self) -> int:
        """How many tables of the process have rows to flush: what few stores may commit alone is too much for many."""
        return len(waiting_of(self.work.tables_beside()))

    def _flush_in_turn(self, waiting: list[Table], turn_ns: int) -> list[bool]:
        """Save the rows of all in the checkpoint, and commit those that have grown or waited their turn."""
        now_ns = self.monotonic_ns()
        flushed = [
            self.flush(table)
            for table in waiting
            if table.memory.uncommitted_bytes >= SMALL_BYTES or now_ns - (table.unflushed_since_ns or 0) >= turn_ns
        ]
        is_due = now_ns - self._checkpoint_ns >= FLUSH_AFTER_NS
        if is_due or self.work.rows_applied() - self._checkpoint_rows >= FLUSH_ROWS:
            self._checkpoint_ns, self._checkpoint_rows = now_ns, self.work.rows_applied()
            self._save_checkpoint()
            return [True]
        return flushed

    def _save_checkpoint(self) -> None:
        # Before the numbers are kept: it names no stream that they do not have. Before deletions are looked for: what
        # is deleted later is deleted with all records up to here. And before tables are: no row up to here is left out.
        advanced = self.work.advanced()
        self.positions.keep_numbers()
        self.work.drop_deleted(now=True)
        if not self.work.is_overtaken:
            checkpoint.save(self.checkpoint, waiting_of(self.work.all_tables()), advanced, self.monotonic_ns())

    def flush(self, table: Table) -> bool:
        """Commit the unflushed rows of `table`; whether there were any."""
        advanced = self.work.advanced()  # before the numbers are kept: it names no stream that they do not have
        self.positions.keep_numbers()
        streams, rows = self.positions.streams, self.work.rows_applied()
        is_there = functools.partial(self.work.is_there, table)
        began_s = time.perf_counter()
        flushed = self.work.attempt(table, lambda: flush(table, advanced, streams, self.monotonic_ns(), rows, is_there))
        if flushed:
            self.observe("flush", time.perf_counter() - began_s)
        return bool(flushed)

    def save_positions(self) -> None:
        """Raise the floors to what is durable now."""
        # `advanced` is read first: rows applied while the tables are looked at come after it
        floors = {stream: offset + 1 for stream, offset in self.work.advanced().items()}
        # and then what was deleted: a record that came to a table which is another by now must be read again
        self.work.drop_deleted(now=True)
        if self.work.is_overtaken:
            return
        for table in self.work.all_tables():
            for stream, first in table.undurable().items():
                floors[stream] = min(first, floors.get(stream, first))
        self._saved_ns = self.monotonic_ns()
        if floors != self.positions.floors:
            self.positions.save(floors)

    def compact(self, table: Table) -> None:
        """Merge what is to be merged, and clean superseded rows out now and then."""
        is_keeper = self.work.is_keeper_of(table)
        is_to_clean = bool(table.superseded) and self._is_due("clean", table, CLEAN_EVERY_NS)
        with table.io_lock:
            if table.is_dropped:
                return
            if table.own is not None and (is_to_clean or (is_keeper and self._is_due("merge", table, MERGE_EVERY_NS))):
                table.refresh_magnetic()
            kept = table.magnetic.version.files if is_keeper else ()
            groups = compaction_plan.plan(kept, self.clock_ns(), table.magnetic.data.written_ns)
        for group in groups:
            self._rewrite(table, group)
        if is_to_clean:
            files = compaction.files_to_clean(table)
            if files:
                self._rewrite(table, files)

    def _rewrite(self, table: Table, files: Sequence[DataFile]) -> None:
        began_s = time.perf_counter()
        compaction.rewrite(table, files)
        self.observe("compaction", time.perf_counter() - began_s)

    def _is_flush_due(self, table: Table) -> bool:
        since_ns = table.unflushed_since_ns
        if since_ns is None:
            return False
        age_ns = self.monotonic_ns() - since_ns
        if not table.is_flushed_once:
            age_ns += zlib.crc32(str(table.id).encode()) % FLUSH_AFTER_NS
        return (
            age_ns >= FLUSH_AFTER_NS
            or table.memory.uncommitted_bytes >= FLUSH_BYTES
            or self.work.rows_applied() - table.unflushed_from_row >= FLUSH_ROWS
        )

    def _keep_under_limit(self, tables: list[Table]) -> None:
        """Drop what the magnetic tier has; where that is not enough, flush and seal the table with most to seal."""
        for _ in range(len(tables) + 1):
            make_room(self.work.tables_beside(), self.work.table_bytes, self.memory_limit_bytes)
            if self.work.table_bytes() <= self.memory_limit_bytes:
                return
            table = largest_unsealed(tables)
            if table is None:
                return
            with table.lock:
                if not table.is_dropped:
                    table.memory.insert_head(self.monotonic_ns())
                    table.memory.close_chunk()
            self.flush(table)
            seal(table)

    def _is_due(self, what: str, table: Table | None, every_ns: int) -> bool:
        now_ns = self.monotonic_ns()
        last_ns = self._done_ns.setdefault((what, table), now_ns)
        if now_ns - last_ns < every_ns:
            return False
        self._done_ns[what, table] = now_ns
        return True
