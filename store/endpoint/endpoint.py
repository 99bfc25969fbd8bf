"""The endpoint: one call of Timestream's protocol, from its headers and body to a status, headers and a body.

A request is `POST /` with `X-Amz-Target: Timestream_20181101.<Operation>` and a JSON body; the services for writing and
for queries have the same target prefix, and both are handled here. The caller authenticates and authorises the client.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from store.catalog.rollup_table import RollupTable
from store.endpoint import batch_loads
from store.endpoint.batch_loader import BatchLoader
from store.endpoint.context import Buckets, Context, InThreads, NoTopics, Runner, Topics, Writer
from store.endpoint.endpoints import describe_endpoints
from store.endpoint.errors import (
    Conflict,
    EndpointError,
    InternalServer,
    QueryExecution,
    ResourceNotFound,
    Serialization,
    ServiceQuotaExceeded,
    Throttling,
    UnknownOperation,
    Validation,
)
from store.endpoint.imports import Imported, import_rows
from store.endpoint.observing import NotObserved, Observer
from store.endpoint.prepare import prepare_query
from store.endpoint.queries import Queries
from store.endpoint.results import KEPT_ACCOUNT_BYTES
from store.endpoint.rollups.maker import RollupMaker
from store.endpoint.scheduled import operations as scheduled
from store.endpoint.scheduled.messenger import Messenger
from store.endpoint.scheduled.runner import ScheduledRunner
from store.endpoint.shapes import check
from store.endpoint.signature import region_of
from store.endpoint.tables import OPERATIONS
from store.endpoint.write import WriteRecords
from store.errors import (
    DatabaseExists,
    DatabaseNotEmpty,
    LimitReached,
    QueryCancelled,
    QueryTimeout,
    RequestError,
    TableExists,
    UnknownDatabase,
    UnknownTable,
)
from store.processes.job import Executor
from store.reading.reader import Reader
from store.record import TableId

TARGET_PREFIX = "Timestream_20181101."

_STORE_ERRORS: Mapping[type[RequestError], type[EndpointError]] = {
    UnknownDatabase: ResourceNotFound,
    UnknownTable: ResourceNotFound,
    DatabaseExists: Conflict,
    TableExists: Conflict,
    DatabaseNotEmpty: Validation,
    LimitReached: ServiceQuotaExceeded,
    QueryCancelled: Conflict,
    QueryTimeout: QueryExecution,
}


@dataclass(frozen=True, slots=True)
class Response:
    """The response to a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Endpoint:
    """Timestream's protocol over a store. All calls come from one event loop."""

    def __init__(
        self,
        store: Reader,
        writer: Writer,
        executor: Executor,
        *,
        clock_ns: Callable[[], int],
        refusals: tuple[type[Exception], ...] = (),
        page_prefix: str = "",
        page_bytes: int = KEPT_ACCOUNT_BYTES,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        topics: Topics | None = None,
        rollups: Sequence[RollupTable] = (),
        observer: Observer | None = None,
    ) -> None:
        """`clock_ns`: the host's time; `monotonic_ns`: for the time that results are kept.

        refusals     errors by which the writer, or the runner of queries, reports overload
        page_prefix  the beginning of tokens for further pages of a query
        page_bytes   of the results that an account has not fetched completely
        rollups      the tables that are made of others
        observer     is told of runs of scheduled queries, and of rollup tables
        topics       of SNS, for messages about scheduled queries; none lead anywhere if there is nothing
        """
        self._store = store
        self._executor = executor
        self._clock_ns = clock_ns
        self._refusals = refusals
        self._write, queries = WriteRecords(writer), Queries(page_prefix, monotonic_ns, page_bytes)
        self._topics, self._rollups, self._observer = topics or NoTopics(), rollups, observer or NotObserved()
        self._has_task, self._has_run, self._has_message = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._operations: dict[str, Callable[[Context], Awaitable[dict[str, object]]]] = {
            "DescribeEndpoints": _describe_endpoints,
            "WriteRecords": self._write.handle,
            "Query": queries.query,
            "CancelQuery": queries.cancel,
            "PrepareQuery": prepare_query,
            **dict.fromkeys(OPERATIONS, _on_catalog),
            **dict.fromkeys(batch_loads.OPERATIONS, self._on_tasks),
            "CreateScheduledQuery": self._create_scheduled,
            **dict.fromkeys(scheduled.OPERATIONS, self._on_scheduled),
        }

    async def work(
        self, buckets: Callable[[str], Buckets], worker: str, runner: Callable[[str], Runner] = lambda _: InThreads()
    ) -> None:
        """Load batch load tasks, run scheduled queries, make rollup tables, until cancelled.

        worker  the name of this one, "" if there is no other
        runner  runs the queries of an account
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.loader(buckets, worker).work(self._has_task))
            tasks.create_task(self.scheduled(buckets, worker, runner).work(self._has_run))
            tasks.create_task(self.messenger().work(self._has_message))
            tasks.create_task(self.rollup_maker(worker, runner).work())

    def loader(self, buckets: Callable[[str], Buckets], worker: str = "") -> BatchLoader:
        """What loads batch load tasks."""
        return BatchLoader(self._write, self._call_for, buckets, self._refusals, worker)

    async def import_rows(self, table: TableId, body: bytes, *, create: bool) -> Imported:
        """Store rows of the past: see `store.endpoint.imports`."""
        return await import_rows(self._write, self._call_for(table.account), table, body, create=create)

    def scheduled(
        self,
        buckets: Callable[[str], Buckets],
        worker: str = "",
        runner: Callable[[str], Runner] = lambda _: InThreads(),
    ) -> ScheduledRunner:
        """What runs scheduled queries."""
        call_for = self._calls_in(runner)
        told = (self._has_message.set, self._observer)
        return ScheduledRunner(self._write, call_for, buckets, self._refusals, worker, *told)

    def rollup_maker(self, worker: str = "", runner: Callable[[str], Runner] = lambda _: InThreads()) -> RollupMaker:
        """What makes rollup tables."""
        calls = self._calls_in(runner)
        return RollupMaker(self._write, calls, self._refusals, self._rollups, worker, self._observer)

    def _calls_in(self, runner: Callable[[str], Runner]) -> Callable[[str], Context]:
        return lambda account: self._call_for(account, runner(account))

    def messenger(self) -> Messenger:
        """What publishes messages about scheduled queries."""
        return Messenger(self._topics, self._call_for)

    def _call_for(self, account: str, runner: Runner | None = None) -> Context:
        """A call that no client has made."""
        return self._context({}, {}, account, runner or InThreads(), "Task", {})

    def _context(
        self,
        request: Mapping[str, Any],
        headers: Mapping[str, str],
        account: str,
        runner: Runner,
        operation: str,
        buckets: Buckets,
    ) -> Context:
        region, now_ns, store, executor = region_of(headers), self._clock_ns(), self._store, self._executor
        of_server = (buckets, self._topics, self._rollups)
        return Context(request, headers, account, region, now_ns, store, executor, runner, operation, *of_server)

    async def _on_tasks(self, call: Context) -> dict[str, object]:
        answer = await _in_catalog(call, batch_loads.OPERATIONS[call.operation])
        self._has_task.set()
        return answer

    async def _create_scheduled(self, call: Context) -> dict[str, object]:
        await call.runner.run(lambda: call.store.catalog.refresh(now=True), text=call.operation)
        answer = await scheduled.create(call)
        self._has_run.set()
        self._has_message.set()
        return answer

    async def _on_scheduled(self, call: Context) -> dict[str, object]:
        answer = await _in_catalog(call, scheduled.OPERATIONS[call.operation])
        self._has_run.set()
        self._has_message.set()
        return answer

    async def handle(
        self,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        account: str,
        runner: Runner | None = None,
        buckets: Buckets | None = None,
    ) -> Response:
        """The response to one request; invalid requests get a response, too. Header names are in lower case.

        runner   runs everything that blocks (queries, the catalog)
        buckets  to which the client may write
        """
        content_type = headers.get("content-type", "application/x-amz-json-1.0").partition(";")[0].strip()
        if content_type not in {"application/x-amz-json-1.0", "application/x-amz-json-1.1"}:
            content_type = "application/x-amz-json-1.0"
        retry: dict[str, str] = {}
        try:
            status = 200
            answer = await self._answer(target, headers, body, account, runner or InThreads(), buckets or {})
        except EndpointError as error:
            status, answer = error.status, error.body()
            retry = {"Retry-After": "1"} if isinstance(error, Throttling) else {}
        return Response(
            status,
            {"Content-Type": content_type, "x-amzn-RequestId": _request_id(), **retry},
            msgspec.json.encode(answer),
        )

    async def _answer(
        self, target: str, headers: Mapping[str, str], body: bytes, account: str, runner: Runner, buckets: Buckets
    ) -> dict[str, object]:
        prefix, name = target[: len(TARGET_PREFIX)], target[len(TARGET_PREFIX) :]
        operation = self._operations.get(name)
        if prefix != TARGET_PREFIX or operation is None:
            raise UnknownOperation(f"Unknown operation '{target[:200]}'")
        request = _decode(body)
        check(name, request)
        call = self._context(request, headers, account, runner, name, buckets)
        try:
            return await operation(call)
        except RequestError as error:
            kind = _STORE_ERRORS.get(type(error))
            if kind is None:
                raise
            raise kind(str(error)) from error
        except self._refusals as error:
            raise Throttling(f"The server cannot accept this now; try again later ({error})") from error
        except TimeoutError as error:
            raise InternalServer("The request did not finish in time; it may still take effect.") from error


async def _describe_endpoints(call: Context) -> dict[str, object]:
    return describe_endpoints(call.headers)


async def _on_catalog(call: Context) -> dict[str, object]:
    return await _in_catalog(call, OPERATIONS[call.operation])


async def _in_catalog(call: Context, operation: Callable[[Context], dict[str, object]]) -> dict[str, object]:
    def run() -> dict[str, object]:
        call.store.catalog.refresh(now=True)
        return operation(call)

    return await call.runner.run(run, text=call.operation)


def _decode(body: bytes) -> Any:
    if not body.strip():
        return {}
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Serialization(f"The request body is not JSON: {error}") from error


def _request_id() -> str:
    """26 characters of base 32, as in the service."""
    return base64.b32encode(os.urandom(16)).decode().rstrip("=")
