"""One of several writers of a Delta table, as a program: `delta_writer.py URL PARTITION COMMITS`.

Prints the position after each commit. Every third time it merges two files, like compaction; each writer adds a column
of its own, and one that all add, with different types.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from store import layout
from store.catalog.schema import Column
from store.errors import MagneticConflict
from store.magnetic.parquet import DataFile, to_magnetic, write_file
from store.magnetic.tier import MagneticTier
from store.objects import s3_files
from store.objects.location import S3Location, locate
from store.record import MeasureType

STREAMS = ["log/readings/0", "log/readings/1", "log/readings/2"]
ROWS = 10
FROM_NS = 1_764_000_000_000_000_000
DATE = "2025-11-24"


def place(url: str) -> Path | S3Location:
    return locate(url, os.environ)


def rows_of(partition: str, first: int, last: int, columns: Sequence[Column]) -> pa.Table:
    """Rows of the offsets from `first` to `last`."""
    offsets = np.repeat(np.arange(first, last + 1), ROWS)
    count = len(offsets)
    values = {
        MeasureType.DOUBLE: pa.array(np.ones(count)),
        MeasureType.BIGINT: pa.array(np.ones(count, np.int64)),
        MeasureType.VARCHAR: pa.array(["x"] * count),
    }
    rows = pa.table(
        {
            layout.MEASURE_NAME: pa.array(["m"] * count),
            layout.TIME_NS: pa.array(FROM_NS + offsets * 1_000_000 + np.tile(np.arange(ROWS), last + 1 - first)),
            **{column.physical: values[column.type] for column in columns},
            layout.VERSION: pa.array(np.ones(count, np.int64)),
            layout.PARTITION: pa.array(np.full(count, STREAMS.index(partition), np.int16)),
            layout.SEQUENCE: pa.array((offsets << 20) | np.tile(np.arange(ROWS), last + 1 - first)),
        }
    )
    return to_magnetic(rows)


def columns_of(partition: str) -> list[Column]:
    number = STREAMS.index(partition)
    kind = [MeasureType.DOUBLE, MeasureType.BIGINT, MeasureType.VARCHAR][number]
    return [
        Column("Shared", "measure", kind, "shared"),
        Column(f"own-{number}", "measure", MeasureType.DOUBLE, "own"),  # the same physical name for all writers
    ]


def append(tier: MagneticTier, partition: str, columns: Sequence[Column]) -> int:
    """Commit the rows of the next two offsets."""
    first = tier.version.positions.get(partition, -1) + 1
    file = write_file(tier.location, DATE, rows_of(partition, first, first + 1, columns))
    tier.version = tier.commit([file], [], columns, {partition: first + 1}, is_new_data=True)
    return first + 1


def merge(tier: MagneticTier, columns: Sequence[Column]) -> bool:
    """Replace the two smallest files by one; returns whether no other writer was faster."""
    files = sorted(tier.refresh().files, key=lambda file: file.rows)[:2]
    if len(files) < 2:
        return False
    rows = pa.concat_tables([read(tier.location, file) for file in files], promote_options="default")
    try:
        tier.version = tier.commit([write_file(tier.location, DATE, rows)], files, columns, {}, is_new_data=False)
    except MagneticConflict:
        return False
    return True


def read(location: Path | S3Location, file: DataFile) -> pa.Table:
    if isinstance(location, Path):
        return pq.read_table(location / file.path, partitioning=None)
    return pq.read_table(location.key(file.path), filesystem=s3_files.filesystem(location), partitioning=None)


def main(url: str, partition: str, commits: int) -> None:
    tier = MagneticTier(place(url), STREAMS, partition)
    print("up", flush=True)  # noqa: T201
    sys.stdin.readline()
    columns = tier.register(columns_of(partition))
    for number in range(commits):
        print(append(tier, partition, columns), flush=True)  # noqa: T201
        if number % 3 == 2:
            merge(tier, columns)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
