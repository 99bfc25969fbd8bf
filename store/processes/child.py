"""A query process: waits for a query, runs it, sends the result in parts, waits for the next.

It holds nothing but DuckDB without tables, reads only below the magnetic tier's folder, and asks its worker for
everything else. It need not be interruptible, and may need any memory: its worker kills it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from store.catalog.schema import TableSchema
from store.engine.duck import Duck
from store.errors import OutOfMemory, StoreError
from store.magnetic.data_files import data_files
from store.processes.frames import (
    HELLO,
    Connection,
    Databases,
    DropDamaged,
    End,
    Failed,
    Head,
    IsAlone,
    LookForDeleted,
    LookForNewest,
    Part,
    ProcessGone,
    Renew,
    Said,
    SchemaOf,
    TablesOf,
)
from store.processes.job import Job
from store.processes.limits import MIB, QueryLimits
from store.processes.restraints import come_last, limit_memory
from store.reading.borrowed import Borrowed
from store.reading.insights import insights_of
from store.reading.lending import Lend, Lent
from store.sql import query
from store.sql.errors import SqlError, SyntaxInvalid
from store.sql.parse import STACK_FRAMES

DUCK_SHARE = 0.7  # of a query's memory, for DuckDB; the rest is for the result, rows that were lent, and Python
_SPARE_BYTES = 128 * MIB  # address space above the limit
BUG = "bug"
_OF_DUCKDB_ITSELF = ("INTERNAL Error", "FATAL Error")  # after one of these it refuses every further query


@dataclass(frozen=True, slots=True)
class Setup:
    """What a query process is told first."""

    readable: Path | None
    limits: QueryLimits


def serve(end: socket.socket) -> None:
    """Run queries until the worker closes the connection."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the worker ends it
        signal.signal(number, signal.SIG_IGN)
    connection = Connection(end)
    sys.setrecursionlimit(STACK_FRAMES)
    with contextlib.suppress(ProcessGone):
        setup: Setup = connection.take()
        come_last()
        duck = Duck(setup.readable, int(setup.limits.memory_bytes * DUCK_SHARE))
        files_at = lru_cache(64)(data_files)
        # the worker's measurement decides in most cases
        limit_memory(setup.limits.memory_bytes + _SPARE_BYTES)
        handle = os.pidfd_open(os.getpid())
        socket.send_fds(end, [HELLO.pack(os.getpid())], [handle])
        os.close(handle)
        while True:
            job: Job = connection.take()
            _answer(connection, job, Borrowed(_FromWorker(connection), duck, files_at, setup.limits.result_bytes))


def _answer(connection: Connection, job: Job, tables: Borrowed) -> None:
    try:
        with tables:
            result = query(tables, job.request)
            connection.say(Head(len(result), result.truncated, insights_of(tables.reads, result.exported)))
            for part in job.encode(result):
                connection.say(Part(part))
        said: Said = End()
    except ProcessGone:
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, the worker must know
        said = _failure(error)
    connection.say(said)


def _failure(error: Exception) -> Failed:
    if isinstance(error, (MemoryError, OutOfMemory, pa.ArrowMemoryError)):
        return Failed(OutOfMemory.__name__, str(error))
    if isinstance(error, RecursionError):
        return Failed(SyntaxInvalid.__name__, "The query syntax is invalid: it is nested too deeply")
    if isinstance(error, SqlError):
        is_last = any(word in str(error.__cause__) for word in _OF_DUCKDB_ITSELF)
        return Failed(type(error).__name__, error.message, error.line, error.column, is_last)
    if isinstance(error, StoreError):
        return Failed(type(error).__name__, str(error))
    return Failed(BUG, traceback.format_exc(), is_last=True)


class _FromWorker:
    """The worker's `Lender`, asked over the connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def databases(self) -> list[str]:
        """See `Lending`."""
        return self._ask(Databases())  # type: ignore[no-any-return]  # from a pickle

    def tables(self, database: str) -> list[str]:
        """See `Lending`."""
        return self._ask(TablesOf(database))  # type: ignore[no-any-return]  # as above

    def schema(self, database: str, table: str) -> TableSchema:
        """See `Lending`."""
        return self._ask(SchemaOf(database, table))  # type: ignore[no-any-return]  # as above

    def renew(self) -> bool:
        """See `Lending`."""
        return self._ask(Renew())  # type: ignore[no-any-return]  # as above

    def look_for_newest(self) -> None:
        """See `Lending`."""
        self._ask(LookForNewest())

    def look_for_deleted(self) -> None:
        """See `Lending`."""
        self._ask(LookForDeleted())

    def is_alone(self) -> bool:
        """See `Lending`."""
        return self._ask(IsAlone())  # type: ignore[no-any-return]  # as above

    def lend(self, asked: Lend) -> Lent:
        """See `Lending`."""
        lent: Lent = self._ask(asked)
        return replace(lent, rows=[replace(of, batches=self._batches(of.schema)) for of in lent.rows])

    def drop_damaged(self, database: str, table: str, path: str) -> bool:
        """See `Lending`."""
        return self._ask(DropDamaged(database, table, path))  # type: ignore[no-any-return]  # as above

    def _batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        while data := self._connection.receive():
            yield pa.ipc.read_record_batch(pa.py_buffer(data), schema)

    def _ask(self, said: Said) -> Any:
        self._connection.say(said)
        given = self._connection.take()
        if isinstance(given, StoreError):
            raise given
        return given
