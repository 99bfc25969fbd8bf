"""Functions of a row's position among the rows of its window. Aggregates can also be before OVER.

Reference: AWS "Window functions".
"""

from __future__ import annotations

from store.sql.functions.function import ANY, Overload, aggregate, family
from store.sql.types import BIGINT, DOUBLE

_FROM_ONE = "CASE WHEN {1} < 1 THEN error('Offset must be at least 1') ELSE {1} END"
_FROM_ZERO = "CASE WHEN {1} < 0 THEN error('Offset must be at least 0') ELSE {1} END"

WINDOWS = family(
    *(aggregate(name, Overload((), BIGINT, f"{name}()")) for name in ("row_number", "rank", "dense_rank")),
    *(aggregate(name, Overload((), DOUBLE, f"{name}()")) for name in ("percent_rank", "cume_dist")),
    aggregate("ntile", Overload((BIGINT,), BIGINT, "ntile({0})")),
    *(aggregate(name, Overload((ANY,), None, f"{name}({{0}})")) for name in ("first_value", "last_value")),
    aggregate("nth_value", Overload((ANY, BIGINT), None, f"nth_value({{0}}, {_FROM_ONE})")),
    *(
        aggregate(
            name,
            Overload((ANY,), None, f"{name}({{0}})"),
            Overload((ANY, BIGINT), None, f"{name}({{0}}, {_FROM_ZERO})"),
            Overload((ANY, BIGINT, ANY), None, f"{name}({{0}}, {_FROM_ZERO}, {{2}})"),
        )
        for name in ("lag", "lead")
    ),
)
IGNORES_NULLS = frozenset({"first_value", "last_value", "nth_value", "lag", "lead"})
