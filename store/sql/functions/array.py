"""Functions of arrays, whose positions count from 1. Reference: AWS "Array functions"; Trino for the rest.

Functions with a lambda are in `nodes.lambdas`, and those that convert elements to text in `nodes.calls`.
"""

from __future__ import annotations

from store.sql.functions.function import ANY, ORDERED, ArrayOf, Generic, Overload, Parameter, RowOf, family, scalar
from store.sql.functions.map import ELEMENTS, MAP, SUBSCRIPTS
from store.sql.functions.time import date_months
from store.sql.literals import NS_PER_DAY
from store.sql.types import BIGINT, BOOLEAN, DATE, DOUBLE, INTERVAL, MONTHS, TIMESTAMP

SEQUENCE_MAX = 10_000  # as in Trino
_ARRAY, _ORDERED = ArrayOf(ANY), ArrayOf(ORDERED)
_A, _B, _C = Generic("A"), Generic("B"), Generic("C")


def _once(parameters: tuple[Parameter, ...], result: Parameter | None, template: str) -> Overload:
    """Templates here have their arguments several times."""
    return Overload(parameters, result, template, once=True)


_AT_ZERO = "error('SQL array indices start at 1')"
_SUBSCRIPT = (
    f"CASE WHEN {{1}} = 0 THEN {_AT_ZERO} WHEN {{1}} < 0 THEN error('Array subscript is negative: ' || {{1}}) "
    "WHEN {1} > len({0}) THEN error('Array subscript must be less than or equal to array length: ' || {1} || ' > '"
    " || len({0})) ELSE list_extract({0}, {1}) END"
)
_FIRSTS = "list_filter({}, lambda x, i: list_position({}, x) = i)"  # each element where it is first
_HAS_NULL = "list_position({0}, NULL) > 0"
_MAX_OF_DOUBLES = (  # NaN is ignored, which is DuckDB's largest
    f"CASE WHEN {_HAS_NULL} THEN NULL WHEN isnan(list_max({{0}}))"
    " THEN coalesce(list_max(list_filter({0}, lambda x: NOT isnan(x))), list_max({0})) ELSE list_max({0}) END"
)
_UNLESS_NULL = "CASE WHEN {{nulls}} THEN NULL ELSE {} END"
SUBSCRIPT = scalar("[]", _once((_ARRAY, BIGINT), None, _SUBSCRIPT), *SUBSCRIPTS)


def _of_both(condition: str) -> str:
    """The distinct elements of the first array for which `condition` holds."""
    return _UNLESS_NULL.format(f"list_filter({{0}}, lambda x, i: list_position({{0}}, x) = i AND {condition})")


def _sequence(count: str, value: str) -> str:
    """An array of `count` values; `value` computes one from the number `i`, from 0."""
    too_many = f"error('result of sequence function must not have more than {SEQUENCE_MAX} entries')"
    numbers = f"CASE WHEN {count} > {SEQUENCE_MAX} THEN {too_many} ELSE range(greatest({count}, 0)) END"
    return f"CASE WHEN {{nulls}} THEN NULL ELSE list_transform({numbers}, lambda i: {value}) END"


def _steps(step: str, unit: str = "") -> str:
    """The values from {0} to {1}, `step` apart."""
    zero = "error('interval must not be zero')"
    count = f"(CASE WHEN {step} = 0 THEN {zero} ELSE ({{1}} - {{0}}) // ({step}{unit}) + 1 END)"
    backwards = f"CASE WHEN ({{1}} - {{0}} < 0) <> ({step} < 0) AND {{1}} <> {{0}} THEN {_WRONG_WAY} ELSE {count} END"
    return _sequence(f"({backwards})", f"{{0}} + i * ({step}{unit})")


_WRONG_WAY = "error('sequence stop value should be greater than or equal to start value if step is greater than zero otherwise stop should be less than or equal to start')"  # noqa: E501 - one message
_TOWARDS = "(CASE WHEN {1} >= {0} THEN 1 ELSE -1 END)"
# of months: counted from the first, as the last day of a month is not one month after another
_MONTHS = _sequence(
    "(datesub('month', make_timestamp_ns({0}), make_timestamp_ns({1})) // {2} + 1)",
    "epoch_us(make_timestamp({0} // 1000) + to_months(CAST(i * {2} AS INTEGER))) * 1000 + {0} % 1000",
)

_MONTHS_OF_DATES = _sequence(
    "(datesub('month', DATE '1970-01-01' + CAST({0} AS INTEGER), DATE '1970-01-01' + CAST({1} AS INTEGER)) // {2} + 1)",
    date_months("+", "{0}", "i * {2}"),
)

