"""The worker's side of one query process: its handle, its memory, and the conversation of one query."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from store import errors as store_errors
from store.errors import QueryCancelled, QueryTimeout, StoreError
from store.processes.child import BUG
from store.processes.frames import (
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
from store.reading.lending import Lend, Lender
from store.sql import errors as sql_errors

REST_S = 0.005


class QueryProcess:
    """A query process that waits for a query, or runs one."""

    def __init__(self, connection: Connection, pid: int, handle: int) -> None:
        self.connection = connection
        self.pid = pid
        self._handle = handle
        self._lock = threading.Lock()
        self._resting_bytes = self._private_bytes()
        self.was_near_limit = False  # of its memory
        self.is_killed = False

    def used_bytes(self) -> int:
        """The memory that it has allocated since it was ready."""
        return self._private_bytes() - self._resting_bytes

    def kill(self) -> None:
        """End it now; also if it has ended. Any thread."""
        self.is_killed = True
        with self._lock, contextlib.suppress(OSError):
            if self._handle >= 0:
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return not select.select([self._handle], [], [], 0)[0]

    def close(self) -> None:
        """End it, and forget it."""
        self.kill()
        with self._lock:
            os.close(self._handle)
            self._handle = -1
        self.connection.close()

    def _private_bytes(self) -> int:
        try:
            _, resident, shared, *_ = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()
        except OSError:
            return 0
        return (int(resident) - int(shared)) * resource.getpagesize()


class Conversation:
    """One query in a process: answers what it asks of `lender`, until it says the result."""

    def __init__(self, connection: Connection, lender: Lender) -> None:
        self._connection = connection
        self._lender = lender
        self.is_over = False  # and the process waits for the next query

    def head(self, job: Job) -> Head:
        """Start `job`, and wait until its result is complete. Raises what the query and the lender raise."""
        self._connection.give(job)
        while not isinstance(said := self._hear(), Head):
            self._answer(said)
        return said

    def parts(self) -> Iterator[bytes]:
        """The parts of the response."""
        while not isinstance(said := self._hear(), End):
            if not isinstance(said, Part):
                raise ProcessGone(f"{type(said).__name__} among the parts of a response")
            yield said.data
        self.is_over = True

    def _hear(self) -> Said:
        said = self._connection.hear()
        if isinstance(said, Failed):
            self.is_over = not said.is_last
            raise error_of(said)
        return said

    def _answer(self, said: Said) -> None:
        try:
            given = self._given(said)
        except (QueryTimeout, QueryCancelled):
            raise
        except StoreError as error:
            given = error
        if not isinstance(said, Lend) or isinstance(given, StoreError):
            self._connection.give(given)
            return
        self._connection.give(replace(given, rows=[replace(rows, batches=()) for rows in given.rows]))
        for rows in given.rows:
            for batch in giving_way(rows.batches):
                self._connection.send(memoryview(batch.serialize()))
            self._connection.send(b"")

    def _given(self, said: Said) -> Any:
        lender = self._lender
        match said:
            case Databases():
                return lender.databases()
            case TablesOf():
                return lender.tables(said.database)
            case SchemaOf():
                return lender.schema(said.database, said.table)
            case Renew():
                return lender.renew()
            case IsAlone():
                return lender.is_alone()
            case LookForNewest():
                return lender.look_for_newest()
            case LookForDeleted():
                return lender.look_for_deleted()
            case Lend():
                return lender.lend(said)
            case DropDamaged():
                return lender.drop_damaged(said.database, said.table, said.path)
            case _:
                raise ProcessGone(f"{type(said).__name__} before the result")


def giving_way(
    batches: Iterable[pa.RecordBatch],
    clock: Callable[[], float] = time.perf_counter,
    rest: Callable[[float], None] = time.sleep,
) -> Iterator[pa.RecordBatch]:
    """These batches, with a rest before each but the first, as long as the one before took, at most `REST_S`.

    A query may need all rows in RAM; the stream, which runs in the same process, goes on meanwhile.
    """
    began_s = clock()
    for number, batch in enumerate(batches):
        took_s = clock() - began_s
        if number:
            rest(min(took_s, REST_S))
        yield batch
        began_s = clock()


def error_of(failed: Failed) -> Exception:
    """The error that a query process names."""
    kind = getattr(sql_errors, failed.kind, None)
    if isinstance(kind, type) and issubclass(kind, sql_errors.SqlError):
        return kind(failed.message, failed.line, failed.column)
    kind = getattr(store_errors, failed.kind, None)
    if isinstance(kind, type) and issubclass(kind, StoreError):
        return kind(failed.message)
    assert failed.kind == BUG, failed.kind
    return RuntimeError(f"a query process failed: {failed.message}")
