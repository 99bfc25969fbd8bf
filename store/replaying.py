"""From where the log is read again when a store is opened."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from store.state.positions import StreamPositions
from store.table.table import Table

log = logging.getLogger(__name__)


def find_streams(positions: StreamPositions, streams: Sequence[str]) -> None:
    """Where `positions` are lost, number the streams again as rows on disk have them: as the series files say."""
    for stream in streams:
        positions.number_of(stream)
    if streams:
        log.warning("positions.json is missing: the whole log is read again, and each table skips what it has")


def read_again(positions: StreamPositions, tables: Iterable[Table]) -> None:
    """Lower the floors to what those tables have whose last commits were set aside, and say so."""
    floors = dict(positions.floors)
    for table in tables:
        if table.set_aside:
            floors = {stream: min(floor, table.covered_to(stream) + 1) for stream, floor in floors.items()}
            log.warning(
                "%s: damaged, and set aside; the rows come again from the log, as far back as it goes",
                ", ".join(table.set_aside),
            )
    if floors != positions.floors:
        positions.lower(floors)
