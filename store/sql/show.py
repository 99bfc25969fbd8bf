"""SHOW and DESCRIBE: results from the catalog and, for measures, from the rows.

Columns as recorded from the service: `Database`; `Table`; `measure_name`, `data_type`, `dimensions`; `Column`, `Type`,
`Timestream attribute type`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol, TypeAlias

import pyarrow as pa

from store.catalog.contents import ByMeasureName
from store.catalog.schema import MEASURE_NAME_COLUMN, Column, TableSchema
from store.errors import UnknownDatabase, UnknownTable
from store.names import SINGLE_MEASURE_PREFIX
from store.reading.borrowed import Borrowed, Read
from store.sql.like import Like
from store.sql.parse import Describe, Name, ShowDatabases, ShowMeasures, ShowTables
from store.sql.result import ResultColumn, ResultSet
from store.sql.text import QueryText
from store.sql.types import BIGINT, TIMESTAMP, VARCHAR, ArrayType, RowType, SqlType
from store.values.sql_text import quote_name

_ATTRIBUTES = {
    "dimension": "DIMENSION",
    "zone": "DIMENSION",
    "measure_name": "MEASURE_NAME",
    "time": "TIMESTAMP",
    "measure": "MULTI",
}
_DIMENSIONS = ArrayType(RowType((("dimension_name", VARCHAR), ("data_type", VARCHAR))))
_DIMENSIONS_ARROW = pa.list_(pa.struct([("f0", pa.string()), ("f1", pa.string())]))

LISTED = 20_000  # dimensions of all measure names: 10 ms
_Measure: TypeAlias = tuple[str, str, list[dict[str, str]]]


class Names(Protocol):
    """The names that an account has."""

    def look_for_newest(self) -> None:
        """See `AccountTables`."""
        ...

    def databases(self) -> list[str]:
        """See `AccountTables`."""
        ...

    def tables(self, database: str) -> list[str]:
        """See `AccountTables`."""
        ...

    def schema(self, database: str, table: str) -> TableSchema:
        """See `AccountTables`."""
        ...


class MeasureNames(Names, Protocol):
    """And what their tables have."""

    def contents(self, database: str, table: str) -> ByMeasureName | None:
        """See `AccountTables`."""
        ...


def show_databases(tables: Names, statement: ShowDatabases) -> ResultSet:
    """The account's databases."""
    return _texts(["Database"], [(name,) for name in _like(tables.databases(), statement.like)])


def show_tables(tables: Names, query: QueryText, statement: ShowTables) -> ResultSet:
    """The tables of a database, or of all."""
    if statement.database is None:
        names = [name for database in tables.databases() for name in tables.tables(database)]
    else:
        try:
            names = tables.tables(statement.database.text)
        except UnknownDatabase:
            raise _no_database(query, statement.database, statement.database.text) from None
    return _texts(["Table"], [(name,) for name in _like(names, statement.like)])


def describe(tables: Names, query: QueryText, statement: Describe) -> ResultSet:
    """The columns of a table."""
    schema = _schema(tables, query, statement.database, statement.table)
    rows = [
        (
            column.name,
            column.type.value,
            "MEASURE_VALUE" if column.name.startswith(SINGLE_MEASURE_PREFIX) else _ATTRIBUTES[column.kind],
        )
        for column in schema.columns
    ]
    return _texts(["Column", "Type", "Timestream attribute type"], rows)


def show_measures(tables: Borrowed, query: QueryText, statement: ShowMeasures) -> ResultSet:
    """Each measure name with its type and the dimensions of its records: single ones by type, others `multi`."""
    schema = _schema(tables, query, statement.database, statement.table)
    dimensions = [column for column in schema.columns if column.kind in {"dimension", "zone"}]
    measures = [column for column in schema.columns if column.kind == "measure"]
    singles = [column for column in measures if column.name.startswith(SINGLE_MEASURE_PREFIX)]
    multi = [column for column in measures if not column.name.startswith(SINGLE_MEASURE_PREFIX)]
    has = [_has([column]) for column in (*dimensions, *singles)]
    sql = (
        f"SELECT measure_name, {', '.join([*has, _has(multi)])} FROM {tables.source(schema.table)} AS t "  # noqa: S608 - generated
        "GROUP BY measure_name ORDER BY measure_name"
    )
    rows: list[_Measure] = []
    for name, *is_there in zip(*(column.to_pylist() for column in tables.execute(sql).columns)):  # noqa: B905 - columns of one table
        named = [column for column, has_it in zip(dimensions, is_there, strict=False) if has_it]
        of_singles = is_there[len(dimensions) :]
        kinds = [column for column, has_it in zip(singles, of_singles, strict=False) if has_it]
        rows += _measures(name, named, kinds, has_multi=is_there[-1])
    return _measure_list(rows, statement)


