"""IN a list of constants."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlglot import exp

from store.sql.constant_lists import Listed
from store.sql.expressions import WHERE, Expressions, Rules, joined
from store.sql.typed import Constant, Typed, constant
from store.sql.types import BIGINT, BOOLEAN, DOUBLE, INTEGER, VARCHAR, ScalarType, SqlType
from store.values.sql_text import quote_string

_COMPARED_MAX = 1_000  # ours: DuckDB needs 15 µs to plan each
_SEPARATOR = "\x1f"


def in_constants(binder: Expressions, node: exp.In, value: Typed, listed: Sequence[Listed], rules: Rules) -> Typed:
    """IN a long list of constants: it is looked up as a table, which takes the same time for any length.

    A lambda and a TRY cannot contain a subquery: there it is an array, which takes half the time of a list.
    """
    kinds = {_kind(one): one for one in reversed(listed)}  # the first of each
    examples = [binder.constant(node, one, kind) for kind, one in kinds.items()]
    first, *_ = binder.unified(node, "IN", [value, *examples])
    constants = [_converted(binder, node, one, first.type) for one in listed]
    is_long = len(listed) > _COMPARED_MAX
    if is_long and (rules.variables or rules.tries):
        return joined(f"list_contains({_array(constants, first.type)}, {first.sql})", BOOLEAN, [first])
    choices = (_table if is_long or is_within_condition(node, rules) else _texts)(constants, first.type)
    return joined(f"({first.sql} IN ({choices}))", BOOLEAN, [first])


def _kind(one: Listed) -> ScalarType:
    if isinstance(one, str):
        return VARCHAR
    if isinstance(one, float):
        return DOUBLE
    return INTEGER if abs(one) < 2**31 else BIGINT


def _converted(binder: Expressions, node: exp.In, one: Listed, kind: SqlType) -> Constant:
    if kind is VARCHAR or (kind in {INTEGER, BIGINT} and isinstance(one, int) and abs(one) < 2**31):
        return one
    if kind is DOUBLE:
        return float(one)
    made = binder.coerced(node, binder.constant(node, one, _kind(one)), kind).constant
    assert made is not None  # that of a constant is one
    return made


def _texts(constants: Sequence[Constant], kind: SqlType) -> str:
    assert isinstance(kind, ScalarType)  # that of constants
    return ", ".join(listed(constant(one, kind)) for one in constants)


def _table(constants: Sequence[Constant], kind: SqlType) -> str:
    """A query of the constants."""
    return f"SELECT unnest({_array(constants, kind)})"  # quoted


def _array(constants: Sequence[Constant], kind: SqlType) -> str:
    """The constants in one text, if it can separate them: DuckDB needs 15 µs to read each from a list."""
    texts = [one if isinstance(one, str) else repr(one) for one in constants]
    if any(_SEPARATOR in text for text in texts):
        return f"[{_texts(constants, kind)}]"
    split = f"string_split({quote_string(_SEPARATOR.join(texts))}, '{_SEPARATOR}')"
    return split if kind is VARCHAR else f"CAST({split} AS {kind.duckdb}[])"


def is_within_condition(node: exp.Expr, rules: Rules) -> bool:
    """Whether this is a part of a condition of a WHERE, such as an operand of OR, and not one for itself.

    There DuckDB 2.0 looks at each value of a list for each row, and cannot plan some statements that have one. A
    subquery is looked up; but where it is not needed it would keep row groups from being left unread.
    """
    if rules.clause != WHERE or rules.variables:
        return False
    parent = node.parent
    while isinstance(parent, exp.And | exp.Paren):
        parent = parent.parent
    return not isinstance(parent, exp.Where)


def listed(value: Typed) -> str:
    """The text of a value in a list; a number without its type, as DuckDB takes 60 µs to plan each CAST."""
    number = value.constant
    if value.type in {INTEGER, BIGINT} and isinstance(number, int) and abs(number) < 2**63:
        return str(number)
    if isinstance(number, float) and math.isfinite(number):
        return f"{number!r}{'' if 'e' in repr(number) else 'e0'}"  # with an exponent it is a double, without a decimal
    return value.sql
