"""Counts what queries scan, and tells it in the log: there it is counted once, whoever owns the partition then.

What is not told yet is lost if the process is killed: the queries of the last seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.base.errors import LogFull, LogUnavailable
from pipeline.log.query_use import QueryUse, Scan, encode_query_use
from pipeline.stream.usage.counts import DAY_NS
from store.processes.job import Answer, Executor, Job
from store.processes.limits import QueryLimits
from store.reading.insights import METERED_LEAST_BYTES, Insights
from store.reading.lending import Lender

TELL_EVERY_S = 5.0
_Key = tuple[int, str, str, str]


class QueryUses:
    """What the queries of this process have used and is not told yet. Any thread."""

    def __init__(self, worker: str, clock_ns: Callable[[], int]) -> None:
        """`worker`: an id of this process, never used again."""
        self._worker = worker
        self._clock_ns = clock_ns
        self._lock = threading.Lock()
        self._open: dict[_Key, list[int]] = {}
        self._word: QueryUse | None = None
        self._number = 0

    def note(self, account: str, insights: Insights) -> None:
        """Count one query. What it is metered beyond what it scanned counts where it read over most time."""
        day = self._clock_ns() // DAY_NS
        widest = insights.widest or ("", "")
        scans = {(database, table): scanned for database, table, scanned in insights.scans} or {widest: 0}
        beyond = max(METERED_LEAST_BYTES - insights.scanned_bytes, 0)
        with self._lock:
            for (database, table), scanned in scans.items():
                is_widest = (database, table) == widest
                sums = self._open.setdefault((day, account, database, table), [0, 0, 0])
                for place, value in enumerate((is_widest, scanned, scanned + beyond * is_widest)):
                    sums[place] += value

    def pending(self) -> list[Scan]:
        """What is not in the log yet."""
        with self._lock:
            return [*(self._word.scans if self._word is not None else ()), *self._scans()]

    async def tell(self, append: Callable[[bytes], Awaitable[Any]]) -> None:
        """Append what is not told yet. A log that does not take it now gets the same word again at the next call."""
        with self._lock:
            if self._word is None and self._open:
                self._number += 1
                self._word = QueryUse(self._worker, self._number, self._clock_ns(), self._scans())
                self._open = {}
            word = self._word
        if word is None:
            return
        try:
            await append(encode_query_use(word))
        except (LogFull, LogUnavailable):
            return
        with self._lock:
            self._word = None

    def _scans(self) -> list[Scan]:
        return [Scan(*key, *sums) for key, sums in self._open.items()]


class MeteredQueries:
    """An `Executor` whose queries are counted."""

    def __init__(self, executor: Executor, uses: QueryUses) -> None:
        self._executor = executor
        self._uses = uses

    @property
    def limits(self) -> QueryLimits:
        """See `Executor`."""
        return self._executor.limits

    @contextmanager
    def run(self, lender: Lender, job: Job) -> Iterator[Answer]:
        """See `Executor`."""
        with self._executor.run(lender, job) as answer:
            self._uses.note(lender.account, answer.insights)
            yield answer

    def close(self) -> None:
        """See `Executor`."""
        self._executor.close()
