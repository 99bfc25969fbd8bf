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
_GROUP = "CASE WHEN {2} < 0 THEN error('Group cannot be negative') ELSE CAST({2} AS INTEGER) END"
_GROUPS = f"regexp_extract_all({{0}}, {{p}}, {_GROUP})"
# the texts between the matches
_BETWEEN = f"string_split(regexp_replace({{0}}, {{p}}, '{MARK}', 'g'), '{MARK}')"
_SPLIT = (
    f"CASE WHEN contains({{0}}, '{MARK}') THEN error('no text with the character U+E001 is split') ELSE {_BETWEEN} END"
)


def guarded(value: str, pattern: str, made: str) -> str:
    """DuckDB's text for `made` of the text `x`, unless RE2 finds other empty matches than Java next to others."""
    between = _BETWEEN.replace("{0}", "x").replace("{p}", pattern)
    differ = f"len({between}) <> len(regexp_extract_all(x, {pattern})) + 1"
    refused = "error('the empty matches of this pattern cannot be found next to others')"
    one = f"CASE WHEN x IS NULL THEN NULL WHEN {differ} THEN {refused} ELSE {made} END"
    return f"list_extract(list_transform([{value}], lambda x: {one}), 1)"


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
    scalar(
        "regexp_split", _form((VARCHAR, VARCHAR), ArrayOf(VARCHAR), guarded("{0}", "{p}", _SPLIT.replace("{0}", "x")))
    ),
    scalar(
        "regexp_replace",
        _form((VARCHAR, VARCHAR), VARCHAR, guarded("{0}", "{p}", "regexp_replace(x, {p}, '', 'g')")),
        _form(
            (VARCHAR, VARCHAR, VARCHAR),
            VARCHAR,
            guarded("{0}", "{p}", f"regexp_replace(x, {{p}}, {_REPLACEMENT}, 'g')"),
        ),
    ),
)
