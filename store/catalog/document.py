"""What a catalog holds, and what may be done to it. Pure: who keeps it, and where, is `store.catalog.catalog`'s.

A table has a *birth*: per partition the last offset that belongs to an earlier table of its name, so that a replay of
the log cannot bring a deleted table's rows back. Where several workers share a magnetic tier it also has an
*incarnation*, 1 for the first table of its name: each has a folder of its own, so that whoever has not heard of a
deletion yet writes where nobody reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeAlias

from store.catalog.changes import ColumnChanges
from store.errors import DatabaseExists, DatabaseNotEmpty, TableExists, UnknownDatabase, UnknownTable
from store.record import MeasureType, TableId
from store.values.durations import duration_ns

# Timestream's defaults (CreateTable): 6 hours in memory, 73,000 days in the magnetic store
DEFAULT_MEMORY_RETENTION = timedelta(hours=6)
DEFAULT_MAGNETIC_RETENTION = timedelta(days=73_000)


@dataclass(frozen=True, slots=True)
class TableSettings:
    """How long a table keeps its rows, what it accepts, and what its zones and units are.

    types, dimensions  of a table of the configuration, which alone says them: the type of measures, and the names
                       that are dimensions
    """

    memory_retention: timedelta = DEFAULT_MEMORY_RETENTION
    magnetic_retention: timedelta = DEFAULT_MAGNETIC_RETENTION
    magnetic_writes: bool = False
    from_config: bool = False
    zone: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, MeasureType] = field(default_factory=dict)
    dimensions: tuple[str, ...] = ()

    @property
    def retention_ns(self) -> int:
        """How old a row may grow: both retentions together."""
        return duration_ns(self.memory_retention + self.magnetic_retention)


Said: TypeAlias = Mapping[str, Any]
"""What a client of Timestream's protocol said that has no effect here, to be given back: keys, tags, places."""


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """A database, when it was made and last changed."""

    account: str
    name: str
    created_ns: int
    updated_ns: int
    said: Said = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table, its settings, when it was made and last changed; `born`: the last offset per partition before its
    birth.
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
        """Whether `other` is this table, perhaps with other settings, and not one made anew under its name."""
        mine = (self.table, self.incarnation, self.created_ns)
        return other is not None and mine == (other.table, other.incarnation, other.created_ns)


@dataclass(frozen=True, slots=True)
class Buried:
    """A deleted table: what of each partition was applied by then, and which incarnation it was."""

    born: Mapping[str, int]
    incarnation: int = 1


