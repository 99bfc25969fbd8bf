"""The arguments of functions with lambdas, and the bodies of lambdas.

DuckDB's lambdas have the generated names v0, v1 … as parameters; their bodies may use columns of the query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from store.sql.expressions import Expressions, Rules
from store.sql.typed import Typed
from store.sql.types import BOOLEAN, UNKNOWN, ArrayType, SqlType, TimeSeriesType

PARAMETERS_MAX = 10  # ours, of lambdas within each other: DuckDB's planning takes a multiple for each level


def variable(binder: Expressions, node: exp.Identifier, rules: Rules) -> Typed:
    """A parameter of the lambda around it."""
    for name, value in reversed(rules.variables):
        if name.lower() == node.name.lower():
            return value
    raise binder.query.unknown(node, f"Column '{node.name}' does not exist")


def arguments(
    binder: Expressions, node: exp.Anonymous, rules: Rules, *, values: int = 1, lambdas: int
) -> tuple[list[Typed], list[exp.Lambda]]:
    """The arguments before the lambdas, and the lambdas."""
    parts = node.expressions
    bodies = [part for part in parts[values:] if isinstance(part, exp.Lambda)]
    if len(parts) != values + lambdas or len(bodies) != lambdas:
        raise binder.query.mismatch(node, f"{node.name} takes {_FORMS[node.name.lower()]}")
    return [binder.bind(part, rules) for part in parts[:values]], bodies


def element_of(binder: Expressions, node: exp.Anonymous, value: Typed) -> SqlType:
    """The type of the elements of an array or a time series. Raises TypeMismatch for anything else."""
    match value.type:
        case ArrayType():
            return value.type.element
        case TimeSeriesType():
            return value.type.rows.element
    raise binder.query.mismatch(node, f"{node.name} takes an array or a time series, and this is {value.type.text}")


def names_of(rules: Rules, count: int) -> list[str]:
    """New names for the parameters of DuckDB's lambda."""
    return [f"v{len(rules.variables) + number}" for number in range(count)]


def body_of(binder: Expressions, node: exp.Lambda, rules: Rules, values: Sequence[Typed], *, weight: int = 0) -> Typed:
    """A lambda's body, with these values for its parameters; `weight` counts as so many more of them."""
    if len(node.expressions) != len(values):
        raise binder.query.mismatch(
            node, f"a lambda of {len(values)} parameters is needed, and this has {len(node.expressions)}"
        )
    variables = (
        *rules.variables,
        *((("", values[0]),) * weight),
        *((name.name, value) for name, value in zip(node.expressions, values, strict=True)),
    )
    inner = replace(rules, aggregates=False, windows=False, clause="A lambda", variables=variables)
    return binder.bind(node.this, refused_if_deep(binder, node, inner))


def refused_if_deep(binder: Expressions, node: exp.Expr, inner: Rules) -> Rules:
    """The rules within a lambda or a TRY, which often becomes a lambda. Raises SyntaxInvalid if these are too many."""
    if len(inner.variables) + inner.tries > PARAMETERS_MAX:
        detail = f"lambdas within each other with more than {PARAMETERS_MAX} parameters together; a TRY counts as one"
        raise binder.query.syntax(node, detail)
    return inner


def lambda_of(binder: Expressions, node: exp.Lambda, rules: Rules, kinds: Sequence[SqlType]) -> tuple[Typed, str]:
    """A lambda with parameters of these types: its bound body, and its text."""
    names = names_of(rules, len(kinds))
    body = body_of(binder, node, rules, [Typed(name, kind) for name, kind in zip(names, kinds, strict=True)])
    return body, f"lambda {', '.join(names)}: {body.sql}"


def condition(binder: Expressions, node: exp.Lambda, name: str, body: Typed) -> Typed:
    """The body of a lambda, which must be a boolean."""
    if body.type not in {BOOLEAN, UNKNOWN}:
        raise binder.query.mismatch(node, f"{name} needs a boolean, and this is {body.type.text}")
    return body


_FORMS = {
    **{
        name: f"an array and a lambda, as {name}(a, x -> x > 70)"
        for name in ("filter", "any_match", "all_match", "none_match")
    },
    "transform": "an array and a lambda, as transform(a, x -> x * 2)",
    "reduce": "an array, a first state and two lambdas, as reduce(a, 0, (s, x) -> s + x, s -> s)",
    "zip_with": "two arrays and a lambda, as zip_with(a, b, (x, y) -> x + y)",
    "map_filter": "a map and a lambda, as map_filter(m, (k, v) -> v > 70)",
    "transform_keys": "a map and a lambda, as transform_keys(m, (k, v) -> upper(k))",
    "transform_values": "a map and a lambda, as transform_values(m, (k, v) -> v * 2)",
    "map_zip_with": "two maps and a lambda, as map_zip_with(m, n, (k, v, w) -> v + w)",
    "regexp_replace": "a text, a pattern and a replacement, as regexp_replace(x, '(\\w)', g -> upper(g[1]))",
}
