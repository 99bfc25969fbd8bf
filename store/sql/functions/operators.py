"""Operators, named by their sign. Division of integers is integer division; arithmetic on time is exact.

Reference: AWS "Date / time operators"; Trino for the rest.
"""

from __future__ import annotations

from store.sql.functions.array import SUBSCRIPT
from store.sql.functions.function import ANY, NUMBER, ArrayOf, Function, Overload, family, scalar
from store.sql.functions.time import months_template
from store.sql.literals import NS_PER_DAY
from store.sql.types import BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, INTERVAL, MONTHS, TIMESTAMP, VARCHAR

_ADD_MONTHS = months_template("+", "{0}", "{1}")
_DATE_ADD_MONTHS = "datediff('day', DATE '1970-01-01', CAST(DATE '1970-01-01' + CAST({0} AS INTEGER) {sign} to_months(CAST({1} AS INTEGER)) AS DATE))"  # noqa: E501 - one template
_INTEGERS = (INTEGER, BIGINT)


def _arithmetic(sign: str, *more: Overload) -> Function:
    return scalar(sign, Overload((NUMBER, NUMBER), None, f"({{0}} {sign} {{1}})"), *more)


OPERATORS = family(
    scalar("IS DISTINCT FROM", Overload((ANY, ANY), BOOLEAN, "({0} IS DISTINCT FROM {1})")),
    scalar("IS NOT DISTINCT FROM", Overload((ANY, ANY), BOOLEAN, "({0} IS NOT DISTINCT FROM {1})")),
    scalar(
        "||",
        Overload((VARCHAR, VARCHAR), VARCHAR, "({0} || {1})"),
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
        Overload((DATE, INTERVAL), DATE, f"({{0}} + {{1}} // {NS_PER_DAY})"),
        Overload((INTERVAL, DATE), DATE, f"({{1}} + {{0}} // {NS_PER_DAY})"),
        Overload((TIMESTAMP, MONTHS), TIMESTAMP, _ADD_MONTHS),
        Overload(
            (MONTHS, TIMESTAMP),
            TIMESTAMP,
            months_template("+", "{1}", "{0}"),
        ),
        Overload((DATE, MONTHS), DATE, _DATE_ADD_MONTHS.replace("{sign}", "+")),
    ),
    _arithmetic(
        "-",
        Overload((TIMESTAMP, INTERVAL), TIMESTAMP, "({0} - {1})", lambda _, a, b: a - b),
        Overload((TIMESTAMP, TIMESTAMP), INTERVAL, "({0} - {1})", lambda _, a, b: a - b),
        Overload((INTERVAL, INTERVAL), INTERVAL, "({0} - {1})", lambda _, a, b: a - b),
        Overload((MONTHS, MONTHS), MONTHS, "({0} - {1})", lambda _, a, b: a - b),
        Overload((DATE, INTERVAL), DATE, f"({{0}} - {{1}} // {NS_PER_DAY})"),
        Overload((DATE, DATE), INTERVAL, f"(({{0}} - {{1}}) * {NS_PER_DAY})"),
        Overload((TIMESTAMP, MONTHS), TIMESTAMP, months_template("-", "{0}", "{1}")),
        Overload((DATE, MONTHS), DATE, _DATE_ADD_MONTHS.replace("{sign}", "-")),
    ),
    _arithmetic(
        "*",
        Overload((INTERVAL, BIGINT), INTERVAL, "({0} * {1})", lambda _, a, b: a * b),
        Overload((BIGINT, INTERVAL), INTERVAL, "({0} * {1})", lambda _, a, b: a * b),
    ),
    scalar(
        "/",
        *(Overload((kind, kind), kind, "({0} // {1})") for kind in _INTEGERS),
        Overload((DOUBLE, DOUBLE), DOUBLE, "({0} / {1})"),
        Overload((INTERVAL, BIGINT), INTERVAL, "({0} // {1})"),
    ),
    _arithmetic("%"),
    scalar(
        "negate",
        *(Overload((kind,), kind, "(- {0})", lambda _, a: -a) for kind in (*_INTEGERS, DOUBLE, INTERVAL, MONTHS)),
    ),
)
