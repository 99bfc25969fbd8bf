"""Rows of a table by SQL, as Arrow: run by query processes, within the limits of queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from pipeline.api.http import results
from rules.replaying.backtest import Layout, layout_of
from store.processes.job import Answer, Executor, Job
from store.reading.reader import Reader
from store.record import TableId
from store.sql import SqlRequest
from store.values.sql_text import quote_name, quote_string
from store.values.times import rfc3339


@dataclass(frozen=True, slots=True)
class History:
    """The tables of an account as they are now. Any thread; blocks."""

    store: Reader
    executor: Executor
    account: str
    now_ns: int

    @contextmanager
    def answer(self, sql: str, most_rows: int) -> Iterator[Answer]:
        """The answer to a statement, in Arrow. Raises as `Executor.run`."""
        job = Job(SqlRequest(sql, self.now_ns, most_rows), partial(results.parts, form="arrow"))
        with self.store.lender(self.account) as lender, self.executor.run(lender, job) as answer:
            yield answer

    def rows(self, sql: str, most_rows: int) -> pa.Table:
        """The rows of a statement. Raises as `answer`."""
        with self.answer(sql, most_rows) as answer:
            return pa.ipc.open_stream(b"".join(answer.parts)).read_all()

    def layout(self, table: TableId) -> Layout:
        """The columns of a table. Raises as `answer`."""
        described = self.rows(f"DESCRIBE {quoted(table)}", 10_000)
        return layout_of(zip(*(column.to_pylist() for column in described.columns[:3]), strict=True))


def select(
    table: TableId,
    from_ns: int,
    until_ns: int,
    *,
    columns: Sequence[str] = (),
    where: Mapping[str, str] | None = None,
) -> str:
    """The statement that reads the columns (none: all) of the rows of a time; `until_ns` does not count."""
    times = (f"time >= {quote_string(_moment(from_ns))}", f"time < {quote_string(_moment(until_ns))}")
    chosen = (f"{quote_name(name)} = {quote_string(value)}" for name, value in (where or {}).items())
    what = ", ".join(map(quote_name, columns)) or "*"
    return f"SELECT {what} FROM {quoted(table)} WHERE {' AND '.join((*times, *chosen))}"  # noqa: S608  # quoted


def quoted(table: TableId) -> str:
    """A table as SQL has it."""
    return ".".join(quote_name(name) for name in (table.database, table.table))


def _moment(time_ns: int) -> str:
    return rfc3339(time_ns, 9).replace("T", " ").removesuffix("Z")
