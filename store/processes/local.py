"""Runs queries in the caller's thread and process: for tests, and for programs that trust those who ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from store.engine.duck import Duck
from store.errors import OutOfMemory
from store.magnetic.data_files import data_files
from store.processes.job import Answer, Job, too_much_memory
from store.processes.limits import QueryLimits
from store.reading.borrowed import Borrowed
from store.reading.lending import Lender
from store.sql import query


class LocalExecutor:
    """See `Executor`. The memory of DuckDB is limited, nothing else."""

    def __init__(self, readable: Path | None, limits: QueryLimits | None = None) -> None:
        """Only files below `readable` can be read."""
        self.limits = limits or QueryLimits()
        self._duck = Duck(readable, self.limits.memory_bytes)

    @contextmanager
    def run(self, lender: Lender, job: Job) -> Iterator[Answer]:
        """See `Executor`."""
        with Borrowed(lender, self._duck, data_files, self.limits.result_bytes) as tables:
            try:
                result = query(tables, job.request)
            except OutOfMemory as error:
                raise too_much_memory(self.limits) from error
            lender.close()
            yield Answer(len(result), result.truncated, job.encode(result))

    def close(self) -> None:
        """Release DuckDB."""
        self._duck.close()
