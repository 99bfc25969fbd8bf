"""The Parquet files of one table: how DuckDB reads them, and how they are listed and removed.

DuckDB reads the files of a folder itself. It has no client for object stores here, so pyarrow reads those of a bucket,
as a dataset that is registered on the cursor; conditions and the selection of columns are pushed down into it. Footers
are read once: files never change, and the fragments of recently used files are cached.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

import itertools
import shutil
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from store import layout
from store.catalog.schema import Column
from store.engine.duck import Cursor, quote_text
from store.errors import DamagedRows
from store.magnetic.checked_files import CHECKED
from store.magnetic.parquet import DataFile, Footer, ValueRange, metadata_of, values_in
from store.magnetic.value_ranges import RANGES
from store.objects import s3_files
from store.objects.files import make_folders
from store.objects.location import S3Location
from store.objects.objects import open_at

MOST_FRAGMENTS = 1_000  # per table; the footers of these files are cached
_ARROW_TYPES = {"DOUBLE": pa.float64(), "BIGINT": pa.int64(), "BOOLEAN": pa.bool_(), "VARCHAR": pa.string()}
_FIXED = (
    pa.field(layout.MEASURE_NAME, pa.string()),
    pa.field(layout.TIME, pa.timestamp("us", "UTC")),
    pa.field(layout.TIME_REST, pa.int16()),
    pa.field(layout.VERSION, pa.int64()),
    pa.field(layout.PARTITION, pa.int16()),
    pa.field(layout.SEQUENCE, pa.int64()),
)
_numbers = itertools.count()


class DataFiles(Protocol):
    """The Parquet files of a table. Any thread. `is_near`: a footer is read without a round trip."""

    is_near: bool

    def relation(self, cursor: Cursor, files: Sequence[DataFile], columns: Sequence[Column]) -> str:
        """The SQL after FROM for rows of `files` on `cursor`; it has all `columns`, null if a file lacks one."""
        ...

    def written_ns(self, file: DataFile) -> int:
        """When `file` was written."""
        ...

    def look(self, files: tuple[DataFile, ...]) -> None:
        """Find files that are missing or too short; what it finds is `damaged`."""
        ...

    def damaged(self, files: tuple[DataFile, ...]) -> list[tuple[DataFile, str]]:
        """The files that are known to be damaged, and what is wrong with each."""
        ...

    def count_values(self, file: DataFile, measures: Collection[str]) -> int:
        """The number of values that `file` has in these columns. Reads its footer. Raises DamagedRows."""
        ...

    def ranges(self, file: DataFile, measures: tuple[str, ...]) -> tuple[ValueRange, ...] | None:
        """How many values, and which least and greatest, `file` has of these measures; None if its footer is silent.

        Reads it, once. Raises DamagedRows.
        """
        ...

    def is_sound(self, file: DataFile) -> bool:
        """Whether it is known that the file is as it was written."""
        ...

    def check_next(self, files: tuple[DataFile, ...]) -> None:
        """Check one of the files that this process has not read yet. Raises DamagedRows."""
        ...

    def check_again(self, file: DataFile) -> None:
        """Check a file, also if it was sound before. Raises DamagedRows."""
        ...

    def set_aside(self, path: str) -> str:
        """Move a damaged file out of the table's way; returns where it is, or that it is missing."""
        ...

    def paths(self) -> set[str]:
        """Paths of all Parquet files of the table, of any version or of none."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file, and its folder if it was the last one."""
        ...

    def delete_table(self) -> None:
        """Remove everything, including the Delta log; files that another process is writing may remain."""
        ...


def data_files(location: Path | S3Location) -> DataFiles:
    """The files of the table at `location`."""
    return FolderFiles(location) if isinstance(location, Path) else BucketFiles(location)


class FolderFiles:
    """Files in a local folder."""

    is_near = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def relation(self, cursor: Cursor, files: Sequence[DataFile], columns: Sequence[Column]) -> str:  # noqa: ARG002
        """See `DataFiles`."""
        physical = [column for column in columns if column.kind in {"dimension", "zone", "measure"}]
        typed = "".join(f"NULL::{column.duck_type} AS {column.quoted}, " for column in physical)
        for file in files:
            CHECKED.check(self._folder, file)
        folder = self._folder.resolve()
        listed = ", ".join(quote_text(f"{folder}/{file.path}") for file in files)
        return (
            f'(SELECT {typed}NULL::VARCHAR AS "{layout.MEASURE_NAME}" WHERE false UNION ALL BY NAME '
            f"SELECT * FROM read_parquet([{listed}], union_by_name = true, hive_partitioning = false))"
        )

    def written_ns(self, file: DataFile) -> int:
        """See `DataFiles`."""
        try:
            return (self._folder / file.path).stat().st_mtime_ns
        except FileNotFoundError as error:
            self.look((file,))
            raise DamagedRows(f"{self._folder / file.path} is missing", file.path) from error

    def look(self, files: tuple[DataFile, ...]) -> None:
        """See `DataFiles`."""
        CHECKED.look(self._folder, files)

    def damaged(self, files: tuple[DataFile, ...]) -> list[tuple[DataFile, str]]:
        """See `DataFiles`."""
        return CHECKED.damaged(self._folder, files)

    def count_values(self, file: DataFile, measures: Collection[str]) -> int:
        """See `DataFiles`."""
        return values_in(self._footer(file), measures)

    def ranges(self, file: DataFile, measures: tuple[str, ...]) -> tuple[ValueRange, ...] | None:
        """See `DataFiles`."""
        return RANGES.of(f"{self._folder / file.path}", measures, lambda: self._footer(file))

    def _footer(self, file: DataFile) -> Footer:
        CHECKED.check(self._folder, file)
        try:
            return metadata_of(self._folder / file.path)
        except (OSError, pa.ArrowException) as error:
            self.look((file,))
            raise DamagedRows(f"{self._folder / file.path} cannot be read: {error}", file.path) from error

    def is_sound(self, file: DataFile) -> bool:
        """See `DataFiles`."""
        return CHECKED.is_sound(self._folder, file)

    def check_next(self, files: tuple[DataFile, ...]) -> None:
        """See `DataFiles`."""
        file = CHECKED.unchecked(self._folder, files)
        if file is not None:
            CHECKED.check(self._folder, file)

    def check_again(self, file: DataFile) -> None:
        """See `DataFiles`."""
        CHECKED.check_again(self._folder, file)

    def set_aside(self, path: str) -> str:
        """See `DataFiles`."""
        source = self._folder / path
        place = self._folder / layout.SET_ASIDE / source.name
        if source.exists():
            make_folders(place.parent)
            source.rename(place)
        CHECKED.forget(source)
        return f"the file is {place}" if place.exists() else "there is no file"

    def paths(self) -> set[str]:
        """See `DataFiles`."""
        return {path.relative_to(self._folder).as_posix() for path in self._folder.glob(f"{layout.DATE}=*/*.parquet")}

    def delete(self, path: str) -> None:
        """See `DataFiles`."""
        (self._folder / path).unlink(missing_ok=True)
        CHECKED.forget(self._folder / path)
        with suppress(OSError):  # the folder is not empty
            (self._folder / path).parent.rmdir()

    def delete_table(self) -> None:
        """See `DataFiles`."""
        if self._folder.exists():
            shutil.rmtree(self._folder, ignore_errors=True)


