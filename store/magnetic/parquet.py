"""Writes Parquet files of a table durably, with the statistics that are used to prune them.

Rows are in the magnetic form: time in microseconds (Delta has no nanoseconds), with the rest in another column. All
rows of a file are of one date, which is its folder. `store.magnetic.encoding` chooses how they are written.
"""

from __future__ import annotations

import mmap
import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from store import layout
from store.errors import MagneticTierError
from store.magnetic.encoding import encodings
from store.objects import s3_files
from store.objects.checksum import checksum
from store.objects.files import fsync_file, make_folders, put_in_place
from store.objects.location import S3Location
from store.values.times import EPOCH

Footer: TypeAlias = pq.FileMetaData
ROW_GROUP_ROWS = 122_880  # DuckDB's default, so that it reads them in parallel
# Levels of zstd: files of a commit are soon merged; a merged file takes 3 % less for 10 ns a value
FAST, SMALL = 1, 6
_DAY_US = 86_400_000_000
# No query selects rows by these columns: statistics of them would be a tenth of a small file
_UNASKED = frozenset({layout.TIME_REST, layout.VERSION, layout.PARTITION, layout.SEQUENCE})


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file of a table; `path` is relative to the table's folder, times are inclusive."""

    path: str
    size_bytes: int
    rows: int
    from_ns: int
    to_ns: int

    @property
    def date(self) -> str:
        """The date of all its rows."""
        return self.path.split("/", 1)[0].removeprefix(f"{layout.DATE}=")


def to_magnetic(rows: pa.Table) -> pa.Table:
    """`rows` with `time_ns` split into `time` (µs, UTC) and the remaining nanoseconds."""
    time_ns = rows[layout.TIME_NS].to_numpy()
    time_us = np.floor_divide(time_ns, 1000)
    position = rows.schema.get_field_index(layout.TIME_NS)
    rows = rows.set_column(position, layout.TIME, pa.array(time_us).view(pa.timestamp("us", "UTC")))
    return rows.append_column(layout.TIME_REST, pa.array((time_ns - time_us * 1000).astype(np.int16)))


