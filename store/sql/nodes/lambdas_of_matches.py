"""`regexp_replace`, whose replacement is a text with groups, or a lambda of the groups of each match."""

from __future__ import annotations

from sqlglot import exp

from store.sql.expressions import Expressions, Rules, joined
from store.sql.functions import FUNCTIONS
from store.sql.functions.patterns import groups_of, is_never_empty, replacement_of
from store.sql.functions.regex import MARK, guarded, pattern_of
from store.sql.nodes.lambda_bodies import arguments, body_of, names_of
from store.sql.typed import Typed
from store.sql.types import UNKNOWN, VARCHAR, ArrayType
from store.values.sql_text import quote_string

_HAS_MARK = "error('regexp_replace with a lambda takes no text with the character U+E001')"
_UNEQUAL = "error('regexp_replace with a lambda cannot find the empty matches of this pattern')"


def replaced(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    """The text with each match replaced."""
    if any(isinstance(part, exp.Lambda) for part in node.expressions):
        return _by_lambda(binder, node, rules)
    values = [binder.bind(part, rules) for part in node.expressions]
    is_constant = all(value.type is VARCHAR and value.constant is not None for value in values[1:])
    if len(values) not in {2, 3} or not is_constant or values[0].type not in {VARCHAR, UNKNOWN}:
        return binder.apply(node, FUNCTIONS["regexp_replace"], values)
    pattern, text = str(values[1].constant), str(values[2].constant) if values[2:] else ""
    try:
        replacement = quote_string(replacement_of(text, groups_of(pattern)))
    except ValueError as error:
        raise binder.query.mismatch(node.expressions[2], str(error)) from None
    value, regex = f"CAST({values[0].sql} AS VARCHAR)", pattern_of(values[1].sql)
    if is_never_empty(pattern):
        return joined(f"regexp_replace({value}, {regex}, {replacement}, 'g')", VARCHAR, values)
    return joined(guarded(value, regex, f"regexp_replace(x, {regex}, {replacement}, 'g')"), VARCHAR, values)


def _by_lambda(binder: Expressions, node: exp.Anonymous, rules: Rules) -> Typed:
    """The texts between the matches, and what the lambda makes of each match's groups, one after the other."""
    values, lambdas = arguments(binder, node, rules, values=2, lambdas=1)
    value, pattern = (binder.coerced(node, one, VARCHAR) if one.type is UNKNOWN else one for one in values)
    if value.type is not VARCHAR or pattern.type is not VARCHAR or pattern.constant is None:
        raise binder.query.mismatch(node, "regexp_replace with a lambda takes a text and a constant pattern")
    count = len(groups_of(str(pattern.constant)))
    (match,) = names_of(rules, 1)
    regex = pattern_of(pattern.sql)
    groups = ", ".join(f"{match}[{number}]" for number in range(1, count + 1))
    parts = [Typed(f"CAST([{groups}] AS VARCHAR[])", ArrayType(VARCHAR))]
    body = body_of(binder, lambdas[0], rules, parts, weight=1)  # as it is two within each other
    if body.type not in {VARCHAR, UNKNOWN}:
        raise binder.query.mismatch(lambdas[0], f"the lambda needs to give a varchar, and this is {body.type.text}")
    found = [f"regexp_extract_all(x, {regex}, {group})" for group in range(1, count + 1)]
    matches = f"list_zip({', '.join(found)})" if count else f"regexp_extract_all(x, {regex})"
    between = f"string_split(regexp_replace(x, {regex}, '{MARK}', 'g'), '{MARK}')"
    made = f"list_transform({matches}, lambda {match}: CAST({body.sql} AS VARCHAR))"
    whole = (
        f"list_extract(list_transform([{{'t': {between}, 'r': {made}}}], lambda p: CASE"
        f" WHEN len(p.t) <> len(p.r) + 1 THEN {_UNEQUAL} WHEN list_position(p.r, NULL) > 0 THEN NULL"
        " ELSE array_to_string(list_transform(p.t, lambda t, i: t || coalesce(p.r[i], '')), '') END), 1)"
    )
    one = f"CASE WHEN x IS NULL THEN NULL WHEN contains(x, '{MARK}') THEN {_HAS_MARK} ELSE {whole} END"
    sql = f"list_extract(list_transform([CAST({value.sql} AS VARCHAR)], lambda x: {one}), 1)"
    return joined(sql, VARCHAR, [value, pattern, body])
