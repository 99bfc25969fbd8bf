"""Registers new columns before rows use them.

If several workers write a table, columns are registered in its Delta schema: the first worker decides the type and
physical name of a column, and all workers use these. The sole writer of a table names columns itself: its first flush
registers them.
"""

from __future__ import annotations

from collections.abc import Mapping

from store.record import MeasureType
from store.table.core import Core


def is_registering_due(core: Core) -> bool:
    """Whether there are unregistered series or zones."""
    count = len(core.index)
    return count != core.registered or core.columns.has_zones(count, count)


def register_columns(core: Core, measures: Mapping[str, MeasureType]) -> None:
    """Register these measures, and dimensions and zone of all known series; blocks if one is new to other workers.

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
                for column in (*core.magnetic.columns(), *columns):  # in this order: the first one gets the name
                    core.columns.stored.add(column)
    core.registered = count
