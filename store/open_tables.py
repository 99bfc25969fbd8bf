"""The open tables of a store, from the first record or query until they are deleted by any worker.

`is_fenced`: another worker owns the partition, or rows that were applied here have become invalid. Nothing is applied
or written any more then.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from store.catalog.catalog import TableInfo
from store.errors import UnknownDatabase, UnknownTable
from store.partition_backend import PartitionBackend
from store.record import SeriesRegistry, TableId
from store.table import column_work
from store.table.table import Table

log = logging.getLogger(__name__)

_OPENED_AT_ONCE = 4


class OpenTables:
    """The open tables, by name. Any thread."""

    def __init__(self, backend: PartitionBackend) -> None:
        """No table is open."""
        self._backend = backend
        self._tables: dict[TableId, Table] = {}
        self._lock = threading.RLock()
        self.is_fenced = False
        self.is_closed = False
        self.registry = SeriesRegistry(backend.series_room)
        backend.series_room.registries.append(self.registry)
        self.catalog = backend.catalog

    def all(self) -> list[Table]:
        """The open tables."""
        with self._lock:
            return list(self._tables.values())

    def of_process(self) -> list[Table]:
        """The tables of all stores of the process, which share its memory tier."""
        return self._backend.tables_of_process()

    def find(self, table: TableId) -> Table | None:
        """The table if it is open, else None."""
        return self._tables.get(table)

    def to_read(self, table: TableId) -> Table:
        """The table, opened if necessary. Raises UnknownDatabase, UnknownTable."""
        used = self._tables.get(table)
        return used if used is not None else self.open(self.catalog.table(table))

    def to_write(self, table: TableId) -> Table | None:
        """The table, created if it is in the configuration; None if it is not and does not exist."""
        used = self._tables.get(table)
        if used is not None:
            return used
        info = self.catalog.ensure(table)
        try:
            return None if info is None else self.open(info)
        except (UnknownDatabase, UnknownTable):  # deleted in the meantime
            return None

    def open(self, info: TableInfo) -> Table:
        """The table, opened if necessary. Raises UnknownTable if it has been deleted in the meantime."""
        with self._lock:
            used = self._tables.get(info.table)
            if self.is_closed:
                raise UnknownTable(f"The table {info.table.table} is not open any more.")
            if used is None:
                # It may have been deleted, or created again, since it was looked up
                used = self._tables[info.table] = self._make(self.catalog.table(info.table))
            return used

    def open_all(self, tables: Sequence[TableInfo]) -> list[Table]:
        """Open these tables, none of which is open, in parallel; returns those that still exist."""
        with ThreadPoolExecutor(_OPENED_AT_ONCE, "open table") as threads:  # mostly waiting for object stores
            opened = [used for used in threads.map(self._make_unless_deleted, tables) if used is not None]
        self._tables.update((used.id, used) for used in opened)
        return opened

    def open_maintained(self) -> None:
        """Open all tables whose files this store maintains, also if another worker created them."""
        for info in self.catalog.all_tables():
            if info.table not in self._tables and self._backend.is_compaction_leader_of(info.table):
                with contextlib.suppress(UnknownDatabase, UnknownTable):  # deleted in the meantime
                    self.open(info)

    def update_columns(self) -> None:
        """Update the open tables with changes of their columns that any worker has made."""
        for used in self.all():
            column_work.update_columns(self.catalog, used)

    def is_compaction_leader_of(self, table: Table) -> bool:
        """Whether this store merges, vacuums and retains the table's files."""
        return self._backend.is_compaction_leader_of(table.id)

    def is_there(self, table: Table) -> bool:
        """Whether the table still exists now; another worker may have deleted it."""
        return self._backend.fate_of(table.info, now=True)[0]

    def drop_deleted(self, *, now: bool = False) -> None:
        """Close tables that other workers have deleted. `now`: reads the newest catalog first.

        If a record was applied to a deleted table although it belongs to the table that replaced it, this store is
        fenced: the log must be read again from the low watermark, which is not beyond that record.
        """
        for used in self.all():
            is_there, born = self._backend.fate_of(used.info, now=now)
            now = False  # one refresh is enough for all tables
            if is_there:
                continue
            if born is not None and used.is_applied_beyond(born):
                self.is_fenced_by(f"{used.id} was deleted, and records came since")
            else:
                log.info("%s was deleted", used.id)
            self._drop(used)
            self._backend.remove_late_files(used.info)

    def remove_late_files(self, table: Table) -> None:
        """Remove what this store wrote while the table was deleted, after it had been closed itself."""
        self._backend.remove_late_files(table.info)

    def is_fenced_by(self, what: str) -> None:
        """Fence the store: rows that were applied here have become invalid, and nothing is written from now on."""
        if not self.is_fenced:
            log.warning("%s is fenced, or must be read again: %s", self._backend.own_partition, what)
        self.is_fenced = True

    def close(self) -> None:
        """Close all tables; none can be opened afterwards."""
        with self._lock:
            if not self.is_closed:
                self._backend.series_room.registries.remove(self.registry)
            self.is_closed = True
            tables, self._tables = self.all(), {}
        for table in tables:
            table.close()

    def _make(self, info: TableInfo) -> Table:
        backend, index = self._backend, self.registry.of(info.table)
        magnetic = backend.open_magnetic(info)
        used = Table(
            info,
            index,
            backend.duck,
            magnetic,
            backend.series_of(info),
            backend.positions,
            backend.own_partition,
            is_sole_writer=backend.is_sole_writer,
        )
        used.restore(info.settings.zone, backend.may_hold_unknown_series)
        return used

    def _make_unless_deleted(self, info: TableInfo) -> Table | None:
        try:
            return self._make(info)
        except Exception:
            if self._backend.fate_of(info, now=True)[0]:
                raise
            return None  # another worker has deleted it in the meantime

    def _drop(self, used: Table) -> None:
        with self._lock:
            if self._tables.get(used.id) is used:
                del self._tables[used.id]
                self.registry.drop(used.id)
        used.drop()
