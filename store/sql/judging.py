"""Whether a statement would run here, without the tables that it reads: they have what the statement asks of them.

Each column that the statement names and that nothing else defines is taken for a column of its tables: a dimension at
first, and a measure where only that fits. So syntax, functions, clauses and operators are judged as they are when the
statement runs; whether the columns exist, and have fitting types, is not known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlglot import exp

from store.catalog.catalog import TableSettings
from store.catalog.schema import Columns, TableSchema
from store.names import DEFAULT_ACCOUNT, MeasureType, TableId
from store.sql.errors import NameNotFound, SqlError, TypeMismatch
from store.sql.parameters import Parameters
from store.sql.parse import Explain, Statement, parse
from store.sql.select import Binder
from store.sql.text import QueryText
from store.sql.unload import Unload

_MISSING = re.compile(r"Column '(?:.*\.)?([^']+)' does not exist")
_SINGLE = re.compile(r"measure_value::(\w+)")
_KINDS = (MeasureType.DOUBLE, MeasureType.BIGINT, MeasureType.BOOLEAN, MeasureType.TIMESTAMP)
_ROUNDS_MAX = 100  # of columns and types that are tried
_Types: TypeAlias = tuple[tuple[str, MeasureType | None], ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """The judgement of a statement.

    error    why it does not run; None: it runs
    is_sure  whether the error has another reason than the types of columns, which are not known
    tables   that it reads, as (database, table)
    """

    error: SqlError | None = None
    is_sure: bool = True
    tables: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Imagined:
    """Tables that have what is asked of them; a column of type None is a dimension."""

    columns: dict[str, MeasureType | None] = field(default_factory=dict)
    asked: dict[tuple[str, str], None] = field(default_factory=dict)

    def schema(self, database: str, table: str) -> TableSchema:
        """See `Tables`."""
        self.asked[database, table] = None
        made = Columns()
        for name, kind in self.columns.items():
            if kind is None:
                made.dimension(name)
            else:
                made.measure(name, kind)
        return TableSchema(TableId(DEFAULT_ACCOUNT, database, table), made.all(), TableSettings())

    def source(self, table: TableId, **_: object) -> str:  # noqa: ARG002
        """See `Tables`: it is never run."""
        return "()"


def judge(text: str, now_ns: int) -> Judged:
    """Judge a statement."""
    source, tables = QueryText(text), _Imagined()
    seen: set[_Types] = set()
    error: SqlError | None = None
    for _ in range(_ROUNDS_MAX):
        error = _bound(source, tables, now_ns)
        if error is None:
            break
        name = _MISSING.search(error.message) if isinstance(error, NameNotFound) else None
        if name is not None and name[1] not in tables.columns:
            single = _SINGLE.fullmatch(name[1])
            tables.columns[name[1]] = MeasureType(single[1]) if single and single[1] in list(MeasureType) else None
        elif not isinstance(error, TypeMismatch) or not _fit(source, tables, now_ns, error, seen):
            break
    is_sure = not (isinstance(error, TypeMismatch) and _depends_on_types(source, tables, now_ns, error))
    return Judged(error, is_sure, tuple(tables.asked))


def _bound(source: QueryText, tables: _Imagined, now_ns: int) -> SqlError | None:
    """Why the statement cannot be bound to these tables; None: it can."""
    try:
        statement = _query_of(parse(source))
        if statement is not None:
            Binder(source, tables, now_ns, parameters=Parameters.of(statement)).bind(statement)
    except SqlError as error:
        return error
    except RecursionError:
        return source.syntax(None, "The query is nested too deeply")
    return None


def _query_of(statement: Statement) -> exp.Query | exp.Values | None:
    if isinstance(statement, Explain | Unload):
        return statement.statement
    return statement if isinstance(statement, exp.Query | exp.Values) else None


def _depends_on_types(source: QueryText, tables: _Imagined, now_ns: int, error: SqlError) -> bool:
    """Whether the error is another one if a column has another type."""
    for name, stands in list(tables.columns.items()):
        for kind in _KINDS:
            tables.columns[name] = kind
            found = _bound(source, tables, now_ns)
            tables.columns[name] = stands
            if found is None or found.message != error.message:
                return True
    return False


def _fit(source: QueryText, tables: _Imagined, now_ns: int, error: SqlError, seen: set[_Types]) -> bool:
    """Give a column another type, the one with which binding gets furthest; False if each is one that was tried."""
    best: tuple[int, str, MeasureType] | None = None
    for name, stands in list(tables.columns.items()):
        for kind in _KINDS:
            if kind is stands or _SINGLE.fullmatch(name):
                continue
            tables.columns[name] = kind
            rank = _rank(_bound(source, tables, now_ns), error)
            if rank and (best is None or rank > best[0]) and _types(tables) not in seen:
                best = rank, name, kind
        tables.columns[name] = stands
    if best is None:
        return False
    tables.columns[best[1]] = best[2]
    seen.add(_types(tables))
    return True


def _rank(found: SqlError | None, error: SqlError) -> int:
    """How much better an error is than `error`; 0: not at all. A part that is bound later may stand before others."""
    if found is None:
        return 4
    if isinstance(found, NameNotFound):
        return 3
    if (found.line or 0, found.column or 0) > (error.line or 0, error.column or 0):
        return 2
    return int(found.message != error.message)


def _types(tables: _Imagined) -> _Types:
    return tuple(tables.columns.items())
