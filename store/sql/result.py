"""The result of a query: columns with SQL types, and the values as Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

from store.reading.insights import Exported
from store.record import TableId
from store.sql.types import SqlType
from store.sql.values import formatter

Datum: TypeAlias = Any
"""A formatted value: text of a scalar, list of an array, tuple of a row, None for null."""


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of a result. Several columns may have the same name.

    table       whose column it is, if it is only that
    is_aliased  whether the query gave it this name
    """

    name: str
    type: SqlType
    table: TableId | None = None
    is_aliased: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ResultSet:
    """The rows of a query. Columns of `table` are in the order of `columns`, with generated names.

    Values have the form of the store: timestamps int64 nanoseconds, dates int64 days, intervals int64 nanoseconds or
    months (see `types`). `rows` converts them to Timestream's texts. `truncated`: there were more than `max_rows` rows.
    `parameters`: of a statement that was only prepared, with their types. `exported`: by an UNLOAD.
    """

    columns: tuple[ResultColumn, ...]
    table: pa.Table
    truncated: bool = False
    parameters: tuple[tuple[str, SqlType], ...] = ()
    exported: Exported | None = None

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def rows(self, first: int = 0, count: int | None = None) -> Iterator[tuple[Datum, ...]]:
        """The rows from `first` on, at most `count`; values are text, arrays lists, rows tuples, null None."""
        part = self.table.slice(first, count)
        if not self.columns:
            return iter(())
        texts = [
            [None if value is None else write(value) for value in column.to_pylist()]
            for write, column in ((formatter(column.type), part.column(i)) for i, column in enumerate(self.columns))
        ]
        return zip(*texts, strict=True)
