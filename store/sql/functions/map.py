"""Functions and aggregates of maps: Trino's, as Timestream has none.

A map is a list of its keys and values in the order of the keys (`types.MapType`). Those with a lambda are in
`nodes.lambdas`.
"""

from __future__ import annotations

from store.sql.functions.function import ArrayOf, Generic, MapOf, Overload, RowOf, aggregate, family, scalar
from store.sql.types import BIGINT, DOUBLE, UNKNOWN, VARCHAR, ScalarType, in_order_of_keys

_KEY, _VALUE = Generic("K", among=frozenset(ScalarType)), Generic("V")
MAP = MapOf(_KEY, _VALUE)
_LISTS = MapOf(_KEY, ArrayOf(_VALUE))
_ENTRIES = ArrayOf(RowOf((_KEY, _VALUE)))

_UNLESS_NULL = "CASE WHEN {{nulls}} THEN NULL ELSE {} END"
_FOUND = "list_filter({0}, lambda p: p.f0 = {1})"
_IS_NUMBER = "list_filter({0}, lambda p: p.f0 = {1} AND NOT isnan({1}))"  # NaN equals nothing
ELEMENTS = tuple(
    Overload((MapOf(key, _VALUE), key), _VALUE, f"list_extract({found}, 1).f1", once=True)
    for key, found in ((DOUBLE, _IS_NUMBER), (_KEY, _FOUND))
)
SUBSCRIPTS = tuple(
    Overload(
        (MapOf(key, _VALUE), key),
        _VALUE,
        f"CASE WHEN {{nulls}} THEN NULL WHEN len({found}) = 0 THEN error('Key not present in map: ' || {{1}})"
        f" ELSE list_extract({found}, 1).f1 END",
        once=True,
    )
    for key, found in ((DOUBLE, _IS_NUMBER), (_KEY, _FOUND))
)

# of rows `s` in the order of their keys: the first of each key, and all values of each
_IS_FIRST = "i = 1 OR s[i].f0 IS DISTINCT FROM s[i - 1].f0"
_FIRSTS = f"list_filter(s, lambda x, i: {_IS_FIRST})"
_STARTS = f"list_filter(range(1, len(s) + 1), lambda i: {_IS_FIRST})"
_GROUPS = (
    f"list_extract(list_transform([{_STARTS}], lambda b: list_transform(b, lambda g, n: {{'f0': s[g].f0,"
    " 'f1': list_transform(range(g, coalesce(b[n + 1], len(s) + 1)), lambda i: s[i].f1)})), 1)"
)
_PAIRS = "list({'f0': {0}, 'f1': {1}} ORDER BY {0}{then}){after}"
_SIDE_BY_SIDE = "list_transform({0}, lambda k, i: {'f0': k, 'f1': {1}[i]})"
_NUMBERED = "list_sort(list_transform({}, lambda p, i: {{'f0': p.f0, 'i': i, 'f1': p.f1}}))"
_PLAIN = "list_transform({}, lambda p: {{'f0': p.f0, 'f1': p.f1}})"


def _of(rows: str, value: str) -> str:
    """A value of the rows `s`."""
    return f"list_extract(list_transform([{rows}], lambda s: {value}), 1)"


def _of_pairs(value: str) -> str:
    """A value of a group's pairs with a key, in the order of the keys; null without any."""
    return _of(f"list_filter({_PAIRS}, lambda p: p.f0 IS NOT NULL)", f"CASE WHEN len(s) > 0 THEN {value} END")


def side_by_side(one: str, other: str) -> str:
    """DuckDB's text for the rows (`f0`, `a`, `b`) of two maps: each key, and its value in each."""
    left = f"list_transform({one}, lambda p: {{'f0': p.f0, 'side': 1, 'a': p.f1, 'b': NULL}})"
    right = f"list_transform({other}, lambda p: {{'f0': p.f0, 'side': 2, 'a': NULL, 'b': p.f1}})"
    second = "CASE WHEN s[g].side = 2 THEN s[g].b WHEN s[g + 1].f0 = s[g].f0 THEN s[g + 1].b END"
    merged = f"list_transform({_STARTS}, lambda g: {{'f0': s[g].f0, 'a': s[g].a, 'b': {second}}})"
    return _of(f"list_sort({left} || {right})", merged)  # null if one is, unlike list_concat


