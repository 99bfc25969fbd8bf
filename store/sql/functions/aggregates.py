"""Aggregates: one value per group. Reference: AWS "Aggregate functions".

In a template `{distinct}` is before the first argument; it is `DISTINCT ` in `count(DISTINCT x)`.
"""

from __future__ import annotations

from store.sql.functions.function import ANY, KEY, NUMBER, Overload, aggregate, family
from store.sql.types import BIGINT, BOOLEAN, DOUBLE, INTEGER, INTERVAL

_STATISTICS = {
    "stddev": "stddev_samp",
    "stddev_samp": "stddev_samp",
    "stddev_pop": "stddev_pop",
    "variance": "var_samp",
    "var_samp": "var_samp",
    "var_pop": "var_pop",
    "geometric_mean": "geomean",
}
_OF_TWO = {
    "corr": "corr",
    "covar_pop": "covar_pop",
    "covar_samp": "covar_samp",
    "regr_intercept": "regr_intercept",
    "regr_slope": "regr_slope",
}

AGGREGATES = family(
    aggregate("count", Overload((), BIGINT, "count(*)"), Overload((ANY,), BIGINT, "count({distinct}{0})")),
    aggregate("count_if", Overload((BOOLEAN,), BIGINT, "CAST(count_if({0}){after} AS BIGINT)")),
    aggregate(
        "sum",
        Overload((INTEGER,), BIGINT, "CAST(sum({distinct}{0}){after} AS BIGINT)"),
        Overload((BIGINT,), BIGINT, "CAST(sum({distinct}{0}){after} AS BIGINT)"),
        Overload((DOUBLE,), DOUBLE, "sum({distinct}{0})"),
        Overload((INTERVAL,), INTERVAL, "CAST(sum({distinct}{0}){after} AS BIGINT)"),
    ),
    aggregate("avg", Overload((NUMBER,), DOUBLE, "avg({distinct}{0})")),
    *(aggregate(name, Overload((ANY,), None, f"{name}({{distinct}}{{0}})")) for name in ("min", "max")),
    *(
        aggregate(name, Overload((ANY, KEY), None, f"{duckdb}({{0}}, {{1}})"))
        for name, duckdb in (("min_by", "arg_min"), ("max_by", "arg_max"))
    ),
    aggregate("arbitrary", Overload((ANY,), None, "any_value({0})")),
    *(
        aggregate(name, Overload((BOOLEAN,), BOOLEAN, f"{duckdb}({{0}})"))
        for name, duckdb in (("bool_and", "bool_and"), ("every", "bool_and"), ("bool_or", "bool_or"))
    ),
    *(
        aggregate(name, Overload((DOUBLE,), DOUBLE, f"{duckdb}({{distinct}}{{0}})"))
        for name, duckdb in _STATISTICS.items()
    ),
    *(
        aggregate(name, Overload((DOUBLE, DOUBLE), DOUBLE, f"{duckdb}({{0}}, {{1}})"))
        for name, duckdb in _OF_TWO.items()
    ),
    aggregate("approx_percentile", Overload((DOUBLE, DOUBLE), DOUBLE, "approx_quantile({0}, CAST({1} AS FLOAT))")),
    aggregate("approx_distinct", Overload((ANY,), BIGINT, "approx_count_distinct({0})")),
)
