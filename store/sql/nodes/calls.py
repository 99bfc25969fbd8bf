"""Function calls by name: those of `functions.FUNCTIONS`, and a few whose first argument is a unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from sqlglot import exp

from store.sql.casts import cast_value, tried
from store.sql.comparisons import compared
from store.sql.errors import SqlError
from store.sql.expressions import Expressions, Rules, joined
from store.sql.functions import FUNCTIONS, OF_ANY_DOUBLE, WINDOWS, WITHIN_GROUP, Function, Overload
from store.sql.functions.formats import WEEK, duckdb_format, joda_format, joda_format_of_utc
from store.sql.functions.string import REPLACE, joined_with
from store.sql.functions.time import (
    ZONED,
    add_template,
    difference_template,
    floor_rest,
    parsed,
    truncate_fold,
    truncate_template,
)
from store.sql.literals import NS_PER_DAY, UNIT_NS, parse_duration
from store.sql.nodes.lambdas import HIGHER
from store.sql.nodes.nested import row
from store.sql.nodes.ordering import order_by
from store.sql.text import nearest
from store.sql.typed import Typed, quote_string
from store.sql.types import (
    BIGINT,
    DATE,
    DOUBLE,
    INTEGER,
    TIME,
    TIMESTAMP,
    UNKNOWN,
    VARCHAR,
    ArrayType,
    ScalarType,
    common_type,
)

Format = TypeVar("Format")


def call(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    """A function of the table, an aggregate, or a function with a unit."""
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
    near = f" (here it is {here})" if here else nearest(name, (*FUNCTIONS, *WINDOWS, *SPECIAL, *HIGHER))
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
    return joined(f"CASE WHEN {compared('=', left, right)} THEN NULL ELSE {value.sql} END", value.type, [value, other])


def _replace(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    """`replace(text, search, with)`: an empty search is before each character, and at the end."""
    values = [binder.bind(part, rules) for part in node.expressions]
    is_plain = len(values) in {2, 3} and values[1].type is VARCHAR and values[1].constant not in {None, ""}
    return binder.apply(node, REPLACE if is_plain else FUNCTIONS["replace"], values)


def _date_trunc(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    unit, (value,) = _unit_call(binder, node, rules, 2)
    kind = _kind_of_time(binder, node, unit, [value])
    template = truncate_template(unit)
    if template is None:
        raise _not_a_field(binder, node, unit, kind)
    overload = Overload((TIMESTAMP,), TIMESTAMP, template, truncate_fold(unit))
    return _of_kind(binder.rendered(node, overload, TIMESTAMP, [_moment(binder, node, value, kind)]), kind)


def _date_add(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    unit, (amount, value) = _unit_call(binder, node, rules, 3)
    kind = _kind_of_time(binder, node, unit, [value])
    template = add_template(unit)
    if template is None:
        raise _not_a_field(binder, node, unit, kind)
    if amount.type not in {INTEGER, BIGINT, UNKNOWN}:
        raise binder.query.mismatch(node, f"date_add adds a whole number, and this is {amount.type.text}")
    span = UNIT_NS.get(unit)
    fold = None if span is None else lambda _, time, count: time + count * span
    overload = Overload((TIMESTAMP, BIGINT), TIMESTAMP, template, fold)
    arguments = [_moment(binder, node, value, kind), binder.coerced(node, amount, BIGINT)]
    return _of_kind(binder.rendered(node, overload, TIMESTAMP, arguments), kind)


def _date_diff(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    unit, values = _unit_call(binder, node, rules, 3)
    kind = _kind_of_time(binder, node, unit, values)
    template = difference_template(unit)
    if template is None:
        raise _not_a_field(binder, node, unit, kind)
    arguments = [_moment(binder, node, value, kind) for value in values]
    return binder.rendered(node, Overload((TIMESTAMP, TIMESTAMP), BIGINT, template), BIGINT, arguments)


_UNITS_OF = {
    DATE: {"day", "week", "month", "quarter", "year"},
    TIME: {"nanosecond", "microsecond", "millisecond", "second", "minute", "hour"},
}


def _kind_of_time(binder: Expressions, node: exp.Anonymous, unit: str, values: Sequence[Typed]) -> ScalarType:
    """Whether these are dates, times of day, or timestamps, which have this unit."""
    kinds = {value.type for value in values}
    kind = next((kind for kind in _UNITS_OF if kinds == {kind}), TIMESTAMP)
    if unit not in _UNITS_OF.get(kind, {unit}):
        raise _not_a_field(binder, node, unit, kind)
    return kind


def _not_a_field(binder: Expressions, node: exp.Anonymous, unit: str, kind: ScalarType) -> SqlError:
    known = _UNITS_OF.get(kind) or {unit for units in _UNITS_OF.values() for unit in units}
    return binder.query.mismatch(
        node, f"'{unit}' is not a valid {kind} field{nearest(unit, known)}; there are {', '.join(sorted(known))}"
    )


def _moment(binder: Expressions, node: exp.Anonymous, value: Typed, kind: ScalarType) -> Typed:
    """The timestamp of a date or time of day, which is that of 1970-01-01."""
    return replace(value, type=TIMESTAMP) if kind is TIME else _as_timestamp(binder, node, value)


def _of_kind(value: Typed, kind: ScalarType) -> Typed:
    """A timestamp as the date or time of day that it is."""
    if kind is TIMESTAMP:
        return value
    sql = f"({value.sql} // {NS_PER_DAY})" if kind is DATE else floor_rest(value.sql, NS_PER_DAY)
    return replace(value, sql=sql, type=kind, constant=None)


def _format_datetime(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    value, form = _formatted(binder, node, rules, joda_format_of_utc)
    template = f"strftime(make_timestamp_ns({{0}}), {quote_string(form)})"
    if WEEK in form:
        template = f"replace({template}, '{WEEK}', CAST(week(make_timestamp_ns({{0}})) AS VARCHAR))"
    overload = Overload((TIMESTAMP,), VARCHAR, template)
    return binder.rendered(node, overload, VARCHAR, [_as_timestamp(binder, node, value)])


def _parse_datetime(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    value, (form, has_zone) = _formatted(binder, node, rules, joda_format)
    if value.type is not VARCHAR:
        raise binder.query.mismatch(node, f"parse_datetime reads a varchar, and this is {value.type.text}")
    template = ZONED.replace("{form}", quote_string(form)) if has_zone else parsed("{0}", quote_string(form))
    return binder.rendered(node, Overload((VARCHAR,), TIMESTAMP, template, once=has_zone), TIMESTAMP, [value])


def _date_format(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    value, form = _formatted(binder, node, rules, duckdb_format)
    overload = Overload((TIMESTAMP,), VARCHAR, f"strftime(make_timestamp_ns({{0}}), {quote_string(form)})")
    return binder.rendered(node, overload, VARCHAR, [_as_timestamp(binder, node, value)])


def _date_parse(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    value, form = _formatted(binder, node, rules, duckdb_format)
    if value.type is not VARCHAR:
        raise binder.query.mismatch(node, f"date_parse reads a varchar, and this is {value.type.text}")
    overload = Overload((VARCHAR,), TIMESTAMP, parsed("{0}", quote_string(form)))
    return binder.rendered(node, overload, TIMESTAMP, [value])


def _formatted(
    binder: Expressions, node: exp.Anonymous, rules: Rules, convert: Callable[[str], Format]
) -> tuple[Typed, Format]:
    """The first argument, and the second, a constant format, converted to DuckDB's."""
    values = [binder.bind(part, rules) for part in node.expressions]
    if len(values) != 2 or values[1].type is not VARCHAR or values[1].constant is None:
        raise binder.query.mismatch(node, f"{node.name} takes a value and a constant format, such as '%Y-%m-%d'")
    try:
        return values[0], convert(str(values[1].constant))
    except ValueError as error:
        raise binder.query.mismatch(node, str(error)) from None


