"""The catalog: accounts ▸ databases ▸ tables, with the settings and the birth of each table.

Every change is durable before the call returns. An account is created by its first database. A table of the
configuration is a template: it is created in an account by the first write, and gets its settings from the
configuration again at every start. `store.catalog.document` decides which changes are allowed.

Several workers share the catalog. If two of them save the next version at the same time, the slower one loads the
version of the other and decides again: if both create the same table, one of them gets TableExists. Changes by other
workers are visible within a second; if something seems to be missing, the newest version is read at once.
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
    PartitionKey,
    Said,
    TableInfo,
    TableSettings,
)
from store.catalog.limits import DEFAULTS, Limits
from store.catalog.versions import CatalogVersions
from store.errors import LimitReached, StoreFormatError, UnknownDatabase, UnknownTable
from store.names import TableId
from store.objects.damage import Outcome, report
from store.objects.objects import Objects

__all__ = [
    "DEFAULT_MAGNETIC_RETENTION",
    "DEFAULT_MEMORY_RETENTION",
    "Catalog",
    "DatabaseInfo",
    "PartitionKey",
    "Said",
    "TableInfo",
    "TableSettings",
]

T = TypeVar("T")

REFRESH_EVERY_S = 1.0


class Catalog:
    """The catalog of all workers on one magnetic tier. Any thread; a miss and every change wait for the storage."""

    def __init__(
        self,
        objects: Objects,
        templates: Mapping[tuple[str, str], TableSettings],
        clock_ns: Callable[[], int],
        log_end: Callable[[], Mapping[str, int]],
        deleted: Callable[[TableInfo], None],
        *,
        is_sole_writer: bool = False,
        limits: Limits = DEFAULTS,
        log_first: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """Load the catalog. `log_end` returns the next offset of each partition; `deleted` removes a table's files.

        `log_first` returns the first offset that each partition still has.

        `is_sole_writer`: no other process changes the catalog, so it is never loaded again.

        Raises StoreFormatError if it is damaged, MagneticTierError.
        """
        self._versions = CatalogVersions(objects)
        self._templates = templates
        self._clock_ns = clock_ns
        self._log_end = log_end
        self._deleted = deleted
        self._is_sole_writer = is_sole_writer
        self.limits = limits
        self._log_first = log_first
        self._lock = threading.RLock()
        self._document = self._decode(self._versions.load())  # replaced as a whole: read without the lock
        self._refreshed_s = time.monotonic()

    def refresh(self, *, now: bool = False) -> None:
        """Load changes by other workers: if `now`, or if the last time was more than a second ago."""
        if self._is_sole_writer or (not now and time.monotonic() - self._refreshed_s < REFRESH_EVERY_S):
            return
        with self._lock:
            began_s = time.monotonic()
            if self._versions.has_newer():
                self._document = self._decode(self._versions.load())
            self._refreshed_s = began_s

    @property
    def version(self) -> int:
        """The number of the version that is known here."""
        return self._versions.number

    def expect(self, version: int) -> None:
        """Report that versions up to this one are missing, if they are."""
        if self.version < version:
            report(
                "catalog",
                f"version {version} is missing, the newest is {self.version}: tables, databases and settings that were "
                "changed after it are as they were before; put it back from a backup if that matters",
                Outcome.LOST,
            )

    # The log's partitions

    @property
    def partitions(self) -> Sequence[str]:
        """All partitions that have ever existed, in the order of their numbers."""
        return self._document.partitions

    def number_partitions(self, partitions: Sequence[str]) -> None:
        """Assign numbers to partitions that have none, for all workers."""
        self._change(lambda document: document.number_partitions(partitions))

    # Reading

    def databases(self, account: str) -> list[DatabaseInfo]:
        """The account's databases by name; databases that other workers created in the last second may be missing."""
        self.refresh()
        found = [database for (owner, _), database in self._document.databases.items() if owner == account]
        return sorted(found, key=lambda database: database.name)

    def accounts(self) -> list[str]:
        """The accounts that have settings, as of the last refresh."""
        return list(self._document.accounts)

    def account_settings(self, account: str) -> Said:
        """The settings that were made for the account, as of the last refresh."""
        return self._document.accounts.get(account, {})

    def database(self, account: str, name: str) -> DatabaseInfo:
        """The database. Raises UnknownDatabase."""
        with suppress(UnknownDatabase):
            return self._document.database(account, name)
        self.refresh(now=True)
        return self._document.database(account, name)

    def tables(self, account: str, database: str | None = None) -> list[TableInfo]:
        """The tables of a database, or of all the account's databases, by name. Raises UnknownDatabase.

        Tables that other workers created in the last second may be missing.
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
        """The table as of the last refresh, or None; reads nothing."""
        return self._document.tables.get(table)

    def deleted_up_to(self, table: TableId) -> Mapping[str, int]:
        """The last offset per partition that belonged to a deleted table, as of the last refresh."""
        deleted = self._document.deleted.get(table)
        return {} if deleted is None else deleted.born

    def deleted_tables(self) -> list[TableInfo]:
        """The last deleted table of each name; if its deletion was interrupted, its files must be removed."""
        return [
            TableInfo(table, TableSettings(), 0, 0, deleted.born, deleted.incarnation)
            for table, deleted in self._document.deleted.items()
        ]

    def now_ns(self) -> int:
        """The current time of the store's clock."""
        return self._clock_ns()

    # Changing

    def update_account(self, account: str, change: Callable[[Said], Said]) -> Said:
        """Change the settings of the account. Raises everything that `change` raises."""
        return self._change(lambda document: document.update_account(account, change))

    def create_database(self, account: str, name: str, said: Said | None = None) -> DatabaseInfo:
        """Create a database. Raises DatabaseExists, LimitReached."""
        return self._add(account, lambda document: document.create_database(account, name, self._clock_ns(), said))

    def update_database(self, account: str, name: str, change: Callable[[Said], Said]) -> DatabaseInfo:
        """Change its `said`. Raises UnknownDatabase, LimitReached, and everything that `change` raises."""
        return self._add(account, lambda document: document.update_database(account, name, change, self._clock_ns()))

    def delete_database(self, account: str, name: str) -> None:
        """Delete a database without tables. Raises UnknownDatabase, DatabaseNotEmpty."""
        self._change(lambda document: document.delete_database(account, name))

    def create_table(self, table: TableId, settings: TableSettings, said: Said | None = None) -> TableInfo:
        """Create a table. Raises UnknownDatabase, TableExists, LimitReached."""
        return self._add(table.account, lambda document: document.create_table(table, settings, self._clock_ns(), said))

    def say_of_table(self, table: TableId, change: Callable[[Said], Said]) -> TableInfo:
        """Change its `said`. Raises UnknownDatabase, UnknownTable, LimitReached, and what `change` raises."""
        return self._add(table.account, lambda document: document.say_of_table(table, change, self._clock_ns()))

    def save_shapes(self, table: TableId, shapes: Mapping[str, str]) -> Mapping[str, str]:
        """Save shapes (`TableInfo.shapes`) of measure names that have none; returns the shapes of all.

        Raises LimitReached.
        """
        return self._add(table.account, lambda document: document.save_shapes(table, shapes))

    def update_table(self, table: TableId, settings: TableSettings) -> TableInfo:
        """Change a table's settings. Raises UnknownDatabase, UnknownTable."""
        return self._change(lambda document: document.update_table(table, settings, self._clock_ns()))

    def change_columns(self, decide: Mapping[TableId, Callable[[TableInfo], ColumnChanges]]) -> None:
        """Apply decisions about columns, each based on the current decisions; ignores tables that no longer exist."""
        self._change(lambda document: document.change_columns(decide, self._clock_ns()))

    def delete_table(self, table: TableId) -> None:
        """Delete a table and all its rows, also those in RAM of other workers. Raises UnknownDatabase, UnknownTable.

        A new table with the same name has its own folder, so it need not wait until the files are removed.
        """
        self._deleted(self._change(lambda document: document.delete_table(table, self._acknowledged())))
        self._forget_deleted()

    def _forget_deleted(self) -> None:
        """Forget the deleted tables of which the log has no rows any more."""
        first = self._log_first()
        if any(first.values()):
            self._change(lambda document: document.forget_deleted(first))

    def ensure(self, table: TableId) -> TableInfo | None:
        """The table, created from its template if necessary; None if it does not exist and has no template."""
        info = self.find(table)
        settings = self._templates.get((table.database, table.table))
        if info is not None or settings is None:
            return info
        return self._change(lambda document: document.ensure(table, settings, self._clock_ns()))

    def _add(self, account: str, decide: Callable[[Document], T]) -> T:
        """As `_change`, for a client of the account. Raises LimitReached if that has more than before, and too much."""

        def decide_within_limits(document: Document) -> T:
            before = document.usage(account)
            decided = decide(document)
            document.usage(account).check(account, before, self.limits)
            return decided

        try:
            return self._change(decide_within_limits)
        except LimitReached:
            self._forget_deleted()
            return self._change(decide_within_limits)

    def _change(self, decide: Callable[[Document], T]) -> T:
        """Apply `decide` to the newest document; returns its result when the changed document is durable."""
        with self._lock:
            self.refresh(now=True)  # so that an error applies to the current state
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
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            raise StoreFormatError(
                f"{self._versions.name} is damaged: {error!r}; put it back from a backup: without it no table is known"
            ) from error
