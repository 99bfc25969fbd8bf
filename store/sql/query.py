"""Runs one query: parse, bind, execute on the tables of an account."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlglot import exp

from store import errors as store_errors
from store.reading.borrowed import Borrowed
from store.sql.bound import Bound, Query
from store.sql.casts import REFUSED
from store.sql.errors import LimitExceeded, NameNotFound, QueryFailed, QueryTimedOut
from store.sql.parse import Describe, ShowDatabases, ShowMeasures, ShowTables, Statement, parse
from store.sql.result import ResultColumn, ResultSet
from store.sql.select import Binder
from store.sql.show import describe, show_databases, show_measures, show_tables
from store.sql.text import QueryText

_NARROW = "narrow the query by time or dimensions, or add a LIMIT"


@dataclass(frozen=True, slots=True)
class SqlRequest:
    """One statement.

    now_ns         the time of the whole query: `now()` and `ago()` are constants in it
    max_rows       of the result; None: any number
    is_cut         further rows are cut off, and `truncated` is set; else the query fails
    in_time_order  rows of one table are sorted by time, if the query does not specify an order
    """

    text: str
    now_ns: int
    max_rows: int | None = None
    is_cut: bool = True
    in_time_order: bool = False


def query(tables: Borrowed, request: SqlRequest) -> ResultSet:
    """The result of a statement over `tables`. Raises SqlError, QueryCancelled; may take any time and memory."""
    source = QueryText(request.text)
    statement = parse(source)
    try:
        if _lists_what_is_there(statement):
            tables.look_for_newest()
        match statement:
            case ShowDatabases():
                return show_databases(tables, statement)
            case ShowTables():
                return show_tables(tables, source, statement)
            case Describe():
                return describe(tables, source, statement)
            case ShowMeasures():
                return show_measures(tables, source, statement)
            case _:
                return _select(tables, source, statement, request)
    except (store_errors.UnknownDatabase, store_errors.UnknownTable) as error:
        raise NameNotFound(str(error)) from error  # deleted by another client in the meantime
    except store_errors.QueryTimeout as error:
        raise QueryTimedOut(f"T{str(error)[1:]}") from error
    except store_errors.ResultTooLarge as error:
        raise LimitExceeded(f"T{str(error)[1:]}; {_NARROW}") from error
    except store_errors.OutOfMemory:
        raise
    except store_errors.QueryFailed as error:
        raise QueryFailed(_plain(str(error))) from error


def _lists_what_is_there(statement: Statement) -> bool:
    """Whether the result contains tables or columns that the statement does not name: SHOW, DESCRIBE, `SELECT *`."""
    return not isinstance(statement, exp.Expr) or any(select.is_star for select in statement.find_all(exp.Select))


def _select(tables: Borrowed, source: QueryText, statement: Query, request: SqlRequest) -> ResultSet:
    most = request.max_rows
    binder = Binder(source, tables, request.now_ns, request.in_time_order)
    bound = _bind(binder, tables, statement, most)
    table = tables.execute(bound.sql)
    has_more = most is not None and table.num_rows > most
    if has_more and not request.is_cut:
        raise LimitExceeded(f"The result has more than {most} rows, which is the limit; {_NARROW}")
    columns = tuple(ResultColumn(output.name, output.type) for output in bound.outputs)
    return ResultSet(columns, table.slice(0, most) if has_more else table, has_more)


def _bind(binder: Binder, tables: Borrowed, statement: Query, max_rows: int | None) -> Bound:
    if max_rows is not None:
        _cap(statement, max_rows + 1)
    try:
        return Binder(binder.query, binder.tables, binder.now_ns, binder.in_time_order).bind(statement)
    except RecursionError:
        raise binder.query.syntax(None, "The query is nested too deeply") from None
    except NameNotFound:
        again = parse(binder.query) if tables.renew() else None  # binding has changed the statement
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
_NAMES = {"INT32": "integer", "INT64": "bigint", "DOUBLE": "double", "BOOL": "boolean"}


def _plain(message: str) -> str:
    """DuckDB's message without the kind of error, hints, and the generated text that it quotes."""
    if "Division by zero" in message:
        return "Division by zero"
    if "Max expression depth" in message:
        return "The query is nested too deeply"
    cast = _NOT_A_NUMBER.search(message)
    if cast is not None:
        return f"Cannot cast '{cast[1].removesuffix(REFUSED)}' to {_NAMES.get(cast[2], cast[2].lower())}"
    first = message.strip().splitlines()[0]
    kind, colon, rest = first.partition(": ")
    return (rest if colon and kind.endswith("Error") else first).split(" when casting from source column")[0]
