"""Functions that select one of several values. CASE, IN, LIKE and similar are syntax: see `expressions`.

Reference: AWS "Conditional functions".
"""

from __future__ import annotations

from store.sql.functions.function import ANY, ORDERED, Overload, family, scalar
from store.sql.types import BOOLEAN, DOUBLE

CONDITIONAL = family(
    scalar("coalesce", Overload((ANY, ANY), None, "coalesce({*})", variadic=True)),
    scalar(
        "if",
        Overload((BOOLEAN, ANY), None, "CASE WHEN {0} THEN {1} END"),
        Overload((BOOLEAN, ANY, ANY), None, "CASE WHEN {0} THEN {1} ELSE {2} END"),
    ),
    # null if any argument is null, unlike DuckDB's; and NaN is ignored, which is the largest there
    *(
        scalar(
            name,
            *(
                Overload(
                    (DOUBLE,),
                    DOUBLE,
                    "CASE WHEN {nulls} THEN NULL WHEN isnan(greatest({*}))"
                    " THEN coalesce(list_max(list_filter([{*}], lambda x: NOT isnan(x))), greatest({*}))"
                    " ELSE greatest({*}) END",
                    variadic=True,
                    once=True,
                )
                for _ in range(name == "greatest")
            ),
            Overload((ORDERED,), None, f"CASE WHEN {{nulls}} THEN NULL ELSE {name}({{*}}) END", variadic=True),
        )
        for name in ("greatest", "least")
    ),
)
