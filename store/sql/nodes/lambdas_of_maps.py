"""Functions that apply a lambda to each key and value of a map: `map_filter(m, (k, v) -> v > 70)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from store.sql.expressions import Expressions, Rules, joined
from store.sql.functions.map import side_by_side
from store.sql.nodes.lambda_bodies import arguments, body_of, condition, names_of
from store.sql.typed import Typed
from store.sql.types import MapType, Scalar, common_type, in_order_of_keys, struct


def _map_filter(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    value, kind, body, row = _of_map(binder, node, rules)
    kept = condition(binder, node.expressions[1], node.name, body)
    return joined(f"list_filter({value.sql}, lambda {row}: {kept.sql})", kind, [value, kept])


def _transform_keys(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    value, kind, body, row = _of_map(binder, node, rules)
    if not isinstance(body.type, Scalar):
        raise binder.query.mismatch(node, f"the keys of a map are of a scalar type, and this is {body.type.text}")
    rows = f"list_transform({value.sql}, lambda {row}: {struct([body.sql, f'{row}.f1'])})"
    return joined(in_order_of_keys(rows), MapType(body.type, kind.value), [value, body])


def _transform_values(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    value, kind, body, row = _of_map(binder, node, rules)
    rows = f"list_transform({value.sql}, lambda {row}: {struct([f'{row}.f0', body.sql])})"
    return joined(rows, MapType(kind.key, body.type), [value, body])


def _map_zip_with(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    """Each key of two maps with the values of both, null where it has none."""
    values, lambdas = arguments(binder, node, rules, values=2, lambdas=1)
    kinds = [_map_type(binder, node, value) for value in values]
    key = common_type([(kind.key, False) for kind in kinds])
    if key is None:
        named = " and ".join(kind.text for kind in kinds)
        raise binder.query.mismatch(node, f"map_zip_with takes maps with keys of one type, and these are {named}")
    values = [binder.coerced(node, value, MapType(key, kind.value)) for value, kind in zip(values, kinds, strict=True)]
    (row,) = names_of(rules, 1)
    parts = [Typed(f"{row}.f0", key), Typed(f"{row}.a", kinds[0].value), Typed(f"{row}.b", kinds[1].value)]
    body = body_of(binder, lambdas[0], rules, parts)
    both = side_by_side(values[0].sql, values[1].sql)
    rows = f"list_transform({both}, lambda {row}: {struct([f'{row}.f0', body.sql])})"
    return joined(rows, MapType(key, body.type), [*values, body])


def _of_map(binder: Expressions, node: exp.Anonymous, rules: Rules) -> tuple[Typed, MapType, Typed, str]:
    """The map, its type, the body of a lambda of a key and a value, and the name that a row has in it."""
    (value,), lambdas = arguments(binder, node, rules, lambdas=1)
    kind = _map_type(binder, node, value)
    (row,) = names_of(rules, 1)
    parts = [Typed(f"{row}.f0", kind.key), Typed(f"{row}.f1", kind.value)]
    return value, kind, body_of(binder, lambdas[0], rules, parts), row


def _map_type(binder: Expressions, node: exp.Anonymous, value: Typed) -> MapType:
    if not isinstance(value.type, MapType):
        raise binder.query.mismatch(node, f"{node.name} takes a map, and this is {value.type.text}")
    return value.type


HIGHER_OF_MAPS: Mapping[str, Callable[[Expressions, exp.Anonymous, Rules], Typed]] = {
    "map_filter": _map_filter,
    "transform_keys": _transform_keys,
    "transform_values": _transform_values,
    "map_zip_with": _map_zip_with,
}
