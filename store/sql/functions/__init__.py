"""The functions of the dialect: only those in these tables can be called."""

from store.sql.functions.aggregates import AGGREGATES
from store.sql.functions.conditional import CONDITIONAL
from store.sql.functions.function import Family, Function, Match, Overload
from store.sql.functions.math import MATH
from store.sql.functions.operators import OPERATORS
from store.sql.functions.regex import REGEX
from store.sql.functions.string import STRING
from store.sql.functions.time import TIME
from store.sql.functions.window import IGNORES_NULLS, WINDOWS

FUNCTIONS: Family = {**TIME, **MATH, **STRING, **REGEX, **CONDITIONAL, **AGGREGATES}

# Functions of Timestream that are not supported yet: their error differs from that of unknown functions
_FORMATS = "parse_datetime format_datetime"
_TIMES = "last_day_of_month localtime localtimestamp current_time"
_SERIES = (
    "create_time_series interpolate_linear interpolate_spline_cubic interpolate_locf interpolate_fill "
    "derivative_linear non_negative_derivative_linear integral_trapezoidal correlate_pearson "
    "correlate_spearman filter reduce unnest"
)
_ARRAYS = (
    "array_agg array_distinct array_intersect array_union array_except array_join array_max array_min array_position "
    "array_remove array_sort arrays_overlap cardinality element_at repeat sequence shuffle slice zip split "
    "regexp_extract_all regexp_split"
)
_OTHERS = "bitwise_and_agg bitwise_or_agg skewness strrpos from_base to_base bit_count typeof"
NOT_YET = frozenset(f"{_FORMATS} {_TIMES} {_SERIES} {_ARRAYS} {_OTHERS}".split())

__all__ = ["FUNCTIONS", "IGNORES_NULLS", "NOT_YET", "OPERATORS", "WINDOWS", "Family", "Function", "Match", "Overload"]
