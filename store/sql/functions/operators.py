"""Operators, named by their sign. Division of integers is integer division; arithmetic on time is exact.

Reference: AWS "Date / time operators"; Trino for the rest.
"""

from __future__ import annotations

from collections.abc import Callable

from store.sql.functions.array import SUBSCRIPT
from store.sql.functions.function import ANY, NUMBER, ArrayOf, Function, Overload, family, scalar
from store.sql.functions.time import date_months, floor_rest, months_template
from store.sql.literals import NS_PER_DAY
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
    VARBINARY,
    VARCHAR,
    ScalarType,
)

_ADD_MONTHS = months_template("+", "{0}", "{1}")
_INTEGERS = (INTEGER, BIGINT)


def _days(message: str) -> str:
    """The days of interval {1}, which must be whole."""
    return f"CASE WHEN {{1}} % {NS_PER_DAY} <> 0 THEN error('{message}') ELSE {{1}} // {NS_PER_DAY} END"


def _plus_days(_: int, days: int, span: int) -> int:
    if span % NS_PER_DAY:
        raise ValueError("Cannot add hour, minutes or seconds to a date")
    return days + span // NS_PER_DAY


def _mirrored(
    one: ScalarType, other: ScalarType, result: ScalarType, template: str, fold: Callable[..., int] | None = None
) -> tuple[Overload, Overload]:
    """An operator of operands in both orders."""
    swapped = template.replace("{0}", "{x}").replace("{1}", "{0}").replace("{x}", "{1}")
    return (
        Overload((one, other), result, template, fold),
        Overload((other, one), result, swapped, fold and (lambda now_ns, a, b: fold(now_ns, b, a))),
    )


def _arithmetic(sign: str, *more: Overload) -> Function:
    return scalar(sign, Overload((NUMBER, NUMBER), None, f"({{0}} {sign} {{1}})"), *more)


OPERATORS = family(
    scalar("IS DISTINCT FROM", Overload((ANY, ANY), BOOLEAN, "({0} IS DISTINCT FROM {1})")),
    scalar("IS NOT DISTINCT FROM", Overload((ANY, ANY), BOOLEAN, "({0} IS NOT DISTINCT FROM {1})")),
    scalar(
        "||",
        *(Overload((kind, kind), kind, "({0} || {1})") for kind in (VARCHAR, VARBINARY)),
        Overload((ArrayOf(ANY), ArrayOf(ANY)), ArrayOf(ANY), "({0} || {1})"),
        Overload((ArrayOf(ANY), ANY), ArrayOf(ANY), "({0} || [{1}])"),
        Overload((ANY, ArrayOf(ANY)), ArrayOf(ANY), "([{0}] || {1})"),
    ),
    SUBSCRIPT,
    _arithmetic(
        "+",
        Overload((TIMESTAMP, INTERVAL), TIMESTAMP, "({0} + {1})", lambda _, a, b: a + b),
        Overload((INTERVAL, TIMESTAMP), TIMESTAMP, "({0} + {1})", lambda _, a, b: a + b),
        Overload((INTERVAL, INTERVAL), INTERVAL, "({0} + {1})", lambda _, a, b: a + b),
        Overload((MONTHS, MONTHS), MONTHS, "({0} + {1})", lambda _, a, b: a + b),
        *_mirrored(
            DATE, INTERVAL, DATE, f"({{0}} + {_days('Cannot add hour, minutes or seconds to a date')})", _plus_days
        ),
        *_mirrored(TIME, INTERVAL, TIME, floor_rest("({0} + {1})", NS_PER_DAY), lambda _, a, b: (a + b) % NS_PER_DAY),
        *_mirrored(TIMESTAMP, MONTHS, TIMESTAMP, _ADD_MONTHS),
        *_mirrored(DATE, MONTHS, DATE, date_months("+", "{0}", "{1}")),
    ),
    _arithmetic(
        "-",
        Overload((TIMESTAMP, INTERVAL), TIMESTAMP, "({0} - {1})", lambda _, a, b: a - b),
        Overload((TIMESTAMP, TIMESTAMP), INTERVAL, "({0} - {1})", lambda _, a, b: a - b),
        Overload((INTERVAL, INTERVAL), INTERVAL, "({0} - {1})", lambda _, a, b: a - b),
        Overload((MONTHS, MONTHS), MONTHS, "({0} - {1})", lambda _, a, b: a - b),
        Overload(
            (DATE, INTERVAL),
            DATE,
            f"({{0}} - {_days('Cannot subtract hour, minutes or seconds from a date')})",
            lambda _, a, b: _plus_days(_, a, -b),
        ),
        Overload((DATE, DATE), INTERVAL, f"(({{0}} - {{1}}) * {NS_PER_DAY})"),
        Overload((TIME, INTERVAL), TIME, floor_rest("({0} - {1})", NS_PER_DAY), lambda _, a, b: (a - b) % NS_PER_DAY),
        Overload((TIME, TIME), INTERVAL, "({0} - {1})", lambda _, a, b: a - b),
        Overload((TIMESTAMP, MONTHS), TIMESTAMP, months_template("-", "{0}", "{1}")),
        Overload((DATE, MONTHS), DATE, date_months("-", "{0}", "{1}")),
    ),
    _arithmetic(
        "*",
        *(
            form
            for kind in (INTERVAL, MONTHS)
            for form in (
                *_mirrored(kind, BIGINT, kind, "({0} * {1})", lambda _, a, b: a * b),
                *_mirrored(kind, DOUBLE, kind, "CAST(trunc({0} * {1}) AS BIGINT)"),
            )
        ),
    ),
    scalar(
        "/",
        *(Overload((kind, kind), kind, "({0} // {1})") for kind in _INTEGERS),
        Overload((DOUBLE, DOUBLE), DOUBLE, "({0} / {1})"),
        *(Overload((kind, BIGINT), kind, "({0} // {1})") for kind in (INTERVAL, MONTHS)),
        *(
            Overload(
                (kind, DOUBLE),
                kind,
                "CASE WHEN {1} = 0 THEN error('Cannot divide by double 0.0') ELSE CAST(trunc({0} / {1}) AS BIGINT) END",
            )
            for kind in (INTERVAL, MONTHS)
        ),
    ),
    _arithmetic("%"),
    scalar(
        "negate",
        *(Overload((kind,), kind, "(- {0})", lambda _, a: -a) for kind in (*_INTEGERS, DOUBLE, INTERVAL, MONTHS)),
    ),
)
