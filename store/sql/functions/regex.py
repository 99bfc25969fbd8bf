r"""Regular expressions. The reference has Java's; these are RE2's, which take linear time.

They differ in look-around, back references and possessive quantifiers, which RE2 rejects. Constant replacements are
converted in `nodes.lambdas_of_matches`; in others `$1` is a group and `\$` a dollar sign.

Reference: AWS "Regex functions".
"""

from __future__ import annotations

from store.sql.functions.function import ArrayOf, Overload, family, scalar
from store.sql.types import BIGINT, BOOLEAN, VARCHAR, ScalarType

MARK = "\ue001"  # stands for a part of a text while others are replaced
_IS_PLAIN = r"regexp_full_match({2}, '([^$\\]|\$[0-9]|\\\$)*')"
# `$1` becomes `\1`, and `\$` a dollar sign
_GROUPS_IN_IT = (
    r"replace(regexp_replace(replace({2}, '\$', '" + MARK + r"'), '\$([0-9])', '\\\1', 'g'), '" + MARK + "', '$')"
)
_REPLACEMENT = f"CASE WHEN {_IS_PLAIN} THEN {_GROUPS_IN_IT} ELSE error('Illegal replacement sequence: ' || {{2}}) END"


def pattern_of(text: str) -> str:
    """DuckDB's text for a pattern: RE2 writes the names of groups in another way."""
    return f"regexp_replace({text}, '\\(\\?<([A-Za-z])', '(?P<\\1', 'g')"


# each match, or the group of each: null where it took no part in the match
_MATCHES = "regexp_extract_all({0}, {p})"
_GROUPS = "regexp_extract_all({0}, {p}, CAST({2} AS INTEGER))"


def _form(parameters: tuple[ScalarType, ...], result: ScalarType | ArrayOf, template: str) -> Overload:
    return Overload(parameters, result, template.replace("{p}", pattern_of("{1}")))


REGEX = family(
    scalar("regexp_like", _form((VARCHAR, VARCHAR), BOOLEAN, "regexp_matches({0}, {p})")),
    scalar(
        "regexp_extract",
        _form((VARCHAR, VARCHAR), VARCHAR, f"list_extract({_MATCHES}, 1)"),
        _form((VARCHAR, VARCHAR, BIGINT), VARCHAR, f"list_extract({_GROUPS}, 1)"),
    ),
    scalar(
        "regexp_extract_all",
        _form((VARCHAR, VARCHAR), ArrayOf(VARCHAR), _MATCHES),
        _form((VARCHAR, VARCHAR, BIGINT), ArrayOf(VARCHAR), _GROUPS),
    ),
    scalar("regexp_count", _form((VARCHAR, VARCHAR), BIGINT, f"CAST(len({_MATCHES}) AS BIGINT)")),
    scalar("regexp_split", _form((VARCHAR, VARCHAR), ArrayOf(VARCHAR), "regexp_split_to_array({0}, {p})")),
    scalar(
        "regexp_replace",
        _form((VARCHAR, VARCHAR), VARCHAR, "regexp_replace({0}, {p}, '', 'g')"),
        _form((VARCHAR, VARCHAR, VARCHAR), VARCHAR, f"regexp_replace({{0}}, {{p}}, {_REPLACEMENT}, 'g')"),
    ),
)
