"""Runs queries in their own threads, in slots that accounts share fairly, and ends abandoned ones.

Three events end a query within a second, whatever it does: its client hangs up, it is cancelled by its id, its time is
over. SQL ends at once, because its process is killed. What waits for the storage of the magnetic tier cannot be
interrupted, and is given up a second later: its client gets a response, its slot becomes free, its thread continues. At
most MAX_GIVEN_UP threads may do so; the next one keeps its slot. Call all methods in one event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from pipeline.api.http.fair_queue import FairQueue, Limits
from pipeline.base import metrics
from pipeline.base.errors import Busy, RequestRefused
from store.endpoint.errors import EndpointError, InternalServer
from store.endpoint.results import new_query_id
from store.engine.interruption import Interruption, StopReason
from store.errors import QueryCancelled, QueryTimeout, RequestError
from store.sql.errors import LimitExceeded, QueryEnded, QueryTimedOut, SqlError

T = TypeVar("T")

TIMEOUT_S = 60.0
GRACE_S = 1.0  # from the interruption until it is given up
MAX_GIVEN_UP = 4


class HungUp(Exception):
    """The client is gone: nobody needs a response."""


@dataclass(frozen=True, slots=True)
class Asker:
    """The account of a query.

    `gone` returns when nobody waits for the response any more; None: somebody always does.
    """

    account: str
    gone: Callable[[], Awaitable[None]] | None = None


@dataclass(eq=False, slots=True)
class _Job:
    id: str
    account: str
    text: str
    work: Callable[[], Any]
    timeout_s: float
    interruption: Interruption
    answer: asyncio.Future[Any]
    asked_s: float
    started_s: float | None = None
    has_slot: bool = False
    timers: list[asyncio.TimerHandle] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ActiveQuery:
    """A query that runs, or waits for a slot."""

    id: str
    text: str
    waited_s: float
    ran_s: float | None  # None: it waits


class QuerySlots:
    """The slots of one process. `kind` is the label of its metrics."""

    def __init__(
        self,
        kind: str = "query",
        limits: Limits | None = None,
        timeout_s: float = TIMEOUT_S,
        admit: Callable[[str, int], None] = lambda *_: None,
    ) -> None:
        """`timeout_s`: of what has no shorter one. `admit` raises an error if an account may not ask another query
        while so many of its queries run or wait.
        """
        limits = limits or Limits()
        self._kind = kind
        self._timeout_s = timeout_s
        self._admit = admit
        self._queue: FairQueue[_Job] = FairQueue(limits)
        self._jobs: dict[str, _Job] = {}
        self._given_up = 0
        self._executor = ThreadPoolExecutor(limits.slots + MAX_GIVEN_UP, thread_name_prefix="query")

    async def run(
        self,
        asker: Asker,
        function: Callable[[], T],
        *,
        timeout_s: float | None = None,
        query_id: str | None = None,
        text: str = "",
    ) -> T:
        """The result of `function`. Raises Busy, HungUp, QueryCancelled, QueryTimeout, and what `function` raises."""
        most_s = self._timeout_s if timeout_s is None else min(timeout_s, self._timeout_s)
        job = self._ask(asker.account, function, most_s, query_id or new_query_id(), text)
        gone = None if asker.gone is None else asyncio.ensure_future(asker.gone())
        try:
            await asyncio.wait([job.answer, *([gone] if gone else [])], return_when=asyncio.FIRST_COMPLETED)
            if not job.answer.done():
                raise HungUp
            return job.answer.result()  # type: ignore[no-any-return]  # the type is that of `function`
        finally:
            if gone is not None:
                gone.cancel()
            self._stop(job, StopReason.HANG_UP)

    def active(self, account: str) -> list[ActiveQuery]:
        """The running and waiting queries of this account, oldest first."""
        now_s = time.monotonic()
        return [
            ActiveQuery(
                job.id,
                job.text,
                (job.started_s or now_s) - job.asked_s,
                None if job.started_s is None else now_s - job.started_s,
            )
            for job in self._jobs.values()
            if job.account == account
        ]

    def cancel(self, account: str, query_id: str) -> bool:
        """End a query of this account; False if none with this id runs or waits."""
        job = self._jobs.get(query_id)
        if job is None or job.account != account:
            return False
        self._stop(job, StopReason.CANCELLED)
        return True

    def close(self) -> None:
        """Accept no more, and end running queries without a response."""
        for job in list(self._jobs.values()):
            self._stop(job, StopReason.HANG_UP)
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _ask(self, account: str, function: Callable[[], Any], timeout_s: float, query_id: str, text: str) -> _Job:
        self._admit(account, sum(job.account == account for job in self._jobs.values()))
        if self._queue.is_full(account):
            metrics.http_query_failures.labels("busy").inc()
            waiting = self._queue.waiting_of(account)
            raise Busy(f"{waiting} queries of {account!r} are waiting already; try again later")
        answer = asyncio.get_running_loop().create_future()
        job = _Job(
            query_id, account, text, function, timeout_s, Interruption(timeout_s), answer, asked_s=time.monotonic()
        )
        self._jobs[query_id] = job
        self._queue.ask(account, job)
        self._start()
        return job

    def _start(self) -> None:
        """Give free slots to waiting queries."""
        loop = asyncio.get_running_loop()
        while (job := self._queue.next()) is not None:
            job.has_slot, job.started_s = True, time.monotonic()
            metrics.http_query_wait_seconds.labels(self._kind).observe(job.started_s - job.asked_s)
            running = loop.run_in_executor(self._executor, partial(_run, job, self._kind))
            running.add_done_callback(partial(self._ended, job))
            job.timers.append(loop.call_later(job.timeout_s + GRACE_S, self._give_up, job))
        self._tell()

    def _stop(self, job: _Job, reason: StopReason) -> None:
        """Interrupt a job; its client gets a response when it has ended."""
        if job.id not in self._jobs or job.interruption.reason is not None:
            return
        job.interruption.stop(reason)
        if reason is StopReason.HANG_UP:
            job.answer.cancel()
        if job.started_s is None:
            self._queue.withdraw(job.account, job)
            self._finish(job, None, QueryCancelled("the query was cancelled"))
            self._tell()
        else:
            job.timers.append(asyncio.get_running_loop().call_later(GRACE_S, self._give_up, job))

    def _ended(self, job: _Job, running: asyncio.Future[Any]) -> None:
        """The thread of the job has ended."""
        if job.has_slot:
            self._queue.leave(job.account)
        else:
            self._given_up -= 1
        error = None if running.cancelled() else running.exception()
        self._finish(job, None if running.cancelled() or error else running.result(), error)
        self._start()

    def _give_up(self, job: _Job) -> None:
        """The job was interrupted a second ago, and still runs; or its time is not over, as it waits for its client."""
        if job.id not in self._jobs:
            return
        try:
            job.interruption.check()
        except RequestError as error:
            self._finish(job, None, error)
        else:
            job.timers[:] = [asyncio.get_running_loop().call_later(GRACE_S, self._give_up, job)]
            return
        if self._given_up < MAX_GIVEN_UP:
            job.has_slot = False
            self._queue.leave(job.account)
            self._given_up += 1
            self._start()

    def _finish(self, job: _Job, result: Any, error: BaseException | None) -> None:
        """Answer the client, and count; once per job."""
        if self._jobs.pop(job.id, None) is None:
            return
        for timer in job.timers:
            timer.cancel()
        reason = job.interruption.reason
        if error is not None:
            metrics.http_query_failures.labels(reason.value if reason else _whose_fault(error)).inc()
        if job.answer.done():
            return
        if error is None:
            job.answer.set_result(result)
        else:
            job.answer.set_exception(error)

    def _tell(self) -> None:
        states = {"running": self._queue.running, "waiting": self._queue.waiting, "given_up": self._given_up}
        for state, count in states.items():
            metrics.http_queries.labels(self._kind, state).set(count)


def _run(job: _Job, kind: str) -> Any:
    with job.interruption, metrics.http_query_seconds.labels(kind).time():
        job.interruption.check()
        return job.work()


def _whose_fault(error: BaseException) -> str:
    """The kind of failure: it took too long or too much, the query is invalid, or an error of ours."""
    if isinstance(error, QueryTimeout | QueryTimedOut):
        return "timeout"
    if isinstance(error, LimitExceeded):
        return "limit"
    if isinstance(error, InternalServer | QueryEnded):
        return "failed"
    return "refused" if isinstance(error, SqlError | RequestError | RequestRefused | EndpointError) else "failed"
