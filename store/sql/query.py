"""Runs one query: parse, bind, execute on the tables of an account; or answers it at once, if it reads no rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import pyarrow as pa
from sqlglot import exp

from store import errors as store_errors
from store.catalog.schema import TableSchema
from store.reading.borrowed import Borrowed
from store.record import TableId
from store.sql.aggregating import Summarised, bound_to_partials, bound_to_summaries, with_partials_within
from store.sql.bound import Bound, Output, Query
from store.sql.casts import REFUSED
from store.sql.errors import LimitExceeded, NameNotFound, NotSupported, QueryFailed, QueryTimedOut, SqlError
from store.sql.parameters import Parameters
from store.sql.parse import Describe, Explain, ShowDatabases, ShowMeasures, ShowTables, Statement, parse
from store.sql.result import ResultColumn, ResultSet
from store.sql.select import Binder
from store.sql.show import (
    MeasureNames,
    Names,
    describe,
    explain,
    list_measures,
    show_databases,
    show_measures,
    show_tables,
)
from store.sql.text import QueryText
from store.sql.typed import Constant
from store.sql.types import BIGINT, BOOLEAN, DOUBLE, INTEGER, VARCHAR, SqlType
from store.sql.unload import Unload, Unloading

AT_ONCE_CHARS = 1_000  # parsing and binding as much takes 2 ms
_WITHOUT_ROWS = re.compile(r"\s*(?:SHOW|DESC|SELECT\b(?!.*\bFROM\b))", re.DOTALL | re.IGNORECASE)
_AGGREGATES = re.compile(
    r"\s*SELECT\b(?=.*\b(?:avg|sum|min|max|count)\s*\()(?!.*\b(?:JOIN|OVER|DISTINCT|SELECT|UNION)\b).*\bFROM\b",
    re.DOTALL | re.IGNORECASE,
)
_NARROW = "narrow the query by time or dimensions, or add a LIMIT"


@dataclass(frozen=True, slots=True)
class SqlRequest:
    """One statement.

    now_ns         the time of the whole query: `now()` and `ago()` are constants in it
    max_rows       of the result; None: any number
    is_cut         further rows are cut off, and `truncated` is set; else the query fails
    in_time_order  rows of one table are sorted by time, if the query does not specify an order
    is_prepared    nothing is read: the result has its columns and parameters, and no rows
    unloading      writes the result of an UNLOAD; None: an UNLOAD is refused
    scheduled_ns   the value of `@scheduled_runtime`; None: it has none
    """

    text: str
    now_ns: int
    max_rows: int | None = None
    is_cut: bool = True
    in_time_order: bool = False
    is_prepared: bool = False
    unloading: Unloading | None = None
    scheduled_ns: int | None = None


def query(tables: Borrowed, request: SqlRequest) -> ResultSet:
    """The result of a statement over `tables`. Raises SqlError, QueryCancelled; may take any time and memory.

    Deep statements need `STACK_FRAMES` of Python's stack: who calls this sets the limit for its process.
    """
    source = QueryText(request.text)
    with _errors_told(source):
        statement = parse(source)
        if _lists_what_is_there(statement, source.text):
            tables.look_for_newest()
        match statement:
            case ShowMeasures():
                return show_measures(tables, source, statement)
            case ShowDatabases() | ShowTables() | Describe():
                return _list(tables, source, statement)
            case Explain():
                return _explain(tables, source, statement.statement, request)
            case Unload():
                return _unload(tables, source, statement, request)
            case _ if request.is_prepared:
                return _prepare(tables, source, statement, request)
            case _:
                return _select(tables, source, statement, request)


def may_be_at_once(text: str) -> bool:
    """Whether it is worth to try `at_once`."""
    return len(text) <= AT_ONCE_CHARS and _WITHOUT_ROWS.match(text) is not None


def may_be_summarised(text: str) -> bool:
    """Whether it is worth to try `from_summaries`."""
    return len(text) <= AT_ONCE_CHARS and _AGGREGATES.match(text) is not None


def at_once(names: MeasureNames, request: SqlRequest) -> ResultSet | None:
    """The result of a short statement that reads no rows: SHOW, DESCRIBE, and constants; None for any other.

    It takes well below a millisecond, and no more memory than the names that it lists. Raises SqlError.
    """
    if not may_be_at_once(request.text):
        return None
    source = QueryText(request.text)
    with _errors_told(source), suppress(RecursionError):  # a query process has a larger stack
        statement = parse(source)
        match statement:
            case ShowMeasures():
                names.look_for_newest()
                return list_measures(names, source, statement)
            case ShowDatabases() | ShowTables() | Describe():
                names.look_for_newest()
                return _list(names, source, statement)
            case Explain() | Unload():
                return None
            case _:
                return _constants(source, statement, request)
    return None


def from_summaries(tables: Summarised, request: SqlRequest) -> ResultSet | None:
    """The result of aggregates, if rollups or statistics say it; None for any other, and what has errors."""
    if not may_be_summarised(request.text):
        return None
    source = QueryText(request.text)
    try:
        statement = parse(source)
        with _errors_told(source):
            binder = Binder(source, _NoTables(), request.now_ns)
            bound = bound_to_summaries(binder, tables, statement) if isinstance(statement, exp.Select) else None
            found = None if bound is None else tables.execute(bound.sql)
    except (SqlError, RecursionError):
        return None  # `query` tells what is wrong
    if bound is None or found is None or (request.max_rows is not None and found.num_rows > request.max_rows):
        return None
    return ResultSet(tuple(ResultColumn(output.name, output.type) for output in bound.outputs), found)


def _list(names: Names, source: QueryText, statement: ShowDatabases | ShowTables | Describe) -> ResultSet:
    match statement:
        case ShowDatabases():
            return show_databases(names, statement)
        case ShowTables():
            return show_tables(names, source, statement)
        case Describe():
            return describe(names, source, statement)


class _NoTables:
    """What a statement without FROM is bound to."""

    def schema(self, database: str, table: str) -> TableSchema:
        """See `Tables`."""
        raise store_errors.UnknownTable(f"{database}.{table}")

    def source(self, table: TableId, **_: object) -> str:
        """See `Tables`."""
        raise store_errors.UnknownTable(str(table))


def _constants(source: QueryText, statement: Query, request: SqlRequest) -> ResultSet | None:
    bound = Binder(source, _NoTables(), request.now_ns).bind(statement)
    return None if bound.row is None or request.max_rows == 0 else _of_row(bound.outputs, bound.row)


_ARROW: dict[SqlType, pa.DataType] = {
    VARCHAR: pa.string(),
    BOOLEAN: pa.bool_(),
    INTEGER: pa.int32(),
    DOUBLE: pa.float64(),
}


def _of_row(outputs: Sequence[Output], row: Sequence[Constant]) -> ResultSet:
    """The result with this only row, as DuckDB would give it: times and intervals are 64-bit integers."""
    arrays = [
        pa.array([value], _ARROW.get(output.type, pa.int64())) for output, value in zip(outputs, row, strict=True)
    ]
    table = pa.Table.from_arrays(arrays, [f"c{index}" for index in range(len(arrays))])
    return ResultSet(tuple(ResultColumn(output.name, output.type) for output in outputs), table)


@contextmanager
def _errors_told(source: QueryText) -> Iterator[None]:
    """Convert errors of the store to those of SQL."""
    try:
        yield
    except RecursionError:
        raise source.syntax(None, "The query is nested too deeply") from None
    except (store_errors.UnknownDatabase, store_errors.UnknownTable) as error:
        raise NameNotFound(str(error)) from error  # deleted by another client in the meantime
    except store_errors.QueryTimeout as error:
        raise QueryTimedOut(f"T{str(error)[1:]}") from error
    except store_errors.ResultTooLarge as error:
        raise LimitExceeded(f"T{str(error)[1:]}; {_NARROW}") from error
    except store_errors.OutOfMemory:
        raise
    except store_errors.QueryFailed as error:
        raise QueryFailed(plain(str(error))) from error


def _lists_what_is_there(statement: Statement, text: str) -> bool:
    """Whether the result contains tables or columns that the statement does not name: SHOW, DESCRIBE, `SELECT *`."""
    if isinstance(statement, exp.Expr):
        return "*" in text and any(select.is_star for select in statement.find_all(exp.Select))
    return True


def _explain(tables: Borrowed, source: QueryText, statement: Query, request: SqlRequest) -> ResultSet:
    _bind_to_read(_binder(source, tables, request), tables, statement, request.max_rows)
    return explain(tables.reads)


def _select(tables: Borrowed, source: QueryText, statement: Query, request: SqlRequest) -> ResultSet:
    most = request.max_rows
    bound = _bind_to_read(_binder(source, tables, request), tables, statement, most)
    if bound.row is not None and most != 0:
        return _of_row(bound.outputs, bound.row)
    table = tables.execute(bound.sql)
    has_more = most is not None and table.num_rows > most
    if has_more and not request.is_cut:
        raise LimitExceeded(f"The result has more than {most} rows, which is the limit; {_NARROW}")
    return ResultSet(_columns(bound), table.slice(0, most) if has_more else table, has_more)


def _binder(source: QueryText, tables: Borrowed, request: SqlRequest) -> Binder:
    parameters = Parameters(scheduled_ns=request.scheduled_ns)
    return Binder(source, tables, request.now_ns, request.in_time_order, parameters)


def _columns(bound: Bound) -> tuple[ResultColumn, ...]:
    return tuple(ResultColumn(output.name, output.type, output.table, output.is_aliased) for output in bound.outputs)


_UNLOADED = (Output("rows", BIGINT), Output("metadataFile", VARCHAR), Output("manifestFile", VARCHAR))


def _unload(tables: Borrowed, source: QueryText, unload: Unload, request: SqlRequest) -> ResultSet:
    if request.is_prepared:
        prepared = _prepare(tables, source, unload.statement, request)
        columns = tuple(ResultColumn(output.name, output.type) for output in _UNLOADED)
        return replace(prepared, columns=columns)
    if request.unloading is None:
        raise NotSupported("UNLOAD is only offered by Query of Timestream's protocol")
    unsorted = replace(request, in_time_order=False)
    bound = _bind(_binder(source, tables, unsorted), tables, unload.statement, None)
    done = request.unloading.write(unload, _columns(bound), tables.stream(bound.sql))
    result = _of_row(_UNLOADED, (done.exported.rows, done.metadata_file, done.manifest_file))
    return replace(result, exported=done.exported)


class _Unread:
    """What a statement is bound to that is only prepared."""

    def __init__(self, tables: Borrowed) -> None:
        self.schema = tables.schema

    def source(self, table: TableId, **_: object) -> str:  # noqa: ARG002
        """See `Tables`."""
        return "()"


def _prepare(tables: Borrowed, source: QueryText, statement: Query, request: SqlRequest) -> ResultSet:
    parameters = Parameters.of(statement)
    binder = Binder(source, _Unread(tables), request.now_ns, parameters=parameters)
    bound = _bind(binder, tables, statement, None)
    return ResultSet(_columns(bound), pa.table({}), parameters=tuple(parameters.types.items()))


def _bind_to_read(binder: Binder, tables: Borrowed, statement: Query, max_rows: int | None) -> Bound:
    """Bind the statement to partial aggregates, if owners send these in place of rows, else to rows."""
    if max_rows is not None:
        _cap(statement, max_rows + 1)
    found = bound_to_partials(binder, tables, statement)
    return found or _bind(with_partials_within(binder, tables, statement), tables, statement, max_rows)


def _bind(binder: Binder, tables: Borrowed, statement: Query, max_rows: int | None) -> Bound:
    if max_rows is not None:
        _cap(statement, max_rows + 1)
    try:
        return replace(binder).bind(statement)
    except NameNotFound:
        again = parse(binder.query) if tables.renew() else None  # binding has changed the statement
        again = again.statement if isinstance(again, Explain | Unload) else again
        if not isinstance(again, (exp.Query, exp.Values)):
            raise
    return _bind(binder, tables, again, max_rows)


def _cap(statement: Query, count: int) -> None:
    """Give the statement a LIMIT of `count`, unless it has a lower one."""
    limit = statement.args.get("limit")
    lower = isinstance(limit, exp.Limit) and limit.expression.name.isdigit() and int(limit.expression.name) <= count
    can_have = isinstance(statement, (exp.Select, exp.SetOperation)) and (limit is None or isinstance(limit, exp.Limit))
    if can_have and not lower:
        statement.set("limit", exp.Limit(expression=exp.Literal.number(count)))


_NOT_A_NUMBER = re.compile(r"Could not convert string '(.*?)' to (\w+)", re.DOTALL)
_OF_RE2 = re.compile(
    r"(?:missing [)\]]|unexpected [)]|invalid perl operator|invalid escape|invalid char|invalid named|"
    r"no argument for rep|bad rep|invalid repetition|trailing \\)"
)
_NAMES = {"INT32": "integer", "INT64": "bigint", "DOUBLE": "double", "BOOL": "boolean"}


def plain(message: str) -> str:
    """DuckDB's message without the kind of error, hints, and the generated text that it quotes."""
    if "Division by zero" in message:
        return "Division by zero"
    if "Max expression depth" in message:
        return "The query is nested too deeply"
    if "More than one row returned by a subquery" in message:
        return "Scalar sub-query has returned multiple rows"
    if "QUANTILE can only take parameters" in message:
        return "Percentile must be between 0 and 1"
    cast = _NOT_A_NUMBER.search(message)
    if cast is not None:
        return f"Cannot cast '{cast[1].removesuffix(REFUSED)}' to {_NAMES.get(cast[2], cast[2].lower())}"
    first = message.strip().splitlines()[0]
    kind, colon, rest = first.partition(": ")
    if _OF_RE2.match(rest):
        return f"Invalid regular expression: {rest}"
    return (rest if colon and kind.endswith("Error") else first).split(" when casting from source column")[0]
