"""Functions of numbers. Reference: AWS "Mathematical functions"."""

from __future__ import annotations

import math

from store.sql.functions.function import NUMBER, Function, Overload, family, scalar
from store.sql.types import BIGINT, BOOLEAN, DOUBLE, INTEGER, VARCHAR

_DOUBLE_TO_DOUBLE = (
    "acos",
    "asin",
    "atan",
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


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_RADIX = "error('Radix must be between 2 and 36')"
_TO_BASE = (
    f"CASE WHEN {{1}} NOT BETWEEN 2 AND 36 THEN {_RADIX}"
    " WHEN {0} < 0 THEN '-' || lower(to_base(- {0}, CAST({1} AS INTEGER)))"
    " ELSE lower(to_base({0}, CAST({1} AS INTEGER))) END"
)
_INVALID = "error('Not a valid base-' || {1} || ' number: ' || {0})"
_FROM_BASE = (
    f"CASE WHEN {{nulls}} THEN NULL WHEN {{1}} NOT BETWEEN 2 AND 36 THEN {_RADIX}"
    f" WHEN NOT regexp_full_match({{0}}, '[+-]?[0-9a-zA-Z]+') THEN {_INVALID}"
    " ELSE list_reduce(list_transform(string_split(lower(ltrim({0}, '+-')), ''), lambda c:"
    f" CASE WHEN instr('{_DIGITS}', c) > {{1}} THEN {_INVALID} ELSE CAST(instr('{_DIGITS}', c) - 1 AS BIGINT) END),"
    " lambda s, d: s * {1} + d) * CASE WHEN {0} LIKE '-%' THEN -1 ELSE 1 END END"
)
# of the lowest {1} bits, which must hold the number
_HALF = "(1::BIGINT << CAST(least({1}, 63) - 1 AS INTEGER))"
_BITS = (
    "CASE WHEN {1} NOT BETWEEN 2 AND 64 THEN error('Bits specified in bit_count must be between 2 and 64, got ' || {1})"
    " WHEN {1} = 64 THEN CAST(bit_count({0}) AS BIGINT)"
    f" WHEN {{0}} >= {_HALF} OR {{0}} < -{_HALF} THEN error('Number must be representable with the bits specified. '"
    " || {0} || ' cannot be represented with ' || {1} || ' bits')"
    f" ELSE CAST(bit_count({{0}} & ({_HALF} - 1 + {_HALF})) AS BIGINT) END"
)

# exact for cubes, unlike DuckDB's
_CBRT = "CASE WHEN pow(round(cbrt({0})), 3) = {0} THEN round(cbrt({0})) ELSE cbrt({0}) END"

MATH = family(
    *(scalar(name, Overload((DOUBLE,), DOUBLE, f"{name}({{0}})")) for name in _DOUBLE_TO_DOUBLE),
    scalar("cbrt", Overload((DOUBLE,), DOUBLE, _CBRT)),
    scalar("log", Overload((DOUBLE, DOUBLE), DOUBLE, "(ln({1}) / ln({0}))")),
    scalar("abs", Overload((NUMBER,), None, "abs({0})")),
    scalar(
        "sign",
        *(Overload((kind,), kind, f"CAST(sign({{0}}) AS {kind})") for kind in (INTEGER, BIGINT)),
        # NaN and -0.0 as they are, of which DuckDB's are 0
        Overload(
            (DOUBLE,), DOUBLE, "CASE WHEN isnan({0}) OR {0} = 0 THEN {0} ELSE CAST(sign({0}) AS DOUBLE) END", once=True
        ),
    ),
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
        *(Overload((kind, INTEGER), kind, f"CAST(round({{0}}, {{1}}) AS {kind})") for kind in (INTEGER, BIGINT)),
        Overload((DOUBLE, INTEGER), DOUBLE, "round({0}, {1})"),
    ),
    *(
        scalar(
            name,
            Overload((), DOUBLE, "random()"),
            *(Overload((kind,), kind, f"CAST(floor(random() * {{0}}) AS {kind})") for kind in (INTEGER, BIGINT)),
            *(
                Overload((kind, kind), kind, f"({{0}} + CAST(floor(random() * ({{1}} - {{0}})) AS {kind}))")
                for kind in (INTEGER, BIGINT)
            ),
        )
        for name in ("rand", "random")
    ),
    scalar("to_base", Overload((BIGINT, BIGINT), VARCHAR, _TO_BASE)),
    scalar("from_base", Overload((VARCHAR, BIGINT), BIGINT, _FROM_BASE, once=True)),
    scalar(
        "bit_count",
        Overload((BIGINT,), BIGINT, "CAST(bit_count({0}) AS BIGINT)"),
        Overload((BIGINT, BIGINT), BIGINT, _BITS, once=True),
    ),
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
