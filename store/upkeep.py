"""The maintenance of a store, one pass at a time: flush, seal, make room, compact, retain, vacuum, save positions.

Every table with unflushed rows is flushed within `FLUSH_AFTER_NS`, or after `FLUSH_ROWS`, so that no position is more
than 30 s or 300,000 messages behind: a restart reads these again. The first flushes of the tables are spread over time,
and so are all later ones.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from store.errors import DamagedRows, Fenced, MagneticConflict, MagneticUnavailable, QueryFailed
from store.host_time import SETTLES_AFTER_NS, Settled, is_set
from store.load_back import LoadBack
from store.log_progress import LogProgress
from store.magnetic.parquet import DataFile
from store.memory.room import MemoryRoom
from store.objects.outage import Outage
from store.open_tables import OpenTables
from store.state.pending_rows import PendingRows
from store.state.positions import Positions
from store.table.deleting import When
from store.table.progress import Pending
from store.table.table import Table, newest_row_ns

T = TypeVar("T")
log = logging.getLogger(__name__)

HOUR_NS = 3_600_000_000_000

LOOK_EVERY_NS = 1_000_000_000  # for changes made by other workers
MERGE_EVERY_NS = 10_000_000_000  # other workers may have added files; the store knows its own
FLUSH_AFTER_NS = 25_000_000_000
FLUSH_ROWS = 250_000  # of the whole store, since the first unflushed row of a table
FLUSH_BYTES = 64 * 1024 * 1024
MOST_FLUSHED_ALONE = 150  # tables with unflushed rows; if there are more, small ones share the pending rows
COMMIT_EVERY_NS = 200_000_000  # tables are committed in turn then, five a second
SMALL_BYTES = 1024 * 1024
POSITIONS_EVERY_NS = 5_000_000_000
DELETE_NS = 1_000_000_000  # of each pass, while a DELETE is carried out
CLEAN_EVERY_NS = 600_000_000_000
RETAIN_EVERY_NS = 3_600_000_000_000
VACUUM_EVERY_NS = 1_200_000_000_000


@dataclass(slots=True)
class Upkeep:
    """Does what is due, and remembers when each kind of work was done last."""

    tables: OpenTables
    progress: LogProgress
    positions: Positions
    pending_rows: PendingRows
    room: MemoryRoom
    load_back: LoadBack
    outage: Outage  # of the storage of the magnetic tier
    clock_ns: Callable[[], int]  # the host's clock, which may be changed: for the age of data
    monotonic_ns: Callable[[], int]  # for intervals
    observe: Callable[[str, float], None] = lambda _work, _took_s: None  # called with its kind and seconds
    _began_ns: int = 0  # the pass
    _pending_saved_ns: int = 0
    _pending_saved_rows: int = 0
    _saved_ns: int = 0
    _done_ns: dict[tuple[str, Table | None], int] = field(default_factory=dict)
    settled_ns: int = 0  # the time used for deletions, see `store.host_time`
    _settled: Settled | None = None

    def run(self) -> None:
        """Do everything that is due, once."""
        self._began_ns = self.monotonic_ns()
        self._look_at_clock()
        if self._is_due("look", None, LOOK_EVERY_NS):
            self.tables.drop_deleted()
            self.tables.open_maintained()
            self.tables.update_columns()
        if self.tables.is_fenced:
            return
        tables = self.tables.all()
        is_deleting = [self._carry_out_deletions(table) for table in tables if table.has_deletions]
        waiting = _waiting(tables)
        if (in_process := self._waiting_in_process()) > MOST_FLUSHED_ALONE:
            flushed = self._flush_in_turn(waiting, in_process * COMMIT_EVERY_NS)
        else:
            flushed = [self.flush(table) for table, pending in waiting if self._is_flush_due(table, pending)]
        if any(flushed) or is_deleting or self.monotonic_ns() - self._saved_ns >= POSITIONS_EVERY_NS:
            self.save_positions()
        for table in tables:
            table.seal()
            table.merge_chunks(self.room.most_chunk_bytes)
        self._roll_up(tables)
        self._keep_under_limit(tables)
        self._load_back(tables)
        for table in tables:
            self._drop_damaged(table)
            self._attempt(table, functools.partial(self._look_after, table))
        self._done_ns = {key: done for key, done in self._done_ns.items() if key[1] is None or not key[1].is_dropped}

    def _load_back(self, tables: Sequence[Table]) -> None:
        """Load rows of before the start back into RAM, if it is time for some."""
        table = self.load_back.next_of(tables, self.monotonic_ns())
        if table is not None:
            began_ns = self.monotonic_ns()
            self._attempt(table, lambda: self.load_back.load(table, self.clock_ns(), began_ns))
            took_ns = self.monotonic_ns() - began_ns
            self.load_back.rest(self.monotonic_ns(), took_ns)
            self.observe("load", took_ns / 1e9)

    def _roll_up(self, tables: Sequence[Table]) -> None:
        """Roll up what queries of averages have asked for, as far as there is room in the process."""
        asked = [table for table in tables if table.is_asked]
        left = self.room.most_rollup_bytes - sum(table.rollup_bytes for table in self.tables.of_process() if asked)
        for table in asked:
            info = self.tables.catalog.find(table.id)
            if info is not None:
                with contextlib.suppress(DamagedRows, MagneticUnavailable, QueryFailed):  # rows are read instead
                    left -= table.roll_up(info.settings, self.monotonic_ns(), left)

    @property
    def is_clock_believed(self) -> bool:
        """Whether the host's time is used for deletions."""
        return self._settled is None or not self._settled.is_waiting

    def _look_at_clock(self) -> None:
        wall_ns, was_believed = self.clock_ns(), self.is_clock_believed
        if self._settled is None:
            self._settled = Settled(newest_row_ns(self.tables.all()))
        self.settled_ns = self._settled.now_ns(wall_ns, self.monotonic_ns())
        if was_believed and not self.is_clock_believed and is_set(self.settled_ns):
            log.warning(
                "the host's clock is %.1f h later than the store expected: correct it if it is wrong; no row is "
                "deleted because of its age until the clock has been stable for %d h",
                (wall_ns - self.settled_ns) / HOUR_NS,
                SETTLES_AFTER_NS // HOUR_NS,
            )

    def _drop_damaged(self, table: Table) -> None:
        """Remove damaged files, also while the storage seems to be unavailable: that may be why it does."""
        if not table.has_damaged():
            return
        try:
            table.drop_damaged()
        except (MagneticConflict, MagneticUnavailable, Fenced) as error:
            log.warning("%s: damaged files are removed later: %s", table.id, error)

    def _look_after(self, table: Table) -> None:
        """Check a file, compact, retain and vacuum; shared files only if this store is the compaction leader."""
        with contextlib.suppress(DamagedRows):  # it is removed in the next pass
            table.check_next()
            table.count_values()
            table.learn_contents()
        self.compact(table)
        is_compaction_leader = self.tables.is_compaction_leader_of(table)
        if self._is_due("retain", table, RETAIN_EVERY_NS):
            info = self.tables.catalog.find(table.id)
            if info is not None:
                table.retain(info.settings, self.settled_ns, is_compaction_leader=is_compaction_leader)
        if is_compaction_leader and self._is_due("vacuum", table, VACUUM_EVERY_NS):
            table.vacuum(self.monotonic_ns())

    def flush_all(self) -> None:
        """Make everything durable that is applied and advanced, in a stop with little time.

        But tables with a DELETE to be carried out, which may take long: it is read again from the log.
        """
        ready = [table for table in self.tables.all() if not table.has_deletions]
        if self._waiting_in_process() <= MOST_FLUSHED_ALONE:
            for table in ready:
                self.flush(table)
        elif len(ready) == len(self.tables.all()):
            self._save_pending_rows()
        self.save_positions()

    def _waiting_in_process(self) -> int:
        """The number of tables of the process with unflushed rows: the limit for single commits is per process."""
        return len(_waiting(self.tables.of_process()))

    def _flush_in_turn(self, waiting: list[tuple[Table, Pending]], turn_ns: int) -> list[bool]:
        """Save the unflushed rows of all tables as pending rows, and commit large tables and those whose turn it is."""
        now_ns = self.monotonic_ns()
        flushed = [
            self.flush(table)
            for table, pending in waiting
            if pending.size_bytes >= SMALL_BYTES or now_ns - pending.since_ns >= turn_ns
        ]
        is_due = now_ns - self._pending_saved_ns >= FLUSH_AFTER_NS
        if is_due or self.progress.rows - self._pending_saved_rows >= FLUSH_ROWS:
            self._pending_saved_ns, self._pending_saved_rows = now_ns, self.progress.rows
            self._save_pending_rows()
            return [True]
        return flushed

    def _save_pending_rows(self) -> None:
        # Before looking for deletions, since a later deletion includes all records up to here; and before looking at
        # the tables, so that no row up to here is missing.
        advanced = self.progress.advanced()
        self.tables.drop_deleted(now=True)
        deleting = [table for table in self.tables.all() if table.has_deletions]
        if not all(self._carry_out_deletions(table, advanced) for table in deleting):
            return
        waiting = [table for table, _ in _waiting(self.tables.all())]
        # In a replay the last saved position is higher: then it remains valid, and its rows, in RAM again, must not be
        # applied again, as a table would do that counts itself as saved only up to here.
        saved_to = ((partition, offset) for table in waiting for partition, offset in table.saved_to.items())
        if self.tables.is_fenced or any(offset > advanced.get(partition, -1) for partition, offset in saved_to):
            return
        saved = [(table, table.to_save(advanced, self.monotonic_ns())) for table in waiting]
        self.pending_rows.save([entry for _, entry in saved if entry is not None], advanced)
        for table, entry in saved:
            if entry is not None:
                table.is_saved(entry.positions)

    def flush(self, table: Table) -> bool:
        """Commit the unflushed rows of `table`; returns whether there were any."""
        advanced, rows = self.progress.advanced(), self.progress.rows
        if table.has_deletions and not self._carry_out_deletions(table, advanced):
            return False
        is_there = functools.partial(self.tables.is_there, table)
        began_s = time.perf_counter()
        flushed = self._attempt(table, lambda: table.flush(advanced, self.monotonic_ns(), rows, is_there))
        if flushed:
            self.observe("flush", time.perf_counter() - began_s)
        return bool(flushed)

    def _carry_out_deletions(self, table: Table, advanced: Mapping[str, int] | None = None) -> bool:
        """Carry out its DELETEs up to these offsets; returns whether all are: rows after them may be saved then."""
        when = When(advanced or self.progress.advanced(), self.monotonic_ns(), self.progress.rows)
        is_there = functools.partial(self.tables.is_there, table)
        return bool(self._attempt(table, lambda: table.carry_out_deletions(when, is_there, self._has_time_to_delete)))

    def _has_time_to_delete(self) -> bool:
        return self.monotonic_ns() - self._began_ns < DELETE_NS

    def _attempt(self, table: Table, work: Callable[[], T]) -> T | None:
        """The result of `work` on the table's files; None if another worker was faster, or storage is unavailable.

        Another worker may have deleted the table, removed the same files, or become the owner of the partition, which
        fences this store.
        """
        if self.tables.is_fenced or self.outage.is_waiting(self.monotonic_ns()):
            return None
        try:
            result = work()
        except MagneticConflict as error:
            log.info("%s: left to another worker: %s", table.id, error)
        except Fenced as error:
            self.tables.is_fenced_by(str(error))
        except MagneticUnavailable as error:
            self.outage.failed(self.monotonic_ns(), error)
        except Exception:
            if self.tables.is_there(table):
                raise
            self.tables.drop_deleted()
        else:
            if result:
                self.outage.answered(self.monotonic_ns())
            return result
        finally:
            if table.is_dropped and not self.tables.is_there(table):
                self.tables.remove_late_files(table)
        return None

    def save_positions(self) -> None:
        """Raise the low watermarks to everything that is durable now."""
        # `advanced` is read first: rows applied while the tables are examined have higher offsets
        low_watermarks = {partition: offset + 1 for partition, offset in self.progress.advanced().items()}
        # then deletions: a record that was applied to a table which has since been replaced must be read again
        self.tables.drop_deleted(now=True)
        if self.tables.is_fenced:
            return
        for table in self.tables.all():
            for partition, first in table.undurable().items():
                low_watermarks[partition] = min(first, low_watermarks.get(partition, first))
        self._saved_ns = self.monotonic_ns()
        if low_watermarks != self.positions.low_watermarks:
            self.positions.save(low_watermarks, self.pending_rows.offset, self.tables.catalog.version)

    def compact(self, table: Table) -> None:
        """Merge the files that are to be merged, and remove superseded rows from files now and then."""
        is_compaction_leader = self.tables.is_compaction_leader_of(table)
        is_to_clean = table.has_superseded and self._is_due("clean", table, CLEAN_EVERY_NS)
        if is_to_clean or (is_compaction_leader and self._is_due("merge", table, MERGE_EVERY_NS)):
            table.refresh()
        if is_compaction_leader:
            for group in table.files_to_merge(self.clock_ns()):
                self._rewrite(table, group)
        if is_to_clean and (files := table.files_to_clean()):
            self._rewrite(table, files)

    def _rewrite(self, table: Table, files: Sequence[DataFile]) -> None:
        began_s = time.perf_counter()
        table.rewrite(files)
        self.observe("compaction", time.perf_counter() - began_s)

    def _is_flush_due(self, table: Table, pending: Pending) -> bool:
        age_ns = self.monotonic_ns() - pending.since_ns
        if pending.is_first:
            age_ns += zlib.crc32(str(table.id).encode()) % FLUSH_AFTER_NS
        return (
            age_ns >= FLUSH_AFTER_NS
            or pending.size_bytes >= FLUSH_BYTES
            or self.progress.rows - pending.from_row >= FLUSH_ROWS
        )

    def _keep_under_limit(self, tables: list[Table]) -> None:
        """Evict committed rows; if that is not enough, flush and seal the table with the most unsealed bytes."""
        for _ in range(len(tables) + 1):
            if not self.room.is_over():
                return
            self.room.make(self.tables.of_process())
            if not self.room.is_over():
                return
            table = max(tables, key=lambda table: table.size().unsealed_bytes, default=None)
            if table is None or not table.size().unsealed_bytes:
                return
            table.close_chunk(self.monotonic_ns())
            self.flush(table)
            table.seal()

    def _is_due(self, what: str, table: Table | None, every_ns: int) -> bool:
        now_ns = self.monotonic_ns()
        last_ns = self._done_ns.setdefault((what, table), now_ns)
        if now_ns - last_ns < every_ns:
            return False
        self._done_ns[what, table] = now_ns
        return True


def _waiting(tables: Iterable[Table]) -> list[tuple[Table, Pending]]:
    """The tables with unflushed rows, and a description of these rows."""
    return [(table, pending) for table in tables if (pending := table.pending()) is not None]