@dataclass(slots=True)
class Document:
    """The whole catalog at one moment. A change is made to a copy."""

    databases: dict[tuple[str, str], DatabaseInfo] = field(default_factory=dict)
    tables: dict[TableId, TableInfo] = field(default_factory=dict)
    buried: dict[TableId, Buried] = field(default_factory=dict)
    partitions: list[str] = field(default_factory=list)  # by their numbers; only where workers share them

    def copy(self) -> Document:
        """One that can be changed."""
        return Document(dict(self.databases), dict(self.tables), dict(self.buried), list(self.partitions))

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

    def create_database(self, account: str, name: str, now_ns: int, said: Said | None = None) -> DatabaseInfo:
        """Make a database. Raises DatabaseExists."""
        if (account, name) in self.databases:
            raise DatabaseExists(f"The database {name} already exists.")
        database = self.databases[account, name] = DatabaseInfo(account, name, now_ns, now_ns, said or {})
        return database

    def update_database(self, account: str, name: str, change: Callable[[Said], Said], now_ns: int) -> DatabaseInfo:
        """Change what is said of a database. Raises UnknownDatabase, and what `change` raises."""
        database = self.database(account, name)
        changed = replace(database, said=change(database.said), updated_ns=now_ns)
        self.databases[account, name] = changed
        return changed

    def delete_database(self, account: str, name: str) -> None:
        """Delete a database without tables. Raises UnknownDatabase, DatabaseNotEmpty."""
        if self.tables_of(account, name):
            raise DatabaseNotEmpty(f"The database {name} has tables; delete them first.")
        del self.databases[account, name]

    def create_table(self, table: TableId, settings: TableSettings, now_ns: int, said: Said | None = None) -> TableInfo:
        """Make a table. Raises UnknownDatabase, TableExists."""
        self.database(table.account, table.database)
        if table in self.tables:
            raise TableExists(f"The table {table.table} already exists.")
        made = self.tables[table] = replace(self._make(table, settings, now_ns), said=said or {})
        return made

    def say_of_table(self, table: TableId, change: Callable[[Said], Said], now_ns: int) -> TableInfo:
        """Change what is said of a table. Raises UnknownDatabase, UnknownTable, and what `change` raises."""
        info = self.table(table)
        self.tables[table] = info = replace(info, said=change(info.said), updated_ns=now_ns)
        return info

    def keep_shapes(self, table: TableId, shapes: Mapping[str, str]) -> Mapping[str, str]:
        """What measure names of a table are, with these for names that had none; none for a table that has gone."""
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
        """Decide about tables' columns, given what was decided before; not of tables that are not there any more."""
        for table, of_table in decide.items():
            info = self.tables.get(table)
            if info is not None and (changes := of_table(info)) != info.changes:
                self.tables[table] = replace(info, changes=changes, updated_ns=now_ns)

    def delete_table(self, table: TableId, applied: Mapping[str, int]) -> TableInfo:
        """Bury a table; rows up to `applied` are its. Raises UnknownDatabase, UnknownTable."""
        info = self.table(table)
        del self.tables[table]
        self.buried[table] = Buried(dict(applied), info.incarnation)
        return info

    def ensure(self, table: TableId, settings: TableSettings, now_ns: int) -> TableInfo:
        """The table, made with its database if it is not there."""
        info = self.tables.get(table)
        if info is not None:
            return info
        if (table.account, table.database) not in self.databases:
            self.create_database(table.account, table.database, now_ns)
        return self._make(table, settings, now_ns)

    def number_partitions(self, partitions: Iterable[str]) -> None:
        """Give each partition that has none yet the next number."""
        self.partitions += [partition for partition in partitions if partition not in self.partitions]

    def _make(self, table: TableId, settings: TableSettings, now_ns: int) -> TableInfo:
        earlier = self.buried.get(table)
        born: Mapping[str, int] = {} if earlier is None else earlier.born
        # Only where folders are shared do they differ; elsewhere a deletion is over before a table is made anew
        incarnation = earlier.incarnation + 1 if earlier is not None and self.partitions else 1
        changes = ColumnChanges(dimensions=settings.dimensions, units=settings.units)
        self.tables[table] = info = TableInfo(table, settings, now_ns, now_ns, born, incarnation, changes)
        return info

    # As bytes

    def encode(self) -> bytes:
        """As JSON."""
        document = {
            "databases": [_without_empty(asdict(database), "said") for database in self.databases.values()],
            "tables": [_table_to_json(info) for info in self.tables.values()],
            "buried": [_buried_to_json(table, buried) for table, buried in self.buried.items()],
            **({"streams": self.partitions} if self.partitions else {}),
        }
        return json.dumps(document, indent=1).encode()

    @classmethod
    def decode(cls, data: bytes, templates: Mapping[tuple[str, str], TableSettings]) -> Document:
        """Back from JSON; tables of the configuration have its settings. Raises ValueError, KeyError, TypeError."""
        raw = json.loads(data)
        made = cls(partitions=list(raw.get("streams", ())))
        for database in raw["databases"]:
            made.databases[database["account"], database["name"]] = DatabaseInfo(**database)
        for table in raw["tables"]:
            info = _table_from_json(table)
            template = templates.get((info.table.database, info.table.table))
            made.tables[info.table] = info if template is None else replace(info, settings=template)
        for account, database, table, *rest in raw["buried"]:
            made.buried[TableId(account, database, table)] = Buried(*rest)
        return made


def _table_to_json(info: TableInfo) -> dict[str, Any]:
    settings = asdict(info.settings)
    settings["memory_retention"] = info.settings.memory_retention.total_seconds()
    settings["magnetic_retention"] = info.settings.magnetic_retention.total_seconds()
    del settings["types"], settings["dimensions"]
    document = {**asdict(info), "settings": settings, "changes": info.changes.to_json()}
    document = _without_empty(document, "said", "shapes")
    if info.incarnation == 1:
        del document["incarnation"]
    if info.changes == ColumnChanges():
        del document["changes"]
    return document


def _without_empty(document: dict[str, Any], *names: str) -> dict[str, Any]:
    """What earlier programs do not know is only there where it says something."""
    return {name: value for name, value in document.items() if name not in names or value}


def _table_from_json(table: dict[str, Any]) -> TableInfo:
    settings = dict(table["settings"])
    settings["memory_retention"] = timedelta(seconds=settings["memory_retention"])
    settings["magnetic_retention"] = timedelta(seconds=settings["magnetic_retention"])
    return TableInfo(
        TableId(**table["table"]),
        TableSettings(**settings),
        table["created_ns"],
        table["updated_ns"],
        table["born"],
        table.get("incarnation", 1),
        # Catalogs of earlier programs tell nothing of dimensions
        ColumnChanges.from_json(table["changes"]) if "changes" in table else ColumnChanges(units=settings["units"]),
        table.get("said", {}),
        table.get("shapes", {}),
    )


def _buried_to_json(table: TableId, buried: Buried) -> list[Any]:
    incarnation = [] if buried.incarnation == 1 else [buried.incarnation]
    return [table.account, table.database, table.table, buried.born, *incarnation]
