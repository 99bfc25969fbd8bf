"""JSON: its literal, and the functions with a path, which is a constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlglot import exp

from store.sql.expressions import Expressions, Rules
from store.sql.functions.json import JSONS, PATHS
from store.sql.json_paths import pointer
from store.sql.typed import Typed, constant
from store.sql.types import VARCHAR


def literal(binder: Expressions, node: exp.ParseJSON, rules: Rules) -> Typed:
    """`JSON '[1, 2]'`."""
    binder.query.refuse_other(node, "this", "is_literal", what="JSON")
    return binder.apply(node, JSONS["json_parse"], [binder.bind(node.this, rules)])


def _with_path(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    name, values = node.name.lower(), [binder.bind(part, rules) for part in node.expressions]
    if len(values) == 2 and values[1].type is VARCHAR:
        path = values[1].constant
        if path is None:
            raise binder.query.mismatch(node.expressions[1], f"{name} takes a constant path, such as '$.a[0]'")
        try:
            values[1] = replace(values[1], sql=constant(pointer(str(path)), VARCHAR).sql)
        except ValueError as error:
            raise binder.query.mismatch(node.expressions[1], str(error)) from None
    return binder.apply(node, PATHS[name], values)


JSON_CALLS: Mapping[str, Callable[[Expressions, exp.Anonymous, Rules], Typed]] = dict.fromkeys(PATHS, _with_path)
