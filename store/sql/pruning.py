"""The rows of a table that a WHERE can need at most: a range of time and values of dimensions.

Considers only conjuncts of the WHERE that compare a plain column, or the bin of a time, with a constant. Such a
comparison is not true for null, so it can also be applied below an outer join; but there it must also remain in the
WHERE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from store.catalog.zones import dimensions_of_zones
from store.sql.bound import Query
from store.sql.expressions import WHERE, Expressions, Rules, flatten
from store.sql.literals import UNIT_NS
from store.sql.scope import Relation
from store.sql.typed import Typed, coerce
from store.sql.types import DATE, MONTHS, TIMESTAMP, VARCHAR

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


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What a WHERE needs: the bounds of each table by the key of its relation, and the conditions besides, as text.

    Only those rows of a table are read, so if it is the only relation, a comparison that is in its bounds is left out.
    """

    bounds: Mapping[str, Bounds]
    where: str


def narrowed(where: exp.Expr | None, expressions: Expressions) -> Narrowed:
    """The WHERE of a SELECT whose FROM is bound. Raises SqlError."""
    tables = {relation.key: relation for relation in expressions.scope.relations if relation.table is not None}
    found = _Narrowing(expressions, Rules(WHERE), tables, {key: Bounds() for key in tables})
    if where is None:
        return Narrowed(found.bounds, "")
    is_only = len(tables) == len(expressions.scope.relations) == 1
    inner = where.unnest()
    chain = flatten(inner) if isinstance(inner, exp.And) else [inner]
    kept = []
    for conjunct in chain:
        condition = expressions.condition(conjunct, found.rules, "AND" if len(chain) > 1 else None)
        is_bound = bool(tables) and found.narrow(conjunct.unnest())
        if not is_bound:
            for bounds in found.bounds.values():
                bounds.is_exact = False
        if not (is_bound and is_only) or found.is_about_zone(conjunct):
            kept.append(condition.sql)
    return Narrowed(found.bounds, f" WHERE {' AND '.join(kept)}" if kept else "")


_DAY_NS = UNIT_NS["day"]
_CLOCKS_CHANGE_NS = 2 * _DAY_NS  # a bin by the clocks of a zone is longer where they are set back, by a day at most
_UNIT_NS = {**UNIT_NS, "month": 31 * _DAY_NS, "quarter": 92 * _DAY_NS, "year": 366 * _DAY_NS}  # at most


@dataclass(frozen=True, slots=True)
class _Step:
    """A function of a time that is at most that time, and later than `width_ns` before it."""

    time: exp.Expr
    width_ns: int


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

    def is_about_zone(self, conjunct: exp.Expr) -> bool:
        """Whether it names a zone: rows are not found by these."""
        named = map(self._column, conjunct.find_all(exp.Column))
        return any(column is not None and column[2] == "zone" for column in named)

    def _compare(self, operator: type[exp.Expr], left: exp.Expr, right: exp.Expr) -> bool:
        step = self._step(left)
        column = self._column(left if step is None else step.time)
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
            bounds.below(time.constant + (step.width_ns if step else operator is not exp.LT))
        return step is None

    def _step(self, node: exp.Expr) -> _Step | None:
        """`bin(time, 5m)`, `date_trunc('hour', time)`, `date(time)` or `CAST(time AS DATE)`; None for any other."""
        node = node.unnest()
        if isinstance(node, exp.Cast) and node.to.this is exp.DType.DATE:
            return _Step(node.this, _UNIT_NS["day"])
        if not isinstance(node, exp.Anonymous):
            return None
        match node.name.lower(), node.expressions:
            case "date", [time]:
                return _Step(time, _UNIT_NS["day"])
            case "bin", [time, width, *zone]:
                interval = self._constant(width)
                if interval is not None and isinstance(interval.constant, int):
                    width_ns = interval.constant * (_UNIT_NS["month"] if interval.type is MONTHS else 1)
                    return _Step(time, width_ns + (_CLOCKS_CHANGE_NS if zone else 0))
            case "date_trunc", [exp.Literal() as unit, time] if unit.name.lower() in _UNIT_NS:
                return _Step(time, _UNIT_NS[unit.name.lower()])
        return None

    def _among(self, left: exp.Expr, choices: list[exp.Expr]) -> bool:
        column = self._column(left)
        if column is None or column[2] not in {"dimension", "zone"} or len(choices) > CHOICES_MAX:
            return False
        values = [self._constant(choice) for choice in choices]
        texts = [str(value.constant) for value in values if value is not None and value.type is VARCHAR]
        if len(texts) < len(values):
            return False
        bounds, name, kind = column
        if kind != "zone":
            bounds.among(name, frozenset(texts))
            return True
        bounds.in_zones(frozenset(texts))
        template = next(self.tables[key].zone for key, of in self.bounds.items() if of is bounds)
        for dimension, possible in dimensions_of_zones(template, texts).items() if template else ():
            bounds.among(dimension, possible)
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
