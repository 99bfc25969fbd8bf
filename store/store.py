"""The store: catalog ▸ account ▸ database ▸ table ▸ (memory tier, magnetic tier). Record batches in, rows out.

The log is its write-ahead log: what is applied and not yet flushed is lost with the process, and comes again from
`replay_from`. Threads: one applies (in log order), one maintains, any number read through snapshots.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from store import layout
from store.catalog.catalog import Catalog, TableInfo, TableSettings
from store.catalog.lost import refuse_lost_catalog
from store.errors import (
    MagneticConflict,
    MagneticUnavailable,
    Overtaken,
    StoreFormatError,
    StoreLocked,
    UnknownDatabase,
    UnknownTable,
)
from store.home import Home, PrivateHome
from store.objects.file_lock import FileLock, Taken
from store.objects.files import make_folders, write_atomic
from store.objects.objects import open_root
from store.objects.outage import Outage
from store.reading.snapshot import Snapshot, StoreSnapshot
from store.record import Applied, Int64s, MeasureType, Outcome, RecordBatch, SeriesRegistry, TableId
from store.state import checkpoint
from store.table import column_work
from store.table.recovery import find_streams, read_again, restore
from store.table.table import Table
from store.upkeep import Upkeep

__all__ = ["Applied", "Store"]

T = TypeVar("T")
log = logging.getLogger(__name__)

_OPENED_AT_ONCE = 4


class Store:
    """Tables fed from the log: those of one folder, opened by one process, or what one partition has of shared ones.

    `is_overtaken`, of a store of a partition: another worker has the partition, or what was applied here does not stand
    any more. Nothing is applied or written any more; close it, and take it again if the partition is still ours.
    """

    registry: SeriesRegistry
    catalog: Catalog
    is_overtaken: bool
    outage: Outage

    def __init__(
        self,
        home: Home,
        memory_limit_bytes: int,
        templates: Mapping[tuple[str, str], TableSettings],
        clock_ns: Callable[[], int],
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        since: Mapping[str, int] | None = None,
    ) -> None:
        """Use `Store.open`, or `SharedStore.take`."""
        self._home = home
        self._clock_ns = clock_ns
        self._monotonic_ns = monotonic_ns
        self._duck = home.duck
        self._positions = home.positions
        self._tables: dict[TableId, Table] = {}
        self._tables_lock = threading.RLock()
        self._advanced: dict[str, int] = {}
        self._rows = 0  # applied since the store was opened
        self._upkeep = Upkeep(self, self._positions, clock_ns, monotonic_ns, memory_limit_bytes, home.checkpoint)
        self.is_overtaken = False
        self.outage = Outage()
        self.is_closed = False
        self.registry = SeriesRegistry()
        self.catalog = home.open_catalog(templates, clock_ns, lambda: dict(self._advanced), self._delete)
        tables = self.catalog.all_tables()
        find_streams(self._positions, home.find_streams(tables))
        saved = checkpoint.load(home.checkpoint)
        opened = self._open_tables(tables)
        for used in opened:
            if used.id in saved:
                checkpoint.restore(used, saved[used.id], monotonic_ns())
        column_work.adopt_all(self.catalog, opened, self._positions.streams, since or {}, clock_ns())
        read_again(self._positions, self.all_tables())
        self._advanced.update((stream, floor - 1) for stream, floor in self._positions.floors.items())

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        magnetic_url: str | None = None,
        memory_limit_bytes: int,
        templates: Mapping[tuple[str, str], TableSettings],
        clock_ns: Callable[[], int],
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        since: Mapping[str, int] | None = None,
    ) -> Store:
        """The store in `folder`, made if there is none. RAM starts empty: replay the log from `replay_from`.

        How old rows are is judged by `clock_ns`, the host's time; what is done every so often goes by `monotonic_ns`.
        `since` has by stream the first offset that came under these `templates`: new units hold from there on.
        Raises StoreLocked if another process has it, StoreFormatError if it is of another format, MagneticTierError.
        """
        make_folders(folder)
        try:
            lock = FileLock(folder / layout.LOCK)
        except Taken as error:
            raise StoreLocked(f"{folder} is open in another process") from error
        try:
            _check_format(folder / layout.FORMAT)
            magnetic = open_root(magnetic_url or str(folder / layout.MAGNETIC))
            refuse_lost_catalog(folder, magnetic)
            home = PrivateHome(folder, magnetic, memory_limit_bytes, lock)
            return cls(home, memory_limit_bytes, templates, clock_ns, monotonic_ns, since)
        except BaseException:
            lock.release()
            raise

    def apply(self, batch: RecordBatch) -> Applied:
        """Take in a batch; per record what became of it. Called by one thread, in log order; at once queryable.

        A table of the configuration comes to be with its first record. Records of a table that is not there any more
        are skipped, and so are those a table's own position covers; what a table cannot hold (`store.catalog.fit`) is
        rejected. Nothing that a batch holds makes it raise.
        """
        table = None if self.is_overtaken or not len(batch) else self._table_to_write(batch.table)
        if table is None:
            return Applied(np.full(len(batch), Outcome.SKIPPED, np.uint8), np.zeros(len(batch), np.int64))
        self._rows += len(batch)
        return table.apply(batch, self._monotonic_ns(), self._rows)

    def advance(self, stream: str, offset: int) -> None:
        """Every record of every frame of `stream` up to and including `offset` has been applied."""
        self._positions.number_of(stream)
        if offset > self._advanced.get(stream, -1):
            self._advanced[stream] = offset

    def replay_from(self, stream: str) -> int | None:
        """The first offset that must be read again after a restart; None for a stream never seen."""
        return self._positions.floors.get(stream)

    def floor(self, stream: str) -> int:
        """Offsets of `stream` below it are durable here: the log may be trimmed below it."""
        return self._positions.floors.get(stream, 0)

    def flush(self) -> None:
        """Make everything applied and advanced durable: for a graceful end. Nothing if another worker took over."""
        self._upkeep.flush_all()

    def commit_all(self) -> None:
        """Commit every table's rows, also of so many that they would go to the checkpoint: nobody goes on from here."""
        for table in self.all_tables():
            self._upkeep.flush(table)

    def maintain(self) -> None:
        """One pass over what is due. Called again and again by one background thread; all heavy I/O is here.

        Storage of the magnetic tier that is away is asked again later (`outage`).
        """
        try:
            self._upkeep.run()
        except MagneticUnavailable as error:
            self.outage.failed(self._monotonic_ns(), error)

    def last_times(self, table: TableId) -> Int64s:
        """The newest event time of each series of `table`, by series id; negative for one that has no row yet.

        Empty for a table not there. Any thread.
        """
        used = self._tables.get(table)
        if used is None:
            return np.zeros(0, np.int64)
        return used.state.last_ns[: len(used.index)].copy()

    def measure_types(self, table: TableId) -> dict[str, MeasureType]:
        """The type of each measure `table` has; empty for a table not there."""
        info = self.catalog.find(table)
        if info is None:
            return {}
        try:
            columns = self._open_table(info).schema(self.catalog.table(table)).columns
        except (UnknownDatabase, UnknownTable):  # deleted at this very moment
            return {}
        return {column.name: column.type for column in columns if column.kind == "measure"}

    def open_texts(self, table: TableId) -> list[str]:
        """The measures of text whose type nobody has decided: see `settle_texts`. Empty for a table not there."""
        info = self.catalog.find(table)
        if info is None:
            return []
        decided = {*info.changes.texts, *info.changes.roles, *info.changes.asked, *info.settings.types}
        return [
            name
            for name, kind in self.measure_types(table).items()
            if kind is MeasureType.VARCHAR and name not in decided
        ]

    def asked_types(self, table: TableId) -> tuple[str, ...]:
        """The measures whose type an operator asked for. None of a table not there."""
        info = self.catalog.find(table)
        return () if info is None else info.changes.asked

    def settle_texts(self, table: TableId, measures: Iterable[str]) -> None:
        """Keep, durably, that these measures are text for good. Nothing of a table that is not there. Any thread."""
        self.catalog.change_columns({table: lambda info: info.changes.with_texts(measures)})
        self.take_in_changes()

    def take_in_changes(self) -> None:
        """Have the tables know what was decided, by whomever, about their columns."""
        for used in self.all_tables():
            column_work.take_in(self.catalog, used)

    def snapshot(self, account: str) -> Snapshot:
        """A view of the account's tables for queries. From any thread; close it, or use it in a `with`."""
        return StoreSnapshot(account, self.catalog, self._duck, self._clock_ns, self.table_to_read)

    @property
    def own(self) -> str | None:
        """Of a store of a partition: its only stream."""
        return self._home.own

    def close(self) -> None:
        """Let go of the folder. Does not flush: what is not flushed comes again from the log."""
        with self._tables_lock:
            self.is_closed = True
            tables, self._tables = self.all_tables(), {}
        for table in tables:
            table.drop()
        self._home.close()

    def now_ns(self) -> int:
        """The time, by the store's clock."""
        return self._clock_ns()

    @property
    def settled_ns(self) -> int:
        """The time to delete by (`store.host_time.Settled`), as upkeep last knew it; 0 before its first pass."""
        return self._upkeep.settled_ns

    @property
    def is_clock_believed(self) -> bool:
        """Whether the host's time is the one to delete by."""
        return self._upkeep.is_clock_believed

    def observe(self, observer: Callable[[str, float], None]) -> None:
        """Have `observer` told of each "flush" and "compaction", and how many seconds it took. In upkeep's thread."""
        self._upkeep.observe = observer

    # What upkeep asks

    def advanced(self) -> Mapping[str, int]:
        """Per stream, up to where every record is applied."""
        return dict(self._advanced)

    def rows_applied(self) -> int:
        """How many rows were applied since the store was opened."""
        return self._rows

    def table_bytes(self) -> int:
        """What the memory tier takes."""
        return self._duck.table_bytes()

    def is_keeper_of(self, table: Table) -> bool:
        """Whether the table's files are this store's to merge, vacuum and retain."""
        return self._home.is_keeper_of(table.id)

    def is_there(self, table: Table) -> bool:
        """Whether the table has not been deleted, by whomever, up to now."""
        return self._home.fate_of(table.info, now=True)[0]

    def tables_beside(self) -> list[Table]:
        """The tables of all stores of the process, which share its memory tier."""
        return self._home.tables_beside() or self.all_tables()

    def attempt(self, table: Table, work: Callable[[], T]) -> T | None:
        """What `work` on the table's files returns; None if another worker came before, or if storage is away.

        Another may have deleted the table, removed the same files, or become the owner of the stream: that stops us.
        """
        if self.is_overtaken or self.outage.is_waiting(self._monotonic_ns()):
            return None
        try:
            result = work()
        except MagneticConflict as error:
            log.info("%s: left to another worker: %s", table.id, error)
        except Overtaken as error:
            self.is_overtaken_by(str(error))
        except MagneticUnavailable as error:
            self.outage.failed(self._monotonic_ns(), error)
        except Exception:
            if self.is_there(table):
                raise
            self.drop_deleted()
        else:
            if result:
                self.outage.answered(self._monotonic_ns())
            return result
        return None

    def drop_deleted(self, *, now: bool = False) -> None:
        """Let go of tables that other workers have deleted. `now`: of all that were deleted up to now.

        Where a record was applied to one that belongs to the table made anew in its place, this store is of no use
        any more: the log has to be read again, from the floor, which has not passed the record.
        """
        for used in self.all_tables():
            is_there, born = self._home.fate_of(used.info, now=now)
            now = False  # once for all of them
            if is_there:
                continue
            if born is not None and any(offset > born.get(stream, -1) for stream, offset in used.applied_to.items()):
                self.is_overtaken_by(f"{used.id} was deleted by another worker, and records came since")
                return
            log.info("%s was deleted by another worker", used.id)
            self._drop(used)
            self._home.remove_late_files(used.info)

    def is_overtaken_by(self, what: str) -> None:
        """What is applied here does not stand any more: nothing is written from now on."""
        if not self.is_overtaken:
            log.warning("%s is fenced, or has to be read again: %s", self._home.own, what)
        self.is_overtaken = True

    # Tables

    def all_tables(self) -> list[Table]:
        """The tables there are now."""
        with self._tables_lock:
            return list(self._tables.values())

    def opened(self, table: TableId) -> Table | None:
        """The table, if it is open."""
        return self._tables.get(table)

    def open_kept(self) -> None:
        """Open the tables, made by whomever, whose files are this store's to look after."""
        for info in self.catalog.all_tables():
            if info.table not in self._tables and self._home.is_keeper_of(info.table):
                with contextlib.suppress(UnknownDatabase, UnknownTable):  # deleted at this very moment
                    self._open_table(info)

    def table_to_read(self, table: TableId) -> Table:
        """The table, opened if it is not yet. Raises UnknownDatabase, UnknownTable."""
        used = self._tables.get(table)
        return used if used is not None else self._open_table(self.catalog.table(table))

    def _table_to_write(self, table: TableId) -> Table | None:
        used = self._tables.get(table)
        if used is not None:
            return used
        info = self.catalog.ensure(table)
        try:
            return None if info is None else self._open_table(info)
        except (UnknownDatabase, UnknownTable):  # deleted at this very moment
            return None

    def _open_tables(self, tables: Sequence[TableInfo]) -> list[Table]:
        if self._home.own is None:
            return [self._open_table(info) for info in tables]
        with ThreadPoolExecutor(_OPENED_AT_ONCE, "open table") as threads:  # most of it is waiting for object stores
            opened = [used for used in threads.map(self._make_unless_deleted, tables) if used is not None]
        self._tables.update((used.id, used) for used in opened)
        return opened

    def _make_unless_deleted(self, info: TableInfo) -> Table | None:
        try:
            return self._make_table(info)
        except Exception:
            if self._home.fate_of(info, now=True)[0]:
                raise
            return None  # another worker has deleted it at this very moment

    def _open_table(self, info: TableInfo) -> Table:
        """Raises UnknownTable if it has been deleted meanwhile."""
        with self._tables_lock:
            used = self._tables.get(info.table)
            if self.is_closed:
                raise UnknownTable(f"The table {info.table.table} is not open any more.")
            if used is None:
                # It may have been deleted, or made anew, since it was looked up
                used = self._tables[info.table] = self._make_table(self.catalog.table(info.table))
            return used

    def _make_table(self, info: TableInfo) -> Table:
        magnetic = self._home.open_magnetic(info)
        index, series = self.registry.of(info.table), self._home.series_of(info)
        used = Table(info, index, self._duck, magnetic, series, self._positions, self._home.own)
        restore(used, info.settings.zone, self._home.may_hold_unknown_series)
        return used

    def _delete(self, info: TableInfo) -> None:
        with self._tables_lock:  # whoever is opening it is done first
            used = self._tables.get(info.table)
            if used is None:
                self.registry.drop(info.table)
        if used is not None:
            self._drop(used)
        self._home.remove_files(info.table)

    def _drop(self, used: Table) -> None:
        with self._tables_lock:
            if self._tables.get(used.id) is used:
                del self._tables[used.id]
                self.registry.drop(used.id)
        with used.io_lock:
            used.drop()


def _check_format(path: Path) -> None:
    if not path.exists():
        write_atomic(path, f"{layout.FORMAT_VERSION}\n".encode())
        return
    found = path.read_text().strip()
    if found != str(layout.FORMAT_VERSION):
        raise StoreFormatError(f"{path.parent} has format {found!r}; this program reads {layout.FORMAT_VERSION}")
