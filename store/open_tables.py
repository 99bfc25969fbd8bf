"""The tables of a store that are open, from the first record or question to their deletion, by whomever.

`is_fenced`: another worker has the partition, or what was applied here does not stand any more. Nothing is applied
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
    """Tables by their name. Any thread."""

    def __init__(self, backend: PartitionBackend) -> None:
        """None is open."""
        self._backend = backend
        self._tables: dict[TableId, Table] = {}
        self._lock = threading.RLock()
        self.is_fenced = False
        self.is_closed = False
        self.registry = SeriesRegistry()
        self.catalog = backend.catalog

    def all(self) -> list[Table]:
        """The tables that are open now."""
        with self._lock:
            return list(self._tables.values())

    def beside(self) -> list[Table]:
        """The tables of all stores of the process, which share its memory tier."""
        return self._backend.tables_beside()

    def find(self, table: TableId) -> Table | None:
        """The table, if it is open."""
        return self._tables.get(table)

    def to_read(self, table: TableId) -> Table:
        """The table, opened if it is not yet. Raises UnknownDatabase, UnknownTable."""
        used = self._tables.get(table)
        return used if used is not None else self.open(self.catalog.table(table))

    def to_write(self, table: TableId) -> Table | None:
        """The table, which comes to be if it is one of the configuration's; None if there is none."""
        used = self._tables.get(table)
        if used is not None:
            return used
        info = self.catalog.ensure(table)
        try:
            return None if info is None else self.open(info)
        except (UnknownDatabase, UnknownTable):  # deleted at this very moment
            return None

    def open(self, info: TableInfo) -> Table:
        """Raises UnknownTable if it has been deleted meanwhile."""
        with self._lock:
            used = self._tables.get(info.table)
            if self.is_closed:
                raise UnknownTable(f"The table {info.table.table} is not open any more.")
            if used is None:
                # It may have been deleted, or made anew, since it was looked up
                used = self._tables[info.table] = self._make(self.catalog.table(info.table))
            return used

    def open_all(self, tables: Sequence[TableInfo]) -> list[Table]:
        """Open these, for the first time."""
        with ThreadPoolExecutor(_OPENED_AT_ONCE, "open table") as threads:  # most of it is waiting for object stores
            opened = [used for used in threads.map(self._make_unless_deleted, tables) if used is not None]
        self._tables.update((used.id, used) for used in opened)
        return opened

    def open_kept(self) -> None:
        """Open the tables, made by whomever, whose files are this store's to look after."""
        for info in self.catalog.all_tables():
            if info.table not in self._tables and self._backend.is_compaction_leader_of(info.table):
                with contextlib.suppress(UnknownDatabase, UnknownTable):  # deleted at this very moment
                    self.open(info)

    def take_in_changes(self) -> None:
        """Have the tables know what was decided, by whomever, about their columns."""
        for used in self.all():
            column_work.take_in(self.catalog, used)

    def is_compaction_leader_of(self, table: Table) -> bool:
        """Whether the table's files are this store's to merge, vacuum and retain."""
        return self._backend.is_compaction_leader_of(table.id)

    def is_there(self, table: Table) -> bool:
        """Whether the table has not been deleted, by whomever, up to now."""
        return self._backend.fate_of(table.info, now=True)[0]

    def drop_deleted(self, *, now: bool = False) -> None:
        """Let go of tables that other workers have deleted. `now`: of all that were deleted up to now.

        Where a record was applied to one that belongs to the table made anew in its place, this store is of no use
        any more: the log has to be read again, from the low watermark, which has not passed the record.
        """
        for used in self.all():
            is_there, born = self._backend.fate_of(used.info, now=now)
            now = False  # once for all of them
            if is_there:
                continue
            if born is not None and used.is_applied_beyond(born):
                self.is_fenced_by(f"{used.id} was deleted, and records came since")
            else:
                log.info("%s was deleted", used.id)
            self._drop(used)
            self._backend.remove_late_files(used.info)

    def is_fenced_by(self, what: str) -> None:
        """What is applied here does not stand any more: nothing is written from now on."""
        if not self.is_fenced:
            log.warning("%s is fenced, or has to be read again: %s", self._backend.own_partition, what)
        self.is_fenced = True

    def close(self) -> None:
        """Let go of all of them; none is opened any more."""
        with self._lock:
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
            return None  # another worker has deleted it at this very moment

    def _drop(self, used: Table) -> None:
        with self._lock:
            if self._tables.get(used.id) is used:
                del self._tables[used.id]
                self.registry.drop(used.id)
        used.drop()
