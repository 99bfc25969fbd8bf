"""The rows of a table that a WHERE can need at most: a range of time and values of dimensions.

Considers only conjuncts of the WHERE that compare a plain column, or the bin of a time, with a constant. Such a
comparison is not true for null, so it can also be applied below an outer join; but there it must also remain in the
WHERE.

Columns of subqueries are followed to their tables (`store.sql.bounds`), through what keeps rows apart that differ in
the column: joins, DISTINCT, set operations, keys of GROUP BY, and windows within partitions by it; not through LIMIT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from store.catalog.zones import dimensions_of_zones
from store.sql.bound import Query
from store.sql.bounds import Bounds, Origin
from store.sql.constant_lists import ConstantList
from store.sql.expressions import WHERE, Expressions, Rules, flatten
from store.sql.grouping import Group
from store.sql.literals import UNIT_NS
from store.sql.text import QueryText
from store.sql.typed import ColumnUse, Typed, coerce
from store.sql.types import DATE, MONTHS, TIMESTAMP, VARCHAR

CHOICES_MAX = 1_000  # ours: where a dimension may have more values, hardly anything can be left unread


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

    Only those rows of a table are read, so if it is the only relation, a comparison that is in its bounds is left out,
    and the columns of it are not read.
    """

    bounds: Mapping[str, Bounds]
    where: str


def narrowed(where: exp.Expr | None, expressions: Expressions) -> Narrowed:
    """The WHERE of a SELECT whose FROM is bound. Raises SqlError."""
    relations = expressions.scope.relations
    tables = {relation.key: relation.bounds for relation in relations if relation.table is not None}
    found = _Narrowing(expressions, Rules(WHERE))
    if where is None:
        return Narrowed(tables, "")
    is_only = len(tables) == len(relations) == 1
    inner = where.unnest()
    chain = flatten(inner) if isinstance(inner, exp.And) else [inner]
    kept = []
    for conjunct in chain:
        used = [set(relation.used) for relation in relations]
        condition = expressions.condition(conjunct, found.rules, "AND" if len(chain) > 1 else None)
        is_bound = found.narrow(conjunct.unnest())
        if not is_bound:
            for bounds in tables.values():
                bounds.is_exact = False
        if not (is_bound and is_only) or found.is_left(conjunct):
            kept.append(condition.sql)
        else:
            (relations[0].used,) = used
    return Narrowed(tables, f" WHERE {' AND '.join(kept)}" if kept else "")


def origins(node: exp.Expr, value: Typed, expressions: Expressions, rules: Rules) -> tuple[Origin, ...]:
    """What an output, bound as `value`, is in tables: if it is a column, or the bin of a time; any other is nothing."""
    found = _Narrowing(expressions, rules)
    if value.column is not None:
        return found.own(value.column)
    step = found.step(node)
    of_time = () if step is None else found.origins(step.time)
    return tuple(
        replace(origin, width_ns=origin.width_ns + step.width_ns)
        for origin in of_time
        if step is not None and origin.kind == "time"
    )


def passing(node: exp.Select, group: Group, expressions: Expressions, *, is_grouped: bool) -> Callable[[Typed], bool]:
    """Whether rows of a SELECT with one value of an output depend on no row of its FROM with another one.

    Then a bound on the output is one on what it is read from.
    """
    if node.args.get("limit") or node.args.get("offset") or node.args.get("windows") or group.has_sets:
        return lambda _: False
    keys = frozenset(key.sql for key in group.keys) if is_grouped else None
    partitions = [
        {
            expressions.bind(key, Rules("PARTITION BY")).sql
            for key in window.args.get("partition_by") or ()
            if isinstance(key, exp.Column)
        }
        for window in _windows(node, expressions.query)
    ]
    return lambda value: (keys is None or value.sql in keys) and all(value.sql in of for of in partitions)


