"""The content of a catalog, and its changes. Pure: `store.catalog.catalog` decides where it is stored.

A table has a *birth*: for each partition the last offset that belongs to an earlier table of the same name, so that a
replay of the log cannot restore rows of a deleted table. It also has an *incarnation*, 1 for the first table of its
name: each incarnation has its own folder, so that a worker that does not know of a deletion yet writes to a folder that
nobody reads.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeAlias

from store.catalog.changes import ColumnChanges
from store.catalog.limits import Limits, told
from store.errors import (
    DatabaseExists,
    DatabaseNotEmpty,
    LimitReached,
    TableExists,
    UnknownDatabase,
    UnknownTable,
)
from store.names import MeasureType, TableId
from store.values.durations import duration_ns

# Timestream's defaults (CreateTable): 6 hours in memory, 73,000 days in the magnetic store
DEFAULT_MEMORY_RETENTION = timedelta(hours=6)
DEFAULT_MAGNETIC_RETENTION = timedelta(days=73_000)


@dataclass(frozen=True, slots=True)
class PartitionKey:
    """The dimension by which a client of Timestream's protocol divides a table. Rows are stored the same way.

    is_required  a record without the dimension is rejected
    """

    dimension: str
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class TableSettings:
    """The retention of a table, what it accepts, and its zones and units.

    partition_key      None: the measure name
    types, dimensions  set only for tables of the configuration: the types of measures, and the names of dimensions
    """

    memory_retention: timedelta = DEFAULT_MEMORY_RETENTION
    magnetic_retention: timedelta = DEFAULT_MAGNETIC_RETENTION
    magnetic_writes: bool = False
    from_config: bool = False
    zone: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, MeasureType] = field(default_factory=dict)
    dimensions: tuple[str, ...] = ()
    partition_key: PartitionKey | None = None

    @property
    def retention_ns(self) -> int:
        """The maximum age of a row: the sum of both retentions."""
        return duration_ns(self.memory_retention + self.magnetic_retention)


Said: TypeAlias = Mapping[str, Any]
"""Values from a client of Timestream's protocol that the store keeps, and returns to it: keys, tags, buckets, settings.
"""


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """A database, and when it was created and last changed."""

    account: str
    name: str
    created_ns: int
    updated_ns: int
    said: Said = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table, its settings, and when it was created and last changed.

    born  the last offset per partition that does not belong to it: its records are after it
    """

    table: TableId
    settings: TableSettings
    created_ns: int
    updated_ns: int
    born: Mapping[str, int]
    incarnation: int = 1
    changes: ColumnChanges = field(default_factory=ColumnChanges)
    said: Said = field(default_factory=dict)
    shapes: Mapping[str, str] = field(default_factory=dict)  # measure name → the type of its single measure, or multi

    def is_same_table(self, other: TableInfo | None) -> bool:
        """Whether `other` is this table, perhaps with other settings, and not a later table with the same name."""
        mine = (self.table, self.incarnation, self.created_ns)
        return other is not None and mine == (other.table, other.incarnation, other.created_ns)


