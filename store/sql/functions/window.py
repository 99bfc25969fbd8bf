"""Functions of a row's position among the rows of its window. Aggregates can also be before OVER.

Reference: AWS "Window functions".
"""

from __future__ import annotations

from store.sql.functions.function import ANY, Overload, aggregate, family
from store.sql.types import BIGINT, DOUBLE

WINDOWS = family(
    *(aggregate(name, Overload((), BIGINT, f"{name}()")) for name in ("row_number", "rank", "dense_rank")),
    *(aggregate(name, Overload((), DOUBLE, f"{name}()")) for name in ("percent_rank", "cume_dist")),
    aggregate("ntile", Overload((BIGINT,), BIGINT, "ntile({0})")),
    *(aggregate(name, Overload((ANY,), None, f"{name}({{0}})")) for name in ("first_value", "last_value")),
    aggregate("nth_value", Overload((ANY, BIGINT), None, "nth_value({0}, {1})")),
    *(
        aggregate(
            name,
            Overload((ANY,), None, f"{name}({{0}})"),
            Overload((ANY, BIGINT), None, f"{name}({{0}}, {{1}})"),
            Overload((ANY, BIGINT, ANY), None, f"{name}({{0}}, {{1}}, {{2}})"),
        )
        for name in ("lag", "lead")
    ),
)
IGNORES_NULLS = frozenset({"first_value", "last_value", "nth_value", "lag", "lead"})
