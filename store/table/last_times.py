"""The last times of the series whose newest row a DELETE deletes: those of the newest rows that stay.

A last time that is too high would only cost look-ups, but lists of devices and zones tell it. It is never too low: that
would make a repeated row a new one.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from contextlib import closing

import numpy as np
import pyarrow as pa

from store import layout
from store.catalog.schema import MEASURE_NAME_COLUMN, TIME_COLUMN, Column
from store.engine.duck import Cursor, run
from store.magnetic.parquet import DataFile
from store.memory.newness import NEVER_NS
from store.reading.scan import magnetic_rows
from store.record import Int64s, dimension_values
from store.table.core import Core
from store.table.deletions import Deletion, chosen_keys
from store.table.series_state import Places

_PLACE = "_place"


class LastTimes:
    """The last times of such series."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._series: Places = np.zeros(0, np.intp)
        self._last_ns: Int64s = np.zeros(0, np.int64)
        self._is_looked_for = False

    def find(self, deletion: Deletion) -> None:
        """Find these series. Raises QueryFailed."""
        core = self._core
        with core.lock:
            last_ns = core.state.last_ns[: core.memory.series_known].copy()
            series = np.flatnonzero(last_ns != NEVER_NS)
            if len(series):
                core.memory.insert_head(core.now_ns)
                series = series[chosen_keys(core, series.astype(np.int32), last_ns[series], deletion.chosen)]
        self._series, self._last_ns = series, np.full(len(series), NEVER_NS, np.int64)
        self._is_looked_for = not deletion.chosen.is_by_series

    def look_in_files(self) -> None:
        """Find their newest rows in files, which have no deleted row any more, from the newest file on."""
        if not len(self._series) or not self._is_looked_for:
            return
        core = self._core
        with core.lock:
            dimensions = list(core.columns.stored.dimensions.values())
        keys = [core.index.keys[series] for series in self._series.tolist()]
        ended = {column.physical: pa.array(dimension_values(keys, column.name), pa.string()) for column in dimensions}
        ended[layout.MEASURE_NAME] = pa.array([key.measure_name for key in keys], pa.string())
        ended[_PLACE] = pa.array(np.arange(len(keys)))
        with closing(core.duck.cursor()) as cursor:
            cursor.register("ended_series", pa.table(ended))
            for file in sorted(core.magnetic.version.files, key=lambda file: -file.to_ns):
                if (self._last_ns >= file.to_ns).all():
                    break
                self._look_in(cursor, file, [*dimensions, MEASURE_NAME_COLUMN])

    def _look_in(self, cursor: Cursor, file: DataFile, key: list[Column]) -> None:
        columns = [*key, TIME_COLUMN]
        rows = magnetic_rows(self._core.magnetic.data.relation(cursor, [file], columns), columns, "true")
        same = " AND ".join(f"r.{column.quoted} IS NOT DISTINCT FROM e.{column.quoted}" for column in key)
        of_ended = f"({rows}) r JOIN ended_series e ON {same}"
        found = run(cursor, f'SELECT e."{_PLACE}", max(r."{layout.TIME_NS}") FROM {of_ended} GROUP BY 1')
        np.maximum.at(self._last_ns, found[0].to_numpy(), found[1].to_numpy())

    def save(self, offset: int, *, is_purge: bool) -> None:
        """Save the series, as of this offset; with `is_purge` without the names of those that have no rows."""
        core = self._core
        with core.lock:
            last_ns = core.state.last_ns[: core.memory.series_known].copy()
            superseded_ns, contents = core.superseded.now(), core.contents.now()
        last_ns[self._series] = self._last_ns
        if is_purge:
            core.saved_series.restart(np.flatnonzero(last_ns == NEVER_NS))
        core.saved_series.save(core.index, last_ns, superseded_ns, offset, contents)

    def settle(self) -> None:
        """Adopt them, with the rows that have come since. Under the table's lock, once RAM has no deleted row."""
        core = self._core
        if not len(self._series):
            return
        place_of = np.full(core.memory.series_known, -1, np.int64)
        place_of[self._series] = np.arange(len(self._series))
        listed = ", ".join(map(str, self._series.tolist()))
        with closing(core.duck.cursor()) as cursor:
            for chunk in core.memory.chunks:
                found = run(
                    cursor,
                    f'SELECT "{layout.SERIES_ID}", max("{layout.TIME_NS}") FROM {chunk.name} '
                    f'WHERE "{layout.SERIES_ID}" IN ({listed}) GROUP BY 1',
                )
                np.maximum.at(self._last_ns, place_of[found[0].to_numpy()], found[1].to_numpy())
        core.state.last_ns[self._series] = self._last_ns
        core.contents.forget(self._series[self._last_ns == NEVER_NS])
