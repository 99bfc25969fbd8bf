"""What there is: accounts ▸ databases ▸ tables, with each table's settings and birth.

Every change is durable before the call that made it returns. An account comes to be with its first database. A table
of the configuration is a template: it comes to be in an account with the first write there, and takes its settings
anew from the configuration at every start. What may be done is decided by `store.catalog.document`; here is who has it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

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
from store.errors import StoreFormatError
from store.objects.files import write_atomic
from store.record import TableId

__all__ = [
    "DEFAULT_MAGNETIC_RETENTION",
    "DEFAULT_MEMORY_RETENTION",
    "Catalog",
    "DatabaseInfo",
    "FileKeeping",
    "Keeping",
    "Said",
    "TableInfo",
    "TableSettings",
]

T = TypeVar("T")


class Keeping(Protocol):
    """Where a catalog is kept."""

    name: str

    def load(self) -> bytes | None:
        """What is there; None for a catalog never saved."""
        ...

    def save(self, data: bytes) -> bool:
        """Replace what was loaded or saved last, durably; False if somebody else has done so meanwhile."""
        ...


class FileKeeping:
    """A catalog in a file of which this process is the only writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)

    def load(self) -> bytes | None:
        """What the file holds."""
        return self._path.read_bytes() if self._path.exists() else None

    def save(self, data: bytes) -> bool:
        """Replace the file."""
        write_atomic(self._path, data)
        return True


class Catalog:
    """The catalog of one store. Any thread may call any method."""

    def __init__(
        self,
        keeping: Keeping,
        templates: Mapping[tuple[str, str], TableSettings],
        clock_ns: Callable[[], int],
        positions: Callable[[], Mapping[str, int]],
        deleted: Callable[[TableInfo], None],
    ) -> None:
        """Load it. `positions` tells what of each partition is applied; `deleted` removes a table's rows."""
        self._keeping = keeping
        self._templates = templates
        self._clock_ns = clock_ns
        self._positions = positions
        self._deleted = deleted
        self._lock = threading.RLock()
        self._document = self._decode(keeping.load())  # replaced as a whole, so that it can be read without the lock

    def refresh(self, *, now: bool = False) -> None:
        """Take in what others have changed: `now`, or where that is not long ago. Nobody else changes this one."""

    # Reading

    def databases(self, account: str) -> list[DatabaseInfo]:
        """The account's databases by name; none for an account never seen."""
        found = [database for (owner, _), database in self._document.databases.items() if owner == account]
        return sorted(found, key=lambda database: database.name)

    def database(self, account: str, name: str) -> DatabaseInfo:
        """The database. Raises UnknownDatabase."""
        return self._document.database(account, name)

    def tables(self, account: str, database: str | None = None) -> list[TableInfo]:
        """The tables of a database, or of all the account's databases, by name. Raises UnknownDatabase."""
        return self._document.tables_of(account, database)

    def all_tables(self) -> list[TableInfo]:
        """The tables of all accounts."""
        return list(self._document.tables.values())

    def buried(self) -> list[TableId]:
        """Tables that were deleted and are not there anew."""
        document = self._document
        return [table for table in document.buried if table not in document.tables]

    def table(self, table: TableId) -> TableInfo:
        """The table. Raises UnknownDatabase, UnknownTable."""
        return self._document.table(table)

    def find(self, table: TableId) -> TableInfo | None:
        """The table, or None."""
        return self._document.tables.get(table)

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
        """Delete a table and all its rows, in both tiers. Raises UnknownDatabase, UnknownTable."""
        with self._lock:  # so that it is not made anew before its rows are gone
            self._deleted(self._change(lambda document: document.delete_table(table, self._positions())))

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
            while True:
                document = self._document.copy()
                decided = decide(document)
                if document == self._document or self._keeping.save(document.encode()):
                    self._document = document
                    return decided
                self._document = self._decode(self._keeping.load())

    def _decode(self, data: bytes | None) -> Document:
        if data is None:
            return Document()
        try:
            return Document.decode(data, self._templates)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreFormatError(
                f"{self._keeping.name} is damaged: {error!r}; put it back from a backup: without it no table is known"
            ) from error
