"""Functions that apply an expression with a parameter to each element: `filter(a, x -> x.value > 70)`.

DuckDB's lambdas have the generated names v0, v1 … as parameters; their bodies may use columns of the query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sqlglot import exp

from store.sql.expressions import Expressions, Rules, joined
from store.sql.typed import Typed
from store.sql.types import BOOLEAN, UNKNOWN, ArrayType, SqlType, TimeSeriesType, struct

LAMBDAS_MAX = 5  # ours, of those with two parameters: DuckDB's planning takes a multiple for each level


def variable(binder: Expressions, node: exp.Identifier, rules: Rules) -> Typed:
    """A parameter of the lambda around it."""
    for name, value in reversed(rules.variables):
        if name.lower() == node.name.lower():
            return value
    raise binder.query.unknown(node, f"Column '{node.name}' does not exist")


def misplaced(binder: Expressions, node: exp.Lambda, rules: Rules) -> Typed:
    """A lambda that is no argument of the functions below."""
    del rules
    raise binder.query.mismatch(node, f"a lambda is an argument of {', '.join(HIGHER)} only")


def _filter(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    values, body = _arguments(binder, node, rules, lambdas=1)
    (value,) = values
    condition, text = _lambda(binder, body[0], rules, [_element(binder, node, value)])
    if condition.type not in {BOOLEAN, UNKNOWN}:
        raise binder.query.mismatch(body[0], f"filter needs a boolean, and this is {condition.type.text}")
    return joined(f"list_filter({value.sql}, {text})", value.type, [value, condition])


def _transform(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    values, body = _arguments(binder, node, rules, lambdas=1)
    (value,) = values
    made, text = _lambda(binder, body[0], rules, [_element(binder, node, value)])
    return joined(f"list_transform({value.sql}, {text})", ArrayType(made.type), [value, made])


def _matches(name: str, template: str) -> Callable[[Expressions, exp.Anonymous, Rules], Typed]:
    """A function of how many elements fulfil a condition, and for how many it is unknown."""

    def matches(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
        values, body = _arguments(binder, node, rules, lambdas=1)
        (value,) = values
        condition, text = _lambda(binder, body[0], rules, [_element(binder, node, value)])
        if condition.type not in {BOOLEAN, UNKNOWN}:
            raise binder.query.mismatch(body[0], f"{name} needs a boolean, and this is {condition.type.text}")
        sql = template.format(f"list_transform({value.sql}, {text})")
        return joined(f"CASE WHEN {value.sql} IS NOT NULL THEN {sql} END", BOOLEAN, [value, condition])

    return matches


def _reduce(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    """`reduce(array, state, (s, x) -> s, s -> r)`: DuckDB wants states of the elements' type, so each is both."""
    values, body = _arguments(binder, node, rules, values=2, lambdas=2)
    value, state = values
    element = _element(binder, node, value)
    kind = _state_type(binder, body[0], rules, state, element)
    state = binder.coerced(node, state, kind)
    left, right = f"v{2 * len(rules.variables)}", f"v{2 * len(rules.variables) + 1}"
    step = _body(
        binder,
        body[0],
        rules,
        [Typed(f"struct_extract({left}, 'f0')", kind), Typed(f"struct_extract({right}, 'f1')", element)],
    )
    step = binder.coerced(body[0], step, kind)
    nothing, no_state = f"CAST(NULL AS {element.duckdb})", f"CAST(NULL AS {kind.duckdb})"
    states = f"list_transform({value.sql}, lambda {left}: {struct([no_state, left])})"
    first = struct([state.sql, nothing])
    reduced = (
        f"struct_extract(list_reduce({states}, lambda {left}, {right}: {struct([step.sql, nothing])}, {first}), 'f0')"
    )
    reduced = f"CASE WHEN {value.sql} IS NOT NULL THEN {reduced} END"
    result, text = _lambda(binder, body[1], rules, [kind])
    return joined(f"list_extract(list_transform([{reduced}], {text}), 1)", result.type, [value, state, step, result])


