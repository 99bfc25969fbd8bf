"""What there is: accounts ▸ databases ▸ tables, with each table's settings and birth.

Every change is durable before the call that made it returns. An account comes to be with its first database. A table
of the configuration is a template: it comes to be in an account with the first write there, and takes its settings
anew from the configuration at every start. What may be done is decided by `store.catalog.document`.

Several workers share the catalog. Who loses the race for its next version loads the winner's and decides again, so of
two who make one table at once one is told that it exists. What others have changed is seen within a second; whatever
seems not to be there is looked for at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from store.catalog.changes import ColumnChanges
from store.catalog.document import (
    DEFAULT_MAGNETIC_RETENTION,
    DEFAULT_MEMORY_RETENTION,
    DatabaseInfo,
    Document,
    Said,
    TableInfo,
    TableSettings,
)
from store.catalog.versions import CatalogVersions
from store.errors import StoreFormatError, UnknownDatabase, UnknownTable
from store.objects.objects import Objects
from store.record import TableId

__all__ = [
    "DEFAULT_MAGNETIC_RETENTION",
    "DEFAULT_MEMORY_RETENTION",
    "Catalog",
    "DatabaseInfo",
    "Said",
    "TableInfo",
    "TableSettings",
]

T = TypeVar("T")

REFRESH_EVERY_S = 1.0


class Catalog:
    """The catalog of all workers on one magnetic tier. Any thread; a miss, and every change, waits for the objects."""

    def __init__(
        self,
        objects: Objects,
        templates: Mapping[tuple[str, str], TableSettings],
        clock_ns: Callable[[], int],
        log_end: Callable[[], Mapping[str, int]],
        deleted: Callable[[TableInfo], None],
        *,
        is_sole_writer: bool = False,
    ) -> None:
        """Load it. `log_end` tells the next offset of each partition; `deleted` removes a table's files.

        `is_sole_writer`: no other process changes it, so it is never loaded again.
        """
        self._versions = CatalogVersions(objects)
        self._templates = templates
        self._clock_ns = clock_ns
        self._log_end = log_end
        self._deleted = deleted
        self._is_sole_writer = is_sole_writer
        self._lock = threading.RLock()
        self._document = self._decode(self._versions.load())  # replaced as a whole: read without the lock
        self._refreshed_s = time.monotonic()

    def refresh(self, *, now: bool = False) -> None:
        """Take in what others have changed: `now`, or if that has not been done for a second."""
        if self._is_sole_writer or (not now and time.monotonic() - self._refreshed_s < REFRESH_EVERY_S):
            return
        with self._lock:
            began_s = time.monotonic()
            if self._versions.has_newer():
                self._document = self._decode(self._versions.load())
            self._refreshed_s = began_s

    # The log's partitions

    @property
    def partitions(self) -> Sequence[str]:
        """Every partition there has been, by its number."""
        return self._document.partitions

    def number_partitions(self, partitions: Sequence[str]) -> None:
        """Give each partition that has none yet a number, for everybody."""
        self._change(lambda document: document.number_partitions(partitions))

    # Reading

    def databases(self, account: str) -> list[DatabaseInfo]:
        """The account's databases by name; what others made in the last second may be missing."""
        self.refresh()
        found = [database for (owner, _), database in self._document.databases.items() if owner == account]
        return sorted(found, key=lambda database: database.name)

    def database(self, account: str, name: str) -> DatabaseInfo:
        """The database. Raises UnknownDatabase."""
        with suppress(UnknownDatabase):
            return self._document.database(account, name)
        self.refresh(now=True)
        return self._document.database(account, name)

    def tables(self, account: str, database: str | None = None) -> list[TableInfo]:
        """The tables of a database, or of all the account's databases, by name. Raises UnknownDatabase.

        What others made in the last second may be missing.
        """
        self.refresh()
        if database is not None:
            self.database(account, database)
        return self._document.tables_of(account, database)

    def all_tables(self) -> list[TableInfo]:
        """The tables of all accounts, as of the last refresh."""
        return list(self._document.tables.values())

    def table(self, table: TableId) -> TableInfo:
        """The table. Raises UnknownDatabase, UnknownTable."""
        with suppress(UnknownDatabase, UnknownTable):
            return self._document.table(table)
        self.refresh(now=True)
        return self._document.table(table)

    def find(self, table: TableId) -> TableInfo | None:
        """The table, or None."""
        info = self.known(table)
        if info is None:
            self.refresh(now=True)
            info = self.known(table)
        return info

    def known(self, table: TableId) -> TableInfo | None:
        """The table as of the last refresh, or None; asks nobody."""
        return self._document.tables.get(table)

    def buried_to(self, table: TableId) -> Mapping[str, int]:
        """Of a deleted table: the last offset per partition that was its, as of the last refresh."""
        buried = self._document.buried.get(table)
        return {} if buried is None else buried.born

    def buried_tables(self) -> list[TableInfo]:
        """Tables that were deleted last under their names, for their files to be removed if that was cut short."""
        return [
            TableInfo(table, TableSettings(), 0, 0, buried.born, buried.incarnation)
            for table, buried in self._document.buried.items()
        ]

    def now_ns(self) -> int:
        """The time, by the store's clock."""
        return self._clock_ns()

    # Changing

    def create_database(self, account: str, name: str, said: Said | None = None) -> DatabaseInfo:
        """Make a database. Raises DatabaseExists."""
        return self._change(lambda document: document.create_database(account, name, self._clock_ns(), said))

    def update_database(self, account: str, name: str, change: Callable[[Said], Said]) -> DatabaseInfo:
        """Change what is said of a database. Raises UnknownDatabase, and what `change` raises."""
        return self._change(lambda document: document.update_database(account, name, change, self._clock_ns()))

    def delete_database(self, account: str, name: str) -> None:
        """Delete a database without tables. Raises UnknownDatabase, DatabaseNotEmpty."""
        self._change(lambda document: document.delete_database(account, name))

    def create_table(self, table: TableId, settings: TableSettings, said: Said | None = None) -> TableInfo:
        """Make a table. Raises UnknownDatabase, TableExists."""
        return self._change(lambda document: document.create_table(table, settings, self._clock_ns(), said))

    def say_of_table(self, table: TableId, change: Callable[[Said], Said]) -> TableInfo:
        """Change what is said of a table. Raises UnknownDatabase, UnknownTable, and what `change` raises."""
        return self._change(lambda document: document.say_of_table(table, change, self._clock_ns()))

    def keep_shapes(self, table: TableId, shapes: Mapping[str, str]) -> Mapping[str, str]:
        """What measure names of a table are (`TableInfo.shapes`), with these for names that had none."""
        return self._change(lambda document: document.keep_shapes(table, shapes))

    def update_table(self, table: TableId, settings: TableSettings) -> TableInfo:
        """Change a table's settings. Raises UnknownDatabase, UnknownTable."""
        return self._change(lambda document: document.update_table(table, settings, self._clock_ns()))

    def change_columns(self, decide: Mapping[TableId, Callable[[TableInfo], ColumnChanges]]) -> None:
        """Decide about tables' columns, given what was decided before; not of tables that are not there any more."""
        self._change(lambda document: document.change_columns(decide, self._clock_ns()))

    def delete_table(self, table: TableId) -> None:
        """Delete a table and all its rows, those other workers have in RAM too. Raises UnknownDatabase, UnknownTable.

        A table made anew under the name has a folder of its own, so it need not wait for the files to go.
        """
        self._deleted(self._change(lambda document: document.delete_table(table, self._acknowledged())))

    def ensure(self, table: TableId) -> TableInfo | None:
        """The table, made from its template if it has one and is not there yet; None if there is neither."""
        info = self.find(table)
        settings = self._templates.get((table.database, table.table))
        if info is not None or settings is None:
            return info
        return self._change(lambda document: document.ensure(table, settings, self._clock_ns()))

    def _change(self, decide: Callable[[Document], T]) -> T:
        """What `decide` says of the newest document, once the document it leaves is durable."""
        with self._lock:
            self.refresh(now=True)  # what it refuses, it refuses for what is there now
            while True:
                document = self._document.copy()
                decided = decide(document)
                if document == self._document or self._versions.save(document.encode()):
                    self._document = document
                    return decided
                self._document = self._decode(self._versions.load())

    def _acknowledged(self) -> Mapping[str, int]:
        return {partition: offset - 1 for partition, offset in self._log_end().items()}

    def _decode(self, data: bytes | None) -> Document:
        if data is None:
            return Document()
        try:
            return Document.decode(data, self._templates)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreFormatError(
                f"{self._versions.name} is damaged: {error!r}; put it back from a backup: without it no table is known"
            ) from error
