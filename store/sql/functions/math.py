"""Functions of numbers. Reference: AWS "Mathematical functions"."""

from __future__ import annotations

import math

from store.sql.functions.function import NUMBER, Function, Overload, family, scalar
from store.sql.types import BIGINT, BOOLEAN, DOUBLE, INTEGER

_DOUBLE_TO_DOUBLE = (
    "acos",
    "asin",
    "atan",
    "cbrt",
    "cos",
    "cosh",
    "degrees",
    "exp",
    "ln",
    "log2",
    "log10",
    "radians",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
)


def _whole(name: str, duckdb: str) -> Function:
    """A rounding function; integers are unchanged."""
    return scalar(
        name,
        Overload((INTEGER,), INTEGER, "{0}"),
        Overload((BIGINT,), BIGINT, "{0}"),
        Overload((DOUBLE,), DOUBLE, duckdb),
    )


MATH = family(
    *(scalar(name, Overload((DOUBLE,), DOUBLE, f"{name}({{0}})")) for name in _DOUBLE_TO_DOUBLE),
    scalar("abs", Overload((NUMBER,), None, "abs({0})")),
    scalar("sign", *(Overload((kind,), kind, f"CAST(sign({{0}}) AS {kind})") for kind in (INTEGER, BIGINT, DOUBLE))),
    scalar("mod", Overload((NUMBER, NUMBER), None, "({0} % {1})")),
    *(scalar(name, Overload((DOUBLE, DOUBLE), DOUBLE, "pow({0}, {1})")) for name in ("power", "pow")),
    scalar("atan2", Overload((DOUBLE, DOUBLE), DOUBLE, "atan2({0}, {1})")),
    _whole("ceil", "ceil({0})"),
    _whole("ceiling", "ceil({0})"),
    _whole("floor", "floor({0})"),
    _whole("truncate", "trunc({0})"),
    scalar(
        "round",
        Overload((INTEGER,), INTEGER, "{0}"),
        Overload((BIGINT,), BIGINT, "{0}"),
        Overload((DOUBLE,), DOUBLE, "round({0})"),
        Overload((DOUBLE, INTEGER), DOUBLE, "round({0}, {1})"),
    ),
    *(scalar(name, Overload((), DOUBLE, "random()")) for name in ("rand", "random")),
    scalar("pi", Overload((), DOUBLE, "pi()", lambda _: math.pi)),
    scalar("e", Overload((), DOUBLE, "exp(CAST(1 AS DOUBLE))", lambda _: math.e)),
    scalar("infinity", Overload((), DOUBLE, "CAST('Infinity' AS DOUBLE)", lambda _: math.inf)),
    scalar("nan", Overload((), DOUBLE, "CAST('NaN' AS DOUBLE)", lambda _: math.nan)),
    scalar("is_nan", Overload((DOUBLE,), BOOLEAN, "isnan({0})")),
    scalar("is_finite", Overload((DOUBLE,), BOOLEAN, "isfinite({0})")),
    scalar("is_infinite", Overload((DOUBLE,), BOOLEAN, "isinf({0})")),
    *(
        scalar(f"bitwise_{name}", Overload((BIGINT, BIGINT), BIGINT, template))
        for name, template in (("and", "({0} & {1})"), ("or", "({0} | {1})"), ("xor", "xor({0}, {1})"))
    ),
    scalar("bitwise_not", Overload((BIGINT,), BIGINT, "(~ {0})")),
)
