"""One file of a result: CSV or Parquet, plain or compressed. Rows are written as they come."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from store.objects.new_files import NewFile
from store.sql import ResultColumn
from store.sql.texts import Lines, slices
from store.sql.unload import UnloadOptions
from store.unload.texts import csv_cells, parquet_type, text_column, typed_column

_GZIP_WINDOW = 31  # zlib's number for the format of gzip
_SUFFIXES = {("CSV", "NONE"): ".csv", ("CSV", "GZIP"): ".gz"}


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is whole."""

    path: str
    size_bytes: int
    rows: int


class ResultFile(Protocol):
    """A file that is open for rows. It raises OSError."""

    rows: int
    new: NewFile

    def write(self, table: pa.Table) -> None:
        """Append these rows."""
        ...

    def end(self) -> None:
        """Write what is still to be written; `new` is finished by the caller."""
        ...


def suffix_of(options: UnloadOptions) -> str:
    """The end of the names of files."""
    return _SUFFIXES.get((options.format, options.compression), ".parquet")


def result_file(new: NewFile, columns: Sequence[ResultColumn], options: UnloadOptions) -> ResultFile:
    """The file for rows with these columns."""
    return (_Csv if options.format == "CSV" else _Parquet)(new, columns, options)


class _Csv:
    def __init__(self, new: NewFile, columns: Sequence[ResultColumn], options: UnloadOptions) -> None:
        self.new = new
        self.rows = 0
        self._columns = columns
        self._options = options
        self._gzip = zlib.compressobj(wbits=_GZIP_WINDOW) if options.compression == "GZIP" else None
        if options.include_header:
            self._write_lines([pa.array([column.name], pa.string()) for column in columns])

    def write(self, table: pa.Table) -> None:
        """See `ResultFile`."""
        self.rows += len(table)
        for part in slices(table):
            self._write_lines([text_column(part.column(n), column.type) for n, column in enumerate(self._columns)])

    def end(self) -> None:
        """See `ResultFile`."""
        if self._gzip is not None:
            self.new.stream.write(self._gzip.flush())

    def _write_lines(self, texts: Sequence[pa.Array]) -> None:
        delimiter = self._options.field_delimiter
        cells = [csv_cells(column, delimiter, self._options.escaped_by) for column in texts]
        lines = Lines.of(cells, "", delimiter, "\n").data
        self.new.stream.write(lines if self._gzip is None else self._gzip.compress(lines))


class _Parquet:
    def __init__(self, new: NewFile, columns: Sequence[ResultColumn], options: UnloadOptions) -> None:
        self.new = new
        self.rows = 0
        self._columns = columns
        self._schema = pa.schema([(column.name, parquet_type(column.type)) for column in columns])
        compression = "gzip" if options.compression == "GZIP" else "none"
        self._writer = pq.ParquetWriter(new.stream, self._schema, compression=compression)

    def write(self, table: pa.Table) -> None:
        """See `ResultFile`."""
        self.rows += len(table)
        arrays = [typed_column(table.column(n), column.type) for n, column in enumerate(self._columns)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def end(self) -> None:
        """See `ResultFile`."""
        self._writer.close()