def list_measures(tables: MeasureNames, query: QueryText, statement: ShowMeasures) -> ResultSet | None:
    """The same without reading rows; None if what they have is not known, or if the list is long.

    See `store.catalog.contents`. A longer list than `LISTED` would keep the stream of this process waiting.
    """
    schema = _schema(tables, query, statement.database, statement.table)
    found = tables.contents(statement.database.text, statement.table.text)
    if found is None or sum(len(has.dimensions) for has in found.values()) > LISTED:
        return None
    dimensions = [column for column in schema.columns if column.kind in {"dimension", "zone"}]
    measures = [column for column in schema.columns if column.kind == "measure"]
    rows: list[_Measure] = []
    for name, has in sorted(found.items()):
        named = [c for c in dimensions if (has.has_zone if c.kind == "zone" else c.name in has.dimensions)]
        there = [column for column in measures if column.physical in has.measures]
        kinds = [column for column in there if column.name.startswith(SINGLE_MEASURE_PREFIX)]
        rows += _measures(name, named, kinds, has_multi=len(kinds) < len(there))
    return _measure_list(rows, statement)


_EXPLAINED = (
    *(("table", VARCHAR), ("from", TIMESTAMP), ("to", TIMESTAMP), ("dimensions", VARCHAR), ("columns", VARCHAR)),
    *(("files", BIGINT), ("file_bytes", BIGINT), ("rows_counted", BIGINT)),
    *(("rows_in_ram", BIGINT), ("partial_aggregates", BIGINT)),
)


def explain(reads: Sequence[Read]) -> ResultSet:
    """What a query reads, a row for each table of a FROM: the bounds found, files and rows."""
    rows = [
        (
            f'"{read.table.database}"."{read.table.table}"',
            read.from_ns,
            read.to_ns,
            "; ".join(_among(name, values) for name, values in sorted(read.dimensions.items())),
            None if read.columns is None else ", ".join(sorted(read.columns)),
            *(read.files, read.size_bytes, read.counted, read.rows, read.partials),
        )
        for read in reads
    ]
    kinds = [pa.string() if kind is VARCHAR else pa.int64() for _, kind in _EXPLAINED]
    return _result(list(_EXPLAINED), rows, kinds)


def _among(name: str, values: Collection[str]) -> str:
    """What EXPLAIN says of a selection by dimension, or by the measure name."""
    return f"{name or MEASURE_NAME_COLUMN.name}: {', '.join(sorted(values))}"


def _measures(name: str, dimensions: Sequence[Column], singles: Sequence[Column], *, has_multi: bool) -> list[_Measure]:
    found = [{"f0": column.name, "f1": "varchar"} for column in dimensions]
    kinds = [column.type.value for column in singles]
    return [(name, kind, found) for kind in [*kinds, *(["multi"] if has_multi else [])]]


def _measure_list(rows: Sequence[_Measure], statement: ShowMeasures) -> ResultSet:
    kept = set(_like([row[0] for row in rows], statement.like))
    return _result(
        [("measure_name", VARCHAR), ("data_type", VARCHAR), ("dimensions", _DIMENSIONS)],
        [row for row in rows if row[0] in kept],
        [pa.string(), pa.string(), _DIMENSIONS_ARROW],
    )


def _has(columns: Sequence[Column]) -> str:
    """SQL for whether any row of a group has one of these columns."""
    return f"bool_or({' OR '.join(f'{quote_name(column.physical)} IS NOT NULL' for column in columns) or 'false'})"


def _schema(tables: Names, query: QueryText, database: Name, table: Name) -> TableSchema:
    try:
        return tables.schema(database.text, table.text)
    except UnknownDatabase:
        raise _no_database(query, database, f"{database.text}.{table.text}") from None
    except UnknownTable:
        line, column = query.place(database.offset)
        raise query.not_found(
            f"Requested table '{table.text}' not found for identifier '{database.text}.{table.text}' "
            f"at line {line}:{column}",
            (line, column),
        ) from None


def _no_database(query: QueryText, database: Name, identifier: str) -> Exception:
    line, column = query.place(database.offset)
    return query.not_found(
        f"Requested database '{database.text}' not found for identifier '{identifier}' at line {line}:{column}",
        (line, column),
    )


def _like(names: list[str], like: Like | None) -> list[str]:
    """The names that match the pattern."""
    return names if like is None else [name for name in names if like.matches(name)]


def _texts(names: list[str], rows: Sequence[tuple[str, ...]]) -> ResultSet:
    return _result([(name, VARCHAR) for name in names], rows, [pa.string()] * len(names))


def _result(columns: list[tuple[str, SqlType]], rows: Sequence[Any], arrow: list[pa.DataType]) -> ResultSet:
    arrays = [pa.array([row[index] for row in rows], kind) for index, kind in enumerate(arrow)]
    table = pa.Table.from_arrays(arrays, [f"c{index}" for index in range(len(arrow))])
    return ResultSet(tuple(ResultColumn(name, kind) for name, kind in columns), table)
