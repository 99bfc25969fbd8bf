"""DELETE: which rows of a table it chooses, as DuckDB text over their keys.

A row is chosen by what identifies it: its time, its dimensions and its measure name, with all that the WHERE of a query
can say of these. Values of measures, the zone, subqueries and chance cannot be in it: with them, a replay of the log
might choose other rows than the first run did. A condition that is null for a row does not choose it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from sqlglot import exp

from store.catalog.deletion import ROW, Chosen
from store.catalog.schema import TableSchema
from store.errors import UnknownTable
from store.record import TableId
from store.sql.bound import Query, Tables
from store.sql.expressions import WHERE, Expressions, Rules
from store.sql.from_clause import FromBinder
from store.sql.nodes import NODES
from store.sql.parameters import Parameters
from store.sql.parse import parse_delete
from store.sql.pruning import narrowed
from store.sql.scope import Relation, Scope
from store.sql.text import QueryText
from store.sql.typed import ColumnUse

_KEYS = {"time", "dimension", "measure_name"}
_CHOSEN_BY = "a DELETE chooses rows by time, dimensions and measure_name"
_BY_CHANCE = {"rand", "random", "shuffle"}


@dataclass(frozen=True, slots=True)
class Deletion:
    """A DELETE that is bound: the table, which of its rows, and the query that counts them."""

    table: TableId
    chosen: Chosen
    count: str


@dataclass(frozen=True, slots=True)
class OneTable:
    """What a DELETE is bound to if its table is known."""

    of: TableSchema

    def schema(self, database: str, table: str) -> TableSchema:
        """See `Tables`."""
        if (database, table) != (self.of.table.database, self.of.table.table):
            raise UnknownTable(f"{database}.{table}")
        return self.of

    def source(self, table: TableId, **_: object) -> str:
        """See `Tables`."""
        raise NotImplementedError(table)


def deletion_of(tables: Tables, text: str, now_ns: int) -> Deletion:
    """The DELETE in `text`, in which `now()` is `now_ns`. Raises SqlError, with the place of what it cannot have."""
    query = QueryText(text)
    node, rest = parse_delete(query)
    query.refuse_other(node, "this", "where", what="DELETE")
    if not isinstance(node.this, exp.Table) or set(node.this.args) - {"this", "db", "catalog"}:
        raise query.syntax(node, 'DELETE names one table: DELETE FROM "database"."table" WHERE …')
    if node.args.get("where") is None:
        raise query.syntax(len(text), "DELETE needs a WHERE; WHERE true chooses all rows")
    table, chosen = _Binder(query, tables, now_ns).bound(node.this, node.args["where"].this)
    return Deletion(table, chosen, f"SELECT count(*) {rest}")


class _Binder:
    """Binds the condition of a DELETE."""

    def __init__(self, query: QueryText, tables: Tables, now_ns: int) -> None:
        self._query = query
        self._tables = tables
        self._scope = Scope(query)
        self._expressions = Expressions(self._scope, now_ns, self._no_query, lambda _: ROW, NODES, Parameters())

    def bound(self, table: exp.Table, condition: exp.Expr) -> tuple[TableId, Chosen]:
        """The table, and which of its rows."""
        FromBinder(self._expressions, self._tables, {}, self._no_query).bind(exp.Select(from_=exp.From(this=table)))
        (relation,) = self._scope.relations
        assert relation.table is not None
        for part in condition.walk():
            self._refuse_chance(part)
        typed = self._expressions.condition(condition, Rules(WHERE))
        for use in typed.free:
            self._refuse_values(use)
        narrowed(condition, self._expressions)
        return relation.table, Chosen(
            typed.sql, tuple(_dimensions(relation)), relation.bounds.time_from_ns, relation.bounds.time_to_ns
        )

    def _no_query(self, node: Query, _: object) -> NoReturn:
        raise self._query.syntax(node, f"a subquery cannot be in a DELETE: {_CHOSEN_BY}")

    def _refuse_chance(self, part: exp.Expr) -> None:
        if isinstance(part, exp.Anonymous) and part.name.lower() in _BY_CHANCE:
            raise self._query.syntax(part, f"{part.name} cannot be in a DELETE: {_CHOSEN_BY}")

    def _refuse_values(self, use: ColumnUse) -> None:
        kinds = {origin.kind for origin in use.origins}
        if not kinds or kinds - _KEYS:
            what = "the zone, which may change" if "zone" in kinds else "a measure"
            raise self._query.syntax(use.position, f"'{use.name}' is {what}: {_CHOSEN_BY}")


def _dimensions(relation: Relation) -> list[str]:
    """Physical names of the dimensions that are used."""
    return [
        column.physical.strip('"')
        for column in relation.columns
        if column.kind == "dimension" and column.physical in relation.used
    ]
