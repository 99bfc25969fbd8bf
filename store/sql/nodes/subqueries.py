"""Subqueries as values."""

from __future__ import annotations

from sqlglot import exp

from store.sql.expressions import Expressions, Rules
from store.sql.typed import Typed
from store.sql.types import BOOLEAN


def scalar_subquery(binder: Expressions, node: exp.Subquery, rules: Rules) -> Typed:
    """A subquery of one column as a value."""
    binder.query.refuse_other(node, "this", what="a subquery")
    inner = binder.subselect(node, rules, one_column=True)
    return Typed(f"({inner.sql})", inner.outputs[0].type, free=inner.outer_uses)


def exists(binder: Expressions, node: exp.Exists, rules: Rules) -> Typed:
    """EXISTS."""
    inner = binder.subselect(node.this, rules, one_column=False)
    return Typed(f"(EXISTS ({inner.sql}))", BOOLEAN, free=inner.outer_uses)
