"""What there is: accounts ▸ databases ▸ tables, with each table's settings and birth.

Every change is on disk before the call that made it returns. An account comes to be with its first database. A table
of the configuration is a template: it comes to be in an account with the first write there, and takes its settings
anew from the configuration at every start.

A table has a *birth*: per stream the last offset that belongs to an earlier table of its name, so that a replay of the
log cannot bring a deleted table's rows back.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from store.errors import DatabaseExists, DatabaseNotEmpty, StoreFormatError, TableExists, UnknownDatabase, UnknownTable
from store.files import write_atomic
from store.record import TableId

# Timestream's defaults (CreateTable): 6 hours in memory, 73,000 days in the magnetic store
DEFAULT_MEMORY_RETENTION = timedelta(hours=6)
DEFAULT_MAGNETIC_RETENTION = timedelta(days=73_000)


@dataclass(frozen=True, slots=True)
class TableSettings:
    """How long a table keeps its rows, what it accepts, and what its zones and units are."""

    memory_retention: timedelta = DEFAULT_MEMORY_RETENTION
    magnetic_retention: timedelta = DEFAULT_MAGNETIC_RETENTION
    magnetic_writes: bool = False
    from_config: bool = False
    zone: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def retention_ns(self) -> int:
        """How old a row may grow: both retentions together."""
        return (self.memory_retention + self.magnetic_retention) // timedelta(microseconds=1) * 1000


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """A database, when it was made and last changed."""

    account: str
    name: str
    created_ns: int
    updated_ns: int


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table, its settings, when it was made and last changed; `born`: the last offset per stream before its birth."""

    table: TableId
    settings: TableSettings
    created_ns: int
    updated_ns: int
    born: Mapping[str, int]