class BucketFiles:
    """Files below a prefix of a bucket."""

    is_near = False

    def __init__(self, location: S3Location) -> None:
        self._location = location
        self._lock = threading.Lock()
        self._fragments: OrderedDict[str, ds.ParquetFileFragment] = OrderedDict()
        self._written_ns: dict[str, int] = {}

    def relation(self, cursor: Cursor, files: Sequence[DataFile], columns: Sequence[Column]) -> str:
        """See `DataFiles`."""
        physical = [column for column in columns if column.kind in {"dimension", "zone", "measure"}]
        fields = [pa.field(column.physical, _ARROW_TYPES[column.duck_type]) for column in physical]
        with self._lock:
            fragments = [self._fragment(file) for file in files]
        filesystem = s3_files.filesystem(self._location)
        dataset = ds.FileSystemDataset(fragments, pa.schema([*fields, *_FIXED]), ds.ParquetFileFormat(), filesystem)
        name = f"files_{next(_numbers)}"
        cursor.register(name, dataset)
        return name

    def written_ns(self, file: DataFile) -> int:
        """See `DataFiles`."""
        if file.path not in self._written_ns:
            with s3_files.errors(self._location, file.path, "looked at"):
                (info,) = s3_files.filesystem(self._location).get_file_info([self._location.key(file.path)])
            if info.type == fs.FileType.NotFound:
                raise FileNotFoundError(f"{self._location.url}/{file.path}")
            self._written_ns[file.path] = info.mtime_ns
        return self._written_ns[file.path]

    def look(self, files: tuple[DataFile, ...]) -> None:
        """See `DataFiles`. Buckets check what they hold."""

    def damaged(self, files: tuple[DataFile, ...]) -> list[tuple[DataFile, str]]:  # noqa: ARG002
        """See `DataFiles`."""
        return []

    def count_values(self, file: DataFile, measures: Collection[str]) -> int:
        """See `DataFiles`."""
        return values_in(self._footer(file), measures)

    def ranges(self, file: DataFile, measures: tuple[str, ...]) -> tuple[ValueRange, ...] | None:
        """See `DataFiles`."""
        return RANGES.of(f"{self._location.url}/{file.path}", measures, lambda: self._footer(file))

    def _footer(self, file: DataFile) -> Footer:
        with self._lock:
            fragment = self._fragment(file)
        with s3_files.errors(self._location, file.path, "read"):
            return fragment.metadata

    def is_sound(self, file: DataFile) -> bool:  # noqa: ARG002
        """See `DataFiles`. Buckets check what they hold."""
        return True

    def check_next(self, files: tuple[DataFile, ...]) -> None:
        """See `DataFiles`."""

    def check_again(self, file: DataFile) -> None:
        """See `DataFiles`."""

    def set_aside(self, path: str) -> str:
        """See `DataFiles`."""
        raise NotImplementedError(path)

    def paths(self) -> set[str]:
        """See `DataFiles`."""
        start, end = f"{layout.DATE}=", ".parquet"
        return {path for path in open_at(self._location).list("") if path.startswith(start) and path.endswith(end)}

    def delete(self, path: str) -> None:
        """See `DataFiles`."""
        open_at(self._location).delete(path)
        self._written_ns.pop(path, None)

    def delete_table(self) -> None:
        """See `DataFiles`. The log is removed last, so that an interrupted deletion leaves a table or nothing."""
        objects = open_at(self._location)
        for path in sorted(objects.list(""), key=lambda path: path.startswith(layout.DELTA_LOG)):
            objects.delete(path)

    def _fragment(self, file: DataFile) -> ds.ParquetFileFragment:
        fragment = self._fragments.pop(file.path, None)
        if fragment is None:
            filesystem = s3_files.filesystem(self._location)
            fragment = ds.ParquetFileFormat().make_fragment(
                self._location.key(file.path), filesystem, file_size=file.size_bytes
            )
        self._fragments[file.path] = fragment
        if len(self._fragments) > MOST_FRAGMENTS:
            self._fragments.popitem(last=False)
        return fragment
