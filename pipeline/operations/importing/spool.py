"""Files whose rows are in no order of time, sorted by it: the server stores each day in files of its own.

Converted rows are written to a folder, with the file and number of each, and read back sorted. Ties are sorted by
these, so the order, and the chunks made of it, are the same each time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.operations.importing.conversion import KIND, text
from pipeline.operations.importing.parquet_files import write_parquet
from pipeline.operations.importing.plan import MEASURE_NAME, TIME
from pipeline.operations.importing.sending import Int64s
from pipeline.operations.importing.source_files import in_chunks
from store.engine.sorting import sorted_rows

SCATTERED_NS = 3 * 86_400 * 1_000_000_000  # a chunk with rows of more days than these is written to too many files
MEMORY_BYTES = 1 << 29
_FILE, _ROW = "streamgauge.file", "streamgauge.row"
_TEXTS = ("dimension", MEASURE_NAME)


def is_scattered(rows: pa.Table) -> bool:
    """Whether the times of a chunk, of which there are many rows, are far from each other."""
    ends = pc.min_max(rows[TIME])
    least, most = ends["min"].as_py(), ends["max"].as_py()
    return least is not None and most - least > SCATTERED_NS


class Spool:
    """Rows on their way, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "spool"
        self._kinds = self._folder / "kinds.json"  # the last that is written

    @property
    def is_complete(self) -> bool:
        """Whether all rows have been written."""
        return self._kinds.exists()

    def write(self, files: Iterable[tuple[int, Iterator[pa.Table]]]) -> None:
        """Write the converted rows of files, each with its number."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        kinds: dict[str, str] = {}
        for number, tables in files:
            begin = 1
            for place, rows in enumerate(tables):
                kinds |= {field.name: field.metadata[KIND.encode()].decode() for field in rows.schema}
                numbered = rows.append_column(_FILE, pa.array(np.full(len(rows), number, np.int64)))
                numbered = numbered.append_column(_ROW, pa.array(np.arange(begin, begin + len(rows))))
                write_parquet(numbered, self._folder / f"{number}-{place}.parquet")
                begin += len(rows)
        self._kinds.write_text(json.dumps(kinds))

    def sorted(self) -> Iterator[tuple[pa.Table, Int64s, Int64s]]:
        """The rows sorted by time, in chunks, with the file and number of each row."""
        kinds = json.loads(self._kinds.read_text())
        batches = sorted_rows(
            sorted(self._folder.glob("*.parquet")), (TIME, _FILE, _ROW), MEMORY_BYTES, self._folder / "sorting"
        )
        first = next(batches, None)
        if first is None:
            return
        for table in in_chunks(_before(first, batches), first.schema):
            fields, arrays = [], []
            for name, kind in kinds.items():
                values = table[name].combine_chunks()
                values = text(values) if kind in _TEXTS else values
                fields.append(pa.field(name, values.type, metadata={KIND: kind}))
                arrays.append(values)
            rows = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
            yield rows, table[_FILE].to_numpy(), table[_ROW].to_numpy()


def _before(first: pa.RecordBatch, others: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from others
