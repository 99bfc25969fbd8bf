"""Aggregates of measures by time, answered from rollups: what most panels of dashboards ask.

    SELECT bin(time, 5m) AS t, zone, round(avg(temperature), 1) FROM … WHERE time > ago(1h) AND region = 'r1'
    GROUP BY bin(time, 5m), zone ORDER BY t

Such a SELECT is rewritten over a table of sums by slots of time: avg(x) is sum(total of x) / sum(count of x). All else
in it remains, and is bound as in any query. Statements that are not understood wholly are left to the slow path: only
what is listed here is taken for harmless.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import pyarrow as pa
from sqlglot import exp

from store.catalog.schema import TIME_COLUMN, Column, TableSchema
from store.names import MeasureType
from store.reading.bins import grain_of
from store.reading.rolled_up import COUNT, GREATEST, GROUP, LEAST, TOTAL
from store.record import TableId
from store.sql.literals import parse_interval
from store.sql.types import INTERVAL

_PARTS = {"expressions", "from_", "where", "group", "having", "order", "limit", "offset"}
_FUNCTIONS = {"round", "floor", "ceil", "ceiling", "abs", "coalesce"}  # of values of one row
_NODES = (
    *(exp.Alias, exp.Paren, exp.Literal, exp.Null, exp.Boolean, exp.Identifier, exp.Ordered),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg),
    *(exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between),
)


class Summed(Protocol):
    """What `from_rollups` reads: a snapshot of the tables of an account."""

    def schema(self, database: str, table: str) -> TableSchema:
        """The table's columns. Raises UnknownDatabase, UnknownTable."""
        ...

    def rolled_up(
        self,
        table: TableId,
        measures: Sequence[Column],
        *,
        grain_ns: int,
        time_from_ns: int | None,
        time_to_ns: int | None,
        dimensions: Mapping[str, Collection[str]],
        by: Sequence[str],
    ) -> str | None:
        """The name of a table with sums of these rows, by slot and by the values of `by`; None if there is none."""
        ...

    def execute(self, sql: str) -> pa.Table:
        """The result of a DuckDB query over such tables."""
        ...


class _Other(Exception):
    """It needs more than sums by time."""


@dataclass(frozen=True, slots=True)
class OverRollups:
    """A SELECT over sums by slots of `grain_ns`: `statement` is over a table with `schema`.

    by        names of the dimensions, or the zone, that make groups, in the order of their columns
    measures  in the order of their columns
    """

    statement: exp.Select
    schema: TableSchema
    by: tuple[str, ...]
    measures: tuple[Column, ...]
    grain_ns: int


def named_table(statement: exp.Select) -> tuple[str, str] | None:
    """Database and table, if the statement is a SELECT of one table without subqueries; else None."""
    if any(value for part, value in statement.args.items() if part not in _PARTS):
        return None
    source = statement.args.get("from_")
    table = None if source is None else source.this
    if not isinstance(table, exp.Table) or any(
        value for part, value in table.args.items() if part not in {"this", "db"}
    ):
        return None
    has_others = any(node is not statement for node in statement.find_all(exp.Query, exp.Values))
    return None if has_others or not table.db else (table.db, table.name)


def over_rollups(statement: exp.Select, schema: TableSchema) -> OverRollups | None:
    """The same SELECT over sums; None if it needs more. Its WHERE is left out: the sums must be those of its rows."""
    rewriting = _Rewriting({column.name: column for column in schema.columns}, schema.settings.zone is not None)
    try:
        rewritten = rewriting.select(statement.copy())
    except _Other:
        return None
    grain_ns = grain_of(rewriting.widths_ns)
    if grain_ns is None:
        return None
    return OverRollups(
        rewritten,
        replace(schema, columns=(TIME_COLUMN, *rewriting.columns()), stored=()),
        tuple(rewriting.by),
        tuple(rewriting.measures.values()),
        grain_ns,
    )