_NOT_ONE = "error('Key-value delimiter must appear exactly once in each entry. Bad input: ''' || p || '''')"
_PARTS = "string_split(CASE WHEN suffix({0}, {1}) THEN left({0}, length({0}) - length({1})) ELSE {0} END, {1})"
_SPLIT = (
    f"CASE WHEN {{0}} = '' THEN [] ELSE list_transform({_PARTS}, lambda p: CASE"
    f" WHEN len(string_split(p, {{2}})) <> 2 THEN {_NOT_ONE}"
    " ELSE {'f0': split_part(p, {2}, 1), 'f1': split_part(p, {2}, 2)} END) END"
)

MAPS = family(
    scalar(
        "map",
        Overload((), MapOf(UNKNOWN, UNKNOWN), "CAST([] AS STRUCT(f0 INTEGER, f1 INTEGER)[])"),
        Overload(
            (ArrayOf(_KEY), ArrayOf(_VALUE)),
            MAP,
            "CASE WHEN {nulls} THEN NULL WHEN len({0}) <> len({1}) THEN"
            " error('Key and value arrays must be the same length')"
            f" ELSE {in_order_of_keys(_SIDE_BY_SIDE)} END",
            once=True,
        ),
    ),
    scalar("map_from_entries", Overload((_ENTRIES,), MAP, in_order_of_keys("{0}"))),
    scalar(
        "multimap_from_entries",
        Overload(
            (_ENTRIES,),
            _LISTS,
            in_order_of_keys(f"CASE WHEN {{0}} IS NOT NULL THEN {_of(_NUMBERED.format('{0}'), _GROUPS)} END"),
        ),
    ),
    scalar("map_entries", Overload((MAP,), _ENTRIES, "{0}")),
    scalar("map_keys", Overload((MAP,), ArrayOf(_KEY), "list_transform({0}, lambda p: p.f0)")),
    scalar("map_values", Overload((MAP,), ArrayOf(_VALUE), "list_transform({0}, lambda p: p.f1)")),
    scalar(
        "map_concat",
        Overload(
            (MAP, MAP),
            MAP,
            _UNLESS_NULL.format(_of(_NUMBERED.format("flatten(list_reverse([{*}]))"), _PLAIN.format(_FIRSTS))),
            variadic=True,
            once=True,
        ),
    ),
    scalar(
        "split_to_map",
        Overload((VARCHAR, VARCHAR, VARCHAR), MapOf(VARCHAR, VARCHAR), in_order_of_keys(_SPLIT), once=True),
    ),
    scalar(
        "split_to_multimap",
        Overload(
            (VARCHAR, VARCHAR, VARCHAR),
            MapOf(VARCHAR, ArrayOf(VARCHAR)),
            _UNLESS_NULL.format(_of(_NUMBERED.format(_SPLIT), _GROUPS)),
            once=True,
        ),
    ),
    aggregate("map_agg", Overload((_KEY, _VALUE), MAP, _of_pairs(_FIRSTS))),
    aggregate("multimap_agg", Overload((_KEY, _VALUE), _LISTS, _of_pairs(_GROUPS))),
    aggregate(
        "map_union",
        Overload(
            (MAP,),
            MAP,
            f"CASE WHEN count({{0}}){{after}} > 0 THEN {_of('list_sort(flatten(list({0}){after}))', _FIRSTS)} END",
        ),
    ),
    aggregate(
        "histogram",
        Overload(
            (_KEY,),
            MapOf(_KEY, BIGINT),
            "list_sort(list_transform(map_entries(histogram({distinct}{0}){after}),"
            " lambda p: {'f0': p.key, 'f1': CAST(p.value AS BIGINT)}))",
        ),
    ),
)
