"""Which names dimensions and measures may have, and how large a record's parts may be: Timestream's rules.

The one place of these rules: the endpoint and the configuration word their refusals each for their own users. Imports
nothing of the store, so that reading a configuration stays quick.

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
    """Whether no dimension or measure may be called so."""
    return name in RESERVED or name.startswith(RESERVED_PREFIXES)
