"""Subqueries as values, and in comparisons: IN, ALL, ANY, EXISTS."""

# ruff: noqa: S608 - SQL is put together here, from bound expressions and generated names

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from store.sql.bound import Bound, Output, converted
from store.sql.comparisons import compared
from store.sql.expressions import Expressions, Rules, joined
from store.sql.typed import Typed
from store.sql.types import BOOLEAN, DOUBLE, RowType, Scalar, common_type, struct
from store.sql.zones import instant, instant_type

# of the answers `b` for each row of the subquery
_DECIDED = {
    "ANY": "CASE WHEN bool_or(b) THEN true WHEN bool_or(b IS NULL) THEN NULL ELSE false END",
    "ALL": "CASE WHEN NOT bool_and(b) THEN false WHEN bool_or(b IS NULL) THEN NULL ELSE true END",
}


def scalar_subquery(binder: Expressions, node: exp.Subquery, rules: Rules) -> Typed:
    """A subquery of one row as a value: of several columns, a row."""
    binder.query.refuse_other(node, "this", what="a subquery")
    inner = _as_one_column(binder.subselect(node, rules))
    return Typed(f"({inner.sql})", inner.outputs[0].type, free=inner.outer_uses)


def exists(binder: Expressions, node: exp.Exists, rules: Rules) -> Typed:
    """EXISTS."""
    inner = binder.subselect(node.this, rules)
    return Typed(f"(EXISTS ({inner.sql}))", BOOLEAN, free=inner.outer_uses)


def compared_with_subquery(
    binder: Expressions, node: exp.Expr, value: Typed, sign: str, word: str, query: exp.Expr, rules: Rules
) -> Typed:
    """A value compared with ALL or ANY values of a subquery, as one type; IN is `= ANY`."""
    inner = _as_one_column(binder.subselect(query, rules))
    value = instant(value)
    common = common_type([(value.type, False), (instant_type(inner.outputs[0].type), False)])
    if common is None:
        said = "IN" if isinstance(node, exp.In) else f"{sign} {word}"
        raise binder.query.mismatch(
            node, f"{said} compares {value.type.text} with the subquery's {inner.outputs[0].type.text}"
        )
    value = binder.coerced(node, value, common)
    if sign not in {"=", "<>"}:
        binder.ordered(node, value, f"'{sign}'")
    rows, name = converted(inner, [common]), binder.name("s")
    # in Trino, too, NaN is in a subquery with NaN
    is_equality = (sign, word) in {("=", "ANY"), ("<>", "ALL")}
    if not isinstance(common, Scalar) or (common is DOUBLE and not is_equality):
        one = compared(sign, value, Typed(f"{name}.c0", common))
        sql = f"(SELECT {_DECIDED[word]} FROM (SELECT {one} AS b FROM ({rows}) AS {name}))"
    else:
        sql = f"({value.sql} {sign} {word} ({rows}))"
    typed = joined(sql, BOOLEAN, [value])
    return replace(typed, free=typed.free + inner.outer_uses)


def _as_one_column(bound: Bound) -> Bound:
    """The query with one column: several are one of rows."""
    if len(bound.outputs) == 1:
        return bound
    kind = RowType(tuple(("", output.type) for output in bound.outputs))
    columns = struct(f"c{place}" for place in range(len(bound.outputs)))
    return Bound(lambda: f"SELECT {columns} AS c0 FROM ({bound.sql})", (Output("", kind),), bound.outer_uses)