ARRAYS = family(
    scalar("cardinality", _once((_ARRAY,), BIGINT, "len({0})"), _once((MAP,), BIGINT, "len({0})")),
    scalar("array_distinct", _once((_ARRAY,), _ARRAY, _FIRSTS.format("{0}", "{0}"))),
    scalar(
        "array_intersect",
        _once((_ARRAY, _ARRAY), _ARRAY, _of_both("list_position({1}, x) IS NOT NULL")),
    ),
    scalar("array_except", _once((_ARRAY, _ARRAY), _ARRAY, _of_both("list_position({1}, x) IS NULL"))),
    scalar(
        "array_union",
        _once(
            (_ARRAY, _ARRAY),
            _ARRAY,
            _UNLESS_NULL.format(_FIRSTS.format("list_concat({0}, {1})", "list_concat({0}, {1})")),
        ),
    ),
    *(
        scalar(
            f"array_{name}",
            *(_once((ArrayOf(DOUBLE),), DOUBLE, _MAX_OF_DOUBLES) for _ in range(name == "max")),
            _once((_ORDERED,), None, f"CASE WHEN {_HAS_NULL} THEN NULL ELSE list_{name}({{0}}) END"),
        )
        for name in ("max", "min")
    ),
    scalar(
        "array_position",
        _once(
            (_ARRAY, ANY),
            BIGINT,
            _UNLESS_NULL.format("coalesce(CAST(list_position({0}, {1}) AS BIGINT), 0)"),
        ),
    ),
    scalar(
        "array_remove",
        _once((_ARRAY, ANY), _ARRAY, _UNLESS_NULL.format("list_filter({0}, lambda x: x IS DISTINCT FROM {1})")),
    ),
    scalar("array_sort", _once((_ORDERED,), _ORDERED, "list_sort({0}, 'ASC', 'NULLS LAST')")),
    scalar(
        "arrays_overlap",
        _once(
            (_ARRAY, _ARRAY),
            BOOLEAN,
            "CASE WHEN {nulls} THEN NULL WHEN list_has_any({0}, {1}) THEN true"
            " WHEN len({0}) > 0 AND len({1}) > 0 AND (list_position({0}, NULL) > 0 OR list_position({1}, NULL) > 0)"
            " THEN NULL ELSE false END",
        ),
    ),
    scalar(
        "contains",
        _once(
            (_ARRAY, ANY),
            BOOLEAN,
            f"CASE WHEN {{nulls}} THEN NULL WHEN list_contains({{0}}, {{1}}) THEN true WHEN {_HAS_NULL} THEN NULL"
            " ELSE false END",
        ),
    ),
    scalar("flatten", _once((ArrayOf(_ARRAY),), _ARRAY, "flatten({0})")),
    scalar(
        "element_at",
        _once(
            (_ARRAY, BIGINT),
            None,
            f"CASE WHEN {{1}} = 0 THEN {_AT_ZERO} ELSE list_extract({{0}}, {{1}}) END",
        ),
        *ELEMENTS,
    ),
    scalar("repeat", _once((ANY, BIGINT), _ARRAY, _sequence("{1}", "{0}").replace("{nulls}", "{1} IS NULL"))),
    scalar(
        "sequence",
        _once((BIGINT, BIGINT), ArrayOf(BIGINT), _steps(_TOWARDS)),
        _once((BIGINT, BIGINT, BIGINT), ArrayOf(BIGINT), _steps("{2}")),
        _once((DATE, DATE), ArrayOf(DATE), _steps(_TOWARDS)),
        _once((DATE, DATE, INTERVAL), ArrayOf(DATE), _steps("{2}", f" // {NS_PER_DAY}")),
        _once((DATE, DATE, MONTHS), ArrayOf(DATE), _MONTHS_OF_DATES),
        _once((TIMESTAMP, TIMESTAMP, INTERVAL), ArrayOf(TIMESTAMP), _steps("{2}")),
        _once((TIMESTAMP, TIMESTAMP, MONTHS), ArrayOf(TIMESTAMP), _MONTHS),
    ),
    scalar(
        "shuffle",
        _once(
            (_ARRAY,),
            _ARRAY,
            "list_transform(list_sort(list_transform({0}, lambda x: {'o': random(), 'x': x})),"
            " lambda s: struct_extract(s, 'x'))",
        ),
    ),
    scalar(
        "slice",
        _once(
            (_ARRAY, BIGINT, BIGINT),
            _ARRAY,
            f"CASE WHEN {{nulls}} THEN NULL WHEN {{1}} = 0 THEN {_AT_ZERO} WHEN {{2}} < 0 THEN"
            " error('length must be greater than or equal to 0')"
            " WHEN {1} < -len({0}) OR {2} = 0 THEN list_slice({0}, 1, 0)"
            " WHEN {1} > 0 THEN list_slice({0}, {1}, {1} + {2} - 1)"
            " ELSE list_slice({0}, len({0}) + {1} + 1, len({0}) + {1} + {2}) END",
        ),
    ),
    scalar(
        "zip",
        _once(
            (ArrayOf(_A), ArrayOf(_B)),
            ArrayOf(RowOf((_A, _B))),
            _UNLESS_NULL.format("list_transform(list_zip({0}, {1}), lambda z: {'f0': z[1], 'f1': z[2]})"),
        ),
        _once(
            (ArrayOf(_A), ArrayOf(_B), ArrayOf(_C)),
            ArrayOf(RowOf((_A, _B, _C))),
            _UNLESS_NULL.format(
                "list_transform(list_zip({0}, {1}, {2}), lambda z: {'f0': z[1], 'f1': z[2], 'f2': z[3]})"
            ),
        ),
    ),
)
