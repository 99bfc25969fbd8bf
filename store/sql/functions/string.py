"""Functions of text. Positions count from 1. Reference: AWS "String functions"."""

from __future__ import annotations

from store.sql.functions.function import Overload, family, scalar
from store.sql.types import BIGINT, INTEGER, VARCHAR

_TEXT_TO_TEXT = ("lower", "upper", "trim", "ltrim", "rtrim", "reverse")

STRING = family(
    *(scalar(name, Overload((VARCHAR,), VARCHAR, f"{name}({{0}})")) for name in _TEXT_TO_TEXT),
    *(
        scalar(name, Overload((VARCHAR, BIGINT, VARCHAR), VARCHAR, f"{name}({{0}}, CAST({{1}} AS INTEGER), {{2}})"))
        for name in ("lpad", "rpad")
    ),
    scalar("chr", Overload((BIGINT,), VARCHAR, "chr(CAST({0} AS INTEGER))")),
    scalar("codepoint", Overload((VARCHAR,), INTEGER, "unicode({0})")),
    scalar("levenshtein_distance", Overload((VARCHAR, VARCHAR), BIGINT, "levenshtein({0}, {1})")),
    scalar("hamming_distance", Overload((VARCHAR, VARCHAR), BIGINT, "hamming({0}, {1})")),
    scalar("length", Overload((VARCHAR,), BIGINT, "length({0})")),
    scalar("concat", Overload((VARCHAR, VARCHAR), VARCHAR, "({||})", variadic=True)),
    scalar("strpos", Overload((VARCHAR, VARCHAR), BIGINT, "instr({0}, {1})")),
    scalar(
        "replace",
        Overload((VARCHAR, VARCHAR), VARCHAR, "replace({0}, {1}, '')"),
        Overload((VARCHAR, VARCHAR, VARCHAR), VARCHAR, "replace({0}, {1}, {2})"),
    ),
    *(
        scalar(
            name,
            Overload((VARCHAR, BIGINT), VARCHAR, "CASE WHEN {1} = 0 THEN '' ELSE substring({0}, {1}) END"),
            Overload((VARCHAR, BIGINT, BIGINT), VARCHAR, "CASE WHEN {1} = 0 THEN '' ELSE substring({0}, {1}, {2}) END"),
        )
        for name in ("substr", "substring")
    ),
    scalar(
        "split_part",
        Overload(
            (VARCHAR, VARCHAR, BIGINT),
            VARCHAR,
            "CASE WHEN {2} > len(string_split({0}, {1})) THEN NULL ELSE split_part({0}, {1}, {2}) END",
        ),
    ),
)
