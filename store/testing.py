"""For tests of this package and of others: a reference implementation of a table, plain rows, SQL in this process.

The oracle is a dictionary by key. It implements the documented rules of `store.table.judge` and `store.table.merging`
independently.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from store.engine.duck import Duck
from store.errors import OutOfMemory
from store.magnetic.data_files import data_files
from store.memory.newness import NEVER_NS
from store.processes.job import Answer, Job, too_much_memory
from store.processes.limits import QueryLimits
from store.reading.borrowed import Borrowed
from store.reading.insights import insights_of
from store.reading.lending import Lender
from store.reading.reader import Reader
from store.record import MeasureType, Outcome, RecordBatch, SeriesIndex, SeriesKey
from store.sql import ResultSet, SqlRequest, query
from store.sql.parse import STACK_FRAMES


@dataclass(frozen=True, slots=True)
class Row:
    """One record with plain Python values."""

    dimensions: tuple[tuple[str, str], ...]
    time_ns: int
    values: tuple[tuple[str, float | int | bool | str], ...]
    version: int = 1
    measure_name: str = "m"

    @property
    def key(self) -> tuple[object, ...]:
        """The identity of the record."""
        return (self.dimensions, self.measure_name, self.time_ns)


_TYPES: dict[type, MeasureType] = {
    float: MeasureType.DOUBLE,
    int: MeasureType.BIGINT,
    bool: MeasureType.BOOLEAN,
    str: MeasureType.VARCHAR,
}


def batch_of(
    index: SeriesIndex, partition: str, offsets: Sequence[int], rows: Sequence[Row], *, by_version: bool = False
) -> RecordBatch:
    """The batch with these rows and their offsets."""
    types = {name: _TYPES[type(value)] for row in rows for name, value in row.values}
    return RecordBatch(
        index,
        partition,
        np.array([index.id_of(SeriesKey(row.dimensions, row.measure_name)) for row in rows], np.int32),
        np.array([row.time_ns for row in rows], np.int64),
        np.array([row.version for row in rows], np.int64),
        np.array(offsets, np.int64),
        np.full(len(rows), NEVER_NS, np.int64),  # no time is that of arrival, which is never one of a repeated record
        {name: pa.array([dict(row.values).get(name) for row in rows], kind.arrow) for name, kind in types.items()},
        types,
        by_version,
    )


@dataclass(slots=True)
class Oracle:
    """The rows that a table must have."""

    rows: dict[tuple[object, ...], Row] = field(default_factory=dict)

    def apply(self, row: Row, *, by_version: bool = False) -> Outcome:
        """Apply one record."""
        stands = self.rows.get(row.key)
        if stands is None:
            self.rows[row.key] = row
            return Outcome.NEW
        stood, come = dict(stands.values), dict(row.values)
        if by_version:
            if row.version > stands.version:
                self.rows[row.key] = row
                return Outcome.REPLACED
            return Outcome.SAME if row.version == stands.version and stood == come else Outcome.REJECTED
        merged = Row(row.dimensions, row.time_ns, tuple({**stood, **come}.items()), stands.version, row.measure_name)
        self.rows[row.key] = merged
        if any(stood[name] != value for name, value in come.items() if name in stood):
            return Outcome.REPLACED
        return Outcome.SAME if come.keys() <= stood.keys() else Outcome.MERGED

    def visible(self, from_ns: int, to_ns: int | None = None) -> list[Row]:
        """Rows with times in [from, to)."""
        return [row for row in self.rows.values() if row.time_ns >= from_ns and (to_ns is None or row.time_ns < to_ns)]


@cache
def duck() -> Duck:
    """One for all statements of a process: each takes 20 ms."""
    return Duck(Path("/"), 512 << 20)


class _DeepStack:
    """Python's stack as in a query process, while statements run in any thread: the limit is the whole process's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._before = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if not self._running:
                self._before = sys.getrecursionlimit()
                sys.setrecursionlimit(max(self._before, STACK_FRAMES))
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    sys.setrecursionlimit(self._before)


deep_stack = _DeepStack()


def ask(store: Reader, account: str, text: str, *, now_ns: int, **options: Any) -> ResultSet:
    """The result of a statement, computed here as a query process would. `options`: of `SqlRequest`."""
    with (
        deep_stack(),
        store.lender(account) as lender,
        Borrowed(lender, duck(), data_files, 512 << 20) as tables,
    ):
        return query(tables, SqlRequest(text, now_ns, **options))


class LocalExecutor:
    """An `Executor` in the thread and process of the caller: the memory of DuckDB is limited, nothing else."""

    def __init__(self, readable: Path | None, limits: QueryLimits | None = None) -> None:
        """Only files below `readable` can be read."""
        self.limits = limits or QueryLimits()
        self._duck = Duck(readable, self.limits.memory_bytes)

    @contextmanager
    def run(self, lender: Lender, job: Job) -> Iterator[Answer]:
        """See `Executor`."""
        with Borrowed(lender, self._duck, data_files, self.limits.result_bytes) as tables:
            try:
                with deep_stack():
                    result = query(tables, job.request)
            except OutOfMemory as error:
                raise too_much_memory(self.limits) from error
            lender.close()
            yield Answer(len(result), result.truncated, insights_of(tables.reads, result.exported), job.encode(result))

    def close(self) -> None:
        """Release DuckDB."""
        self._duck.close()
