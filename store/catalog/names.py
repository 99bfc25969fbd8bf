"""The rules for names of dimensions and measures, and for the size of records, as in Timestream.

All these rules are here; the endpoint and the configuration write their error messages for their own users. Imports
nothing of the store, so that reading a configuration is fast.

Reference: AWS Timestream developer guide, "Quotas", "Naming constraints" and "Default quotas".
"""

from __future__ import annotations

import re

DIMENSION_NAME_MAX_BYTES = 60
MEASURE_NAME_MAX_BYTES = 256
DIMENSIONS_MAX = 128
DIMENSION_PAIRS_MAX_BYTES = 2048
MEASURE_VALUE_MAX_BYTES = 2048
MEASURES_MAX = 256

RESERVED = frozenset({"time", "measure_name", "measure_value", "ts_non_existent_col"})
RESERVED_PREFIXES = ("ts_", "measure_value")
CONTROL = re.compile("[\x00-\x1f\x7f\u2028\u2029]")
FORBIDDEN_IN_MEASURE = ":"
FORBIDDEN_IN_DIMENSION = ':"'


def is_reserved(name: str) -> bool:
    """Whether the name is reserved: no dimension or measure may have it."""
    return name in RESERVED or name.startswith(RESERVED_PREFIXES)
