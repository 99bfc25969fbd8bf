"""Runs one query: parse, bind, execute on a snapshot of the store."""

from __future__ import annotations

import re

from sqlglot import exp

from store import errors as store_errors
from store.reading.reader import Reader
from store.reading.snapshot import Snapshot
from store.sql.bound import Bound, Query
from store.sql.casts import REFUSED
from store.sql.errors import NameNotFound, QueryFailed, QueryTimedOut
from store.sql.parse import Describe, ShowDatabases, ShowMeasures, ShowTables, Statement, parse
from store.sql.result import ResultColumn, ResultSet
from store.sql.select import Binder
from store.sql.show import describe, show_databases, show_measures, show_tables
from store.sql.text import QueryText


def query(
    store: Reader, account: str, text: str, *, now_ns: int, max_rows: int | None = None, in_time_order: bool = False
) -> ResultSet:
    """The result of `text` over the data of `account`. May block: call it in its own thread, within an Interruption.

    `now_ns` is the time of the whole query: `now()` and `ago()` are constants in it. If there are more than `max_rows`
    rows, the others are cut off and `truncated` is set. `in_time_order`: rows of one table are sorted by time, if the
    query does not specify an order. Raises SqlError, QueryCancelled.
    """
    source = QueryText(text)
    statement = parse(source)
    try:
        with store.snapshot(account) as snapshot:
            if _lists_what_is_there(statement):
                snapshot.look_for_newest()
            match statement:
                case ShowDatabases():
                    return show_databases(snapshot, statement)
                case ShowTables():
                    return show_tables(snapshot, source, statement)
                case Describe():
                    return describe(snapshot, source, statement)
                case ShowMeasures():
                    return show_measures(snapshot, source, statement)
                case _:
                    return _select(snapshot, source, statement, now_ns, max_rows, in_time_order=in_time_order)
    except (store_errors.UnknownDatabase, store_errors.UnknownTable) as error:
        raise NameNotFound(str(error)) from error  # deleted by another client in the meantime
    except store_errors.QueryTimeout as error:
        raise QueryTimedOut(f"T{str(error)[1:]}") from error
    except store_errors.QueryFailed as error:
        raise QueryFailed(_plain(str(error))) from error


def _lists_what_is_there(statement: Statement) -> bool:
    """Whether the result contains tables or columns that the statement does not name: SHOW, DESCRIBE, `SELECT *`."""
    return not isinstance(statement, exp.Expr) or any(select.is_star for select in statement.find_all(exp.Select))


def _select(
    snapshot: Snapshot,
    source: QueryText,
    statement: Query,
    now_ns: int,
    max_rows: int | None,
    *,
    in_time_order: bool,
) -> ResultSet:
    bound = _bind(Binder(source, snapshot, now_ns, in_time_order), snapshot, statement, max_rows)
    table = snapshot.execute(bound.sql)
    truncated = max_rows is not None and table.num_rows > max_rows
    columns = tuple(ResultColumn(output.name, output.type) for output in bound.outputs)
    return ResultSet(columns, table.slice(0, max_rows) if truncated else table, truncated)


def _bind(binder: Binder, snapshot: Snapshot, statement: Query, max_rows: int | None) -> Bound:
    if max_rows is not None:
        _cap(statement, max_rows + 1)
    try:
        return Binder(binder.query, binder.tables, binder.now_ns, binder.in_time_order).bind(statement)
    except RecursionError:
        raise binder.query.syntax(None, "The query is nested too deeply") from None
    except NameNotFound:
        again = parse(binder.query) if snapshot.renew() else None  # binding has changed the statement
        if not isinstance(again, (exp.Query, exp.Values)):
            raise
    return _bind(binder, snapshot, again, max_rows)


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
    cast = _NOT_A_NUMBER.search(message)
    if cast is not None:
        return f"Cannot cast '{cast[1].removesuffix(REFUSED)}' to {_NAMES.get(cast[2], cast[2].lower())}"
    first = message.strip().splitlines()[0]
    kind, colon, rest = first.partition(": ")
    return (rest if colon and kind.endswith("Error") else first).split(" when casting from source column")[0]