def _parse_duration(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    values = [binder.bind(part, rules) for part in node.expressions]
    if len(values) != 1 or values[0].type is not VARCHAR or values[0].constant is None:
        raise binder.query.mismatch(node, "parse_duration takes one constant text, as parse_duration('1day')")
    text = str(values[0].constant)
    length = parse_duration(text)
    if length is None:
        raise binder.query.mismatch(node, f"'{text[:100]}' is not a duration such as '1day' or '1.5h'")
    return binder.constant(node, *length)


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
    return tried(binder, node, binder.bind(node.expressions[0], rules))


def _unit_call(binder: Expressions, node: exp.Anonymous, rules: Rules, count: int) -> tuple[str, list[Typed]]:
    parts = node.expressions
    unit = parts[0] if parts else None
    if len(parts) != count or not isinstance(unit, exp.Literal) or not unit.is_string:
        raise binder.query.mismatch(
            node, f"{node.name} takes {count} arguments, the first a unit as a constant, such as 'hour'"
        )
    return unit.name.lower(), [binder.bind(part, rules) for part in parts[1:]]


def _as_timestamp(binder: Expressions, node: exp.Expr, value: Typed) -> Typed:
    if common_type([(TIMESTAMP, False), (value.type, value.constant is not None)]) is not TIMESTAMP:
        raise binder.query.mismatch(node, f"a timestamp is needed, and this is {value.type.text}")
    return binder.coerced(node, value, TIMESTAMP)


_SPECIAL_CALLS: Mapping[str, Callable[[Expressions, exp.Anonymous, Rules], Typed]] = {
    "row": row,
    "date_trunc": _date_trunc,
    "date_add": _date_add,
    "date_diff": _date_diff,
    "date_format": _date_format,
    "format_datetime": _format_datetime,
    "parse_datetime": _parse_datetime,
    "date_parse": _date_parse,
    "parse_duration": _parse_duration,
    "array_join": _array_join,
    "typeof": _typeof,
    "try": _try,
    "nullif": _nullif,
    "replace": _replace,
    "grouping": _grouping,
}
SPECIAL = frozenset(_SPECIAL_CALLS)
"""The names of these functions."""