class Catalog:
    """The catalog of one store. Any thread may call any method."""

    def __init__(
        self,
        path: Path,
        templates: Mapping[tuple[str, str], TableSettings],
        clock_ns: Callable[[], int],
        positions: Callable[[], Mapping[str, int]],
        deleted: Callable[[TableId], None],
    ) -> None:
        """Load the catalog at `path`. `positions` tells what of each stream is applied; `deleted` removes the rows."""
        self._path = path
        self._templates = templates
        self._clock_ns = clock_ns
        self._positions = positions
        self._deleted = deleted
        self._lock = threading.RLock()
        self._databases: dict[tuple[str, str], DatabaseInfo] = {}
        self._tables: dict[TableId, TableInfo] = {}
        self._buried: dict[TableId, dict[str, int]] = {}  # of deleted tables: what of each stream was applied by then
        if path.exists():
            try:
                self._load(json.loads(path.read_bytes()))
            except (ValueError, KeyError, TypeError) as error:
                raise StoreFormatError(
                    f"{path} is damaged: {error!r}; put it back from a backup: without it no table is known"
                ) from error

    # Reading

    def databases(self, account: str) -> list[DatabaseInfo]:
        """The account's databases by name; none for an account never seen."""
        with self._lock:
            found = [database for (owner, _), database in self._databases.items() if owner == account]
        return sorted(found, key=lambda database: database.name)

    def database(self, account: str, name: str) -> DatabaseInfo:
        """The database. Raises UnknownDatabase."""
        database = self._databases.get((account, name))
        if database is None:
            raise UnknownDatabase(f"The database {name} does not exist.")
        return database

    def tables(self, account: str, database: str | None = None) -> list[TableInfo]:
        """The tables of a database, or of all the account's databases, by name. Raises UnknownDatabase."""
        if database is not None:
            self.database(account, database)
        with self._lock:
            found = [
                info
                for table, info in self._tables.items()
                if table.account == account and database in {None, table.database}
            ]
        return sorted(found, key=lambda info: info.table)

    def all_tables(self) -> list[TableInfo]:
        """The tables of all accounts."""
        with self._lock:
            return list(self._tables.values())

    def buried(self) -> list[TableId]:
        """Tables that were deleted and are not there anew."""
        with self._lock:
            return [table for table in self._buried if table not in self._tables]

    def table(self, table: TableId) -> TableInfo:
        """The table. Raises UnknownDatabase, UnknownTable."""
        info = self._tables.get(table)
        if info is None:
            self.database(table.account, table.database)
            raise UnknownTable(f"The table {table.table} does not exist.")
        return info

    def find(self, table: TableId) -> TableInfo | None:
        """The table, or None."""
        return self._tables.get(table)

    # Changing

    def create_database(self, account: str, name: str) -> DatabaseInfo:
        """Make a database. Raises DatabaseExists."""
        with self._lock:
            if (account, name) in self._databases:
                raise DatabaseExists(f"The database {name} already exists.")
            now_ns = self._clock_ns()
            database = self._databases[account, name] = DatabaseInfo(account, name, now_ns, now_ns)
            self._save()
            return database

    def delete_database(self, account: str, name: str) -> None:
        """Delete a database without tables. Raises UnknownDatabase, DatabaseNotEmpty."""
        with self._lock:
            if self.tables(account, name):
                raise DatabaseNotEmpty(f"The database {name} has tables; delete them first.")
            del self._databases[account, name]
            self._save()

    def create_table(self, table: TableId, settings: TableSettings) -> TableInfo:
        """Make a table. Raises UnknownDatabase, TableExists."""
        with self._lock:
            self.database(table.account, table.database)
            if table in self._tables:
                raise TableExists(f"The table {table.table} already exists.")
            return self._make(table, settings)

    def update_table(self, table: TableId, settings: TableSettings) -> TableInfo:
        """Change a table's settings. Raises UnknownDatabase, UnknownTable."""
        with self._lock:
            info = replace(self.table(table), settings=settings, updated_ns=self._clock_ns())
            self._tables[table] = info
            self._save()
            return info

    def delete_table(self, table: TableId) -> None:
        """Delete a table and all its rows, in both tiers. Raises UnknownDatabase, UnknownTable."""
        with self._lock:
            self.table(table)
            del self._tables[table]
            self._buried[table] = dict(self._positions())
            self._save()
            self._deleted(table)

    def ensure(self, table: TableId) -> TableInfo | None:
        """The table, made from its template if it has one and is not there yet; None if there is neither."""
        info = self._tables.get(table)
        if info is not None:
            return info
        with self._lock:
            settings = self._templates.get((table.database, table.table))
            if settings is None or table in self._tables:
                return self._tables.get(table)
            if (table.account, table.database) not in self._databases:
                self.create_database(table.account, table.database)
            return self._make(table, settings)

    def _make(self, table: TableId, settings: TableSettings) -> TableInfo:
        now_ns = self._clock_ns()
        born = self._buried.get(table, {})
        self._tables[table] = info = TableInfo(table, settings, now_ns, now_ns, born)
        self._save()
        return info

    # On disk

    def _save(self) -> None:
        document = {
            "databases": [asdict(database) for database in self._databases.values()],
            "tables": [_table_to_json(info) for info in self._tables.values()],
            "buried": [[table.account, table.database, table.table, born] for table, born in self._buried.items()],
        }
        write_atomic(self._path, json.dumps(document, indent=1).encode())

    def _load(self, document: dict[str, Any]) -> None:
        for database in document["databases"]:
            self._databases[database["account"], database["name"]] = DatabaseInfo(**database)
        for table in document["tables"]:
            info = _table_from_json(table)
            template = self._templates.get((info.table.database, info.table.table))
            if template is not None:
                info = replace(info, settings=template)
            self._tables[info.table] = info
        for account, database, table, born in document["buried"]:
            self._buried[TableId(account, database, table)] = born


def _table_to_json(info: TableInfo) -> dict[str, Any]:
    settings = asdict(info.settings)
    settings["memory_retention"] = info.settings.memory_retention.total_seconds()
    settings["magnetic_retention"] = info.settings.magnetic_retention.total_seconds()
    return {**asdict(info), "settings": settings}


def _table_from_json(table: dict[str, Any]) -> TableInfo:
    settings = dict(table["settings"])
    settings["memory_retention"] = timedelta(seconds=settings["memory_retention"])
    settings["magnetic_retention"] = timedelta(seconds=settings["magnetic_retention"])
    return TableInfo(
        TableId(**table["table"]), TableSettings(**settings), table["created_ns"], table["updated_ns"], table["born"]
    )
