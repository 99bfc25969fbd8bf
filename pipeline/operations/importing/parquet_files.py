"""Parquet files, whatever their compression. Text is read as dictionaries, which is what it is sent as."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.operations.importing.plan import Plan
from pipeline.operations.importing.source_files import (
    CHUNK_ROWS,
    SourceFile,
    columns_of,
    faults_of,
    in_chunks,
    with_added,
)
from store.objects.read_files import open_parts


class ParquetReading:
    """See `Reading`."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file

    def columns(self) -> Mapping[str, pa.DataType]:
        """See `Reading`."""
        with faults_of(self._file), open_parts(self._file.place, self._file.path) as stream:
            schema = pq.ParquetFile(stream).schema_arrow
            return {**columns_of(schema, self._file), **dict.fromkeys(self._file.added, pa.string())}

    def tables(self, plan: Plan) -> Iterator[pa.Table]:
        """See `Reading`."""
        of_file = [name for name in plan.columns if name not in self._file.added]
        texts = [name for name in plan.dimensions if name in of_file]
        with faults_of(self._file), open_parts(self._file.place, self._file.path) as stream:
            file = pq.ParquetFile(stream, read_dictionary=texts, pre_buffer=False)
            schema = pa.schema([file.schema_arrow.field(name) for name in of_file])
            batches = file.iter_batches(CHUNK_ROWS, columns=of_file)
            for table in in_chunks((batch.select(of_file) for batch in batches), schema):
                yield with_added(table, self._file.added, plan.columns)

    def count(self) -> int:
        """See `Reading`."""
        with faults_of(self._file), open_parts(self._file.place, self._file.path) as stream:
            return int(pq.ParquetFile(stream).metadata.num_rows)


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write rows that are soon read again."""
    pq.write_table(table, path, compression="lz4")
