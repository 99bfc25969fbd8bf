r"""Regular expressions. The reference has Java's; these are RE2's, which take linear time.

They differ in look-around, back references and possessive quantifiers, which RE2 rejects. In a replacement `$1` is a
group and `\$` a dollar sign. Reference: AWS "Regex functions".
"""

from __future__ import annotations

from store.sql.functions.function import ArrayOf, Overload, family, scalar
from store.sql.types import BIGINT, BOOLEAN, VARCHAR

# `$1` and `${1}` become `\1`; a backslash of the text itself is doubled first
_REPLACEMENT = (
    r"regexp_replace(regexp_replace(replace({2}, '\', '\\'), '\$\{?([0-9])\}?', '\\\1', 'g'), '\\\\\$', '$', 'g')"
)

REGEX = family(
    scalar("regexp_like", Overload((VARCHAR, VARCHAR), BOOLEAN, "regexp_matches({0}, {1})")),
    scalar(
        "regexp_extract",
        Overload((VARCHAR, VARCHAR), VARCHAR, "CASE WHEN regexp_matches({0}, {1}) THEN regexp_extract({0}, {1}) END"),
        Overload(
            (VARCHAR, VARCHAR, BIGINT),
            VARCHAR,
            "CASE WHEN regexp_matches({0}, {1}) THEN regexp_extract({0}, {1}, CAST({2} AS INTEGER)) END",
        ),
    ),
    scalar(
        "regexp_extract_all",
        Overload((VARCHAR, VARCHAR), ArrayOf(VARCHAR), "regexp_extract_all({0}, {1})"),
        Overload((VARCHAR, VARCHAR, BIGINT), ArrayOf(VARCHAR), "regexp_extract_all({0}, {1}, CAST({2} AS INTEGER))"),
    ),
    scalar("regexp_split", Overload((VARCHAR, VARCHAR), ArrayOf(VARCHAR), "regexp_split_to_array({0}, {1})")),
    scalar(
        "regexp_replace",
        Overload((VARCHAR, VARCHAR), VARCHAR, "regexp_replace({0}, {1}, '', 'g')"),
        Overload((VARCHAR, VARCHAR, VARCHAR), VARCHAR, f"regexp_replace({{0}}, {{1}}, {_REPLACEMENT}, 'g')"),
    ),
)