def _state_type(binder: Expressions, node: exp.Lambda, rules: Rules, state: Typed, element: SqlType) -> SqlType:
    """The type of the state: that of the first, or what a step makes of it if this is wider."""
    made = _body(binder, node, rules, [Typed("NULL", state.type), Typed("NULL", element)])
    return binder.common(node, "reduce", [state, replace(made, constant=None)])


def _arguments(
    binder: Expressions, node: exp.Anonymous, rules: Rules, *, values: int = 1, lambdas: int
) -> tuple[list[Typed], list[exp.Lambda]]:
    """The arguments before the lambdas, and the lambdas."""
    parts = node.expressions
    bodies = [part for part in parts[values:] if isinstance(part, exp.Lambda)]
    if len(parts) != values + lambdas or len(bodies) != lambdas:
        raise binder.query.mismatch(node, f"{node.name} takes {_FORMS[node.name.lower()]}")
    return [binder.bind(part, rules) for part in parts[:values]], bodies


def _element(binder: Expressions, node: exp.Anonymous, value: Typed) -> SqlType:
    match value.type:
        case ArrayType():
            return value.type.element
        case TimeSeriesType():
            return value.type.rows.element
    raise binder.query.mismatch(node, f"{node.name} takes an array or a time series, and this is {value.type.text}")


def _lambda(binder: Expressions, node: exp.Lambda, rules: Rules, kinds: Sequence[SqlType]) -> tuple[Typed, str]:
    """A lambda with parameters of these types: its bound body, and its text."""
    names = [f"v{2 * len(rules.variables) + number}" for number in range(len(kinds))]
    body = _body(binder, node, rules, [Typed(name, kind) for name, kind in zip(names, kinds, strict=True)])
    return body, f"lambda {', '.join(names)}: {body.sql}"


def _body(binder: Expressions, node: exp.Lambda, rules: Rules, values: Sequence[Typed]) -> Typed:
    """A lambda's body, with these values for its parameters."""
    if len(node.expressions) != len(values):
        raise binder.query.mismatch(
            node, f"a lambda of {len(values)} parameters is needed, and this has {len(node.expressions)}"
        )
    if len(rules.variables) >= 2 * LAMBDAS_MAX:
        raise binder.query.syntax(node, f"lambdas within each other deeper than {LAMBDAS_MAX} levels")
    named = [(name.name, value) for name, value in zip(node.expressions, values, strict=True)]
    inner = replace(rules, aggregates=False, windows=False, clause="A lambda", variables=(*rules.variables, *named))
    return binder.bind(node.this, inner)


# null if it depends on elements for which the condition is null
_ANY = "CASE WHEN list_bool_or({0}) THEN true WHEN list_position({0}, NULL) > 0 THEN NULL ELSE false END"
_ALL = "CASE WHEN NOT list_bool_and({0}) THEN false WHEN list_position({0}, NULL) > 0 THEN NULL ELSE true END"
_FORMS = {
    "filter": "an array and a lambda, as filter(a, x -> x > 70)",
    "transform": "an array and a lambda, as transform(a, x -> x * 2)",
    "any_match": "an array and a lambda, as any_match(a, x -> x > 70)",
    "all_match": "an array and a lambda, as all_match(a, x -> x > 70)",
    "none_match": "an array and a lambda, as none_match(a, x -> x > 70)",
    "reduce": "an array, a first state and two lambdas, as reduce(a, 0, (s, x) -> s + x, s -> s)",
}
HIGHER: Mapping[str, Callable[[Expressions, exp.Anonymous, Rules], Typed]] = {
    "filter": _filter,
    "transform": _transform,
    "any_match": _matches("any_match", _ANY),
    "all_match": _matches("all_match", _ALL),
    "none_match": _matches("none_match", f"NOT ({_ANY})"),
    "reduce": _reduce,
}
