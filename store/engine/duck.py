"""DuckDB: a hardened in-memory database, cursors on it, interruptible queries. Only this module uses duckdb.

DuckDB contains the memory tier and runs queries over both tiers. It has no durable file, loads no extensions, reads
files only below the magnetic tier's folder, and its configuration is locked after the start. A DuckDB connection serves
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
from typing import Any, Literal, TypeAlias

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType

from store.engine import interruption, vectorised
from store.errors import MagneticUnavailable, OutOfMemory, QueryFailed
from store.objects.s3_errors import OF_PYARROW, explained, is_refusal
from store.values.sql_text import quote_string

log = logging.getLogger(__name__)

Cursor: TypeAlias = duckdb.DuckDBPyConnection

# DuckDB's own memory, in addition to the memory tier: queries and compaction
WORKING_MEMORY_BYTES = 512 * 1024 * 1024
_CLOSE_WITHIN_S = 5.0
_CLOSE_AGAIN_S = 0.01
_TABLE_BATCH_ROWS = 131_072  # as DuckDB's module has it
_TABLE_TAGS = ("IN_MEMORY_TABLE", "BASE_TABLE")
_THREADS = 2  # a query may use both cores of the reference machine; with more threads it would slow down the gateway


class Duck:
    """One in-memory DuckDB database."""

    def __init__(self, readable: Path | None, memory_bytes: int) -> None:
        """Open it. Only files below `readable`, if given, can be read; `memory_bytes` is the memory limit."""
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
                # Memory that is free goes back to the system within seconds: 100 to 200 MB less after a sort
                "allocator_background_threads": True,
            },
        )
        if readable is not None:
            folder = f"{readable.resolve()}".rstrip("/") + "/"
            self._connection.execute(f"SET allowed_directories = [{quote_text(folder)}]")
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET parquet_metadata_cache = true")
        for function, parameters, result in vectorised.FUNCTIONS:
            self._connection.create_function(
                function.__name__, function, list(parameters), result, type=PythonUDFType.ARROW
            )
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def cursor(self) -> Cursor:
        """A new connection to the same database; must be closed."""
        return self._connection.cursor()

    def table_bytes(self) -> int:
        """The size of all tables in memory."""
        rows = self._connection.cursor().execute("SELECT tag, memory_usage_bytes FROM duckdb_memory()").fetchall()
        return sum(size for tag, size in rows if tag in _TABLE_TAGS)  # half the time of doing that in SQL

    def close(self) -> None:
        """Close it as soon as abandoned queries have ended, since DuckDB refuses to close while they run.

        If that takes longer than a few seconds, it is left to the end of the process.
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
    """The result of a query. This thread's `interruption` can end it.

    Raises QueryFailed for DuckDB's errors, MagneticUnavailable if the storage of the files does not respond,
    QueryTimeout and QueryCancelled if it is interrupted.
    """
    may_end = interruption.current()
    if may_end is not None:
        may_end.check()
    with _interruptible(may_end, cursor), errors_mapped():
        return _submitted(cursor, sql, parameters, "arrow", _TABLE_BATCH_ROWS).arrow_table()


def stream(cursor: Cursor, sql: str, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """The result of a query in non-empty batches. Raises QueryFailed, MagneticUnavailable."""
    return stream_of(cursor, sql, batch_rows)[1]


def stream_of(cursor: Cursor, sql: str, batch_rows: int) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The columns of a query's result, and its non-empty batches, computed as they are taken. Raises as `run` does.

    This thread's `interruption` can end it.
    """
    may_end = interruption.current()
    if may_end is not None:
        may_end.check()
    with _interruptible(may_end, cursor), errors_mapped():
        reader = _submitted(cursor, sql, (), "stream", batch_rows).arrow_reader()
    return reader.schema, _batches(reader, may_end, cursor)


def _submitted(
    cursor: Cursor, sql: str, parameters: Sequence[Any], form: Literal["arrow", "stream"], batch_rows: int
) -> Any:
    """The result of one statement, as a relation of DuckDB's module would ask for it.

    `cursor.sql` binds a statement to know its columns, before that binds and runs it: 0.2 ms more, 2 ms where it reads
    a file, and 6 ms where it reads forty.
    """
    return cursor._submit(sql, list(parameters) or None, form, batch_rows)  # noqa: SLF001  # nothing public binds once


def _batches(reader: Any, may_end: interruption.Interruption | None, cursor: Cursor) -> Iterator[pa.RecordBatch]:
    while True:
        with _interruptible(may_end, cursor), errors_mapped():
            batch = next(reader, None)
        if batch is None:
            return
        if batch.num_rows:
            yield batch


@contextmanager
def _interruptible(may_end: interruption.Interruption | None, cursor: Cursor) -> Iterator[None]:
    """While DuckDB runs in this block, the interruption ends it."""
    if may_end is None:
        yield
        return
    with may_end.interrupting(cursor.interrupt):
        try:
            yield
        except QueryFailed:
            may_end.check()
            raise


@contextmanager
def errors_mapped() -> Iterator[None]:
    """Convert DuckDB's errors to those of this package.

    Errors of registered datasets are only recognisable by the text of an InvalidInputException.
    """
    try:
        yield
    except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError) as error:
        raise OutOfMemory(str(error)) from error
    except (duckdb.Error, OSError) as error:
        text = str(error)
        if OF_PYARROW not in text:
            raise QueryFailed(text) from error
        raise (QueryFailed if is_refusal(text) else MagneticUnavailable)(explained(text)) from error
    except RuntimeError as error:  # DuckDB reports an interruption this way while it converts a result to Arrow
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
    """`text` as an SQL string literal, or an expression for it, because DuckDB's parser stops at a zero character."""
    quoted = quote_string(text)
    return quoted if "\0" not in text else "(" + quoted.replace("\0", "' || chr(0) || '") + ")"
