"""The functions of the dialect: nothing can be called that is not in these tables."""

from store.sql.functions.aggregates import AGGREGATES
from store.sql.functions.conditional import CONDITIONAL
from store.sql.functions.function import Family, Function, Match, Overload
from store.sql.functions.math import MATH
from store.sql.functions.operators import OPERATORS
from store.sql.functions.string import STRING
from store.sql.functions.time import TIME

FUNCTIONS: Family = {**TIME, **MATH, **STRING, **CONDITIONAL, **AGGREGATES}

__all__ = ["FUNCTIONS", "OPERATORS", "Family", "Function", "Match", "Overload"]
