"""Operators: arithmetic, comparison, logic, BETWEEN, IN, LIKE, IS NULL, CASE."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlglot import exp

from store.sql.bound import Query
from store.sql.comparisons import COMPARISONS, compared
from store.sql.constant_lists import ConstantList
from store.sql.expressions import Expressions, Rules, flatten, joined
from store.sql.functions import OPERATORS
from store.sql.nodes.constant_lists import in_constants, is_within_condition, listed
from store.sql.nodes.subqueries import compared_with_subquery
from store.sql.nodes.zones import shifted
from store.sql.typed import NULL, Typed
from store.sql.types import BOOLEAN, DOUBLE, UNKNOWN, VARCHAR, Scalar
from store.sql.zones import instant, zone_of
from store.values.sql_text import quote_string

SIGNS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.DPipe: "||",
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
}


_COMPARED_MAX = 4  # values of a list that DuckDB compares one by one anyway


def paren(binder: Expressions, node: exp.Paren, rules: Rules) -> Typed:
    """The expression in the parentheses."""
    return binder.bind(node.this, rules)


def binary(binder: Expressions, node: exp.Expr, rules: Rules) -> Typed:
    """A binary operator."""
    sign = SIGNS[type(node)]
    quantifier = _quantifier(node.expression)
    if quantifier is not None:
        if sign not in COMPARISONS:
            raise binder.query.unsupported(node, f"{sign} with ALL or ANY")
        return compared_with_subquery(binder, node, binder.bind(node.this, rules), sign, *quantifier, rules)
    operands = [binder.bind(node.this, rules), binder.bind(node.expression, rules)]
    if sign in {"+", "-"} and zone_of(*(operand.type for operand in operands)):
        return shifted(binder, node, sign, operands)
    operands = list(map(instant, operands))
    if sign in COMPARISONS:
        return _compare(binder, node, sign, operands)
    return binder.apply(node, OPERATORS[sign], operands)


def _compare(binder: Expressions, node: exp.Expr, sign: str, operands: list[Typed]) -> Typed:
    left, right = binder.unified(node, f"'{sign}'", operands)
    if sign not in {"=", "<>"}:
        binder.ordered(node, left, f"'{sign}'")
    return joined(compared(sign, left, right), BOOLEAN, [left, right])


def _quantifier(node: exp.Expr) -> tuple[str, exp.Expr] | None:
    """ALL or ANY, and its subquery, if the right side of a comparison is that; sqlglot has calls for some."""
    if isinstance(node, exp.All | exp.Any):
        return ("ALL" if isinstance(node, exp.All) else "ANY"), node.this
    word = node.name.upper() if isinstance(node, exp.Anonymous) else ""
    if word in {"ALL", "ANY", "SOME"} and len(node.expressions) == 1 and isinstance(node.expressions[0], Query):
        return ("ALL" if word == "ALL" else "ANY"), node.expressions[0]
    return None


def misplaced_quantifier(binder: Expressions, node: exp.Expr, rules: Rules) -> Typed:
    """ALL or ANY that no comparison precedes."""
    del rules
    raise binder.query.syntax(node, f"{node.key.upper()} stands after a comparison")


def negate(binder: Expressions, node: exp.Neg, rules: Rules) -> Typed:
    """Minus."""
    return binder.apply(node, OPERATORS["negate"], [binder.bind(node.this, rules)])


def logical(binder: Expressions, node: exp.Expr, rules: Rules) -> Typed:
    """AND and OR: a chain of thousands is one flat list, not nested calls."""
    word = "AND" if isinstance(node, exp.And) else "OR"
    operands = [binder.condition(part, rules, word) for part in flatten(node)]
    return joined(f"({f' {word} '.join(operand.sql for operand in operands)})", BOOLEAN, operands)


def not_(binder: Expressions, node: exp.Not, rules: Rules) -> Typed:
    """NOT."""
    operand = binder.condition(node.this, rules, "NOT")
    return joined(f"(NOT {operand.sql})", BOOLEAN, [operand])


def is_null(binder: Expressions, node: exp.Is, rules: Rules) -> Typed:
    """IS NULL; IS NOT NULL is parsed as NOT of it."""
    if not isinstance(node.expression, exp.Null):
        raise binder.query.syntax(node, "IS is followed by NULL, NOT NULL, or [NOT] DISTINCT FROM")
    operand = binder.bind(node.this, rules)
    return joined(f"({operand.sql} IS NULL)", BOOLEAN, [operand])


def between(binder: Expressions, node: exp.Between, rules: Rules) -> Typed:
    """BETWEEN, with all three operands of one type."""
    binder.query.refuse_other(node, "this", "low", "high", what="BETWEEN")
    parts = [instant(binder.bind(part, rules)) for part in (node.this, node.args["low"], node.args["high"])]
    value, low, high = binder.unified(node, "BETWEEN", parts)
    binder.ordered(node, value, "BETWEEN")
    if value.type is DOUBLE or not isinstance(value.type, Scalar):
        sql = f"({compared('>=', value, low)} AND {compared('<=', value, high)})"
    else:
        sql = f"({value.sql} BETWEEN {low.sql} AND {high.sql})"
    return joined(sql, BOOLEAN, [value, low, high])


def in_list(binder: Expressions, node: exp.In, rules: Rules) -> Typed:
    """IN a list, with all operands of one type, or IN a subquery."""
    binder.query.refuse_other(node, "this", "expressions", "query", what="IN")
    value = instant(binder.bind(node.this, rules))
    if node.args.get("query") is not None:
        return compared_with_subquery(binder, node, value, "=", "ANY", node.args["query"], rules)
    if not node.expressions:
        raise binder.query.syntax(node, "IN needs at least one value")
    if isinstance(node.expressions[0], ConstantList):
        return in_constants(binder, node, value, node.expressions[0].this, rules)
    choices = [instant(binder.bind(choice, rules)) for choice in node.expressions]
    first, *others = binder.unified(node, "IN", [value, *choices])
    if _is_compared_as_in_duckdb(first, others):
        choices_sql = ", ".join(map(listed, others))
        is_constant = all(choice.constant is not None for choice in others)
        if is_constant and len(others) > _COMPARED_MAX and is_within_condition(node, rules):
            choices_sql = f"SELECT unnest([{choices_sql}])"
        sql = f"({first.sql} IN ({choices_sql}))"
    else:
        sql = f"({' OR '.join(compared('=', first, other) for other in others)})"
    return joined(sql, BOOLEAN, [first, *others])


def _is_compared_as_in_duckdb(value: Typed, choices: Sequence[Typed]) -> bool:
    """Whether equal values are those that DuckDB has for equal: not with nulls in parts, and NaN."""
    if value.type is DOUBLE:
        return all(choice.constant is not None and not math.isnan(float(choice.constant)) for choice in choices)
    return isinstance(value.type, Scalar)


def like(binder: Expressions, node: exp.Expr, rules: Rules) -> Typed:
    """LIKE and NOT LIKE, optionally with ESCAPE."""
    escape = None
    if isinstance(node, exp.Escape):
        escape = node.expression
        node = node.this
    if not isinstance(node, exp.Like):
        raise binder.query.unsupported(node, "ESCAPE here")
    binder.query.refuse_other(node, "this", "expression", "negate", what="LIKE")
    operands = [binder.bind(node.this, rules), binder.bind(node.expression, rules)]
    for operand in operands:
        if operand.type not in {VARCHAR, UNKNOWN}:
            raise binder.query.mismatch(node, f"LIKE needs a varchar, and this is {operand.type.text}")
        binder.parameters.used_as(operand, VARCHAR)
    tail = ""
    if escape is not None:
        if not (isinstance(escape, exp.Literal) and escape.is_string and len(escape.name) == 1):
            raise binder.query.mismatch(escape, "Escape string must be a single character")
        tail = f" ESCAPE {quote_string(escape.name)}"
    word = "NOT LIKE" if node.args.get("negate") else "LIKE"
    return joined(f"({operands[0].sql} {word} {operands[1].sql}{tail})", BOOLEAN, operands)


def case(binder: Expressions, node: exp.Case, rules: Rules) -> Typed:
    """CASE in both forms; all results have one type."""
    binder.query.refuse_other(node, "this", "ifs", "default", what="CASE")
    subject = node.args.get("this")
    conditions: list[Typed] = []
    results: list[Typed] = []
    for branch in node.args["ifs"]:
        if subject is None:
            conditions.append(binder.condition(branch.this, rules, "CASE WHEN"))
        else:
            pair = [binder.bind(subject, rules), binder.bind(branch.this, rules)]
            conditions.append(_compare(binder, branch, "=", pair))
        results.append(binder.bind(branch.args["true"], rules))
    default = node.args.get("default")
    results.append(NULL if default is None else binder.bind(default, rules))
    *values, otherwise = binder.unified(node, "CASE", results)
    whens = " ".join(f"WHEN {when.sql} THEN {then.sql}" for when, then in zip(conditions, values, strict=True))
    return joined(f"CASE {whens} ELSE {otherwise.sql} END", otherwise.type, [*conditions, *values, otherwise])
