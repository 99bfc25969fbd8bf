"""Sorts more rows than fit into memory: DuckDB writes what does not fit into a folder."""

# ruff: noqa: S608 - SQL is put together here, from names quoted by us

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from store.engine.duck import quote_text, stream

BATCH_ROWS = 65_536


def sorted_rows(files: Sequence[Path], by: Sequence[str], memory_bytes: int, folder: Path) -> Iterator[pa.RecordBatch]:
    """The rows of Parquet files, whose columns may differ, sorted by columns; `folder` is for what does not fit.

    Raises QueryFailed.
    """
    listed = ", ".join(quote_text(str(file)) for file in files)
    keys = ", ".join(f'"{name}"' for name in by)
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_bytes}B",
        "temp_directory": str(folder),
        "preserve_insertion_order": False,
    }
    with duckdb.connect(":memory:", config=config) as connection:
        sql = f"SELECT * FROM read_parquet([{listed}], union_by_name = true) ORDER BY {keys}"
        yield from stream(connection, sql, BATCH_ROWS)
