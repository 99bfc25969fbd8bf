"""A bound query, and what binding one needs from around it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from sqlglot import exp

from store.catalog.schema import TableSchema
from store.record import TableId
from store.sql.typed import ColumnUse, Typed, coerce
from store.sql.types import ScalarType

if TYPE_CHECKING:
    from store.sql.scope import Scope


@dataclass(frozen=True, slots=True)
class Output:
    """A column of a result."""

    name: str
    type: ScalarType


@dataclass(frozen=True, slots=True)
class Bound:
    """A query as DuckDB text, whose output columns are c0, c1 … `outer_uses`: columns of the query around it."""

    sql: str
    outputs: tuple[Output, ...]
    outer_uses: tuple[ColumnUse, ...] = ()


def converted(bound: Bound, types: Sequence[ScalarType]) -> str:
    """The query's text with its columns as these types, which each becomes by itself."""
    if [output.type for output in bound.outputs] == list(types):
        return bound.sql
    columns = []
    for index, (output, target) in enumerate(zip(bound.outputs, types, strict=True)):
        typed = coerce(Typed(f"c{index}", output.type), target)
        assert typed is not None  # only a constant text can be none of its type
        columns.append(f"{typed.sql} AS c{index}")
    return f"SELECT {', '.join(columns)} FROM ({bound.sql})"  # noqa: S608  # generated names


Query: TypeAlias = exp.Query | exp.Values  # VALUES is not a query to sqlglot, but it stands where one can
BindQuery: TypeAlias = "Callable[[Query, Scope | None], Bound]"
Withs: TypeAlias = Mapping[str, tuple[str, Bound]]
"""The queries of the WITHs in force: by the user's name, the generated name and what it is."""


class Tables(Protocol):
    """What binding needs of a snapshot."""

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
    ) -> str:
        """The text of a parenthesised subquery with the table's physical columns."""
        ...
