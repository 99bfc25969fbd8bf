"""Aggregates: one value per group. Reference: AWS "Aggregate functions".

In a template `{distinct}` is before the first argument; it is `DISTINCT ` in `count(DISTINCT x)`. `{order}` is after
the last one where the call may have an ORDER BY. `weighted_positions` is ours (`store.engine.vectorised`).
"""

from __future__ import annotations

from store.sql.functions.function import ANY, KEY, NUMBER, ORDERED, ArrayOf, Overload, SeriesOf, aggregate, family
from store.sql.literals import NS_PER_S
from store.sql.types import BIGINT, BOOLEAN, DOUBLE, INTEGER, INTERVAL, MONTHS, TIMESTAMP, VARCHAR, ScalarType

_STATISTICS = {
    "stddev": "stddev_samp",
    "stddev_samp": "stddev_samp",
    "stddev_pop": "stddev_pop",
    "variance": "var_samp",
    "var_samp": "var_samp",
    "var_pop": "var_pop",
}
_OF_TWO = {
    "covar_pop": "covar_pop",
    "covar_samp": "covar_samp",
    "regr_intercept": "regr_intercept",
    "regr_slope": "regr_slope",
}

# nulls, too, which DuckDB leaves out
_FIRST_BY = "list_transform({by}({'x': {0}}, {1}, {2}{order}){after}, lambda p: p.x)"
_IN_TIME_ORDER = "list({'f0': {0}, 'f1': {1}} ORDER BY {0})"
# DuckDB's is that of a sample, Timestream's that of a population
_SKEWNESS = (
    "(skewness({distinct}{0}){after} * (count({distinct}{0}){after} - 2)"
    " / sqrt(CAST(count({distinct}{0}){after} * (count({distinct}{0}){after} - 1) AS DOUBLE)))"
)


# of whole numbers, rounded half away from zero
_EXACT_MEAN = (
    "CAST((2 * sum({distinct}{0}){after} + sign(sum({distinct}{0}){after}) * count({distinct}{0}){after})"
    " // (2 * count({distinct}{0}){after}) AS BIGINT)"
)


def _over_time(value: str) -> str:
    """A value of the points `s` of a group in order of time, without those of null values."""
    points = f"{_IN_TIME_ORDER}{{after}}"
    return (
        f"list_extract(list_transform([list_filter({points}, lambda p: p.f0 IS NOT NULL AND p.f1 IS NOT NULL)],"
        f" lambda s: {value}), 1)"
    )


def _steps(step: str) -> str:
    """The sum of `step` over the points but the first, of which `i` is the number."""
    return f"list_sum(list_transform(range(2, len(s) + 1), lambda i: {step}))"


_SECONDS = f"((s[len(s)].f0 - s[1].f0) / {NS_PER_S}.0::DOUBLE)"
_INCREASE = _steps("CASE WHEN s[i].f1 >= s[i - 1].f1 THEN s[i].f1 - s[i - 1].f1 ELSE s[i].f1 END")
_RATE = _over_time(f"CASE WHEN len(s) > 1 AND {_SECONDS} > 0 THEN {_INCREASE} / {_SECONDS} END")
_AREA = _steps(f"(s[i].f1 + s[i - 1].f1) / 2 * ((s[i].f0 - s[i - 1].f0) / {NS_PER_S}.0::DOUBLE)")
_MEAN = _over_time(
    f"CASE WHEN len(s) > 1 AND {_SECONDS} > 0 THEN {_AREA} / {_SECONDS}"
    " ELSE list_avg(list_transform(s, lambda p: p.f1)) END"
)


def _weighted(ratios: str) -> str:
    """The values {0}, weighted by {1}, below which these ratios of all weights are: a list."""
    pairs = "list_filter(list({'x': {0}, 'w': {1}}){after}, lambda p: p.x IS NOT NULL AND p.w > 0)"
    found = f"weighted_positions(list_transform(s, lambda p: p.w), {ratios})"
    return f"list_extract(list_transform([list_sort({pairs})], lambda s: list_transform({found}, lambda k: s[k].x)), 1)"


_REFUSED = "CASE WHEN {0} < 0 THEN 2 ELSE {0} END"  # for DuckDB a ratio below 0 is one from the largest, 2 is an error


def _percentiles(kind: ScalarType) -> tuple[Overload, ...]:
    """Of values, of weighted values, and with an accuracy, which is not needed: all are exact."""
    one, many = f"list_extract({_weighted('[{2}]')}, 1)", _weighted("{2}")
    ratios = ArrayOf(DOUBLE)
    return (
        Overload((kind, DOUBLE), kind, f"quantile_disc({{0}}, {_REFUSED.format('{1}')})"),
        Overload(
            (kind, ratios),
            ArrayOf(kind),
            f"quantile_disc({{0}}, list_transform({{1}}, lambda r: {_REFUSED.format('r')}))",
        ),
        Overload((kind, DOUBLE, DOUBLE), kind, one),
        Overload((kind, DOUBLE, DOUBLE, DOUBLE), kind, one),
        Overload((kind, DOUBLE, ratios), ArrayOf(kind), many),
        Overload((kind, DOUBLE, ratios, DOUBLE), ArrayOf(kind), many),
    )


