"""The meaning of names at one place of a query: the relations of a FROM, their columns, and the enclosing query.

Columns are found by their exact name, because stored names are case-sensitive; if there is none, by the name in any
case, if only one column matches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from store.reading.past import AsOf
from store.record import TableId
from store.sql.bounds import Bounds, Origin
from store.sql.errors import SqlError
from store.sql.text import QueryText, nearest
from store.sql.typed import ColumnUse, Typed
from store.sql.types import SqlType


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column of a relation; `physical` is its quoted name in the relation's text, `kind` that of a table's column.

    `origins` are what it is in tables.
    """

    name: str
    type: SqlType
    physical: str
    kind: str = "expression"
    origins: tuple[Origin, ...] = ()


@dataclass(slots=True)
class Relation:
    """An item of a FROM: a table or a subquery, with the generated alias `key`.

    names   the qualifiers that refer to it, e.g. ("t",) or ("db", "t"); a name given by AS is the only one
    table   the table to scan; None for a subquery, whose text `text` makes
    bounds  of the rows that the query can need of the table
    used    physical names of the columns that the query uses, as far as it is bound
    sample  the text of its TABLESAMPLE
    as_of   the earlier version of the table that is read
    """

    key: str
    names: tuple[tuple[str, ...], ...]
    columns: tuple[SourceColumn, ...]
    table: TableId | None = None
    text: Callable[[], str] = str
    bounds: Bounds = field(default_factory=Bounds)
    sample: str = ""
    as_of: AsOf | None = None
    used: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Scope:
    """The relations of one FROM; `outer` is the scope of the enclosing query, if this is a subquery."""

    query: QueryText
    outer: Scope | None = None
    relations: list[Relation] = field(default_factory=list)
    outer_uses: list[ColumnUse] = field(default_factory=list)  # columns of `outer` that were found through this scope
    merged: dict[str, Typed] = field(default_factory=dict)  # the one column of each name of USING and NATURAL joins

    def resolve(self, qualifier: tuple[str, ...], name: str, offset: int | None) -> Typed | None:
        """The column; None if neither this scope nor an outer one has it. Raises NameNotFound if it is ambiguous."""
        if not qualifier and name in self.merged:
            return self.merged[name]
        found = self._named(qualifier, lambda column: column == name)
        if not found:
            found = self._named(qualifier, lambda column: column.lower() == name.lower())
        if len(found) > 1:
            raise self.query.unknown(offset, f"Column '{name}' is ambiguous")
        if found:
            relation, column = found[0]
            return column_of(relation, column, offset)
        if self.outer is None:
            return None
        typed = self.outer.resolve(qualifier, name, offset)
        if typed is not None:
            self.outer_uses.extend(typed.free)
        return typed

    def _named(self, qualifier: tuple[str, ...], fits: Callable[[str], bool]) -> list[tuple[Relation, SourceColumn]]:
        return [
            (relation, column)
            for relation in self.relations_named(qualifier)
            for column in relation.columns
            if fits(column.name)
        ]

    def relations_named(self, qualifier: tuple[str, ...]) -> list[Relation]:
        """The relations of `qualifier.*`; all if the qualifier is empty."""
        return [relation for relation in self.relations if not qualifier or qualifier in relation.names]

    def missing(self, qualifier: tuple[str, ...], name: str, offset: int | None) -> SqlError:
        """The error for a column that `resolve` did not find, in Timestream's wording, with the nearest known name."""
        near = nearest(name, (column.name for relation in self.relations for column in relation.columns))
        if not near and offset is not None and self.query.text[offset : offset + 1] == '"':
            near = f" (a text is in single quotes: '{name}')"
        return self.query.unknown(offset, f"Column '{'.'.join((*qualifier, name))}' does not exist{near}")


def column_of(relation: Relation, column: SourceColumn, offset: int | None) -> Typed:
    """A use of this column of this relation."""
    relation.used.add(column.physical)
    sql = f"{relation.key}.{column.physical}"
    use = ColumnUse(relation.key, column.name, sql, offset, column.origins)
    return Typed(sql, column.type, column=use, free=(use,))