def by_date(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """`rows` (magnetic form) by date; usually there is one."""
    days = np.floor_divide(rows[layout.TIME].cast(pa.int64()).to_numpy(), _DAY_US)
    for day in np.unique(days):
        whole = bool((days == day).all())
        yield date_text(int(day)), rows if whole else rows.filter(pa.array(days == day))


def date_text(day: int) -> str:
    """The date of the `day`th day since 1970-01-01."""
    return (EPOCH + timedelta(days=day)).date().isoformat()


class FileWriter:
    """Writes one file of one date in parts."""

    def __init__(self, location: Path | S3Location, date: str, level: int) -> None:
        """Create the file; it belongs to the table only after a commit. `level`: of zstd."""
        self._location = location
        self._path = f"{layout.partition_folder(date)}/{secrets.token_hex(12)}.parquet"
        self._level = level
        with self._errors():
            self._sink = self._open()
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []  # less than a row group
        self._rows = 0
        self._from_us, self._to_us = np.iinfo(np.int64).max, np.iinfo(np.int64).min

    def write(self, rows: pa.Table) -> None:
        """Append `rows`, which have the same schema each time."""
        times = pc.min_max(rows[layout.TIME].cast(pa.int64())).as_py()
        self._from_us, self._to_us = min(self._from_us, times["min"]), max(self._to_us, times["max"])
        self._rows += rows.num_rows
        self._waiting.append(rows)
        waiting = sum(part.num_rows for part in self._waiting)
        if waiting >= ROW_GROUP_ROWS:
            together = pa.concat_tables(self._waiting)
            whole = waiting - waiting % ROW_GROUP_ROWS
            self._write(together.slice(0, whole))
            self._waiting = [together.slice(whole)]

    def finish(self) -> DataFile:
        """Complete the file, durably. In a folder its name contains the checksum of its content."""
        self._write(pa.concat_tables(self._waiting))
        with self._errors():
            assert self._writer is not None
            self._writer.close()
            size_bytes = self._sink.tell()
            self._sink.close()
            if isinstance(self._location, Path):
                path = self._location / self._path
                fsync_file(path)
                with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    found = checksum(content, path.parent.name).hex()
                named = path.with_name(f"{secrets.token_hex(4)}-{found}.parquet")
                put_in_place(path, named)
                self._path = f"{path.parent.name}/{named.name}"
        return DataFile(self._path, size_bytes, self._rows, self._from_us * 1000, self._to_us * 1000 + 999)

    def _write(self, rows: pa.Table) -> None:
        with self._errors():
            if self._writer is None:
                self._writer = self._writer_for(rows)
            if rows.num_rows:
                self._writer.write_table(rows, row_group_size=ROW_GROUP_ROWS)

    def _writer_for(self, rows: pa.Table) -> pq.ParquetWriter:
        chosen = encodings(rows)
        return pq.ParquetWriter(
            self._sink,
            rows.schema,
            compression="zstd",
            compression_level=self._level,
            use_dictionary=chosen.dictionary,
            column_encoding=chosen.others,
            write_statistics=[name for name in rows.schema.names if name not in _UNASKED],
            store_schema=False,  # other engines read the plain Parquet types, as in Delta's schema
        )

    def _open(self) -> pa.NativeFile:
        if not isinstance(self._location, Path):
            return s3_files.filesystem(self._location).open_output_stream(self._location.key(self._path))
        path = self._location / self._path
        while True:
            make_folders(path.parent)
            with suppress(FileNotFoundError):  # another process has just removed the empty folder of a past date
                return pa.OSFile(str(path), "wb")

    def _errors(self) -> AbstractContextManager[None]:
        if isinstance(self._location, Path):
            return _errors_named(self._location / self._path)
        return s3_files.errors(self._location, self._path, "written")


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # pyarrow's do not name the file
        raise MagneticTierError(f"{path} cannot be written: {error}") from error


def write_file(location: Path | S3Location, date: str, rows: pa.Table) -> DataFile:
    """Write these rows of a commit to a durable file."""
    writer = FileWriter(location, date, FAST)
    writer.write(rows)
    return writer.finish()


def metadata_of(path: Path) -> Footer:
    """The footer of a file. Raises OSError, pyarrow.ArrowException."""
    return pq.read_metadata(path)


@dataclass(frozen=True, slots=True)
class ValueRange:
    """How many values a file has of a measure, and the least and the greatest of them; None: it has none."""

    count: int
    least: float | None
    greatest: float | None


_NO_VALUE = ValueRange(0, None, None)


def ranges_in(metadata: Footer, measures: Sequence[str]) -> tuple[ValueRange, ...] | None:
    """Those of these columns of numbers, by the statistics of a footer; None if it does not say them exactly.

    It does not where the least or greatest is 0.0: Parquet has no sign of zero there.
    """
    places = {metadata.schema.column(place).path: place for place in range(metadata.num_columns)}
    found = []
    for measure in measures:
        range_of = _range_in(metadata, places[measure]) if measure in places else _NO_VALUE
        if range_of is None:
            return None
        found.append(range_of)
    return tuple(found)


def _range_in(metadata: Footer, place: int) -> ValueRange | None:
    count, ends = 0, []
    for number in range(metadata.num_row_groups):
        column = metadata.row_group(number).column(place)
        told = column.statistics
        if told is None or not told.has_null_count:
            return None
        values = column.num_values - told.null_count
        if values and (
            not told.has_min_max or any(end == 0 and isinstance(end, float) for end in (told.min, told.max))
        ):
            return None
        count += values
        ends += [told.min, told.max] if values else []
    return ValueRange(count, min(ends, default=None), max(ends, default=None))


def values_in(metadata: Footer, measures: Collection[str]) -> int:
    """The number of values that a file has in these columns, without absent ones."""
    count = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = (group.column(place) for place in range(group.num_columns))
        count += sum(
            column.num_values - (column.statistics.null_count if column.is_stats_set else 0)
            for column in columns
            if column.path_in_schema in measures
        )
    return count
