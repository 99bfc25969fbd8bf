"""Merging files of a table, and removing superseded rows from them.

A merge changes the number of files and no query result, so it is committed as "no new data". Rows are sorted by series
and time, which is what makes them small. Not more than `SORT_ROWS` rows, and `SORT_CELLS` of their values, are in
memory: larger groups are sorted by ranges of series, each read from all files, whose row groups it prunes.

Superseded rows are removed when all files with their time are rewritten together; then the mark of the time is removed,
too. A time whose rows are still all in RAM is not cleaned: RAM has both rows, and readers need the mark.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from store import layout
from store.catalog.deletion import ROW
from store.catalog.schema import MEASURE_NAME_COLUMN, TIME_COLUMN, Column, Columns, names
from store.engine.duck import Cursor, run, stream
from store.errors import MagneticConflict
from store.magnetic import compaction_plan
from store.magnetic.parquet import SMALL, DataFile, FileWriter, to_magnetic
from store.reading.scan import magnetic_rows
from store.record import Int64s
from store.table.core import Core
from store.table.series_ranges import Key, range_condition, ranges

log = logging.getLogger(__name__)

# Sorting 2 million rows of 14 columns needs 400 MB, and the whole of DuckDB has 512 MB besides the memory tier
SORT_ROWS = 1_000_000
SORT_CELLS = 14_000_000
_BATCH_ROWS = 122_880
NO_TIMES = np.zeros(0, np.int64)
_EXTRA = (layout.VERSION, layout.PARTITION, layout.SEQUENCE)
_NEWEST_FIRST = f'"{layout.VERSION}" DESC, "{layout.PARTITION}" DESC, "{layout.SEQUENCE}" DESC'


def clearable(core: Core, files: Sequence[DataFile]) -> Int64s:
    """Superseded times whose marks can be removed if `files`, and no others, are rewritten together."""
    chosen = {file.path for file in files}
    others = [file for file in core.magnetic.version.files if file.path not in chosen]
    first_ns, last_ns = min(file.from_ns for file in files), max(file.to_ns for file in files)
    return np.array(
        [
            time
            for time in core.settled()
            if first_ns <= time <= last_ns and not any(file.from_ns <= time <= file.to_ns for file in others)
        ],
        np.int64,
    )


def files_to_clean(core: Core) -> list[DataFile]:
    """All files of one date that have a superseded time whose rows are not all in RAM; empty if there are none."""
    marks = core.settled()
    files = core.magnetic.version.files
    for time in marks:
        date = next((file.date for file in files if file.from_ns <= time <= file.to_ns), None)
        if date is not None:
            of_date = [file for file in files if file.date == date]
            return [file for file in of_date if any(file.from_ns <= mark <= file.to_ns for mark in marks)]
    return []


def files_to_merge(core: Core, now_ns: int) -> list[list[DataFile]]:
    """Groups of files, each to be rewritten as one file."""
    return compaction_plan.plan(core.magnetic.version.files, now_ns, core.magnetic.data.written_ns)


def rewrite(core: Core, files: Sequence[DataFile]) -> bool:
    """Replace `files`, all of one date, by one file without the superseded rows that are no longer needed.

    Returns False, and changes nothing, if another writer has removed one of them; `vacuum` deletes the written file
    then.
    """
    times = clearable(core, files)
    columns = columns_to_write(core)
    written = write(core, files, columns, times)
    assert written is not None, "files of a table are never empty"
    try:
        version = core.magnetic.commit([written], files, columns.stored(), {}, is_new_data=False)
    except MagneticConflict as conflict:
        log.info("%s: compaction skipped: %s", core.id, conflict)
        core.refresh_magnetic()
        return False
    with core.lock:
        core.magnetic.version = version
        core.superseded.clear(set(times.tolist()) & set(core.settled()), version.number)
    return True


def columns_to_write(core: Core) -> Columns:
    """The columns of the table, with those of other workers: what is unknown would not be written."""
    with core.lock:
        core.add_registered_columns()
        return core.columns.stored.copy()


def write(
    core: Core, files: Sequence[DataFile], of: Columns, times: Int64s = NO_TIMES, kept: str = "true"
) -> DataFile | None:
    """One file with the rows of `files`, all of one date; None if it would have none.

    At `times` only the newest row of a key is written; `kept` is a condition for rows of `ROW`.
    """
    dimensions = list(of.dimensions.values())
    values = [*(() if of.zone is None else (of.zone,)), *of.measures.values()]
    columns = [*dimensions, MEASURE_NAME_COLUMN, TIME_COLUMN, *values]
    writer: FileWriter | None = None
    cursor = core.duck.cursor()
    try:
        cursor.register("superseded_times", pa.table({layout.TIME_NS: times}))
        for query in _queries(core, files, columns, dimensions, kept, cursor):
            for batch in stream(cursor, query, _BATCH_ROWS):
                part = to_magnetic(pa.Table.from_batches([batch]))
                writer = writer or FileWriter(core.magnetic.location, files[0].date, SMALL)
                writer.write(part)
    finally:
        cursor.close()
    return None if writer is None else writer.finish()


def _queries(
    core: Core, files: Sequence[DataFile], columns: list[Column], dimensions: list[Column], kept: str, cursor: Cursor
) -> Iterator[str]:
    key = [*dimensions, MEASURE_NAME_COLUMN]
    series = names(key)
    relation = core.magnetic.data.relation(cursor, files, columns)
    is_superseded = f'"{layout.TIME_NS}" IN (SELECT "{layout.TIME_NS}" FROM superseded_times)'
    most_rows = min(SORT_ROWS, SORT_CELLS // (len(columns) + len(_EXTRA)))
    for where in _ranges(cursor, relation, key, sum(file.rows for file in files), most_rows):
        rows = magnetic_rows(relation, columns, where)
        order = f'ORDER BY {series}, "{layout.TIME_NS}"'
        yield f"SELECT * FROM ({rows}) {ROW} WHERE NOT ({is_superseded}) AND {kept} {order}"
    rows = magnetic_rows(relation, columns, "true")
    yield (
        f'SELECT * EXCLUDE ("_rank") FROM (SELECT *, row_number() OVER (PARTITION BY {series}, "{layout.TIME_NS}" '
        f'ORDER BY {_NEWEST_FIRST}) AS "_rank" FROM ({rows}) {ROW} WHERE {is_superseded} AND {kept}) WHERE "_rank" = 1'
    )


def _ranges(cursor: Cursor, relation: str, key: list[Column], rows: int, most_rows: int) -> list[str]:
    """Conditions for ranges of series with at most `most_rows` each, or one series, in order."""
    if rows <= most_rows:
        return ["true"]
    series = names(key)
    counted = run(cursor, f"SELECT {series}, count(*) AS n FROM {relation} GROUP BY ALL ORDER BY {series}")
    counts = counted["n"].to_pylist()
    keys: list[Key] = list(zip(*(counted[column.physical].to_pylist() for column in key), strict=True))
    return [range_condition([column.quoted for column in key], keys, *of) for of in ranges(counts, most_rows)]
