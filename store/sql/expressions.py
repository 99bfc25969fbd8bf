"""Expressions: each node of the parsed query becomes DuckDB text with a type, or an error with its place.

Only the nodes listed in `_BINDERS` are known, and only the parts of them that are handled: what the parser read and
this module does not know is refused, never passed on. Functions are those of `functions.FUNCTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from store.sql.bound import BindQuery, Bound, Query
from store.sql.casts import cast_overload
from store.sql.functions import FUNCTIONS, OPERATORS, Function, Overload
from store.sql.functions.time import add_template, difference_template, truncate_template
from store.sql.literals import UNIT_MONTHS, UNIT_NS, parse_interval
from store.sql.scope import Scope
from store.sql.text import QueryText, position
from store.sql.typed import NULL, Constant, Typed, coerce, constant, quote_string
from store.sql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    INTERVAL,
    MONTHS,
    TIME,
    TIMESTAMP,
    UNKNOWN,
    VARCHAR,
    ScalarType,
    common_type,
)

SQL_MAX_CHARS = 4 * 1024 * 1024  # of generated text: templates name an argument several times, and calls nest


@dataclass(frozen=True, slots=True)
class Rules:
    """What is allowed where an expression stands. `clause` names the place in messages."""

    clause: str = "SELECT"
    aggregates: bool = False
    grouped: frozenset[str] = frozenset()
    aliases: tuple[tuple[str, Typed], ...] = ()  # output names that stand for expressions, tried after columns


class Expressions:
    """Binds expressions in one scope."""

    def __init__(self, scope: Scope, now_ns: int, bind_query: BindQuery, name: Callable[[str], str]) -> None:
        self.scope = scope
        self.name = name
        self.query: QueryText = scope.query
        self._now_ns = now_ns
        self._bind_query = bind_query

    def bind(self, node: exp.Expr, rules: Rules) -> Typed:
        """`node` as DuckDB text. Raises SqlError."""
        binder = _BINDERS.get(type(node))
        if binder is None:
            raise self.query.unsupported(node, node.key.replace("_", " ").upper())
        typed = binder(self, node, rules)
        if len(typed.sql) > SQL_MAX_CHARS:
            raise self.query.unsupported(node, "An expression of this size")
        return replace(typed, free=()) if typed.free and typed.sql in rules.grouped else typed

    # Names and constants

    def _column(self, node: exp.Column, rules: Rules) -> Typed:
        self.query.refuse_other(node, "this", "table", "db", "catalog", what="a column")
        if not isinstance(node.this, exp.Identifier):
            raise self.query.syntax(node, "'*' is not a value")
        qualifier = tuple(
            part.name for key in ("catalog", "db", "table") if isinstance(part := node.args.get(key), exp.Identifier)
        )
        name, offset = node.name, position(node)
        typed = self.scope.resolve(qualifier, name, offset)
        if typed is not None:
            return typed
        if not qualifier and not node.this.args.get("quoted") and name[0].isdigit():
            return self._interval_constant(node, name)
        for alias, value in rules.aliases:
            if not qualifier and alias == name:
                return value
        raise self.scope.missing(qualifier, name, offset)

    def _interval_constant(self, node: exp.Expr, text: str) -> Typed:
        parsed = parse_interval(text)
        if parsed is None:
            raise self.query.syntax(node, f"'{text}' is neither a column nor an interval such as 5m or 1day")
        return self._constant(node, *parsed)

    def _literal(self, node: exp.Literal, rules: Rules) -> Typed:
        del rules
        text = node.name
        if node.is_string:
            return constant(text, VARCHAR)
        if text.isdigit():
            number = int(text)
            return self._constant(node, number, INTEGER if number < 2**31 else BIGINT)
        return constant(float(text), DOUBLE)

    def _constant(self, node: exp.Expr, value: Constant, kind: ScalarType) -> Typed:
        try:
            return constant(value, kind)
        except (OverflowError, ValueError):
            raise self.query.mismatch(node, f"{value} is out of the range of {kind.text}") from None

    def _boolean(self, node: exp.Boolean, rules: Rules) -> Typed:
        del rules
        return constant(bool(node.this), BOOLEAN)

    def _null(self, node: exp.Null, rules: Rules) -> Typed:
        del node, rules
        return NULL

    def _interval(self, node: exp.Interval, rules: Rules) -> Typed:
        del rules
        number, unit = node.this, node.args.get("unit")
        if not (isinstance(number, exp.Literal) and isinstance(unit, exp.Var)):
            raise self.query.unsupported(node, "This form of INTERVAL (use INTERVAL '6' DAY)")
        name = unit.name.lower()
        try:
            count = int(number.name)
        except ValueError:
            raise self.query.mismatch(node, f"Invalid interval '{number.name}': a whole number is needed") from None
        if name in UNIT_NS:
            return self._constant(node, count * UNIT_NS[name], INTERVAL)
        if name in UNIT_MONTHS:
            return self._constant(node, count * UNIT_MONTHS[name], MONTHS)
        raise self.query.mismatch(node, f"Invalid interval unit '{unit.name}'")

    # Operators

    def _paren(self, node: exp.Paren, rules: Rules) -> Typed:
        return self.bind(node.this, rules)

    def _binary(self, node: exp.Expr, rules: Rules) -> Typed:
        sign = _OPERATORS[type(node)]
        operands = [self.bind(node.this, rules), self.bind(node.expression, rules)]
        return self._apply(node, OPERATORS[sign], operands)

    def _negate(self, node: exp.Neg, rules: Rules) -> Typed:
        return self._apply(node, OPERATORS["negate"], [self.bind(node.this, rules)])

    def _logical(self, node: exp.Expr, rules: Rules) -> Typed:
        """AND and OR: a chain of thousands is one flat list, not a tower of calls."""
        word = "AND" if isinstance(node, exp.And) else "OR"
        operands = [self._condition(part, rules, word) for part in flatten(node)]
        return _joined(f"({f' {word} '.join(operand.sql for operand in operands)})", BOOLEAN, operands)

    def _not(self, node: exp.Not, rules: Rules) -> Typed:
        operand = self._condition(node.this, rules, "NOT")
        return _joined(f"(NOT {operand.sql})", BOOLEAN, [operand])

    def _condition(self, node: exp.Expr, rules: Rules, word: str) -> Typed:
        typed = self.bind(node, rules)
        if typed.type not in {BOOLEAN, UNKNOWN}:
            raise self.query.mismatch(node, f"{word} needs a boolean, and this is {typed.type.text}")
        return typed

    def condition(self, node: exp.Expr, rules: Rules) -> Typed:
        """`node` as a boolean, for WHERE, HAVING and ON."""
        return self._condition(node, rules, rules.clause)

    def _is(self, node: exp.Is, rules: Rules) -> Typed:
        if not isinstance(node.expression, exp.Null):
            raise self.query.unsupported(node, "IS with anything but NULL")
        operand = self.bind(node.this, rules)
        return _joined(f"({operand.sql} IS NULL)", BOOLEAN, [operand])

    def _between(self, node: exp.Between, rules: Rules) -> Typed:
        self.query.refuse_other(node, "this", "low", "high", what="BETWEEN")
        value, low, high = self.unified(
            node, "BETWEEN", [self.bind(part, rules) for part in (node.this, node.args["low"], node.args["high"])]
        )
        return _joined(f"({value.sql} BETWEEN {low.sql} AND {high.sql})", BOOLEAN, [value, low, high])

    def _in(self, node: exp.In, rules: Rules) -> Typed:
        self.query.refuse_other(node, "this", "expressions", "query", what="IN")
        value = self.bind(node.this, rules)
        if node.args.get("query") is not None:
            return self._in_query(node, value)
        choices = [self.bind(choice, rules) for choice in node.expressions]
        first, *others = self.unified(node, "IN", [value, *choices])
        return _joined(f"({first.sql} IN ({', '.join(other.sql for other in others)}))", BOOLEAN, [first, *others])

    def _in_query(self, node: exp.In, value: Typed) -> Typed:
        inner = self._subselect(node.args["query"], one_column=True)
        if common_type([(value.type, False), (inner.outputs[0].type, False)]) is None:
            raise self.query.mismatch(
                node, f"IN compares {value.type.text} with the subquery's {inner.outputs[0].type.text}"
            )
        typed = _joined(f"({value.sql} IN ({inner.sql}))", BOOLEAN, [value])
        return replace(typed, free=typed.free + inner.outer_uses)

    def _like(self, node: exp.Expr, rules: Rules) -> Typed:
        escape = None
        if isinstance(node, exp.Escape):
            escape = node.expression
            node = node.this
        if not isinstance(node, exp.Like):
            raise self.query.unsupported(node, "ESCAPE here")
        self.query.refuse_other(node, "this", "expression", "negate", what="LIKE")
        operands = [self.bind(node.this, rules), self.bind(node.expression, rules)]
        for operand in operands:
            if operand.type not in {VARCHAR, UNKNOWN}:
                raise self.query.mismatch(node, f"LIKE needs a varchar, and this is {operand.type.text}")
        tail = ""
        if escape is not None:
            if not (isinstance(escape, exp.Literal) and escape.is_string and len(escape.name) == 1):
                raise self.query.mismatch(escape, "Escape string must be a single character")
            tail = f" ESCAPE {quote_string(escape.name)}"
        word = "NOT LIKE" if node.args.get("negate") else "LIKE"
        return _joined(f"({operands[0].sql} {word} {operands[1].sql}{tail})", BOOLEAN, operands)

    # Calls

    def _call(self, node: exp.Anonymous, rules: Rules) -> Typed:
        name = node.name.lower()
        special = _SPECIAL_CALLS.get(name)
        if special is not None:
            return special(self, node, rules)
        function = FUNCTIONS.get(name)
        if function is None:
            raise self.query.unknown(node, f"Function '{node.name}' does not exist")
        if function.aggregate:
            return self._aggregate(node, function, rules)
        return self._apply(node, function, [self._argument(part, rules) for part in node.expressions])

    def _argument(self, node: exp.Expr, rules: Rules) -> Typed:
        if isinstance(node, exp.Distinct):
            raise self.query.syntax(node, "DISTINCT is only allowed in an aggregate")
        return self.bind(node, rules)

    def _aggregate(self, node: exp.Anonymous, function: Function, rules: Rules) -> Typed:
        if not rules.aggregates:
            raise self.query.syntax(
                node, f"{rules.clause} cannot contain aggregations, window functions or grouping operations"
            )
        parts = list(node.expressions)
        distinct = len(parts) == 1 and isinstance(parts[0], exp.Distinct)
        if distinct:
            self.query.refuse_other(parts[0], "expressions", what="DISTINCT")
            parts = parts[0].expressions
        if function.name == "count" and len(parts) == 1 and isinstance(parts[0], exp.Star):
            parts = []
        inner = Rules(f"The argument of aggregate '{function.name}'")
        typed = self._apply(node, function, [self.bind(part, inner) for part in parts], distinct=distinct)
        return replace(typed, constant=None, column=None, free=(), aggregated=True)

    def _apply(self, node: exp.Expr, function: Function, arguments: list[Typed], *, distinct: bool = False) -> Typed:
        match = function.resolve([(argument.type, argument.constant is not None) for argument in arguments])
        if match is None:
            raise self.query.mismatch(node, _unfit(function, arguments))
        if distinct and "{distinct}" not in match.overload.template:
            raise self.query.unsupported(node, f"DISTINCT in '{function.name}'")
        fitted = [
            self._coerced(node, argument, target) for argument, target in zip(arguments, match.parameters, strict=True)
        ]
        return self._rendered(node, match.overload, match.result, fitted, distinct=distinct)

    def _rendered(
        self, node: exp.Expr, overload: Overload, result: ScalarType, arguments: list[Typed], *, distinct: bool = False
    ) -> Typed:
        values = [argument.constant for argument in arguments]
        if overload.fold is not None and None not in values:
            try:
                return constant(overload.fold(self._now_ns, *values), result)
            except (ArithmeticError, ValueError) as error:
                raise self.query.mismatch(node, f"The value is out of range: {error}") from None
        sql = overload.render([argument.sql for argument in arguments], self._now_ns, distinct=distinct)
        return _joined(sql, result, arguments)

    def _coerced(self, node: exp.Expr, value: Typed, target: ScalarType) -> Typed:
        try:
            typed = coerce(value, target)
        except OverflowError:
            typed = None
        if typed is None:
            raise self.query.mismatch(node, f"'{value.constant}' is not a valid {target.text}")
        return typed

    def unified(self, node: exp.Expr, word: str, values: list[Typed]) -> list[Typed]:
        """All as one type. Raises TypeMismatch if they have none in common."""
        common = common_type([(value.type, value.constant is not None) for value in values])
        if common is None:
            kinds = ", ".join(dict.fromkeys(value.type.text for value in values))
            raise self.query.mismatch(node, f"{word} cannot be applied to {kinds}")
        return [self._coerced(node, value, common) for value in values]

    # Calls whose first argument is a unit

    def _date_trunc(self, node: exp.Anonymous, rules: Rules) -> Typed:
        unit, (value,) = self._unit_call(node, rules, 2)
        value = self._as_timestamp(node, value)
        template = truncate_template(unit)
        if template is None:
            raise self.query.mismatch(node, f"'{unit}' is not a valid TIMESTAMP field")
        overload = Overload((TIMESTAMP,), TIMESTAMP, template, _truncate_fold(unit))
        return self._rendered(node, overload, TIMESTAMP, [value])

    def _date_add(self, node: exp.Anonymous, rules: Rules) -> Typed:
        unit, (amount, value) = self._unit_call(node, rules, 3)
        template = add_template(unit)
        if template is None:
            raise self.query.mismatch(node, f"'{unit}' is not a valid TIMESTAMP field")
        if amount.type not in {INTEGER, BIGINT}:
            raise self.query.mismatch(node, f"date_add adds a whole number, and this is {amount.type.text}")
        span = UNIT_NS.get(unit)
        fold = None if span is None else lambda _, time, count: time + count * span
        overload = Overload((TIMESTAMP, BIGINT), TIMESTAMP, template, fold)
        arguments = [self._as_timestamp(node, value), self._coerced(node, amount, BIGINT)]
        return self._rendered(node, overload, TIMESTAMP, arguments)

    def _date_diff(self, node: exp.Anonymous, rules: Rules) -> Typed:
        unit, values = self._unit_call(node, rules, 3)
        template = difference_template(unit)
        if template is None:
            raise self.query.mismatch(node, f"'{unit}' is not a valid TIMESTAMP field")
        arguments = [self._as_timestamp(node, value) for value in values]
        return self._rendered(node, Overload((TIMESTAMP, TIMESTAMP), BIGINT, template), BIGINT, arguments)

    def _parse_duration(self, node: exp.Anonymous, rules: Rules) -> Typed:
        values = [self.bind(part, rules) for part in node.expressions]
        if len(values) != 1 or values[0].type is not VARCHAR or values[0].constant is None:
            raise self.query.mismatch(node, "parse_duration takes one constant text, as parse_duration('1day')")
        return self._interval_constant(node, str(values[0].constant).replace(" ", ""))

    def _unit_call(self, node: exp.Anonymous, rules: Rules, count: int) -> tuple[str, list[Typed]]:
        parts = node.expressions
        unit = parts[0] if parts else None
        if len(parts) != count or not isinstance(unit, exp.Literal) or not unit.is_string:
            raise self.query.mismatch(
                node, f"{node.name} takes {count} arguments, the first a unit as a constant, such as 'hour'"
            )
        return unit.name.lower(), [self.bind(part, rules) for part in parts[1:]]

    def _as_timestamp(self, node: exp.Expr, value: Typed) -> Typed:
        if common_type([(TIMESTAMP, False), (value.type, value.constant is not None)]) is not TIMESTAMP:
            raise self.query.mismatch(node, f"a timestamp is needed, and this is {value.type.text}")
        return self._coerced(node, value, TIMESTAMP)

    # Calls with a syntax of their own

    def _cast(self, node: exp.Cast, rules: Rules) -> Typed:
        self.query.refuse_other(node, "this", "to", "safe", "_type", what="CAST")
        target = _TYPES.get(node.to.this)
        if target is None:
            raise self.query.mismatch(node, f"Unknown type: {node.to.this.value.lower()}")
        value = self.bind(node.this, rules)
        if value.type is VARCHAR and value.constant is not None and target in {TIMESTAMP, DATE, TIME}:
            return (
                NULL
                if isinstance(node, exp.TryCast) and _is_unfit(value, target)
                else self._coerced(node, value, target)
            )
        overload = cast_overload(value.type, target, is_try=isinstance(node, exp.TryCast))
        if overload is None:
            raise self.query.mismatch(node, f"Cannot cast {value.type.text} to {target.text}")
        return self._rendered(node, overload, target, [value])

    def _extract(self, node: exp.Extract, rules: Rules) -> Typed:
        function = FUNCTIONS.get(node.name.lower())
        if function is None or function.overloads[0].parameters != (TIMESTAMP,):
            raise self.query.mismatch(node, f"Invalid EXTRACT field: {node.name}")
        return self._apply(node, function, [self.bind(node.expression, rules)])

    def _position(self, node: exp.StrPosition, rules: Rules) -> Typed:
        self.query.refuse_other(node, "this", "substr", what="POSITION")
        arguments = [self.bind(node.this, rules), self.bind(node.args["substr"], rules)]
        return self._apply(node, FUNCTIONS["strpos"], arguments)

    def _trim(self, node: exp.Trim, rules: Rules) -> Typed:
        self.query.refuse_other(node, "this", what="TRIM")
        return self._apply(node, FUNCTIONS["trim"], [self.bind(node.this, rules)])

    def _current(self, node: exp.Expr, rules: Rules) -> Typed:
        del rules
        name = "current_date" if isinstance(node, exp.CurrentDate) else "now"
        return self._apply(node, FUNCTIONS[name], [])

    def _case(self, node: exp.Case, rules: Rules) -> Typed:
        self.query.refuse_other(node, "this", "ifs", "default", what="CASE")
        subject = node.args.get("this")
        conditions: list[Typed] = []
        results: list[Typed] = []
        for branch in node.args["ifs"]:
            if subject is None:
                conditions.append(self._condition(branch.this, rules, "CASE WHEN"))
            else:
                pair = [self.bind(subject, rules), self.bind(branch.this, rules)]
                conditions.append(self._apply(branch, OPERATORS["="], pair))
            results.append(self.bind(branch.args["true"], rules))
        default = node.args.get("default")
        results.append(NULL if default is None else self.bind(default, rules))
        *values, otherwise = self.unified(node, "CASE", results)
        whens = " ".join(f"WHEN {when.sql} THEN {then.sql}" for when, then in zip(conditions, values, strict=True))
        return _joined(f"CASE {whens} ELSE {otherwise.sql} END", otherwise.type, [*conditions, *values, otherwise])

    # Subqueries

    def _scalar_subquery(self, node: exp.Subquery, rules: Rules) -> Typed:
        del rules
        self.query.refuse_other(node, "this", what="a subquery")
        inner = self._subselect(node, one_column=True)
        return Typed(f"({inner.sql})", inner.outputs[0].type, free=inner.outer_uses)

    def _exists(self, node: exp.Exists, rules: Rules) -> Typed:
        del rules
        inner = self._subselect(node.this, one_column=False)
        return Typed(f"(EXISTS ({inner.sql}))", BOOLEAN, free=inner.outer_uses)

    def _subselect(self, node: exp.Expr, *, one_column: bool) -> Bound:
        query = node.this if isinstance(node, exp.Subquery) else node
        if not isinstance(query, Query):
            raise self.query.unsupported(node, "This form of subquery")
        inner = self._bind_query(query, self.scope)
        if one_column and len(inner.outputs) != 1:
            raise self.query.mismatch(node, f"A subquery used as a value has one column, not {len(inner.outputs)}")
        return inner


def flatten(node: exp.Expr) -> list[exp.Expr]:
    """The operands of a chain of ANDs, or of ORs, from left to right; parentheses inside do not break it."""
    kind = type(node)
    operands: list[exp.Expr] = []
    stack = [node]
    while stack:
        part = stack.pop()
        inner = part.unnest() if isinstance(part, exp.Paren) else part
        if type(inner) is kind:
            stack += [inner.expression, inner.this]
        else:
            operands.append(part)
    return operands


def _joined(sql: str, kind: ScalarType, parts: Sequence[Typed]) -> Typed:
    """An expression made of parts: it uses what they use."""
    return Typed(
        sql,
        kind,
        free=tuple(use for part in parts for use in part.free),
        aggregated=any(part.aggregated for part in parts),
    )


def _unfit(function: Function, arguments: list[Typed]) -> str:
    kinds = ", ".join(argument.type.text for argument in arguments)
    if function.name in OPERATORS:
        return f"'{'-' if function.name == 'negate' else function.name}' cannot be applied to {kinds}"
    return f"Unexpected parameters ({kinds}) for function {function.name}"


def _is_unfit(value: Typed, target: ScalarType) -> bool:
    try:
        return coerce(value, target) is None
    except OverflowError:
        return True


def _truncate_fold(unit: str) -> Callable[..., int] | None:
    span = UNIT_NS.get(unit)
    return None if span is None or unit == "week" else lambda _, time: time // span * span


_TYPES: dict[Any, ScalarType] = {
    exp.DType.BOOLEAN: BOOLEAN,
    exp.DType.INT: INTEGER,
    exp.DType.BIGINT: BIGINT,
    exp.DType.DOUBLE: DOUBLE,
    exp.DType.VARCHAR: VARCHAR,
    exp.DType.TIMESTAMP: TIMESTAMP,
    exp.DType.DATE: DATE,
    exp.DType.TIME: TIME,
}

_OPERATORS: dict[type[exp.Expr], str] = {
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

_SPECIAL_CALLS: dict[str, Callable[[Expressions, exp.Anonymous, Rules], Typed]] = {
    "date_trunc": Expressions._date_trunc,  # noqa: SLF001 - a table of this module's own methods
    "date_add": Expressions._date_add,  # noqa: SLF001 - as above
    "date_diff": Expressions._date_diff,  # noqa: SLF001 - as above
    "parse_duration": Expressions._parse_duration,  # noqa: SLF001 - as above
}

# the table is keyed by node class, and each method takes that class: no common signature says so
_BINDERS: dict[type[exp.Expr], Callable[[Expressions, Any, Rules], Typed]] = {
    exp.Column: Expressions._column,  # noqa: SLF001 - a table of this module's own methods, here and below
    exp.Literal: Expressions._literal,  # noqa: SLF001
    exp.Boolean: Expressions._boolean,  # noqa: SLF001
    exp.Null: Expressions._null,  # noqa: SLF001
    exp.Interval: Expressions._interval,  # noqa: SLF001
    exp.Paren: Expressions._paren,  # noqa: SLF001
    exp.Neg: Expressions._negate,  # noqa: SLF001
    exp.And: Expressions._logical,  # noqa: SLF001
    exp.Or: Expressions._logical,  # noqa: SLF001
    exp.Not: Expressions._not,  # noqa: SLF001
    exp.Is: Expressions._is,  # noqa: SLF001
    exp.Between: Expressions._between,  # noqa: SLF001
    exp.In: Expressions._in,  # noqa: SLF001
    exp.Like: Expressions._like,  # noqa: SLF001
    exp.Escape: Expressions._like,  # noqa: SLF001
    exp.Anonymous: Expressions._call,  # noqa: SLF001
    exp.Cast: Expressions._cast,  # noqa: SLF001
    exp.TryCast: Expressions._cast,  # noqa: SLF001
    exp.Extract: Expressions._extract,  # noqa: SLF001
    exp.StrPosition: Expressions._position,  # noqa: SLF001
    exp.Trim: Expressions._trim,  # noqa: SLF001
    exp.CurrentTimestamp: Expressions._current,  # noqa: SLF001
    exp.CurrentDate: Expressions._current,  # noqa: SLF001
    exp.Case: Expressions._case,  # noqa: SLF001
    exp.Subquery: Expressions._scalar_subquery,  # noqa: SLF001
    exp.Exists: Expressions._exists,  # noqa: SLF001
    **dict.fromkeys(_OPERATORS, Expressions._binary),  # noqa: SLF001
}
