"""The one place that knows DuckDB: a hardened in-memory database, cursors on it, and queries that can be cut short.

DuckDB holds the memory tier and runs queries over both tiers. It never owns a durable file, loads no extension, reads
files only below the magnetic tier's folder, and its configuration is locked once it is up. A DuckDB connection serves
one thread at a time, so each user takes a cursor (36 µs).
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, cast

import duckdb
import pyarrow as pa

from store.engine import interruption
from store.errors import MagneticUnavailable, QueryFailed
from store.objects.s3_errors import OF_PYARROW, is_refusal

log = logging.getLogger(__name__)

Cursor: TypeAlias = duckdb.DuckDBPyConnection

# DuckDB's own need beside the memory tier: queries and compaction
WORKING_MEMORY_BYTES = 512 * 1024 * 1024
_CLOSE_WITHIN_S = 5.0
_CLOSE_AGAIN_S = 0.01
_THREADS = 2  # a query may use both cores of the reference machine; more would only take them from the gateway


class Duck:
    """One in-memory DuckDB database."""

    def __init__(self, readable: Path | None, memory_bytes: int) -> None:
        """Open it: files below `readable`, if any, can be read, nothing else; `memory_bytes` is the most it takes."""
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "threads": min(_THREADS, os.cpu_count() or 1),
                "memory_limit": f"{memory_bytes // 1024}KiB",
                "temp_directory": "",
                "python_enable_replacements": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_community_extensions": False,
                "preserve_insertion_order": False,
            },
        )
        if readable is not None:
            self._connection.execute(f"SET allowed_directories = [{quote_text(str(readable.resolve()) + '/')}]")
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET parquet_metadata_cache = true")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def cursor(self) -> Cursor:
        """A connection of its own to the same database. Close it."""
        return self._connection.cursor()

    def table_bytes(self) -> int:
        """What tables in memory take."""
        row = self._connection.cursor().execute(
            "SELECT coalesce(sum(memory_usage_bytes), 0) FROM duckdb_memory() "
            "WHERE tag IN ('IN_MEMORY_TABLE', 'BASE_TABLE')"
        )
        return int(cast("tuple[Any, ...]", row.fetchone())[0])

    def close(self) -> None:
        """Let go of all of it, once queries that were given up have ended: DuckDB refuses to close under them.

        What takes longer than a few seconds is left to the end of the process.
        """
        deadline = time.monotonic() + _CLOSE_WITHIN_S
        while True:
            try:
                self._connection.close()
            except duckdb.ResourceInUseException as error:
                if time.monotonic() >= deadline:
                    log.warning("the memory tier is not closed: %s", error)
                    return
                time.sleep(_CLOSE_AGAIN_S)
            else:
                return


def run(cursor: Cursor, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
    """The result of a query. Raises QueryFailed on DuckDB's errors; what ends this thread's `interruption` ends it.

    MagneticUnavailable where the storage of the files that it reads is away.
    """
    may_end = interruption.current()
    if may_end is None:
        return _run(cursor, sql, parameters)
    may_end.check()
    with may_end.interrupting(cursor.interrupt):
        try:
            return _run(cursor, sql, parameters)
        except QueryFailed:
            may_end.check()
            raise


def _run(cursor: Cursor, sql: str, parameters: Sequence[Any]) -> pa.Table:
    with errors_mapped():
        return cursor.sql(sql, params=list(parameters) or None).to_arrow_table()


def stream(cursor: Cursor, sql: str, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """The result of a query batch by batch, none of them empty. Raises QueryFailed, MagneticUnavailable."""
    with errors_mapped():
        for batch in cursor.sql(sql).to_arrow_reader(batch_rows):
            if batch.num_rows:
                yield batch


@contextmanager
def errors_mapped() -> Iterator[None]:
    """DuckDB's errors as ours. What a registered dataset raises comes as text, in an InvalidInputException."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        text = str(error)
        is_away = OF_PYARROW in text and not is_refusal(text)
        raise (MagneticUnavailable if is_away else QueryFailed)(text) from error
    except RuntimeError as error:  # so it says that it was interrupted while it made Arrow of a result
        if "interrupted" not in str(error).lower():
            raise
        raise QueryFailed(str(error)) from error


def load(cursor: Cursor, target: str, rows: pa.Table) -> None:
    """Insert `rows` into the DuckDB table `target` by column name (about 1 ms, then 0.4 µs a row)."""
    cursor.register("rows_to_load", rows)
    try:
        cursor.execute(f"INSERT INTO {target} BY NAME SELECT * FROM rows_to_load")
    finally:
        cursor.unregister("rows_to_load")


def quote_text(text: str) -> str:
    """`text` as an SQL string literal, or what makes it: DuckDB's parser ends at a zero character."""
    quoted = "'" + text.replace("'", "''") + "'"
    return quoted if "\0" not in text else "(" + quoted.replace("\0", "' || chr(0) || '") + ")"
