"""A bound query, and the interfaces that binding needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from sqlglot import exp

from store.catalog.schema import TableSchema
from store.record import TableId
from store.sql.typed import ColumnUse, Constant, Typed, coerce
from store.sql.types import SqlType

if TYPE_CHECKING:
    from store.sql.pruning import Bounds
    from store.sql.scope import Scope


@dataclass(frozen=True, slots=True)
class Output:
    """A column of a result."""

    name: str
    type: SqlType


@dataclass(frozen=True, slots=True)
class Bound:
    """A query as DuckDB text with the output columns c0, c1 and so on.

    outer_uses  columns of the enclosing query
    row         the values of its only row, if they are known without data
    reads       what it reads, if it is a SELECT of one table
    """

    sql: str
    outputs: tuple[Output, ...]
    outer_uses: tuple[ColumnUse, ...] = ()
    row: tuple[Constant, ...] | None = None
    reads: Bounds | None = None


def converted(bound: Bound, types: Sequence[SqlType]) -> str:
    """The query's text with its columns converted to these types, which must be possible implicitly."""
    if [output.type for output in bound.outputs] == list(types):
        return bound.sql
    columns = []
    for index, (output, target) in enumerate(zip(bound.outputs, types, strict=True)):
        typed = coerce(Typed(f"c{index}", output.type), target)
        assert typed is not None  # fails only for constant texts
        columns.append(f"{typed.sql} AS c{index}")
    return f"SELECT {', '.join(columns)} FROM ({bound.sql})"  # noqa: S608  # generated names


Query: TypeAlias = exp.Query | exp.Values  # sqlglot does not class VALUES as a query
BindQuery: TypeAlias = "Callable[[Query, Scope | None], Bound]"
Withs: TypeAlias = Mapping[str, tuple[str, Bound]]
"""The WITH queries in scope: the user's name → the generated name and the query."""


class Tables(Protocol):
    """The parts of a snapshot that binding needs."""

    def schema(self, database: str, table: str) -> TableSchema:
        """The table's columns. Raises UnknownDatabase, UnknownTable."""
        ...

    def source(
        self,
        table: TableId,
        *,
        time_from_ns: int | None = None,
        time_to_ns: int | None = None,
        dimensions: Mapping[str, Collection[str]] | None = None,
        columns: Collection[str] | None = None,
    ) -> str:
        """The text of a parenthesised subquery with the table's physical columns; only `columns` need have values."""
        ...
