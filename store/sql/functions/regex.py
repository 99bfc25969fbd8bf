r"""Regular expressions. The reference has Java's; these are RE2's, which take linear time.

They differ in look-around, back references and possessive quantifiers, which RE2 rejects. In a replacement `$1` is a
group and `\$` a dollar sign. Reference: AWS "Regex functions".
"""

from __future__ import annotations

from store.sql.functions.function import ArrayOf, Overload, family, scalar
from store.sql.types import BIGINT, BOOLEAN, VARCHAR, ScalarType

# `$1` and `${1}` become `\1`; a backslash of the text itself is doubled first
_REPLACEMENT = (
    r"regexp_replace(regexp_replace(replace({2}, '\', '\\'), '\$\{?([0-9])\}?', '\\\1', 'g'), '\\\\\$', '$', 'g')"
)

# RE2 writes the names of groups in another way
_PATTERN = "regexp_replace({1}, '\\(\\?<([A-Za-z])', '(?P<\\1', 'g')"


def _form(parameters: tuple[ScalarType, ...], result: ScalarType | ArrayOf, template: str) -> Overload:
    return Overload(parameters, result, template.replace("{p}", _PATTERN))


REGEX = family(
    scalar("regexp_like", _form((VARCHAR, VARCHAR), BOOLEAN, "regexp_matches({0}, {p})")),
    scalar(
        "regexp_extract",
        _form((VARCHAR, VARCHAR), VARCHAR, "CASE WHEN regexp_matches({0}, {p}) THEN regexp_extract({0}, {p}) END"),
        _form(
            (VARCHAR, VARCHAR, BIGINT),
            VARCHAR,
            "CASE WHEN regexp_matches({0}, {p}) THEN regexp_extract({0}, {p}, CAST({2} AS INTEGER)) END",
        ),
    ),
    scalar(
        "regexp_extract_all",
        _form((VARCHAR, VARCHAR), ArrayOf(VARCHAR), "regexp_extract_all({0}, {p})"),
        _form((VARCHAR, VARCHAR, BIGINT), ArrayOf(VARCHAR), "regexp_extract_all({0}, {p}, CAST({2} AS INTEGER))"),
    ),
    scalar("regexp_count", _form((VARCHAR, VARCHAR), BIGINT, "CAST(len(regexp_extract_all({0}, {p})) AS BIGINT)")),
    scalar("regexp_split", _form((VARCHAR, VARCHAR), ArrayOf(VARCHAR), "regexp_split_to_array({0}, {p})")),
    scalar(
        "regexp_replace",
        _form((VARCHAR, VARCHAR), VARCHAR, "regexp_replace({0}, {p}, '', 'g')"),
        _form((VARCHAR, VARCHAR, VARCHAR), VARCHAR, f"regexp_replace({{0}}, {{p}}, {_REPLACEMENT}, 'g')"),
    ),
)
