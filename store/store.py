"""The store: catalog ▸ account ▸ database ▸ table ▸ (memory tier, magnetic tier). Record batches in, rows out.

The log is its write-ahead log: what is applied and not yet flushed is lost with the process, and comes again from
`replay_from`. Threads: one applies (in log order), one maintains, any number read through snapshots.
"""

from __future__ import annotations

import fcntl
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from store import checkpoint, layout
from store.catalog import Catalog, TableInfo, TableSettings
from store.duck import WORKING_MEMORY_BYTES, Duck
from store.errors import MagneticTierError, StoreFormatError, StoreLocked, UnknownDatabase, UnknownTable
from store.files import make_folders, write_atomic
from store.magnetic_tier import MagneticTier
from store.positions import Positions
from store.record import Applied, Int64s, MeasureType, Outcome, RecordBatch, SeriesRegistry, TableId
from store.recovery import find_streams, read_again, restore
from store.series_file import SeriesFile
from store.snapshot import Snapshot
from store.table import Table
from store.upkeep import Upkeep

__all__ = ["Applied", "Store"]


class Store:
    """One folder of tables, opened by one process."""

    registry: SeriesRegistry
    catalog: Catalog

    def __init__(
        self,
        folder: Path,
        magnetic: Path,
        memory_limit_bytes: int,
        templates: Mapping[tuple[str, str], TableSettings],
        clock_ns: Callable[[], int],
        lock: IO[str],
    ) -> None:
        """Use `Store.open`."""
        self._folder = folder
        self._magnetic = magnetic
        self._clock_ns = clock_ns
        self._lock_file = lock
        self._duck = Duck(magnetic, memory_limit_bytes + WORKING_MEMORY_BYTES)
        self._positions = Positions(folder / layout.POSITIONS)
        self._tables: dict[TableId, Table] = {}
        self._tables_lock = threading.RLock()
        self._advanced: dict[str, int] = {}
        self._rows = 0  # applied since the store was opened
        self._upkeep = Upkeep(self, self._positions, clock_ns, memory_limit_bytes, folder / layout.CHECKPOINT)
        self.registry = SeriesRegistry()
        self.catalog = Catalog(folder / layout.CATALOG, templates, clock_ns, lambda: dict(self._advanced), self._delete)
        for table in self.catalog.buried():  # their deletion may have been cut short
            self._remove_files(table)
        tables = self.catalog.all_tables()
        if not self._positions.is_on_disk:
            find_streams(self._positions, [self._series_file(info.table) for info in tables])
        saved = checkpoint.load(folder / layout.CHECKPOINT)
        for info in tables:
            used = self._open_table(info)
            if info.table in saved:
                checkpoint.restore(used, saved[info.table], clock_ns())
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
    ) -> Store:
        """The store in `folder`, made if there is none. RAM starts empty: replay the log from `replay_from`.

        Raises StoreLocked if another process has it, StoreFormatError if it is of another format, MagneticTierError.
        """
        make_folders(folder)
        lock = (folder / layout.LOCK).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise StoreLocked(f"{folder} is open in another process") from error
        try:
            _check_format(folder / layout.FORMAT)
            _check_catalog(folder / layout.CATALOG)
            magnetic = _local_folder(magnetic_url) if magnetic_url else folder / layout.MAGNETIC
            magnetic = _without_percent(magnetic.resolve())
            make_folders(magnetic)
            return cls(folder, magnetic, memory_limit_bytes, templates, clock_ns, lock)
        except BaseException:
            lock.close()
            raise

    def apply(self, batch: RecordBatch) -> Applied:
        """Take in a batch; per record what became of it. Called by one thread, in log order; at once queryable.

        A table of the configuration comes to be with its first record. Records of a table that is not there any more
        are skipped, and so are those a table's own position covers; what a table cannot hold (`store.fit`) is rejected.
        Nothing that a batch holds makes it raise.
        """
        table = self._table_to_write(batch.table) if len(batch) else None
        if table is None:
            return Applied(np.full(len(batch), Outcome.SKIPPED, np.uint8), np.zeros(len(batch), np.int64))
        self._rows += len(batch)
        return table.apply(batch, self._clock_ns(), self._rows)

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
        """Make everything applied and advanced durable: for a graceful end."""
        for table in self.all_tables():
            self._upkeep.flush(table)
        self._upkeep.save_positions()

    def maintain(self) -> None:
        """One pass over what is due. Called again and again by one background thread; all heavy I/O is here."""
        self._upkeep.run()

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
            columns = self._open_table(info).schema(info).columns
        except (UnknownDatabase, UnknownTable):  # deleted at this very moment
            return {}
        return {column.name: column.type for column in columns if column.kind == "measure"}

    def snapshot(self, account: str) -> Snapshot:
        """A view of the account's tables for queries. From any thread; close it, or use it in a `with`."""
        return Snapshot(account, self.catalog, self._duck, self._clock_ns, self._table_to_read)

    def close(self) -> None:
        """Let go of the folder. Does not flush: what is not flushed comes again from the log."""
        for table in self.all_tables():
            table.drop()
        self._duck.close()
        self._lock_file.close()

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

    # Tables

    def all_tables(self) -> list[Table]:
        """The tables there are now."""
        with self._tables_lock:
            return list(self._tables.values())

    def _table_to_write(self, table: TableId) -> Table | None:
        used = self._tables.get(table)
        if used is not None:
            return used
        info = self.catalog.ensure(table)
        try:
            return None if info is None else self._open_table(info)
        except (UnknownDatabase, UnknownTable):  # deleted at this very moment
            return None

    def _table_to_read(self, table: TableId) -> Table:
        used = self._tables.get(table)
        return used if used is not None else self._open_table(self.catalog.table(table))

    def _open_table(self, info: TableInfo) -> Table:
        """Raises UnknownTable if it has been deleted meanwhile."""
        with self._tables_lock:
            used = self._tables.get(info.table)
            if used is not None:
                return used
            info = self.catalog.table(info.table)  # it may have been deleted, or made anew, since it was looked up
            magnetic = MagneticTier(layout.table_folder(self._magnetic, info.table), self._positions.streams)
            index = self.registry.of(info.table)
            used = Table(info, index, self._duck, magnetic, self._series_file(info.table), self._positions)
            restore(used, info.settings.zone)
            self._tables[info.table] = used
            return used

    def _series_file(self, table: TableId) -> SeriesFile:
        return SeriesFile(layout.table_folder(self._folder / layout.SERIES, table))

    def _delete(self, table: TableId) -> None:
        with self._tables_lock:
            used = self._tables.pop(table, None)
            self.registry.drop(table)
        if used is not None:
            with used.io_lock:
                used.drop()
        self._remove_files(table)

    def _remove_files(self, table: TableId) -> None:
        for root in (self._magnetic, self._folder / layout.SERIES):
            folder = layout.table_folder(root, table)
            if folder.exists():
                shutil.rmtree(folder)


