"""From where the log is read again when a store is opened."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from store.state.positions import PartitionPositions
from store.table.table import Table

log = logging.getLogger(__name__)


def find_partitions(positions: PartitionPositions, partitions: Sequence[str]) -> None:
    """Where `positions` are lost, number the partitions again as rows on disk have them: as the series files say."""
    for partition in partitions:
        positions.number_of(partition)
    if partitions:
        log.warning("positions.json is missing: the whole log is read again, and each table skips what it has")


def read_again(positions: PartitionPositions, tables: Iterable[Table]) -> None:
    """Lower the low watermarks to what those tables have whose last commits were set aside, and say so."""
    low_watermarks = dict(positions.low_watermarks)
    for table in tables:
        if table.set_aside:
            low_watermarks = {
                partition: min(low_watermark, table.covered_to(partition) + 1)
                for partition, low_watermark in low_watermarks.items()
            }
            log.warning(
                "%s: damaged, and set aside; the rows come again from the log, as far back as it goes",
                ", ".join(table.set_aside),
            )
    if low_watermarks != positions.low_watermarks:
        positions.lower(low_watermarks)
