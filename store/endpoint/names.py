"""Which names records may give to dimensions and measures, and how large their parts may be.

Reference: AWS "Quotas", "Naming constraints" and "Default quotas".
"""

from __future__ import annotations

import re

DIMENSION_NAME_MAX_BYTES = 60
MEASURE_NAME_MAX_BYTES = 256
DIMENSIONS_MAX = 128
DIMENSION_PAIRS_MAX_BYTES = 2048
MEASURE_VALUE_MAX_BYTES = 2048
MEASURES_MAX = 256

_RESERVED = {"time", "measure_name", "measure_value", "ts_non_existent_col"}
_PREFIXES = ("ts_", "measure_value")
_CONTROL = re.compile("[\x00-\x1f\x7f\u2028\u2029]")


def dimension_name_fault(name: str) -> str | None:
    """What is wrong with a dimension's name; None if nothing is."""
    fault = _fault("dimension", name, DIMENSION_NAME_MAX_BYTES)
    if fault is None and '"' in name:
        return f"The dimension name {name} must not contain a double quote."
    return fault


def measure_name_fault(name: str) -> str | None:
    """What is wrong with the name of a measure, or of one measure of a MULTI record; None if nothing is."""
    return _fault("measure", name, MEASURE_NAME_MAX_BYTES)


def _fault(kind: str, name: str, max_bytes: int) -> str | None:
    if not name:
        return f"The {kind} name must not be empty."
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        return f"The {kind} name is {size} bytes long; {max_bytes} are allowed."
    if name in _RESERVED or name.startswith(_PREFIXES):
        return f"The {kind} name {name} is reserved, or starts with a reserved prefix (ts_, measure_value)."
    if ":" in name:
        return f"The {kind} name {name} must not contain a colon."
    if _CONTROL.search(name):
        return f"The {kind} name {name!r} must not contain control characters."
    return None
