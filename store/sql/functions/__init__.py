"""The functions of the dialect: only those in these tables can be called."""

from store.sql.functions.aggregates import AGGREGATES, OF_ANY_DOUBLE, WITHIN_GROUP
from store.sql.functions.array import ARRAYS
from store.sql.functions.binary import BINARY
from store.sql.functions.conditional import CONDITIONAL
from store.sql.functions.function import Family, Function, Match, Overload
from store.sql.functions.json import JSONS, PATHS
from store.sql.functions.map import MAPS
from store.sql.functions.math import MATH
from store.sql.functions.operators import OPERATORS
from store.sql.functions.regex import REGEX
from store.sql.functions.series import SERIES
from store.sql.functions.string import STRING
from store.sql.functions.time import TIMES
from store.sql.functions.window import IGNORES_NULLS, WINDOWS

FUNCTIONS: Family = {
    **TIMES,
    **MATH,
    **STRING,
    **BINARY,
    **JSONS,
    **PATHS,
    **REGEX,
    **CONDITIONAL,
    **ARRAYS,
    **MAPS,
    **SERIES,
    **AGGREGATES,
}

__all__ = [
    "FUNCTIONS",
    "IGNORES_NULLS",
    "OF_ANY_DOUBLE",
    "OPERATORS",
    "WINDOWS",
    "WITHIN_GROUP",
    "Family",
    "Function",
    "Match",
    "Overload",
]
