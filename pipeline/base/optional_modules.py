"""Imports of libraries without optional parts that are not used here, and would cost each start."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(name: str) -> Iterator[None]:
    """Within it the module `name` cannot be imported, as if it were not installed; unless it has been already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # what Python documents for this; not in typeshed
    try:
        yield
    finally:
        del sys.modules[name]
