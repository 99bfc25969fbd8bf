"""Loads the state of a table when it is opened: from its saved series, or, if they are lost, from its magnetic tier.

RAM is empty then, so all rows up to the newest one of the magnetic tier are read from there.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from store import layout
from store.catalog.schema import MEASURE_NAME_COLUMN, TIME_COLUMN, Column
from store.catalog.zones import zone_of
from store.engine.duck import run
from store.errors import DamagedRows
from store.magnetic.tier import Version
from store.memory.newness import NEVER_NS
from store.reading.scan import END_OF_TIME_NS, magnetic_rows
from store.record import SeriesKey
from store.state.series import Persisted
from store.table.core import Core, Past
from store.table.damaged import drop_damaged, has_damaged
from store.table.registering import register_columns

log = logging.getLogger(__name__)

_TRIES = 3  # a former owner may write at the same time


def restore(core: Core, zone: str | None, may_hold_unknown_series: Callable[[Version], bool]) -> None:
    """Load a newly created table; `zone` is its zone template."""
    persisted = _load_newest(core)
    core.magnetic.data.look(core.magnetic.version.files)
    if has_damaged(core):
        drop_damaged(core)
    core.memory.whole_from_ns = _whole_from_ns(core)
    core.add_registered_columns()
    has_files = bool(core.magnetic.version.files)
    if persisted is not None:
        core.state.restore(persisted.last_ns)
        core.superseded.mark(persisted.superseded_ns)
        core.contents.restore(persisted.contents, persisted.last_ns, has_files=has_files)
    else:
        core.contents.is_complete = not has_files
        core.saved_series.restart()  # keys without a state may have another order than new series will get
        if may_hold_unknown_series(core.magnetic.version):
            _rebuild_of_sound_files(core, zone)
    _rezone(core, zone)
    register_columns(core, {})  # normalise may have added series before the table was opened
    core.evicted_through = core.magnetic.version.positions.get(core.own_partition, -1)
    if has_files:
        core.past = Past(core.evicted_through, core.memory.whole_from_ns)
    core.superseded.start_at(core.magnetic.version.number)
    core.add_new_series()


def _whole_from_ns(core: Core) -> int:
    if core.magnetic.version.files:
        return min(core.magnetic.version.to_ns, END_OF_TIME_NS - 1) + 1
    return core.memory.whole_from_ns


def _load_newest(core: Core) -> Persisted | None:
    """The saved series, if they are valid for the current version; both are read in a stable state.

    The version is read after them: a time that is no longer marked as superseded in them was cleaned in that version.
    """
    for _ in range(_TRIES):
        persisted = core.saved_series.load(core.index)
        core.magnetic.version = core.magnetic.refresh()
        position = core.magnetic.version.positions.get(core.own_partition, -1)
        if persisted is not None and persisted.offset >= position:
            return persisted
    return None


def _rezone(core: Core, zone: str | None) -> None:
    """Update the zones of the series to the present template, which may differ from that when they were saved."""
    if zone is not None:
        for key, known in zip(core.index.keys, list(core.index.zones), strict=False):
            now = zone_of(zone, dict(key.dimensions))
            if now is not None and now != known:
                core.index.id_of(key, now)


def _rebuild_of_sound_files(core: Core, zone: str | None) -> None:
    while True:
        try:
            _rebuild(core, zone)
        except DamagedRows:
            drop_damaged(core)
        else:
            return


def _rebuild(core: Core, zone: str | None) -> None:
    """Rebuild series and last times from all rows, and mark the times with repeated keys.

    A zone that does not come from a template (but from an MQTT topic) is restored by the next reading of the series.
    """
    dimensions = list(core.columns.stored.dimensions.values())
    key: list[Column] = [*dimensions, MEASURE_NAME_COLUMN]
    listed = ", ".join(column.quoted for column in key)
    columns = [*key, TIME_COLUMN]
    cursor = core.duck.cursor()
    try:
        files = core.magnetic.data.relation(cursor, core.magnetic.version.files, columns)
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
        ids.append(core.index.id_of(key_of_row, zone_of(zone, dict(pairs))))
        times.append(row["last"])
    last_ns = np.full(len(core.index), NEVER_NS, np.int64)
    last_ns[ids] = times
    core.state.restore(last_ns)
    core.superseded.mark(twice[layout.TIME_NS].to_numpy())
