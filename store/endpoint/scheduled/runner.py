"""Runs scheduled queries: the result of each becomes records, written through the log as in WriteRecords.

The version of the records is the time at which the run began, which is later for each run of a query. So a run that
was interrupted is made again without a trace, and a later run replaces what it computes anew. The runs of an account
follow each other; accounts do not wait for each other.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from store.endpoint.context import Buckets, Context
from store.endpoint.errors import EndpointError, ResourceNotFound, Validation
from store.endpoint.observing import NotObserved, Observer
from store.endpoint.scheduled.claims import ABANDONED_NS, Claims, Lost
from store.endpoint.scheduled.derived import Deriving, Result
from store.endpoint.scheduled.running import Running
from store.endpoint.scheduled_query import Run, ScheduledQuery, Started
from store.endpoint.write import WriteRecords
from store.errors import StoreError, UnknownDatabase, UnknownTable

log = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0
KEEP_EVERY_S = ABANDONED_NS / 1e9 / 3
_FOR_GOOD = (Validation, ResourceNotFound, UnknownDatabase, UnknownTable)
"""Errors that the next run would have, too: as in the service, the query is disabled."""


@dataclass(slots=True)
class ScheduledRunner:
    """Runs queries in one event loop.

    call_for  a call for an account, as if a client had asked
    buckets   of an account
    refusals  errors by which the writer, or the runner of queries, reports overload
    owner     the name of this worker; "" if there is no other
    has_ended  called when a run has ended, and messages may wait
    observer   is told of runs
    """

    write: WriteRecords
    call_for: Callable[[str], Context]
    buckets: Callable[[str], Buckets]
    refusals: tuple[type[Exception], ...]
    owner: str = ""
    has_ended: Callable[[], None] = lambda: None
    observer: Observer = field(default_factory=NotObserved)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def work(self, wake: asyncio.Event) -> None:
        """Run what is due until cancelled; looks again when `wake` is set, and every few seconds."""
        try:
            while True:
                wake.clear()
                wait_s = LOOK_EVERY_S
                try:
                    wait_s = await self._look(wake)
                except (StoreError, OSError) as error:
                    log.warning("scheduled queries wait for the storage: %s", error)
                except Exception:  # those that are kept may be of a later version of this program
                    log.exception("the scheduled queries cannot be read")
                try:
                    await asyncio.wait_for(wake.wait(), wait_s)
                except TimeoutError:
                    continue
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def run_due(self) -> None:
        """Run what is due now, account by account."""
        for account in await asyncio.to_thread(self._accounts):
            await self.run_account(account)

    async def run_account(self, account: str) -> None:
        """Run what is due in an account, until nothing is."""
        claims = self._claims(account)
        while (taken := await asyncio.to_thread(lambda: claims.take(self.call_for(account).now_ns))) is not None:
            try:
                await self._run(claims, *taken)
            except Lost:
                log.warning("the run of the scheduled query %s belongs to another worker, or to none", taken[0].id)

    async def _look(self, wake: asyncio.Event) -> float:
        """Begin what is due; how long to wait for the next."""
        wait_s, behind_ns = LOOK_EVERY_S, 0
        for account in await asyncio.to_thread(self._accounts):
            now_ns = self.call_for(account).now_ns
            claims = self._claims(account)
            due_ns = await asyncio.to_thread(claims.next_due_ns, now_ns)
            behind_ns = max(behind_ns, claims.behind_ns(now_ns))
            if account in self._tasks or due_ns is None:
                continue
            if due_ns <= now_ns:
                self._tasks[account] = asyncio.create_task(self._run_all(account, wake))
            else:
                wait_s = min(wait_s, (due_ns - now_ns) / 1e9)
        self.observer.runs_behind(behind_ns / 1e9)
        return wait_s

    async def _run_all(self, account: str, wake: asyncio.Event) -> None:
        try:
            await self.run_account(account)
        except (StoreError, OSError) as error:
            log.warning("scheduled queries of the account %s wait for the storage: %s", account, error)
            await asyncio.sleep(LOOK_EVERY_S)
        except Exception:  # whatever it is, the other accounts go on
            log.exception("scheduled queries of the account %s wait", account)
            await asyncio.sleep(LOOK_EVERY_S)
        finally:
            del self._tasks[account]
            wake.set()

    def _claims(self, account: str) -> Claims:
        call = self.call_for(account)
        return Claims(call.store.catalog, account, self.owner, call.topics)

    def _accounts(self) -> list[str]:
        catalog = self.call_for("").store.catalog
        catalog.refresh(now=True)
        return catalog.accounts()

    async def _run(self, claims: Claims, query: ScheduledQuery, started: Started) -> None:
        """Make a run that has been taken. Raises Lost, StoreError, OSError if its end cannot be kept."""
        account, result, began_s = claims.account, Result(), time.perf_counter()
        deriving = Deriving(self.write, self.call_for, account, self.refusals, started.trigger_ns)
        running = Running(deriving, self.buckets(account), query, started)
        async with self._kept(claims, query, started):
            failure, disables = await self._failure(running, result)
            report = await running.report(result.mistakes) if result.mistakes.count else None
        if failure:
            log.warning("the run of the scheduled query %s has failed: %s", query.id, failure)
        took_s = time.perf_counter() - began_s
        took_ms = round(took_s * 1_000)
        ended, now_ns = _ended(started, result, took_ms, failure, report), self.call_for(account).now_ns
        await asyncio.to_thread(lambda: claims.end(query.id, started, ended, now_ns, disables=disables))
        self.observer.run_ended(has_failed=bool(failure), took_s=took_s, records=result.ingested)
        self.has_ended()

    async def _failure(self, running: Running, result: Result) -> tuple[str, bool]:
        """Why a run has failed, "" if it has not, and whether the next one would, too."""
        try:
            await running.run(result)
        except (EndpointError, StoreError, OSError) as error:
            return str(error), isinstance(error, _FOR_GOOD)
        except Exception:
            log.exception("the run of the scheduled query %s has failed", running.query.id)
            return "Internal error; see the server's log.", False
        return result.mistakes.told, False

    @asynccontextmanager
    async def _kept(self, claims: Claims, query: ScheduledQuery, started: Started) -> AsyncIterator[None]:
        """Tell other workers, if there are any, that the run goes on."""

        async def keep() -> None:
            while True:
                await asyncio.sleep(KEEP_EVERY_S)
                try:
                    now_ns = self.call_for(claims.account).now_ns
                    await asyncio.to_thread(claims.keep, query.id, started, now_ns)
                except (Lost, StoreError, OSError) as error:
                    log.warning("cannot say that a run of the scheduled query %s goes on: %r", query.id, error)

        keeping = asyncio.create_task(keep()) if self.owner else None
        try:
            yield
        finally:
            if keeping is not None:
                keeping.cancel()
                await asyncio.wait([keeping])


def _ended(started: Started, result: Result, took_ms: int, failure: str, report: tuple[str, str] | None) -> Run:
    return Run(
        started.invocation_ns,
        started.trigger_ns,
        started.is_manual,
        took_ms,
        result.rows,
        result.ingested,
        result.data_writes,
        result.scanned_bytes,
        result.metered_bytes,
        failure[:2048],
        report,
        result.insights if started.wants_insights else None,
    )
