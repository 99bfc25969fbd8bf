"""Expressions: converts each node of the parsed query to typed DuckDB text, or raises an error with its position.

This module contains what all kinds of nodes share: constants, conversions, calls, subqueries. `nodes` defines the kinds
of nodes, one file per family. Only kinds that are listed there are accepted, and only the parts of them that are
handled: anything else that the parser accepts is rejected, never passed on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from sqlglot import exp

from store.sql.bound import BindQuery, Bound, Query
from store.sql.functions import OPERATORS, Function, Overload
from store.sql.literals import parse_interval
from store.sql.parameters import Parameters
from store.sql.scope import Scope
from store.sql.text import QueryText
from store.sql.typed import Constant, Typed, coerce, constant
from store.sql.types import BOOLEAN, UNKNOWN, ScalarType, SqlType, common_type, is_ordered
from store.sql.zones import argument_of

SQL_MAX_CHARS = 4 * 1024 * 1024  # of generated text: templates repeat arguments, and calls are nested
FORMS_MAX = 6  # in a message


WHERE = "WHERE clause"


@dataclass(frozen=True, slots=True)
class Rules:
    """The expressions that are allowed at a place. `clause` is the name of the place in messages."""

    clause: str = "SELECT"
    aggregates: bool = False
    windows: bool = False
    grouped: frozenset[str] = frozenset()
    aliases: tuple[tuple[str, Typed], ...] = ()  # output names for expressions, tried after columns
    variables: tuple[tuple[str, Typed], ...] = ()  # parameters of the lambdas around it, the innermost last
    tries: int = 0  # so many TRY around it


# keyed by the class of node that each function takes; so they have no common signature
NodeBinders: TypeAlias = "Mapping[type[exp.Expr], Callable[[Expressions, Any, Rules], Typed]]"


class Expressions:
    """Binds expressions in one scope."""

    def __init__(
        self,
        scope: Scope,
        now_ns: int,
        bind_query: BindQuery,
        name: Callable[[str], str],
        nodes: NodeBinders,
        parameters: Parameters,
    ) -> None:
        self.scope = scope
        self.name = name
        self.query: QueryText = scope.query
        self.now_ns = now_ns
        self.parameters = parameters
        self._bind_query = bind_query
        self._nodes = nodes

    def bind(self, node: exp.Expr, rules: Rules) -> Typed:
        """The DuckDB text of `node`. Raises SqlError."""
        binder = self._nodes.get(type(node))
        if binder is None:
            raise self.query.unsupported(node, _words(node))
        typed = binder(self, node, rules)
        if len(typed.sql) > SQL_MAX_CHARS:
            raise self.query.unsupported(node, "An expression of this size")
        return replace(typed, free=()) if typed.free and typed.sql in rules.grouped else typed

    def constant(self, node: exp.Expr, value: Constant, kind: ScalarType) -> Typed:
        """A constant. Raises TypeMismatch if it is out of the type's range."""
        try:
            return constant(value, kind)
        except (OverflowError, ValueError):
            raise self.query.mismatch(node, f"{value} is out of the range of {kind.text}") from None

    def interval_constant(self, node: exp.Expr, text: str) -> Typed:
        """The interval constant of a text such as `5m`."""
        parsed = parse_interval(text)
        if parsed is None:
            raise self.query.syntax(node, f"'{text}' is neither a column nor an interval such as 5m or 1day")
        return self.constant(node, *parsed)

    def condition(self, node: exp.Expr, rules: Rules, word: str | None = None) -> Typed:
        """`node` as a boolean, for the operator `word`, else for the clause of `rules`."""
        typed = self.bind(node, rules)
        if typed.type not in {BOOLEAN, UNKNOWN}:
            raise self.query.mismatch(node, f"{word or rules.clause} needs a boolean, and this is {typed.type.text}")
        self.parameters.used_as(typed, BOOLEAN)
        return typed

    def apply(
        self,
        node: exp.Expr,
        function: Function,
        arguments: list[Typed],
        *,
        distinct: bool = False,
        order: str = "",
        after: str = "",
        nulls: str = "",
    ) -> Typed:
        """A call of `function`, with its arguments converted to the best form. Raises TypeMismatch.

        `order` is the keys of the ORDER BY in it, which has an effect where the value depends on the order of rows;
        `after` its FILTER and OVER, `nulls` the IGNORE NULLS of its argument.
        """
        arguments = [argument_of(function.name, argument) for argument in arguments]
        match = function.resolve([(argument.type, argument.constant is not None) for argument in arguments])
        if match is None:
            raise self.query.mismatch(node, _unfit(function, arguments))
        if distinct and "{distinct}" not in match.overload.template:
            raise self.query.unsupported(node, f"DISTINCT in '{function.name}'")
        fitted = [
            self.coerced(node, argument, target) for argument, target in zip(arguments, match.parameters, strict=True)
        ]
        if nulls:
            fitted[-1] = replace(fitted[-1], sql=fitted[-1].sql + nulls, constant=None)
        return self.rendered(node, match.overload, match.result, fitted, distinct=distinct, order=order, after=after)

    def rendered(
        self,
        node: exp.Expr,
        overload: Overload,
        result: SqlType,
        arguments: list[Typed],
        *,
        distinct: bool = False,
        order: str = "",
        after: str = "",
    ) -> Typed:
        """The call of one form with arguments of its types: a constant if it can be computed now."""
        values = [argument.constant for argument in arguments]
        if overload.fold is not None and None not in values and isinstance(result, ScalarType):
            try:
                return constant(overload.fold(self.now_ns, *values), result)
            except ArithmeticError as error:
                raise self.query.mismatch(node, f"The value is out of range: {error}") from None
            except ValueError as error:
                raise self.query.mismatch(node, str(error)) from None
        sql = overload.render(
            [argument.sql for argument in arguments], self.now_ns, distinct=distinct, order=order, after=after
        )
        return joined(sql, result, arguments)

    def coerced(self, node: exp.Expr, value: Typed, target: SqlType) -> Typed:
        """`value` implicitly converted to `target`. Raises TypeMismatch for a text that is not such a value."""
        self.parameters.used_as(value, target)
        try:
            typed = coerce(value, target)
        except OverflowError:
            typed = None
        if typed is None:
            raise self.query.mismatch(node, f"'{value.constant}' is not a valid {target.text}")
        return typed

    def unified(self, node: exp.Expr, word: str, values: list[Typed]) -> list[Typed]:
        """All values converted to one type. Raises TypeMismatch if they have none in common."""
        common = self.common(node, word, values)
        return [self.coerced(node, value, common) for value in values]

    def common(self, node: exp.Expr, word: str, values: Sequence[Typed]) -> SqlType:
        """The type to which all values can be converted. Raises TypeMismatch if there is none."""
        common = common_type([(value.type, value.constant is not None) for value in values]) if values else UNKNOWN
        if common is None:
            kinds = ", ".join(dict.fromkeys(value.type.text for value in values))
            raise self.query.mismatch(node, f"{word} cannot be applied to {kinds}")
        return common

    def ordered(self, node: exp.Expr, value: Typed, word: str = "ORDER BY") -> Typed:
        """`value`, whose type must have an order. Raises TypeMismatch."""
        if not is_ordered(value.type):
            raise self.query.mismatch(
                node, f"Type {value.type.text} is not orderable, and therefore cannot be used in {word}"
            )
        return value

    def subselect(self, node: exp.Expr, rules: Rules) -> Bound:
        """The subquery `node`, bound inside this scope."""
        if rules.variables:
            raise self.query.mismatch(node, "Lambda expression cannot contain subqueries")  # as in Trino
        query = node.this if isinstance(node, exp.Subquery) else node
        if not isinstance(query, Query):
            raise self.query.unsupported(node, "This form of subquery")
        return self._bind_query(query, self.scope)


def _words(node: exp.Expr) -> str:
    """What a kind of node is called: AT TIME ZONE."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).upper()


def flatten(node: exp.Expr) -> list[exp.Expr]:
    """The operands of a chain of ANDs, or of ORs, from left to right; also through parentheses."""
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


def joined(sql: str, kind: SqlType, parts: Sequence[Typed]) -> Typed:
    """An expression that consists of parts: it uses all that they use."""
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
    forms = list(dict.fromkeys(f"{function.name}({form.text})" for form in function.overloads))
    more = ", …" if len(forms) > FORMS_MAX else ""
    return (
        f"Unexpected parameters ({kinds}) for function {function.name}. Expected: {', '.join(forms[:FORMS_MAX])}{more}"
    )