AGGREGATES = family(
    aggregate("count", Overload((), BIGINT, "count(*)"), Overload((ANY,), BIGINT, "count({distinct}{0})")),
    aggregate("count_if", Overload((BOOLEAN,), BIGINT, "CAST(count_if({distinct}{0}){after} AS BIGINT)")),
    aggregate(
        "sum",
        Overload((INTEGER,), BIGINT, "CAST(sum({distinct}{0}){after} AS BIGINT)"),
        Overload((BIGINT,), BIGINT, "CAST(sum({distinct}{0}){after} AS BIGINT)"),
        Overload((DOUBLE,), DOUBLE, "sum({distinct}{0})"),
        *(Overload((kind,), kind, "CAST(sum({distinct}{0}){after} AS BIGINT)") for kind in (INTERVAL, MONTHS)),
    ),
    aggregate(
        "avg",
        Overload((NUMBER,), DOUBLE, "avg({distinct}{0})"),
        *(Overload((kind,), kind, _EXACT_MEAN) for kind in (INTERVAL, MONTHS)),
    ),
    *(
        aggregate(
            name,
            Overload((ORDERED,), None, f"{name}({{distinct}}{{0}})"),
            Overload((ORDERED, BIGINT), ArrayOf(ORDERED), f"{name}({{0}}, {{1}})"),
        )
        for name in ("min", "max")
    ),
    *(
        aggregate(
            name,
            Overload((ANY, KEY), None, f"{duckdb}_null({{distinct}}{{0}}, {{1}}{{order}})"),
            Overload((ANY, KEY, BIGINT), ArrayOf(ANY), _FIRST_BY.replace("{by}", duckdb)),
        )
        for name, duckdb in (("min_by", "arg_min"), ("max_by", "arg_max"))
    ),
    aggregate(
        "listagg",
        Overload((VARCHAR,), VARCHAR, "string_agg({distinct}{0}, ''{order})"),
        Overload((VARCHAR, VARCHAR), VARCHAR, "string_agg({distinct}{0}, {1}{order})"),
    ),
    aggregate("array_agg", Overload((ANY,), ArrayOf(ANY), "list({distinct}{0}{order})")),
    aggregate("rate", Overload((TIMESTAMP, DOUBLE), DOUBLE, _RATE)),
    aggregate("avg_over_time", Overload((TIMESTAMP, DOUBLE), DOUBLE, _MEAN)),
    aggregate("create_time_series", Overload((TIMESTAMP, ANY), SeriesOf(ANY), _IN_TIME_ORDER)),
    *(
        aggregate(name, Overload((ANY,), None, "any_value({distinct}{0}{order})"))
        for name in ("arbitrary", "any_value")
    ),
    *(
        aggregate(name, Overload((BOOLEAN,), BOOLEAN, f"{duckdb}({{distinct}}{{0}})"))
        for name, duckdb in (("bool_and", "bool_and"), ("every", "bool_and"), ("bool_or", "bool_or"))
    ),
    *(
        aggregate(name, Overload((DOUBLE,), DOUBLE, f"{duckdb}({{distinct}}{{0}})"))
        for name, duckdb in _STATISTICS.items()
    ),
    *(
        aggregate(name, Overload((DOUBLE, DOUBLE), DOUBLE, f"{duckdb}({{distinct}}{{0}}, {{1}})"))
        for name, duckdb in _OF_TWO.items()
    ),
    aggregate(
        "corr",
        Overload(
            (DOUBLE, DOUBLE),
            DOUBLE,
            "(regr_sxy({0}, {1}){after} / sqrt(regr_sxx({0}, {1}){after} * regr_syy({0}, {1}){after}))",
        ),
    ),
    aggregate("geometric_mean", Overload((DOUBLE,), DOUBLE, "exp(avg({distinct}ln({0})){after})")),
    aggregate("kurtosis", Overload((DOUBLE,), DOUBLE, "kurtosis({distinct}{0})")),
    aggregate("skewness", Overload((DOUBLE,), DOUBLE, _SKEWNESS)),
    *(
        aggregate(f"bitwise_{name}_agg", Overload((BIGINT,), BIGINT, f"bit_{name}({{distinct}}{{0}})"))
        for name in ("and", "or")
    ),
    aggregate("approx_percentile", *(form for kind in (INTEGER, BIGINT, DOUBLE) for form in _percentiles(kind))),
    aggregate("approx_distinct", Overload((ANY,), BIGINT, "approx_count_distinct({distinct}{0})")),
)
WITHIN_GROUP = frozenset({"listagg"})
"""Those with WITHIN GROUP (ORDER BY …)."""

_NOT_NAN = "CASE WHEN NOT isnan({0}) THEN {0} END"
_BY_NUMBERS = "CASE WHEN {1} IS NOT NULL THEN {'is': NOT isnan({1}), 'x': {1}} END"
OF_ANY_DOUBLE = family(
    aggregate(
        "max",
        Overload((DOUBLE,), DOUBLE, f"coalesce(max({{distinct}}{_NOT_NAN}){{after}}, max({{0}}){{after}})"),
    ),
    aggregate("max_by", Overload((ANY, DOUBLE), None, f"arg_max_null({{distinct}}{{0}}, {_BY_NUMBERS}{{order}})")),
)
"""Those that differ for doubles among which NaN can be, which is the largest for DuckDB and ignored by Trino."""