@dataclass(frozen=True, slots=True)
class DeletedTable:
    """A deleted table: the last offset of each partition that belonged to it, and its incarnation."""

    born: Mapping[str, int]
    incarnation: int = 1


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account has in the catalog. Tables of the configuration are not counted."""

    databases: int
    tables: int
    size_bytes: int

    def check(self, account: str, before: Usage, limits: Limits) -> None:
        """Raise LimitReached if this is more than `before`, and more than the limits allow."""
        what = f"The account {account}"
        if self.databases > max(before.databases, limits.databases):
            raise LimitReached(told(what, limits.databases, "databases"))
        if self.tables > max(before.tables, limits.tables):
            raise LimitReached(told(what, limits.tables, "tables"))
        if self.size_bytes > max(before.size_bytes, limits.catalog_bytes):
            raise LimitReached(
                f"{what} would have {self.size_bytes} bytes in the catalog; the server's setting limits.catalog allows "
                f"{limits.catalog_bytes}: delete tables or tags."
            )


_Encoded: TypeAlias = dict[object, tuple[object, str]]
"""By the key of an entry: the entry, and its JSON."""


@dataclass(slots=True)
class Document:
    """The whole catalog at one moment. Changes are made to a copy."""

    databases: dict[tuple[str, str], DatabaseInfo] = field(default_factory=dict)
    tables: dict[TableId, TableInfo] = field(default_factory=dict)
    deleted: dict[TableId, DeletedTable] = field(default_factory=dict)
    partitions: list[str] = field(default_factory=list)  # in the order of their numbers
    accounts: dict[str, Said] = field(default_factory=dict)  # the settings of accounts that have some
    _encoded: _Encoded = field(default_factory=dict, repr=False, compare=False)

    def copy(self) -> Document:
        """A copy that can be changed."""
        return Document(
            dict(self.databases),
            dict(self.tables),
            dict(self.deleted),
            list(self.partitions),
            dict(self.accounts),
            self._encoded,
        )

    def usage(self, account: str) -> Usage:
        """What the account has now."""
        return Usage(
            sum(owner == account for owner, _ in self.databases),
            sum(table.account == account and not info.settings.from_config for table, info in self.tables.items()),
            sum(map(len, self._parts(account))),
        )

    def database(self, account: str, name: str) -> DatabaseInfo:
        """The database. Raises UnknownDatabase."""
        database = self.databases.get((account, name))
        if database is None:
            raise UnknownDatabase(f"The database {name} does not exist.")
        return database

    def tables_of(self, account: str, database: str | None) -> list[TableInfo]:
        """The tables of a database, or of all the account's databases, by name. Raises UnknownDatabase."""
        if database is not None:
            self.database(account, database)
        found = [
            info
            for table, info in self.tables.items()
            if table.account == account and database in {None, table.database}
        ]
        return sorted(found, key=lambda info: info.table)

    def table(self, table: TableId) -> TableInfo:
        """The table. Raises UnknownDatabase, UnknownTable."""
        info = self.tables.get(table)
        if info is None:
            self.database(table.account, table.database)
            raise UnknownTable(f"The table {table.table} does not exist.")
        return info

    # Changes

    def update_account(self, account: str, change: Callable[[Said], Said]) -> Said:
        """Change the settings of an account. Raises everything that `change` raises."""
        self.accounts[account] = said = change(self.accounts.get(account, {}))
        return said

    def create_database(self, account: str, name: str, now_ns: int, said: Said | None = None) -> DatabaseInfo:
        """Create a database. Raises DatabaseExists."""
        if (account, name) in self.databases:
            raise DatabaseExists(f"The database {name} already exists.")
        database = self.databases[account, name] = DatabaseInfo(account, name, now_ns, now_ns, said or {})
        return database

    def update_database(self, account: str, name: str, change: Callable[[Said], Said], now_ns: int) -> DatabaseInfo:
        """Change the `said` of a database. Raises UnknownDatabase, and everything that `change` raises."""
        database = self.database(account, name)
        changed = replace(database, said=change(database.said), updated_ns=now_ns)
        self.databases[account, name] = changed
        return changed

    def delete_database(self, account: str, name: str) -> None:
        """Delete a database without tables. Raises UnknownDatabase, DatabaseNotEmpty."""
        if self.tables_of(account, name):
            raise DatabaseNotEmpty(f"The database {name} has tables; delete them first.")
        del self.databases[account, name]
        self._encoded.pop((account, name), None)

    def create_table(self, table: TableId, settings: TableSettings, now_ns: int, said: Said | None = None) -> TableInfo:
        """Create a table. Raises UnknownDatabase, TableExists."""
        self.database(table.account, table.database)
        if table in self.tables:
            raise TableExists(f"The table {table.table} already exists.")
        made = self.tables[table] = replace(self._make(table, settings, now_ns), said=said or {})
        return made

    def say_of_table(self, table: TableId, change: Callable[[Said], Said], now_ns: int) -> TableInfo:
        """Change the `said` of a table. Raises UnknownDatabase, UnknownTable, and everything that `change` raises."""
        info = self.table(table)
        self.tables[table] = info = replace(info, said=change(info.said), updated_ns=now_ns)
        return info

    def save_shapes(self, table: TableId, shapes: Mapping[str, str]) -> Mapping[str, str]:
        """Save shapes of measure names that have none; returns the shapes of all, none if the table does not exist."""
        info = self.tables.get(table)
        if info is None:
            return {}
        if not shapes.keys() <= info.shapes.keys():
            self.tables[table] = info = replace(info, shapes={**shapes, **info.shapes})
        return info.shapes

    def update_table(self, table: TableId, settings: TableSettings, now_ns: int) -> TableInfo:
        """Change a table's settings. Raises UnknownDatabase, UnknownTable."""
        self.tables[table] = info = replace(self.table(table), settings=settings, updated_ns=now_ns)
        return info

    def change_columns(self, decide: Mapping[TableId, Callable[[TableInfo], ColumnChanges]], now_ns: int) -> None:
        """Apply decisions about columns, each based on the current decisions; ignores tables that no longer exist."""
        for table, of_table in decide.items():
            info = self.tables.get(table)
            if info is not None and (changes := of_table(info)) != info.changes:
                self.tables[table] = replace(info, changes=changes, updated_ns=now_ns)

    def delete_table(self, table: TableId, applied: Mapping[str, int]) -> TableInfo:
        """Delete a table; rows up to `applied` belong to it. Raises UnknownDatabase, UnknownTable."""
        info = self.table(table)
        del self.tables[table]
        self._encoded.pop(table, None)
        self.deleted[table] = DeletedTable(dict(applied), info.incarnation)
        return info

    def ensure(self, table: TableId, settings: TableSettings, now_ns: int) -> TableInfo:
        """The table, created together with its database if necessary."""
        info = self.tables.get(table)
        if info is not None:
            return info
        if (table.account, table.database) not in self.databases:
            self.create_database(table.account, table.database, now_ns)
        return self._make(table, settings, now_ns)

    def number_partitions(self, partitions: Iterable[str]) -> None:
        """Assign the next numbers to partitions that have none."""
        self.partitions += [partition for partition in partitions if partition not in self.partitions]

    def _make(self, table: TableId, settings: TableSettings, now_ns: int) -> TableInfo:
        earlier = self.deleted.get(table)
        born: Mapping[str, int] = {} if earlier is None else earlier.born
        # Incarnations differ only where folders are shared; elsewhere a deletion is complete before a table is created
        # again
        incarnation = earlier.incarnation + 1 if earlier is not None and self.partitions else 1
        changes = ColumnChanges(dimensions=settings.dimensions, units=settings.units)
        self.tables[table] = info = TableInfo(table, settings, now_ns, now_ns, born, incarnation, changes)
        return info

    # As bytes

    def encode(self) -> bytes:
        """The catalog as bytes of JSON. Only entries that have changed are encoded again."""
        lists = {
            "databases": map(self._database, self.databases.values()),
            "tables": map(self._table, self.tables.values()),
            "buried": map(self._deleted, self.deleted, self.deleted.values()),
        }
        parts = [f' "{name}": ' + _listed(list(entries)) for name, entries in lists.items()]
        if self.accounts:
            accounts = [_indented({"account": account, "said": said}) for account, said in self.accounts.items()]
            parts.append(' "accounts": ' + _listed(accounts))
        if self.partitions:
            parts.append(' "streams": ' + _listed([_indented(partition) for partition in self.partitions]))
        return ("{\n" + ",\n".join(parts) + "\n}").encode()

    def _parts(self, account: str) -> Iterator[str]:
        """The entries of the account."""
        yield from (self._database(database) for (owner, _), database in self.databases.items() if owner == account)
        yield from (self._table(info) for table, info in self.tables.items() if table.account == account)
        yield from (self._deleted(table, of) for table, of in self.deleted.items() if table.account == account)

    def _database(self, database: DatabaseInfo) -> str:
        key = database.account, database.name
        return self._made(key, database, lambda: _without_empty(asdict(database), "said"))

    def _table(self, info: TableInfo) -> str:
        return self._made(info.table, info, lambda: _table_to_json(info))

    def _deleted(self, table: TableId, deleted: DeletedTable) -> str:
        return self._made((table,), deleted, lambda: _deleted_to_json(table, deleted))

    def _made(self, key: object, entry: object, content: Callable[[], Any]) -> str:
        known = self._encoded.get(key)
        if known is None or known[0] is not entry:
            known = self._encoded[key] = entry, _indented(content())
        return known[1]

    def forget_deleted(self, first: Mapping[str, int]) -> None:
        """Forget deleted tables whose rows are all before `first`, the offset at which each partition begins now."""
        for table, of in list(self.deleted.items()):
            if first and all(offset < first.get(partition, 0) for partition, offset in of.born.items()):
                del self.deleted[table]
                self._encoded.pop((table,), None)

    @classmethod
    def decode(cls, data: bytes, templates: Mapping[tuple[str, str], TableSettings]) -> Document:
        """Decode JSON; tables of the configuration get its settings.

        Raises ValueError, LookupError, TypeError, AttributeError, OverflowError for a document of another form.
        """
        raw = json.loads(data)
        made = cls(partitions=list(raw.get("streams", ())))
        for database in raw["databases"]:
            made.databases[database["account"], database["name"]] = DatabaseInfo(**database)
        for table in raw["tables"]:
            info = _table_from_json(table)
            template = templates.get((info.table.database, info.table.table))
            made.tables[info.table] = info if template is None else replace(info, settings=template)
        for entry in raw.get("accounts", ()):
            made.accounts[entry["account"]] = entry["said"]
        for account, database, table, *rest in raw["buried"]:
            made.deleted[TableId(account, database, table)] = DeletedTable(*rest)
        return made