def _windows(node: exp.Select, query: QueryText) -> list[exp.Window]:
    """The windows in the outputs and the order of a SELECT, without those of subqueries."""
    if "OVER" not in query.text.upper():  # the walk takes a quarter of binding
        return []
    order = node.args.get("order")
    return [
        part
        for clause in (*node.expressions, *([] if order is None else [order]))
        for part in clause.walk(prune=lambda part: isinstance(part, Query))
        if isinstance(part, exp.Window)
    ]


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

    def is_left(self, conjunct: exp.Expr) -> bool:
        """Whether it names a zone or measure name: rows of others may be read, too, and so they are left to DuckDB."""
        return any(
            origin.kind in {"zone", "measure_name"}
            for node in conjunct.find_all(exp.Column)
            for origin in self.origins(node)
        )

    def origins(self, node: exp.Expr) -> tuple[Origin, ...]:
        """What `node` is in tables, if it is a column of a relation of this FROM; else nothing."""
        node = node.unnest()
        use = self.expressions.bind(node, self.rules).column if isinstance(node, exp.Column) else None
        return () if use is None else self.own(use)

    def own(self, use: ColumnUse) -> tuple[Origin, ...]:
        """What a column is in tables, if its relation is of this FROM, and not of an enclosing query's."""
        is_own = any(relation.key == use.relation for relation in self.expressions.scope.relations)
        return use.origins if is_own else ()

    def step(self, node: exp.Expr) -> _Step | None:
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

    def _compare(self, operator: type[exp.Expr], left: exp.Expr, right: exp.Expr) -> bool:
        step = self.step(left)
        found = self.origins(left if step is None else step.time)
        times = [origin for origin in found if origin.kind == "time"]
        if operator is exp.EQ and len(times) < len(found):
            return self._among(left, [right])
        value = self._constant(right) if times else None
        if value is None or value.type not in {TIMESTAMP, DATE, VARCHAR}:
            return False
        time = coerce(value, TIMESTAMP)
        if time is None or not isinstance(time.constant, int):
            return False
        for origin in times:
            width_ns = origin.width_ns + (step.width_ns if step else 0)
            if operator in {exp.GT, exp.GTE, exp.EQ}:
                origin.bounds.at_least(time.constant + (operator is exp.GT))
            if operator in {exp.LT, exp.LTE, exp.EQ}:
                origin.bounds.below(time.constant + (width_ns or operator is not exp.LT))
        return step is None

    def _among(self, left: exp.Expr, choices: list[exp.Expr]) -> bool:
        found = [origin for origin in self.origins(left) if origin.kind != "time"]
        if not found:
            return False
        texts = self._texts(choices)
        if texts is None:
            return False
        for origin in found:
            _restrict(origin, texts)
        return True

    def _texts(self, choices: list[exp.Expr]) -> frozenset[str] | None:
        """The values of these, if they are constant texts, and not too many."""
        if isinstance(choices[0], ConstantList):
            values = [one if isinstance(one, str) else None for one in choices[0].this[: CHOICES_MAX + 1]]
        else:
            bound = [self._constant(choice) for choice in choices[: CHOICES_MAX + 1]]
            values = [str(value.constant) if value and value.type is VARCHAR else None for value in bound]
        texts = frozenset(text for text in values if text is not None)
        return None if None in values or len(values) > CHOICES_MAX else texts

    def _constant(self, node: exp.Expr) -> Typed | None:
        """The value of `node`, if it is known without data. What has subqueries is not looked at: each is read once."""
        if any(isinstance(part, Query) for part in node.walk()):
            return None
        typed = self.expressions.bind(node, self.rules)
        return None if typed.constant is None else typed


def _restrict(origin: Origin, texts: frozenset[str]) -> None:
    """Restrict a dimension, the zone or the measure name to these values."""
    if origin.kind == "dimension":
        origin.bounds.among(origin.name, texts)
        return
    if origin.kind == "measure_name":
        origin.bounds.named(texts)
        return
    origin.bounds.in_zones(texts)
    for dimension, possible in dimensions_of_zones(origin.template, texts).items() if origin.template else ():
        origin.bounds.among(dimension, possible)
