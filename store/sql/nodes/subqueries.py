"""Subqueries as values."""

from __future__ import annotations

from sqlglot import exp

from store.sql.expressions import Expressions, Rules
from store.sql.typed import Typed
from store.sql.types import BOOLEAN


def scalar_subquery(binder: Expressions, node: exp.Subquery, rules: Rules) -> Typed:
    """A subquery of one column as a value."""
    if rules.variables:
        raise binder.query.unsupported(node, "A subquery in a lambda")
    binder.query.refuse_other(node, "this", what="a subquery")
    inner = binder.subselect(node, one_column=True)
    return Typed(f"({inner.sql})", inner.outputs[0].type, free=inner.outer_uses)


def exists(binder: Expressions, node: exp.Exists, rules: Rules) -> Typed:
    """EXISTS."""
    del rules
    inner = binder.subselect(node.this, one_column=False)
    return Typed(f"(EXISTS ({inner.sql}))", BOOLEAN, free=inner.outer_uses)
