"""From where the log is read again when a store is opened."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from store.state.positions import Positions
from store.table.table import Table

log = logging.getLogger(__name__)


def read_again(positions: Positions, own_partition: str, tables: Iterable[Table]) -> None:
    """Lower the low watermark to what those tables have whose last commits were set aside, and log it."""
    for table in tables:
        if table.set_aside:
            log.warning(
                "%s: damaged, and set aside; the rows come again from the log, as far back as it goes",
                ", ".join(table.set_aside),
            )
            positions.lower(table.covered_to(own_partition) + 1)
