"""ORDER BY within a call: of an aggregate, or of a window."""

from __future__ import annotations

from sqlglot import exp

from store.sql.expressions import Expressions, Rules
from store.sql.typed import Typed


def order_by(binder: Expressions, clause: exp.Order, rules: Rules, parts: list[Typed]) -> str:
    """The keys of the clause as text; appends them as expressions to `parts`."""
    keys = []
    for ordered in clause.expressions:
        binder.query.refuse_other(ordered, "this", "desc", "nulls_first", what="ORDER BY")
        key = binder.ordered(ordered, binder.bind(ordered.this, rules))
        parts.append(key)
        direction = "DESC" if ordered.args.get("desc") else "ASC"
        keys.append(f"{key.sql} {direction} NULLS {'FIRST' if ordered.args.get('nulls_first') else 'LAST'}")
    return ", ".join(keys)
