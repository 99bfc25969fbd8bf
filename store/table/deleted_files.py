"""The files of a table that have rows of a DELETE: finds them, counts the rows, and writes the files without them."""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from collections.abc import Callable, Sequence
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

    def find(self, has_time: Callable[[], bool]) -> bool:
        """Look at files, at one or more, until the time is up; returns whether all of the version are looked at.

        Then the rows are counted, each key once. Raises QueryFailed.
        """
        core, deletion = self._core, self._deletion
        if deletion.superseded_ns is None:
            with core.lock:
                deletion.superseded_ns = core.superseded.now()
        with closing(core.duck.cursor()) as cursor:
            cursor.register("superseded_times", pa.table({layout.TIME_NS: deletion.superseded_ns}))
            files = [
                file for file in core.magnetic.version.files if deletion.chosen.may_be_in(file.from_ns, file.to_ns)
            ]
            new = [file for file in files if file.path not in deletion.looked_at]
            for left, file in zip(reversed(range(len(new))), new, strict=True):
                deletion.looked_at[file.path] = self._counted(cursor, [file])
                if left and not has_time():
                    return False
            having = [file for file in files if deletion.looked_at[file.path][0]]
            self._found = sorted(having, key=lambda file: file.date)
            if deletion.rows is None:
                counts = [deletion.looked_at[file.path] for file in self._found]
                once = self._keys_twice(cursor) if any(twice for _, twice in counts) else 0
                deletion.rows = sum(rows - twice for rows, twice in counts) + once
        return True

    def rewrite(self, has_time: Callable[[], bool]) -> bool:
        """Replace them by files without the rows, one or more, until the time is up; returns whether all are replaced.

        Each commit has those of one date. Raises Fenced, MagneticConflict.
        """
        for _, of_date in groupby(self._found, lambda file: file.date):
            files, replaced, added = list(of_date), [], []
            for file in files:
                replaced.append(file)
                added += self._written(file)
                if not has_time():
                    break
            self._commit(added, replaced)
            if not has_time():
                return replaced[-1] == self._found[-1]
        return True

    def _written(self, file: DataFile) -> list[DataFile]:
        """A file without the rows; none, if no row is left."""
        written = write(self._core, [file], self._columns, kept=f"NOT {is_deleted(self._core, self._deletion)}")
        return [] if written is None else [written]

    def _commit(self, added: Sequence[DataFile], replaced: Sequence[DataFile]) -> None:
        core = self._core
        version = core.magnetic.commit(added, replaced, self._columns.stored(), {}, is_new_data=True, deletes=True)
        self._deletion.looked_at |= {file.path: (0, 0) for file in added}
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
