"""Arrays and rows: ARRAY[…], ROW(…) and (a, b), a[1], r.field."""

from __future__ import annotations

from typing import TypeVar

from sqlglot import exp

from store.sql.expressions import Expressions, Rules, joined
from store.sql.functions import OPERATORS
from store.sql.text import nearest
from store.sql.typed import Typed
from store.sql.types import ArrayType, RowType, depth, struct

DEPTH_MAX = 10  # ours


def array(binder: Expressions, node: exp.Array, rules: Rules) -> Typed:
    """`ARRAY[a, b]`, with elements of one type."""
    elements = [binder.bind(part, rules) for part in node.expressions]
    kind = _not_too_deep(binder, node, ArrayType(binder.common(node, "ARRAY", elements)))
    elements = [binder.coerced(node, element, kind.element) for element in elements]
    return joined(f"CAST([{', '.join(element.sql for element in elements)}] AS {kind.duckdb})", kind, elements)


def row(binder: Expressions, node: exp.Tuple | exp.Anonymous, rules: Rules) -> Typed:
    """`ROW(a, b)`, also without the word."""
    values = [binder.bind(part, rules) for part in node.expressions]
    kind = _not_too_deep(binder, node, RowType(tuple(("", value.type) for value in values)))
    return joined(f"CAST({struct(value.sql for value in values)} AS {kind.duckdb})", kind, values)


Nested = TypeVar("Nested", ArrayType, RowType)


def _not_too_deep(binder: Expressions, node: exp.Expr, kind: Nested) -> Nested:
    """The type. Raises SyntaxInvalid if it is too deep for DuckDB, whose planning takes a multiple for each level."""
    if depth(kind) > DEPTH_MAX:
        raise binder.query.syntax(node, f"arrays and rows within each other deeper than {DEPTH_MAX} levels")
    return kind


def subscript(binder: Expressions, node: exp.Bracket, rules: Rules) -> Typed:
    """`a[1]`: an element of an array, from 1; outside of it an error."""
    if len(node.expressions) != 1:
        raise binder.query.unsupported(node, "A subscript of this form")
    operands = [binder.bind(node.this, rules), binder.bind(node.expressions[0], rules)]
    return binder.apply(node, OPERATORS["[]"], operands)


def dot(binder: Expressions, node: exp.Dot, rules: Rules) -> Typed:
    """`r.field` of any expression."""
    return field(binder, node, binder.bind(node.this, rules), node.expression.name)


def field(binder: Expressions, node: exp.Expr, value: Typed, name: str) -> Typed:
    """The field of a row. Raises SqlError if `value` has none of this name."""
    fields = value.type.fields if isinstance(value.type, RowType) else ()
    for place, (known, kind) in enumerate(fields):
        if known.lower() == name.lower():
            return joined(f"struct_extract({value.sql}, 'f{place}')", kind, [value])
    near = nearest(name, [known for known, _ in fields if known])
    raise binder.query.unknown(node, f"{value.type.text} has no field '{name}'{near}")
