"""Functions of text. Positions count from 1. Reference: AWS "String functions"."""

from __future__ import annotations

from store.sql.functions.binary import PARTS_OF_BINARY, REVERSED
from store.sql.functions.function import ANY, ArrayOf, Overload, family, scalar
from store.sql.types import BIGINT, BOOLEAN, INTEGER, VARBINARY, VARCHAR

# one character of `lower` and `upper` is one of the result, and ß has no such upper one
_UPPER = "replace(upper(replace({0}, 'ß', '\ue001')), '\ue001', 'ß')"
_TRIMS = ("trim", "ltrim", "rtrim")

_ARRAY = ArrayOf(ANY)
_PARTS = "string_split({0}, {1})"
_DELIMITER = "CASE WHEN {1} = '' THEN error('The delimiter may not be the empty string') ELSE {1} END"


def joined_with(texts: str, delimiter: str) -> str:
    """DuckDB's text that puts a list of texts together; its own function takes a constant delimiter only."""
    return f"CASE WHEN len({texts}) = 0 THEN '' ELSE list_reduce({texts}, lambda l, r: l || {delimiter} || r) END"


_NOT_POSITIVE = "error('instance must be a positive number')"
_BEFORE = joined_with(f"list_slice({_PARTS}, 1, {{2}})", "{1}")
_UP_TO = joined_with(f"list_slice({_PARTS}, 1, len({_PARTS}) - {{2}})", "{1}")
_FROM = joined_with(f"list_slice({_PARTS}, {{2}}, len({_PARTS}))", "{1}")
# of instance {2} of text {1}, which follows as many parts; from the start or from the end
_INSTANCE, _INSTANCE_FROM_END = (
    f"CASE WHEN {{2}} <= 0 THEN {_NOT_POSITIVE} WHEN len({_PARTS}) <= {{2}} THEN 0 ELSE length({before}) + 1 END"
    for before in (_BEFORE, _UP_TO)
)
_LAST = (
    "CASE WHEN instr({0}, {1}) = 0 THEN 0 ELSE length({0}) - instr(reverse({0}), reverse({1})) - length({1}) + 2 END"
)
# at most {2} parts, the last with all the rest
_SPLIT = (
    "CASE WHEN {nulls} THEN NULL WHEN {2} <= 0 THEN error('The limit must be positive')"
    " WHEN {1} = '' THEN error('The delimiter may not be the empty string')"
    f" WHEN len({_PARTS}) <= {{2}} THEN {_PARTS}"
    f" ELSE list_concat(list_slice({_PARTS}, 1, {{2}} - 1), [{_FROM}]) END"
)

_AROUND_EACH = "list_reduce(list_transform(string_split({0}, ''), lambda c: c || {2}), lambda l, r: l || r)"
_REPLACE_ANY = (
    "CASE WHEN {nulls} THEN NULL WHEN {1} <> '' THEN replace({0}, {1}, {2}) WHEN {0} = '' THEN {2}"
    f" ELSE {{2}} || {_AROUND_EACH} END"
)
REPLACE = scalar(
    "replace",
    Overload((VARCHAR, VARCHAR), VARCHAR, "replace({0}, {1}, '')"),
    Overload((VARCHAR, VARCHAR, VARCHAR), VARCHAR, "replace({0}, {1}, {2})"),
)
"""That of a constant text that is not empty."""

STRING = family(
    scalar("lower", Overload((VARCHAR,), VARCHAR, "lower({0})")),
    scalar("upper", Overload((VARCHAR,), VARCHAR, _UPPER)),
    *(
        scalar(
            name,
            Overload((VARCHAR,), VARCHAR, f"{name}({{0}})"),
            Overload((VARCHAR, VARCHAR), VARCHAR, f"{name}({{0}}, {{1}})"),
        )
        for name in _TRIMS
    ),
    scalar("starts_with", Overload((VARCHAR, VARCHAR), BOOLEAN, "starts_with({0}, {1})")),
    scalar("translate", Overload((VARCHAR, VARCHAR, VARCHAR), VARCHAR, "translate({0}, {1}, {2})")),
    scalar("concat_ws", Overload((VARCHAR, VARCHAR), VARCHAR, "concat_ws({*})", variadic=True)),
    scalar(
        "reverse",
        Overload((VARCHAR,), VARCHAR, "reverse({0})"),
        REVERSED,
        Overload((_ARRAY,), _ARRAY, "list_reverse({0})"),
    ),
    *(
        scalar(name, Overload((VARCHAR, BIGINT, VARCHAR), VARCHAR, f"{name}({{0}}, CAST({{1}} AS INTEGER), {{2}})"))
        for name in ("lpad", "rpad")
    ),
    scalar("chr", Overload((BIGINT,), VARCHAR, "chr(CAST({0} AS INTEGER))")),
    scalar("codepoint", Overload((VARCHAR,), INTEGER, "unicode({0})")),
    scalar("levenshtein_distance", Overload((VARCHAR, VARCHAR), BIGINT, "levenshtein({0}, {1})")),
    scalar("hamming_distance", Overload((VARCHAR, VARCHAR), BIGINT, "hamming({0}, {1})")),
    scalar(
        "length",
        Overload((VARCHAR,), BIGINT, "length({0})"),
        Overload((VARBINARY,), BIGINT, "octet_length({0})"),
    ),
    scalar(
        "concat",
        Overload((VARCHAR, VARCHAR), VARCHAR, "({||})", variadic=True),
        Overload((VARBINARY, VARBINARY), VARBINARY, "({||})", variadic=True),
        Overload((_ARRAY, _ARRAY), _ARRAY, "({||})", variadic=True),
    ),
    scalar(
        "strpos",
        Overload((VARCHAR, VARCHAR), BIGINT, "instr({0}, {1})"),
        Overload((VARCHAR, VARCHAR, BIGINT), BIGINT, _INSTANCE, once=True),
    ),
    scalar(
        "strrpos",
        Overload((VARCHAR, VARCHAR), BIGINT, _LAST),
        Overload((VARCHAR, VARCHAR, BIGINT), BIGINT, _INSTANCE_FROM_END, once=True),
    ),
    scalar(
        "split",
        Overload((VARCHAR, VARCHAR), ArrayOf(VARCHAR), f"string_split({{0}}, {_DELIMITER})"),
        Overload((VARCHAR, VARCHAR, BIGINT), ArrayOf(VARCHAR), _SPLIT, once=True),
    ),
    scalar(
        "replace",
        Overload((VARCHAR, VARCHAR), VARCHAR, "replace({0}, {1}, '')"),
        Overload((VARCHAR, VARCHAR, VARCHAR), VARCHAR, _REPLACE_ANY, once=True),
    ),
    *(
        scalar(
            name,
            Overload((VARCHAR, BIGINT), VARCHAR, "CASE WHEN {1} = 0 THEN '' ELSE substring({0}, {1}) END"),
            Overload(
                (VARCHAR, BIGINT, BIGINT),
                VARCHAR,
                "CASE WHEN {1} = 0 OR {2} <= 0 THEN '' ELSE substring({0}, {1}, {2}) END",
            ),
            *PARTS_OF_BINARY,
        )
        for name in ("substr", "substring")
    ),
    scalar(
        "split_part",
        Overload(
            (VARCHAR, VARCHAR, BIGINT),
            VARCHAR,
            "CASE WHEN {2} <= 0 THEN error('Index must be greater than zero')"
            " WHEN {2} > len(string_split({0}, {1})) THEN NULL ELSE split_part({0}, {1}, {2}) END",
        ),
    ),
)
