"""The files of a table that have rows of a DELETE: finds them, counts the rows, and writes the files without them."""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from itertools import groupby

import pyarrow as pa

from store import layout
from store.catalog.deletion import ROW
from store.catalog.schema import MEASURE_NAME_COLUMN, TIME_COLUMN, names
from store.engine.duck import Cursor, run
from store.magnetic.parquet import DataFile
from store.memory.newness import NEVER_NS
from store.reading.scan import END_OF_TIME_NS, magnetic_rows, magnetic_times
from store.table.compaction import columns_to_write, write
from store.table.core import Core
from store.table.deletions import Deletion, is_deleted


class DeletedFiles:
    """The files of the current version with such rows."""

    def __init__(self, core: Core, deletion: Deletion) -> None:
        self._core = core
        self._deletion = deletion
        self._columns = columns_to_write(core)
        self._key = [*self._columns.dimensions.values(), MEASURE_NAME_COLUMN, TIME_COLUMN]
        self._found: list[DataFile] = []

    def find(self) -> None:
        """Find the files, and count the rows, each key once, unless an earlier attempt has. Raises QueryFailed."""
        core, chosen = self._core, self._deletion.chosen
        count, doubled = 0, False
        with core.lock:
            superseded = pa.table({layout.TIME_NS: core.superseded.now()})
        with closing(core.duck.cursor()) as cursor:
            cursor.register("superseded_times", superseded)
            for file in core.magnetic.version.files:
                if chosen.may_be_in(file.from_ns, file.to_ns):
                    rows, twice = self._counted(cursor, [file])
                    self._found += [file] if rows else []
                    count, doubled = count + rows - twice, doubled or bool(twice)
            if doubled:
                count += self._keys_twice(cursor)
        if self._deletion.rows is None:
            self._deletion.rows = count

    def rewrite(self) -> None:
        """Replace them by files without the rows, one commit for each date. Raises Fenced, MagneticConflict."""
        core = self._core
        kept = f"NOT {is_deleted(core, self._deletion)}"
        for _, of_date in groupby(sorted(self._found, key=lambda file: file.date), lambda file: file.date):
            files = list(of_date)
            written = [write(core, [file], self._columns, kept=kept) for file in files]
            added = [file for file in written if file is not None]
            version = core.magnetic.commit(added, files, self._columns.stored(), {}, is_new_data=True, deletes=True)
            with core.lock:
                core.magnetic.version = version

    def _rows(self, cursor: Cursor, files: Sequence[DataFile]) -> str:
        """The relation and condition for the rows of the DELETE in these files."""
        chosen = self._deletion.chosen
        from_ns = NEVER_NS if chosen.from_ns is None else chosen.from_ns
        to_ns = END_OF_TIME_NS if chosen.to_ns is None else chosen.to_ns
        relation = self._core.magnetic.data.relation(cursor, files, self._key)
        rows = magnetic_rows(relation, self._key, " AND ".join(magnetic_times(from_ns, to_ns)) or "true")
        return f"({rows}) {ROW} WHERE {is_deleted(self._core, self._deletion)}"

    def _counted(self, cursor: Cursor, files: Sequence[DataFile]) -> tuple[int, int]:
        """The number of rows, and of those at superseded times."""
        twice = f'count(*) FILTER ("{layout.TIME_NS}" IN (SELECT "{layout.TIME_NS}" FROM superseded_times))'
        found = run(cursor, f"SELECT count(*), {twice} FROM {self._rows(cursor, files)}")
        return found[0][0].as_py(), found[1][0].as_py()

    def _keys_twice(self, cursor: Cursor) -> int:
        """The number of keys at superseded times."""
        at = f'"{layout.TIME_NS}" IN (SELECT "{layout.TIME_NS}" FROM superseded_times)'
        rows = f"SELECT DISTINCT {names(self._key)} FROM {self._rows(cursor, self._found)} AND {at}"
        count: int = run(cursor, f"SELECT count(*) FROM ({rows})")[0][0].as_py()
        return count