def _indented(entry: Any) -> str:
    """The entry as an element of a list in the document."""
    return textwrap.indent(json.dumps(entry, indent=1), "  ")


def _listed(entries: list[str]) -> str:
    return "[\n" + ",\n".join(entries) + "\n ]" if entries else "[]"


def _table_to_json(info: TableInfo) -> dict[str, Any]:
    settings = asdict(info.settings)
    settings["memory_retention"] = info.settings.memory_retention.total_seconds()
    settings["magnetic_retention"] = info.settings.magnetic_retention.total_seconds()
    del settings["types"], settings["dimensions"]
    settings = _without_empty(settings, "partition_key")
    document = {**asdict(info), "settings": settings, "changes": info.changes.to_json()}
    document = _without_empty(document, "said", "shapes")
    if info.incarnation == 1:
        del document["incarnation"]
    if info.changes == ColumnChanges():
        del document["changes"]
    return document


def _without_empty(document: dict[str, Any], *names: str) -> dict[str, Any]:
    """Fields that earlier programs do not know are written only if they are set."""
    return {name: value for name, value in document.items() if name not in names or value}


def _table_from_json(table: dict[str, Any]) -> TableInfo:
    settings = dict(table["settings"])
    settings["memory_retention"] = timedelta(seconds=settings["memory_retention"])
    settings["magnetic_retention"] = timedelta(seconds=settings["magnetic_retention"])
    if "partition_key" in settings:
        settings["partition_key"] = PartitionKey(**settings["partition_key"])
    return TableInfo(
        TableId(**table["table"]),
        TableSettings(**settings),
        table["created_ns"],
        table["updated_ns"],
        table["born"],
        table.get("incarnation", 1),
        # Catalogs of earlier programs do not contain dimensions
        ColumnChanges.from_json(table["changes"]) if "changes" in table else ColumnChanges(units=settings["units"]),
        table.get("said", {}),
        table.get("shapes", {}),
    )


def _deleted_to_json(table: TableId, deleted: DeletedTable) -> list[Any]:
    incarnation = [] if deleted.incarnation == 1 else [deleted.incarnation]
    return [table.account, table.database, table.table, deleted.born, *incarnation]