@dataclass(slots=True)
class _Rewriting:
    known: Mapping[str, Column]  # by name
    has_zones: bool  # that rows have by their dimensions; without a template files have those of another time
    by: dict[str, None] = field(default_factory=dict)
    measures: dict[str, Column] = field(default_factory=dict)
    widths_ns: set[int] = field(default_factory=set)  # of bins
    _aliases: frozenset[str] = frozenset()

    def columns(self) -> list[Column]:
        """The columns of the sums, besides the time."""
        made = [replace(self.known[name], physical=f"{GROUP}{place}") for place, name in enumerate(self.by)]
        for place in range(len(self.measures)):
            made.append(Column(f"{COUNT}{place}", "measure", MeasureType.BIGINT, f"{COUNT}{place}"))
            made += [
                Column(f"{part}{place}", "measure", MeasureType.DOUBLE, f"{part}{place}")
                for part in (TOTAL, LEAST, GREATEST)
            ]
        return made

    def select(self, node: exp.Select) -> exp.Select:
        node.set("where", None)
        self._aliases = frozenset(item.alias for item in node.expressions if isinstance(item, exp.Alias))
        node.set("expressions", [self._rewritten(item) for item in node.expressions])
        group = node.args.get("group")
        if group is not None:
            if any(value for part, value in group.args.items() if part != "expressions"):
                raise _Other
            group.set("expressions", [self._key(key) for key in group.expressions])
        having = node.args.get("having")
        if having is not None:
            having.set("this", self._rewritten(having.this))
        for ordered in node.args["order"].expressions if node.args.get("order") else ():
            if not (isinstance(ordered.this, exp.Column) and ordered.this.name in self._aliases):
                ordered.set("this", self._key(ordered.this))
        if not self.measures:
            raise _Other
        return node

    def _key(self, node: exp.Expr) -> exp.Expr:
        """A key of GROUP BY or ORDER BY, which may be the name of an output that no column has."""
        is_output = isinstance(node, exp.Column) and node.name in self._aliases and node.name not in self.known
        return node if is_output else self._rewritten(node)

    def _rewritten(self, node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Anonymous):
            return self._call(node)
        if isinstance(node, exp.Column):
            column = self._column(node)
            if column.kind != "dimension" and not (column.kind == "zone" and self.has_zones):
                raise _Other
            self.by[column.name] = None
            return node
        if not isinstance(node, _NODES):
            raise _Other
        for part in list(node.iter_expressions()):
            part.replace(self._rewritten(part))
        return node

    def _call(self, node: exp.Anonymous) -> exp.Expr:
        name, arguments = node.name.lower(), node.expressions
        if name == "bin" and len(arguments) == 2:
            return self._bin(node, *arguments)
        if name in _FUNCTIONS:
            node.set("expressions", [self._rewritten(argument) for argument in arguments])
            return node
        if len(arguments) != 1:
            raise _Other
        if name == "count" and isinstance(arguments[0], exp.Star):
            return _count(0)  # all rows have all measures
        place = self._measure(arguments[0])
        match name:
            case "avg":
                return exp.Paren(this=exp.Div(this=_sum(TOTAL, place), expression=_sum(COUNT, place)))
            case "sum":
                return _sum(TOTAL, place)
            case "min":
                return exp.Anonymous(this="min", expressions=[exp.column(f"{LEAST}{place}")])
            case "max":
                return exp.Anonymous(this="max", expressions=[exp.column(f"{GREATEST}{place}")])
            case "count":
                return _count(place)
        raise _Other

    def _bin(self, node: exp.Anonymous, time: exp.Expr, width: exp.Expr) -> exp.Expr:
        """Bins of whole slots: the bin of a slot is that of all its rows."""
        interval = (
            parse_interval(width.name) if isinstance(width, exp.Column) and width.name not in self.known else None
        )
        if interval is None or interval[1] is not INTERVAL or interval[0] <= 0:
            raise _Other
        self.widths_ns.add(interval[0])
        if not isinstance(time, exp.Column) or self._column(time).kind != "time":
            raise _Other
        return node

    def _measure(self, node: exp.Expr) -> int:
        """The place of the measure that is aggregated."""
        column = self._column(node) if isinstance(node, exp.Column) else None
        if column is None or column.kind != "measure" or column.type is not MeasureType.DOUBLE:
            raise _Other
        self.measures.setdefault(column.name, column)
        return list(self.measures).index(column.name)

    def _column(self, node: exp.Column) -> Column:
        """A stored column, by its exact name."""
        column = self.known.get(node.name)
        if column is None or len(node.parts) != 1 or column.expression is not None:
            raise _Other
        return column


def _sum(part: str, place: int) -> exp.Expr:
    return exp.Anonymous(this="sum", expressions=[exp.column(f"{part}{place}")])


def _count(place: int) -> exp.Expr:
    return exp.Anonymous(this="coalesce", expressions=[_sum(COUNT, place), exp.Literal.number(0)])
