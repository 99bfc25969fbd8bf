"""Checks the names of dimensions and measures in records; messages have the service's wording."""

from __future__ import annotations

from functools import lru_cache

from store.catalog.names import (
    CONTROL,
    DIMENSION_NAME_MAX_BYTES,
    FORBIDDEN_IN_DIMENSION,
    FORBIDDEN_IN_MEASURE,
    MEASURE_NAME_MAX_BYTES,
    is_reserved,
)

_NAMES_KNOWN = 2_000  # the names of all requests are the same few


@lru_cache(maxsize=_NAMES_KNOWN)
def dimension_name_fault(name: str) -> str | None:
    """The fault of a dimension's name; None if it is valid."""
    fault = _fault("dimension", name, DIMENSION_NAME_MAX_BYTES)
    if fault is None and any(character in name for character in FORBIDDEN_IN_DIMENSION):
        return f"The dimension name {name} must not contain a double quote."
    return fault


@lru_cache(maxsize=_NAMES_KNOWN)
def measure_name_fault(name: str) -> str | None:
    """The fault of the name of a measure, or of a measure of a MULTI record; None if it is valid."""
    return _fault("measure", name, MEASURE_NAME_MAX_BYTES)


def _fault(kind: str, name: str, max_bytes: int) -> str | None:
    if not name:
        return f"The {kind} name must not be empty."
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        return f"The {kind} name is {size} bytes long; {max_bytes} are allowed."
    if is_reserved(name):
        return f"The {kind} name {name} is reserved, or starts with a reserved prefix (ts_, measure_value)."
    if any(character in name for character in FORBIDDEN_IN_MEASURE):
        return f"The {kind} name {name} must not contain a colon."
    if CONTROL.search(name):
        return f"The {kind} name {name!r} must not contain control characters."
    return None
