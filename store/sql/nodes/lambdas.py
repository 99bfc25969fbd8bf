"""Functions that apply a lambda to each element of an array: `filter(a, x -> x.value > 70)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlglot import exp

from store.sql.expressions import Expressions, Rules, joined
from store.sql.nodes.lambda_bodies import arguments, body_of, condition, element_of, lambda_of, names_of
from store.sql.nodes.lambdas_of_maps import HIGHER_OF_MAPS
from store.sql.nodes.lambdas_of_matches import replaced
from store.sql.typed import Typed
from store.sql.types import BOOLEAN, ArrayType, SqlType, struct


def misplaced(binder: Expressions, node: exp.Lambda, rules: Rules) -> Typed:
    """A lambda that is no argument of the functions below."""
    del rules
    around = node.parent.name.lower() if isinstance(node.parent, exp.Anonymous) else ""
    if around == "array_sort":
        raise binder.query.unsupported(node, "array_sort with a comparison")
    raise binder.query.mismatch(node, f"a lambda is an argument of {', '.join(HIGHER)} only")


def _filter(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    values, body = arguments(binder, node, rules, lambdas=1)
    (value,) = values
    made, text = lambda_of(binder, body[0], rules, [element_of(binder, node, value)])
    kept = condition(binder, body[0], node.name, made)
    return joined(f"list_filter({value.sql}, {text})", value.type, [value, kept])


def _transform(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    values, body = arguments(binder, node, rules, lambdas=1)
    (value,) = values
    made, text = lambda_of(binder, body[0], rules, [element_of(binder, node, value)])
    return joined(f"list_transform({value.sql}, {text})", ArrayType(made.type), [value, made])


def _matches(template: str) -> Callable[[Expressions, exp.Anonymous, Rules], Typed]:
    """A function of how many elements fulfil a condition, and for how many it is unknown."""

    def matches(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
        values, body = arguments(binder, node, rules, lambdas=1)
        (value,) = values
        made, text = lambda_of(binder, body[0], rules, [element_of(binder, node, value)])
        matched = condition(binder, body[0], node.name, made)
        answers = f"[list_transform({value.sql}, {text})]"
        sql = f"list_extract(list_transform({answers}, lambda b: CASE WHEN b IS NOT NULL THEN {template} END), 1)"
        return joined(sql, BOOLEAN, [value, matched])

    return matches


def _reduce(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    """`reduce(array, state, (s, x) -> s, s -> r)`: DuckDB wants states of the elements' type, so each is both."""
    values, body = arguments(binder, node, rules, values=2, lambdas=2)
    value, state = values
    element = element_of(binder, node, value)
    kind = _state_type(binder, body[0], rules, state, element)
    state = binder.coerced(node, state, kind)
    left, right = names_of(rules, 2)
    step = body_of(
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
    result, text = lambda_of(binder, body[1], rules, [kind])
    return joined(f"list_extract(list_transform([{reduced}], {text}), 1)", result.type, [value, state, step, result])


def _state_type(binder: Expressions, node: exp.Lambda, rules: Rules, state: Typed, element: SqlType) -> SqlType:
    """The type of the state: that of the first, or what a step makes of it if this is wider."""
    made = body_of(binder, node, rules, [Typed("NULL", state.type), Typed("NULL", element)])
    return binder.common(node, "reduce", [state, replace(made, constant=None)])


_ZIPPED = "CASE WHEN given.f0 IS NOT NULL AND given.f1 IS NOT NULL THEN list_zip(given.f0, given.f1) END"


def _zip_with(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    values, body = arguments(binder, node, rules, values=2, lambdas=1)
    (pair,) = names_of(rules, 1)
    parts = [Typed(f"{pair}[{place}]", element_of(binder, node, value)) for place, value in enumerate(values, start=1)]
    made = body_of(binder, body[0], rules, parts)
    one, other = (value.sql for value in values)
    given = f"list_extract(list_transform([{struct([one, other])}], lambda given: {_ZIPPED}), 1)"
    sql = f"list_transform({given}, lambda {pair}: {made.sql})"
    return joined(sql, ArrayType(made.type), [*values, made])


# null if it depends on elements for which the condition is null
_ANY = "CASE WHEN list_bool_or(b) THEN true WHEN list_position(b, NULL) > 0 THEN NULL ELSE false END"
_ALL = "CASE WHEN NOT list_bool_and(b) THEN false WHEN list_position(b, NULL) > 0 THEN NULL ELSE true END"
HIGHER: Mapping[str, Callable[[Expressions, exp.Anonymous, Rules], Typed]] = {
    "filter": _filter,
    "transform": _transform,
    "any_match": _matches(_ANY),
    "all_match": _matches(_ALL),
    "none_match": _matches(f"NOT ({_ANY})"),
    "reduce": _reduce,
    "zip_with": _zip_with,
    **HIGHER_OF_MAPS,
    "regexp_replace": replaced,
}
