"""A bound query, and the interfaces that binding needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeAlias

from sqlglot import exp

from store.catalog.schema import TableSchema
from store.reading.past import AsOf
from store.record import TableId
from store.sql.bounds import Bounds, Origin
from store.sql.typed import ColumnUse, Constant, Typed, coerce
from store.sql.types import SqlType

if TYPE_CHECKING:
    from store.sql.scope import Scope


@dataclass(frozen=True, slots=True)
class Output:
    """A column of a result; `table` and `is_aliased` as of a `ResultColumn`.

    origins  what it is in tables, where bounds on it are bounds on them
    """

    name: str
    type: SqlType
    origins: tuple[Origin, ...] = field(default=(), compare=False)
    table: TableId | None = field(default=None, compare=False)
    is_aliased: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Bound:
    """A query as DuckDB text with the output columns c0, c1 and so on.

    text        makes the text, once all of the statement is bound: until then bounds may be found for its tables
    outer_uses  columns of the enclosing query
    row         the values of its only row, if they are known without data
    reads       what it reads, if it is a SELECT of one table
    """

    text: Callable[[], str]
    outputs: tuple[Output, ...]
    outer_uses: tuple[ColumnUse, ...] = ()
    row: tuple[Constant, ...] | None = None
    reads: Bounds | None = None

    @cached_property
    def sql(self) -> str:
        """The text."""
        return self.text()


@dataclass(slots=True, eq=False)
class With:
    """A WITH query, by its generated name: it is read once, within what any of the places needs where it is named."""

    name: str
    bound: Bound
    _places: list[dict[Bounds, Bounds]] = field(default_factory=list)  # of each the bounds, by those of the query

    def named(self) -> Bound:
        """The query as it is named at one place, with bounds of that place."""
        of_place = {origin.bounds: Bounds() for output in self.bound.outputs for origin in output.origins}
        self._places.append(of_place)
        outputs = [
            replace(output, origins=tuple(replace(of, bounds=of_place[of.bounds]) for of in output.origins))
            for output in self.bound.outputs
        ]
        return Bound(lambda: self.name, tuple(outputs))

    def settle(self) -> None:
        """Apply the bounds of all places."""
        for bounds in self._places[0] if self._places else ():
            bounds.within_any([of_place[bounds] for of_place in self._places])


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
Withs: TypeAlias = Mapping[str, With]
"""The WITH queries in scope, by the user's name."""


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
        as_of: AsOf | None = None,
    ) -> str:
        """The text of a parenthesised subquery with the table's physical columns; only `columns` need have values."""
        ...
