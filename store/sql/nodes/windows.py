"""The clauses after a call: FILTER (WHERE …) of an aggregate, OVER (…) of an aggregate or a window function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlglot import exp

from store.sql.expressions import Expressions, Rules, joined
from store.sql.functions import FUNCTIONS, IGNORES_NULLS, WINDOWS
from store.sql.literals import NS_PER_DAY
from store.sql.nodes.calls import aggregate, unknown_function
from store.sql.nodes.ordering import order_by
from store.sql.typed import Typed
from store.sql.types import BIGINT, DATE, DOUBLE, INTEGER, INTERVAL, TIME, TIMESTAMP

_SIDES = {"PRECEDING", "FOLLOWING"}


def filtered(binder: Expressions, node: exp.Filter, rules: Rules) -> Typed:
    """An aggregate over the rows that fulfil a condition."""
    call, condition, within = _call(binder, node)
    function = FUNCTIONS.get(call.name.lower())
    if function is None or not function.aggregate:
        raise binder.query.syntax(node, f"FILTER stands after an aggregate, and {call.name} is none")
    return aggregate(binder, call, function, rules, condition=condition, within=within)


def within_group(binder: Expressions, node: exp.WithinGroup, rules: Rules) -> Typed:
    """`listagg(x, ',') WITHIN GROUP (ORDER BY x)`."""
    call, condition, within = _call(binder, node)
    function = FUNCTIONS.get(call.name.lower())
    if function is None or not function.aggregate:
        raise binder.query.syntax(node, f"WITHIN GROUP stands after an aggregate, and {call.name} is none")
    return aggregate(binder, call, function, rules, condition=condition, within=within)


def window(binder: Expressions, node: exp.Window, rules: Rules) -> Typed:
    """A function over the rows around each row. Its arguments may be aggregates, if these are allowed."""
    if not rules.windows:
        raise binder.query.syntax(
            node, f"{rules.clause} cannot contain aggregations, window functions or grouping operations"
        )
    node = _named(binder, node)
    binder.query.refuse_other(node, "this", "partition_by", "order", "spec", "over", what="OVER")
    rules = replace(rules, windows=False)
    whole, nulls = node.this, ""
    if isinstance(whole, exp.IgnoreNulls | exp.RespectNulls):
        nulls = " IGNORE NULLS" if isinstance(whole, exp.IgnoreNulls) else ""
        whole = whole.this
    call, condition, within = _call(binder, whole)
    name = call.name.lower()
    function = WINDOWS.get(name) or FUNCTIONS.get(name)
    if function is None:
        raise unknown_function(binder, call)
    if not function.aggregate:
        raise binder.query.syntax(node, f"OVER stands after an aggregate or a window function, and {name} is neither")
    if nulls and name not in IGNORES_NULLS:
        raise binder.query.syntax(node, f"IGNORE NULLS is not possible with {name}")
    parts: list[Typed] = []
    over = f" OVER ({' '.join(_over(binder, node, rules, parts))})"
    typed = aggregate(binder, call, function, rules, condition=condition, within=within, over=over, nulls=nulls)
    around = joined(typed.sql, typed.type, [typed, *parts])
    return replace(around, aggregated=around.aggregated)


def _named(binder: Expressions, node: exp.Window) -> exp.Window:
    """`OVER w` with the parts of `WINDOW w AS (…)`."""
    alias = node.args.get("alias")
    if alias is None:
        return node
    select = node.find_ancestor(exp.Select)
    windows = (select.args.get("windows") or ()) if select is not None else ()
    for window in windows:
        if isinstance(window, exp.Window) and window.name == alias.name:
            made = window.copy()
            made.set("this", node.this)
            return made
    raise binder.query.unknown(node, f"Window '{alias.name}' does not exist")


def _call(binder: Expressions, node: exp.Expr) -> tuple[exp.Anonymous, exp.Expr | None, exp.Order | None]:
    """The call of an aggregate, the condition of its FILTER, and the order of its WITHIN GROUP."""
    condition, within = None, None
    inner = node
    if isinstance(inner, exp.Filter) and isinstance(inner.expression, exp.Where):
        inner, condition = inner.this, inner.expression.this
    if isinstance(inner, exp.WithinGroup) and isinstance(inner.expression, exp.Order):
        inner, within = inner.this, inner.expression
    if not isinstance(inner, exp.Anonymous):
        raise binder.query.syntax(node, "FILTER, WITHIN GROUP and OVER stand after the call of a function")
    return inner, condition, within


def _over(binder: Expressions, node: exp.Window, rules: Rules, parts: list[Typed]) -> Iterator[str]:
    """The texts of the clauses; appends their bound expressions to `parts`."""
    partition = [binder.bind(key, rules) for key in node.args.get("partition_by") or ()]
    parts += partition
    if partition:
        yield f"PARTITION BY {', '.join(key.sql for key in partition)}"
    order = node.args.get("order")
    keys: list[Typed] = []
    if order is not None:
        yield f"ORDER BY {order_by(binder, order, rules, keys)}"
    parts += keys
    spec = node.args.get("spec")
    if spec is not None:
        binder.query.refuse_other(spec, "kind", "start", "start_side", "end", "end_side", what="a window's frame")
        kind = str(spec.args["kind"]).upper()
        start = _bound(binder, spec, kind, "start", keys)
        end = _bound(binder, spec, kind, "end", keys) if spec.args.get("end") else "CURRENT ROW"
        yield f"{kind} BETWEEN {start} AND {end}"


_NUMBERS = {INTEGER, BIGINT, DOUBLE}
_TIMES = {TIMESTAMP, TIME, DATE, INTERVAL}


def _distance(binder: Expressions, spec: exp.WindowSpec, value: exp.Expr, keys: Sequence[Typed]) -> str:
    """How far a frame reaches: a constant that is added to the only key of the window's order."""
    if len(keys) != 1:
        raise binder.query.mismatch(spec, "a RANGE with a distance needs an ORDER BY of one key")
    distance, (key,) = binder.bind(value, Rules("A window's frame")), keys
    fits = (distance.type in _NUMBERS and key.type in _NUMBERS) or (distance.type is INTERVAL and key.type in _TIMES)
    number = distance.constant
    if not fits or number is None or isinstance(number, str) or number < 0:
        what = "interval such as 5m" if key.type in _TIMES else "number"
        raise binder.query.mismatch(spec, f"a RANGE over {key.type.text} takes a constant {what}, not below 0")
    if key.type is not DATE:
        return distance.sql
    days, rest = divmod(int(number), NS_PER_DAY)
    if rest:
        raise binder.query.mismatch(spec, "a RANGE over dates takes whole days")
    return str(days)


def _bound(binder: Expressions, spec: exp.WindowSpec, kind: str, which: str, keys: Sequence[Typed]) -> str:
    value, side = spec.args[which], str(spec.args.get(f"{which}_side") or "").upper()
    if value == "CURRENT ROW":
        return "CURRENT ROW"
    if kind in {"ROWS", "RANGE", "GROUPS"} and side in _SIDES:
        if value == "UNBOUNDED":
            return f"UNBOUNDED {side}"
        if kind != "RANGE" and isinstance(value, exp.Literal) and value.name.isdigit() and len(value.name) < 10:
            return f"{value.name} {side}"
        if kind == "RANGE":
            return f"{_distance(binder, spec, value, keys)} {side}"
    raise binder.query.unsupported(spec, f"This frame of {kind}")