def _check_format(path: Path) -> None:
    if not path.exists():
        write_atomic(path, f"{layout.FORMAT_VERSION}\n".encode())
        return
    found = path.read_text().strip()
    if found != str(layout.FORMAT_VERSION):
        raise StoreFormatError(f"{path.parent} has format {found!r}; this program reads {layout.FORMAT_VERSION}")


def _check_catalog(path: Path) -> None:
    """A store that has positions had a catalog, and the rows of its tables are on disk: it is not begun anew."""
    if not path.exists() and (path.parent / layout.POSITIONS).exists():
        raise StoreFormatError(
            f"{path} is missing; put it back from a backup, or move {path.parent} and the magnetic tier away to begin "
            "anew: without it no table is known"
        )


def _local_folder(url: str) -> Path:
    if "://" not in url:
        return Path(url)
    if url.startswith("file://"):
        return Path(url.removeprefix("file://"))
    raise MagneticTierError(f"magnetic tier at {url}: only local folders are supported")


def _without_percent(folder: Path) -> Path:
    """`folder`, which `deltalake` would not find if it had a percent sign: it decodes paths as URLs."""
    if "%" in str(folder):
        raise MagneticTierError(f"magnetic tier at {folder}: a path with a percent sign cannot be used; choose another")
    return folder
