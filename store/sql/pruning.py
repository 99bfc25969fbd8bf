"""The rows of a table that a WHERE can need at most: a range of time and values of dimensions.

Considers only conjuncts of the WHERE that compare a plain column with a constant. They also remain in the WHERE: the
bounds only reduce what is read. Such a comparison is not true for null, so it can also be applied below an outer join.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from store.sql.bound import Query
from store.sql.expressions import Expressions, Rules, flatten
from store.sql.scope import Relation
from store.sql.typed import Typed, coerce
from store.sql.types import DATE, TIMESTAMP, VARCHAR

CHOICES_MAX = 1_000  # ours: where a dimension may have more values, hardly anything can be left unread


@dataclass(slots=True)
class Bounds:
    """Rows with time in [from, to), and with each dimension among its values; None and no entry: any.

    zones     those that rows may be in; None: any, and rows without one
    is_exact  whether the WHERE selects all of these rows
    """

    time_from_ns: int | None = None
    time_to_ns: int | None = None
    dimensions: dict[str, frozenset[str]] = field(default_factory=dict)
    zones: frozenset[str] | None = None
    is_exact: bool = True

    def at_least(self, time_ns: int) -> None:
        """Restrict to times ≥ `time_ns`."""
        self.time_from_ns = time_ns if self.time_from_ns is None else max(self.time_from_ns, time_ns)

    def below(self, time_ns: int) -> None:
        """Restrict to times < `time_ns`."""
        self.time_to_ns = time_ns if self.time_to_ns is None else min(self.time_to_ns, time_ns)

    def among(self, dimension: str, values: frozenset[str]) -> None:
        """Restrict to these values of the dimension."""
        known = self.dimensions.get(dimension)
        self.dimensions[dimension] = values if known is None else known & values

    def in_zones(self, zones: frozenset[str]) -> None:
        """Restrict to these zones."""
        self.zones = zones if self.zones is None else self.zones & zones


_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.EQ: exp.EQ,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
}


def bounds_of(where: exp.Expr | None, expressions: Expressions, rules: Rules) -> Mapping[str, Bounds]:
    """The bounds of each table, by the key of its relation. The WHERE must have been bound without error."""
    tables = {relation.key: relation for relation in expressions.scope.relations if relation.table is not None}
    found = _Narrowing(expressions, rules, tables, {key: Bounds() for key in tables})
    if where is not None and tables:
        inner = where.unnest()
        for conjunct in flatten(inner) if isinstance(inner, exp.And) else [inner]:
            if not found.narrow(conjunct.unnest()):
                for bounds in found.bounds.values():
                    bounds.is_exact = False
    return found.bounds


@dataclass(frozen=True, slots=True)
class _Narrowing:
    expressions: Expressions
    rules: Rules
    tables: Mapping[str, Relation]
    bounds: Mapping[str, Bounds]

    def narrow(self, conjunct: exp.Expr) -> bool:
        """Apply the restriction of this conjunct, if it is about a column of a table; returns whether that is all."""
        if isinstance(conjunct, exp.Between):
            is_low = self._compare(exp.GTE, conjunct.this, conjunct.args["low"])
            return self._compare(exp.LTE, conjunct.this, conjunct.args["high"]) and is_low
        if isinstance(conjunct, exp.In) and conjunct.expressions:
            return self._among(conjunct.this, conjunct.expressions)
        if type(conjunct) in _MIRRORED:
            return self._compare(type(conjunct), conjunct.this, conjunct.expression) or self._compare(
                _MIRRORED[type(conjunct)], conjunct.expression, conjunct.this
            )
        return False

    def _compare(self, operator: type[exp.Expr], left: exp.Expr, right: exp.Expr) -> bool:
        column = self._column(left)
        if column is None:
            return False
        bounds, _, kind = column
        if kind in {"dimension", "zone"} and operator is exp.EQ:
            return self._among(left, [right])
        value = self._constant(right) if kind == "time" else None
        if value is None or value.type not in {TIMESTAMP, DATE, VARCHAR}:
            return False
        time = coerce(value, TIMESTAMP)
        if time is None or not isinstance(time.constant, int):
            return False
        if operator in {exp.GT, exp.GTE, exp.EQ}:
            bounds.at_least(time.constant + (operator is exp.GT))
        if operator in {exp.LT, exp.LTE, exp.EQ}:
            bounds.below(time.constant + (operator is not exp.LT))
        return True

    def _among(self, left: exp.Expr, choices: list[exp.Expr]) -> bool:
        column = self._column(left)
        if column is None or column[2] not in {"dimension", "zone"} or len(choices) > CHOICES_MAX:
            return False
        values = [self._constant(choice) for choice in choices]
        texts = [str(value.constant) for value in values if value is not None and value.type is VARCHAR]
        if len(texts) < len(values):
            return False
        bounds, name, kind = column
        if kind == "zone":
            bounds.in_zones(frozenset(texts))
        else:
            bounds.among(name, frozenset(texts))
        return True

    def _column(self, node: exp.Expr) -> tuple[Bounds, str, str] | None:
        """The bounds of the table, and name and kind of the column, if `node` is one; else None."""
        node = node.unnest()
        use = self.expressions.bind(node, self.rules).column if isinstance(node, exp.Column) else None
        relation = self.tables.get(use.relation) if use is not None else None
        if use is None or relation is None:
            return None
        kind = next(column.kind for column in relation.columns if column.name == use.name)
        return self.bounds[relation.key], use.name, kind

    def _constant(self, node: exp.Expr) -> Typed | None:
        """The value of `node`, if it is known without data. What has subqueries is not looked at: each is read once."""
        if any(isinstance(part, Query) for part in node.walk()):
            return None
        typed = self.expressions.bind(node, self.rules)
        return None if typed.constant is None else typed
