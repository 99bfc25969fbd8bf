"""Aggregates of one table, as a SELECT over partial aggregates of its rows: what most panels of dashboards ask.

    SELECT bin(time, 5m) AS t, zone, round(avg(temperature), 1) FROM … WHERE time > ago(1h) AND region = 'r1'
    GROUP BY bin(time, 5m), zone ORDER BY t

Such a SELECT is rewritten: avg(x) is sum(total of x) / sum(count of x). All else in it remains, and is bound as in any
query. Statements that are not understood wholly are left to the slow path: only what is listed here is taken for
harmless. Partial aggregates are rollups (`store.reading.rolled_up`), or what owners of partitions send instead of rows
(`store.reading.partials`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from store.catalog.schema import TIME_COLUMN, Column, TableSchema
from store.names import MeasureType
from store.reading.partials import COUNT, FIRST, GREATEST, GROUP, LAST, LEAST, ROWS, TOTAL
from store.sql.literals import UNIT_NS, parse_interval
from store.sql.types import INTERVAL

_PARTS = {"expressions", "from_", "where", "group", "having", "order", "limit", "offset"}
AGGREGATES = frozenset({"avg", "sum", "min", "max", "count"})
_SUM = "sum"
_FUNCTIONS = {"round", "floor", "ceil", "ceiling", "abs", "coalesce"}  # of values of one row
_NODES = (
    *(exp.Alias, exp.Paren, exp.Literal, exp.Null, exp.Boolean, exp.Identifier, exp.Ordered),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg),
    *(exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between),
)


class _Other(Exception):
    """It needs more than partial aggregates."""


@dataclass(frozen=True, slots=True)
class OverPartials:
    """A SELECT over partial aggregates: `statement` is over a table with `schema`.

    by         the dimensions, zone and measure name that make groups, in the order of their columns
    measures   in the order of their columns
    widths_ns  of bins of time
    times      which of the first and the last time it asks for
    has_totals whether it asks for sums of measures, or means
    """

    statement: exp.Select
    schema: TableSchema
    by: tuple[Column, ...]
    measures: tuple[Column, ...]
    widths_ns: frozenset[int]
    times: tuple[str, ...]
    has_totals: bool

    @property
    def grain_ns(self) -> int | None:
        """The length of the slots of which its bins consist; None if it has none."""
        return math.gcd(*self.widths_ns) if self.widths_ns else None


def named_table(statement: exp.Select) -> tuple[str, str] | None:
    """Database and table, if the statement is a SELECT of one table without subqueries; else None."""
    if any(value for part, value in statement.args.items() if part not in _PARTS):
        return None
    source = statement.args.get("from_")
    table = None if source is None else source.this
    if not isinstance(table, exp.Table) or any(
        value for part, value in table.args.items() if part not in {"this", "db", "alias"}
    ):
        return None
    alias = table.args.get("alias")
    if alias is not None and alias.args.get("columns"):
        return None
    has_others = any(node is not statement for node in statement.find_all(exp.Query, exp.Values))
    return None if has_others or not table.db else (table.db, table.name)


def is_aggregate(statement: exp.Select) -> bool:
    """Whether it is a SELECT of one table with aggregates, at first sight."""
    return named_table(statement) is not None and any(
        isinstance(node, exp.Anonymous) and node.name.lower() in AGGREGATES for node in statement.walk()
    )


def over_partials(statement: exp.Select, schema: TableSchema) -> OverPartials | None:
    """The same SELECT over partial aggregates; None if it needs more.

    Its WHERE is left out: the partial aggregates must be those of its rows.
    """
    if not is_aggregate(statement):
        return None
    rewriting = _Rewriting({column.name: column for column in schema.columns})
    try:
        rewritten = rewriting.select(statement.copy())
    except _Other:
        return None
    return OverPartials(
        rewritten,
        replace(schema, columns=(TIME_COLUMN, *rewriting.columns()), stored=()),
        tuple(rewriting.known[name] for name in rewriting.by),
        tuple(rewriting.measures.values()),
        frozenset(rewriting.widths_ns),
        tuple(sorted(rewriting.times)),
        rewriting.has_totals,
    )


@dataclass(slots=True)
class _Rewriting:
    known: Mapping[str, Column]  # by name
    by: dict[str, None] = field(default_factory=dict)
    measures: dict[str, Column] = field(default_factory=dict)
    widths_ns: set[int] = field(default_factory=set)  # of bins
    times: set[str] = field(default_factory=set)
    has_totals: bool = False
    _aliases: frozenset[str] = frozenset()

    def columns(self) -> list[Column]:
        """The columns of the partial aggregates, besides the start of the slot."""
        made = [replace(self.known[name], physical=f"{GROUP}{place}") for place, name in enumerate(self.by)]
        made += [_made(ROWS, MeasureType.BIGINT)]
        made += [_made(name, MeasureType.TIMESTAMP) for name in sorted(self.times)]
        for place, measure in enumerate(self.measures.values()):
            made += [_made(f"{COUNT}{place}", MeasureType.BIGINT), _made(f"{TOTAL}{place}", MeasureType.DOUBLE)]
            made += [_made(f"{part}{place}", measure.type) for part in (LEAST, GREATEST)]
            # of whole numbers: a mean is a double, a sum is whole
            made += [Column(f"{_SUM}{place}", "measure", measure.type, f"{TOTAL}{place}")]
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
        return node

    def _key(self, node: exp.Expr) -> exp.Expr:
        """A key of GROUP BY or ORDER BY, which may be the name of an output that no column has."""
        is_name = isinstance(node, exp.Column) and len(node.parts) == 1
        is_output = is_name and node.name in self._aliases and node.name not in self.known
        return node if is_output else self._rewritten(node)

    def _rewritten(self, node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Anonymous):
            return self._call(node)
        if isinstance(node, exp.Column):
            column = self._column(node)
            if column.kind not in {"dimension", "zone", "measure_name"}:
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
            return self._slots(node, arguments[0], self._width(arguments[1]))
        if name == "date_trunc" and len(arguments) == 2:  # its months begin with a day
            unit = arguments[0].name.lower() if isinstance(arguments[0], exp.Literal) else ""
            return self._slots(node, arguments[1], min(UNIT_NS.get(unit, UNIT_NS["day"]), UNIT_NS["day"]))
        if name in _FUNCTIONS:
            node.set("expressions", [self._rewritten(argument) for argument in arguments])
            return node
        if len(arguments) != 1 or name not in AGGREGATES:
            raise _Other
        (argument,) = arguments
        if name == "count" and isinstance(argument, exp.Star):
            return _count(ROWS)
        column = self._column(argument) if isinstance(argument, exp.Column) else None
        if column is None:
            raise _Other
        return self._time(name) if column.kind == "time" else self._aggregate(name, self._measure(column))

    def _aggregate(self, name: str, place: int) -> exp.Expr:
        """An aggregate of a measure."""
        self.has_totals |= name in {"avg", "sum"}
        match name:
            case "avg":
                total, count = _call("sum", f"{TOTAL}{place}"), _call("sum", f"{COUNT}{place}")
                return exp.Paren(this=exp.Div(this=total, expression=count))
            case "sum":
                return _call("sum", f"{_SUM}{place}")
            case "min":
                return _call("min", f"{LEAST}{place}")
            case "max":
                return _call("max", f"{GREATEST}{place}")
        return _count(f"{COUNT}{place}")

    def _time(self, name: str) -> exp.Expr:
        """The first or last time."""
        if name not in {"min", "max"}:
            raise _Other
        end = FIRST if name == "min" else LAST
        self.times.add(end)
        return _call(name, end)

    def _slots(self, node: exp.Expr, time: exp.Expr, width_ns: int) -> exp.Expr:
        """Bins of whole slots: the bin of a slot is that of all its rows."""
        self.widths_ns.add(width_ns)
        if not isinstance(time, exp.Column) or self._column(time).kind != "time":
            raise _Other
        return node

    def _width(self, width: exp.Expr) -> int:
        """An interval as a constant, in nanoseconds."""
        interval = (
            parse_interval(width.name) if isinstance(width, exp.Column) and width.name not in self.known else None
        )
        if interval is None or interval[1] is not INTERVAL or interval[0] <= 0:
            raise _Other
        return interval[0]

    def _measure(self, column: Column) -> int:
        """The place of the measure that is aggregated."""
        if column.kind != "measure" or column.type not in {MeasureType.DOUBLE, MeasureType.BIGINT}:
            raise _Other
        self.measures.setdefault(column.name, column)
        return list(self.measures).index(column.name)

    def _column(self, node: exp.Column) -> Column:
        """A stored column, by its exact name."""
        column = self.known.get(node.name)
        if column is None or column.expression is not None:
            raise _Other
        return column


def _made(name: str, kind: MeasureType) -> Column:
    return Column(name, "measure", kind, name)


def _call(name: str, column: str) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=[exp.column(column)])


def _count(column: str) -> exp.Expr:
    return exp.Anonymous(this="coalesce", expressions=[_call("sum", column), exp.Literal.number(0)])
