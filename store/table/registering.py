"""Columns are known to the magnetic tier before a row has them, where several workers write one table.

Whoever is first gives a column its type and physical name, and all workers have the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from store.record import MeasureType
from store.table.core import Core


def register_columns(core: Core, measures: Mapping[str, MeasureType]) -> None:
    """Have the magnetic tier know these measures, and the dimensions of all series there are; blocks if it does not."""
    count = len(core.index)
    is_known = count == core.registered and not core.columns.has_zones(count, count)
    if is_known and not measures:
        return
    missing = core.columns.proposed(core.registered, count, measures)
    if missing:
        with core.io_lock:
            if core.is_dropped:
                return
            columns = core.magnetic.register(missing)
            with core.lock:
                for column in (*core.magnetic.columns(), *columns):  # in their order: who is first has the name
                    core.columns.stored.add(column)
    core.registered = count
