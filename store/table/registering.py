"""New columns are registered before a row has them.

Where several workers write one table, in its Delta schema: whoever is first gives a column its type and physical name,
and all workers have the same. The sole writer of a table names columns itself: their first flush registers them.
"""

from __future__ import annotations

from collections.abc import Mapping

from store.record import MeasureType
from store.table.core import Core


def is_registering_due(core: Core) -> bool:
    """Whether there are series, or zones, that are not registered."""
    count = len(core.index)
    return count != core.registered or core.columns.has_zones(count, count)


def register_columns(core: Core, measures: Mapping[str, MeasureType]) -> None:
    """Register these measures, the dimensions of all series there are, and their zone; blocks if one is new to others.

    Raises MagneticUnavailable.
    """
    if not measures and not is_registering_due(core):
        return
    count = len(core.index)
    missing = core.columns.proposed(core.registered, count, measures)
    if missing and core.is_sole_writer:
        with core.lock:
            for column in missing:
                core.columns.stored.claim(column)
    elif missing:
        with core.io_lock:
            if core.is_dropped:
                return
            columns = core.magnetic.register(missing)
            with core.lock:
                for column in (*core.magnetic.columns(), *columns):  # in their order: who is first has the name
                    core.columns.stored.add(column)
    core.registered = count
