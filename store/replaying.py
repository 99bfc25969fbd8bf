"""The offset from which the log is read again when a store is opened."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from store.state.positions import Positions
from store.table.table import Table

log = logging.getLogger(__name__)


def read_again(positions: Positions, own_partition: str, tables: Iterable[Table]) -> None:
    """Lower the low watermark to the position of each table whose last commits were set aside, and log a warning."""
    for table in tables:
        if table.set_aside:
            log.warning(
                "%s: damaged, and set aside; its rows are read again from the log, as far as it still has them",
                ", ".join(table.set_aside),
            )
            positions.lower(table.covered_to(own_partition) + 1)
