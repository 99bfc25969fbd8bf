"""Function calls by name: those of `functions.FUNCTIONS`, and a few that are more than a template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlglot import exp

from store.sql.casts import cast_value, tried
from store.sql.comparisons import compared
from store.sql.errors import SqlError
from store.sql.expressions import Expressions, Rules, joined
from store.sql.functions import FUNCTIONS, OF_ANY_DOUBLE, WINDOWS, WITHIN_GROUP, Function, Overload
from store.sql.functions.string import REPLACE, joined_with
from store.sql.nodes.jsons import JSON_CALLS
from store.sql.nodes.lambda_bodies import refused_if_deep
from store.sql.nodes.lambdas import HIGHER
from store.sql.nodes.nested import row
from store.sql.nodes.ordering import order_by
from store.sql.nodes.times import TIME_CALLS
from store.sql.nodes.zones import ZONE_CALLS
from store.sql.text import nearest
from store.sql.typed import Typed, coerce
from store.sql.types import (
    DOUBLE,
    INTEGER,
    VARCHAR,
    ArrayType,
)
from store.values.sql_text import quote_string


def call(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    """A function of the table, an aggregate, or one with a binder of its own."""
    name = node.name.lower()
    special = _SPECIAL_CALLS.get(name) or HIGHER.get(name)
    if special is not None:
        return special(binder, node, rules)
    function = FUNCTIONS.get(name)
    if function is None:
        raise unknown_function(binder, node)
    if function.aggregate:
        return aggregate(binder, node, function, rules)
    return binder.apply(node, function, [_argument(binder, part, rules) for part in node.expressions])


def _argument(binder: Expressions, node: exp.Expr, rules: Rules) -> Typed:
    if isinstance(node, exp.Distinct):
        raise binder.query.syntax(node, "DISTINCT is only allowed in an aggregate")
    return binder.bind(node, rules)


# names in other databases
_ELSEWHERE = {
    **dict.fromkeys(("ifnull", "nvl", "isnull"), "coalesce"),
    **dict.fromkeys(("string_agg", "group_concat"), "listagg(x, ',') WITHIN GROUP (ORDER BY …)"),
    **dict.fromkeys(("median", "percentile", "percentile_cont", "percentile_disc"), "approx_percentile(x, 0.5)"),
    "quantile": "approx_percentile(x, 0.5)",
    "first": "min_by(x, time)",
    "last": "max_by(x, time)",
    **dict.fromkeys(("getdate", "sysdate", "current_datetime"), "now()"),
    **dict.fromkeys(("to_char", "strftime", "to_timestamp"), "date_format or date_parse"),
    **dict.fromkeys(("time_bucket", "date_bin", "window"), "bin(time, 5m)"),
    **dict.fromkeys(("array_length", "list_length", "size"), "cardinality"),
    **dict.fromkeys(("len", "char_length"), "length"),
    "datediff": "date_diff('day', from, to)",
    "dateadd": "date_add('day', n, time)",
    "stdev": "stddev",
    "explode": "UNNEST in FROM",
}


def unknown_function(binder: Expressions, node: exp.Anonymous) -> SqlError:
    """The error for the name of an unknown function."""
    name = node.name.lower()
    if name in WINDOWS:
        return binder.query.syntax(node, f"{node.name} is a window function and needs OVER (…)")
    here = _ELSEWHERE.get(name)
    near = f" (here it is {here})" if here else nearest(name, CALLABLE)
    return binder.query.unknown(node, f"Function '{node.name}' does not exist{near}")


def aggregate(
    binder: Expressions,
    node: exp.Anonymous,
    function: Function,
    rules: Rules,
    *,
    condition: exp.Expr | None = None,
    within: exp.Order | None = None,
    over: str = "",
    nulls: str = "",
) -> Typed:
    """The call of an aggregate, over the rows that fulfil `condition`; with `over` it is one over a window.

    `within` is the order of its WITHIN GROUP. Before OVER the arguments are computed for the result rows of the
    SELECT, which may be groups.
    """
    if not over and not rules.aggregates:
        raise binder.query.syntax(
            node, f"{rules.clause} cannot contain aggregations, window functions or grouping operations"
        )
    parts = list(node.expressions)
    distinct = len(parts) == 1 and isinstance(parts[0], exp.Distinct)
    if distinct:
        binder.query.refuse_other(parts[0], "expressions", what="DISTINCT")
        parts = parts[0].expressions
    if function.name == "count" and len(parts) == 1 and isinstance(parts[0], exp.Star):
        parts = []
    inner = rules if over else Rules(f"The argument of aggregate '{function.name}'")
    order = ""
    if (within is None) == (function.name in WITHIN_GROUP):
        needs = "needs" if within is None else "takes no"
        raise binder.query.syntax(node, f"{function.name} {needs} WITHIN GROUP (ORDER BY …)")
    if within is not None:
        order = order_by(binder, within, inner, [])
    elif parts and isinstance(parts[-1], exp.Order):
        order = order_by(binder, parts[-1], inner, [])
        last = parts.pop().this
        distinct = distinct or (not parts and isinstance(last, exp.Distinct))
        parts += last.expressions if isinstance(last, exp.Distinct) else [last]
    arguments = [binder.bind(part, inner) for part in parts]
    if within is not None and any(delimiter.constant is None for delimiter in arguments[1:]):
        raise binder.query.mismatch(node, f"{function.name} takes a constant delimiter")
    of_any = OF_ANY_DOUBLE.get(function.name)
    if (
        of_any is not None
        and len(arguments) == len(of_any.overloads[0].parameters)
        and _may_be_nan(binder, arguments[-1])
    ):
        function = of_any
    after, where = over, None
    if condition is not None:
        where = binder.condition(condition, replace(inner, clause="FILTER"))
        after = f" FILTER (WHERE {where.sql}){over}"
    typed = binder.apply(node, function, arguments, distinct=distinct, order=order, after=after, nulls=nulls)
    if over:
        return joined(typed.sql, typed.type, [typed] if where is None else [typed, where])
    return replace(typed, constant=None, column=None, free=(), aggregated=True)


def _may_be_nan(binder: Expressions, value: Typed) -> bool:
    """Whether a double can be NaN, which stored ones are not."""
    stored = {relation.key for relation in binder.scope.relations if relation.table is not None}
    return value.type is DOUBLE and not (value.column is not None and value.column.relation in stored)


def _nullif(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    """The first value, or null if it equals the second."""
    if len(node.expressions) != 2:
        raise binder.query.mismatch(node, "nullif takes two values")
    value, other = (binder.bind(part, rules) for part in node.expressions)
    left, right = binder.unified(node, "nullif", [value, other])
    first = left if value.constant is not None else coerce(Typed("{0}", value.type), left.type)
    assert first is not None  # the value itself was converted
    equal = compared("=", replace(first, constant=None), Typed("{1}", right.type))
    overload = Overload((), None, f"CASE WHEN {equal} THEN NULL ELSE {{0}} END", once=True)
    return binder.rendered(node, overload, value.type, [value, right])


def _replace(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    """`replace(text, search, with)`: an empty search is before each character, and at the end."""
    values = [binder.bind(part, rules) for part in node.expressions]
    is_plain = len(values) in {2, 3} and values[1].type is VARCHAR and values[1].constant not in {None, ""}
    return binder.apply(node, REPLACE if is_plain else FUNCTIONS["replace"], values)


def _array_join(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    values = [binder.bind(part, rules) for part in node.expressions]
    if len(values) not in {2, 3} or not isinstance(values[0].type, ArrayType):
        raise binder.query.mismatch(node, "array_join takes an array, a delimiter, and a text for nulls")
    texts = cast_value(binder, node, values[0], ArrayType(VARCHAR), is_try=False)
    others = [binder.coerced(node, value, VARCHAR) for value in values[1:]]
    shown = f"list_transform({texts.sql}, lambda x: coalesce(x, {others[1].sql}))" if others[1:] else texts.sql
    present = shown if others[1:] else f"list_filter({shown}, lambda x: x IS NOT NULL)"
    sql = f"CASE WHEN {texts.sql} IS NOT NULL THEN {joined_with(present, others[0].sql)} END"
    return joined(sql, VARCHAR, [texts, *others])


def _grouping(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    """Which keys of the GROUP BY the row's group has not: a bit for each, the last is the lowest."""
    if not rules.aggregates:
        raise binder.query.syntax(
            node, f"{rules.clause} cannot contain aggregations, window functions or grouping operations"
        )
    keys = [binder.bind(part, rules) for part in node.expressions]
    if not keys or any(key.sql not in rules.grouped for key in keys):
        raise binder.query.mismatch(node, "The arguments to GROUPING() must be expressions of the GROUP BY")
    sql = f"CAST(grouping({', '.join(key.sql for key in keys)}) AS INTEGER)"
    return Typed(sql, INTEGER, aggregated=True)


def _typeof(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    if len(node.expressions) != 1:
        raise binder.query.mismatch(node, "typeof takes one value")
    value = binder.bind(node.expressions[0], rules)
    return joined(quote_string(value.type.text), VARCHAR, [value])


def _try(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    if len(node.expressions) != 1:
        raise binder.query.mismatch(node, "try takes one value")
    inner = refused_if_deep(binder, node, replace(rules, tries=rules.tries + 1))
    return tried(binder, node, binder.bind(node.expressions[0], inner))


_SPECIAL_CALLS: Mapping[str, Callable[[Expressions, exp.Anonymous, Rules], Typed]] = {
    **TIME_CALLS,
    **ZONE_CALLS,
    **JSON_CALLS,
    "row": row,
    "array_join": _array_join,
    "typeof": _typeof,
    "try": _try,
    "nullif": _nullif,
    "replace": _replace,
    "grouping": _grouping,
}
CALLABLE = (*sorted({*FUNCTIONS, *WINDOWS, *_SPECIAL_CALLS, *HIGHER}),)
"""The names of all that can be called."""
"""The names of these functions."""
