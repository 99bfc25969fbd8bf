"""What a table knows when it is opened: from its series file, or, where that is lost, from its magnetic tier.

RAM is empty then, so it holds nothing whole up to the newest row of the magnetic tier.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from store import layout
from store.catalog.schema import MEASURE_NAME_COLUMN, TIME_COLUMN, Column
from store.catalog.zones import zone_of
from store.engine.duck import run
from store.magnetic.tier import Version
from store.memory.newness import NEVER_NS
from store.reading.scan import END_OF_TIME_NS, magnetic_rows
from store.record import SeriesKey
from store.state.positions import StreamPositions
from store.state.series_file import Persisted
from store.table.table import Table

log = logging.getLogger(__name__)

_TRIES = 3  # a former owner may write while we look


def restore(table: Table, zone: str | None, may_hold_unknown_series: Callable[[Version], bool]) -> None:
    """Fill a newly made `table`; `zone` is its zone template."""
    persisted = table.series_file.load(table.index) if table.own is None else _load_newest(table, table.own)
    table.memory.whole_from_ns = _whole_from_ns(table)
    for column in table.magnetic.columns():
        table.columns.add(column)
    if persisted is not None:
        for column in persisted.columns.stored():
            table.columns.add(column)
        table.state.restore(persisted.last_ns)
        table.superseded.mark(persisted.superseded_ns)
    else:
        table.series_file.restart()  # keys without a state may be in another order than the series will come in
        if may_hold_unknown_series(table.magnetic.version):
            _rebuild(table, zone)
    _rezone(table, zone)
    if table.own is not None:
        table.register_columns({})  # normalise may have met series before the table was opened
    table.know_series()
    table.has_opened()


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
        if table.magnetic.set_aside:
            floors = {stream: min(floor, table.covered_to(stream) + 1) for stream, floor in floors.items()}
            log.warning(
                "%s: %s: damaged, and set aside; the rows come again from the log, as far back as it goes",
                table.magnetic,
                ", ".join(table.magnetic.set_aside),
            )
    if floors != positions.floors:
        positions.lower(floors)


def _whole_from_ns(table: Table) -> int:
    if table.magnetic.version.files:
        return min(table.magnetic.version.to_ns, END_OF_TIME_NS - 1) + 1
    return table.memory.whole_from_ns


def _load_newest(table: Table, own: str) -> Persisted | None:
    """What is kept of the series, if it is good for what the magnetic tier has by now; both of one table at rest.

    The tier is looked at after it: a time that is no longer marked as superseded here has been cleaned there.
    """
    for _ in range(_TRIES):
        persisted = table.series_file.load(table.index)
        table.magnetic.version = table.magnetic.refresh()
        position = table.magnetic.version.positions.get(own, -1)
        if persisted is not None and (persisted.offset or 0) >= position:
            return persisted
    return None


def _rezone(table: Table, zone: str | None) -> None:
    """Give the series the zones of the present template, which may be another than when they were saved."""
    if zone is not None:
        for key, known in zip(table.index.keys, list(table.index.zones), strict=False):
            now = zone_of(zone, dict(key.dimensions))
            if now is not None and now != known:
                table.index.id_of(key, now)


def _rebuild(table: Table, zone: str | None) -> None:
    """Series and last times from all rows there are, and the times that have a key twice.

    A zone that no template makes (but a device's MQTT topic) comes back with the series' next reading.
    """
    dimensions = list(table.columns.dimensions.values())
    key: list[Column] = [*dimensions, MEASURE_NAME_COLUMN]
    listed = ", ".join(column.quoted for column in key)
    columns = [*key, TIME_COLUMN]
    cursor = table.duck.cursor()
    try:
        files = table.magnetic.data.relation(cursor, table.magnetic.version.files, columns)
        rows = magnetic_rows(files, columns, "true")
        last = run(cursor, f'SELECT {listed}, max("{layout.TIME_NS}") AS "last" FROM ({rows}) GROUP BY {listed}')
        twice = run(
            cursor,
            f'SELECT DISTINCT "{layout.TIME_NS}" FROM ({rows}) '
            f'GROUP BY {listed}, "{layout.TIME_NS}" HAVING count(*) > 1',
        )
    finally:
        cursor.close()
    ids, times = [], []
    for row in last.to_pylist():
        pairs = sorted((column.name, row[column.physical]) for column in dimensions if row[column.physical] is not None)
        key_of_row = SeriesKey(tuple(pairs), row[layout.MEASURE_NAME])
        ids.append(table.index.id_of(key_of_row, zone_of(zone, dict(pairs))))
        times.append(row["last"])
    last_ns = np.full(len(table.index), NEVER_NS, np.int64)
    last_ns[ids] = times
    table.state.restore(last_ns)
    table.superseded.mark(twice[layout.TIME_NS].to_numpy())
