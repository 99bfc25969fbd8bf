"""What the routes stand on, put together once by the worker and handed to the application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from fastapi import Request

from pipeline import metrics
from pipeline.archive.alerts import AlertArchive
from pipeline.archive.dead_letters import DeadLetterArchive
from pipeline.clock import Steps
from pipeline.directory.directory import Directory
from pipeline.directory.rejected import RejectedMessages
from pipeline.directory.stores import StoreDirectory
from pipeline.http.credentials import Credentials
from pipeline.http.forwarding import Keepers
from pipeline.http.problems import Problem
from pipeline.log.log import Appender
from pipeline.partitions.owned import OwnedPartitions
from pipeline.peers.client import PeerAccess
from pipeline.progress import HowFar
from store.endpoint import Endpoint
from store.endpoint.errors import EndpointError, InternalServer
from store.errors import QueryTimeout, RequestError
from store.reader import Reader
from store.sql.errors import QueryTimedOut, SqlError

P = ParamSpec("P")
T = TypeVar("T")

QUERY_SLOTS = 2  # DuckDB and Arrow release the GIL; more slots than cores only take each other's time
MAX_WAITING_QUERIES = 64


class Busy(Problem):
    """MAX_WAITING_QUERIES wait already: a 503."""


class QueryPool:
    """Runs queries in threads, two at once; refuses when too many wait, rather than answering ever later."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(QUERY_SLOTS, thread_name_prefix="query")
        self._waiting = 0

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns. Raises Busy."""
        if self._waiting >= MAX_WAITING_QUERIES:
            metrics.http_query_failures.labels("busy").inc()
            raise Busy(503, f"{self._waiting} queries wait already; try again in a moment")
        self._waiting += 1
        metrics.http_queries_waiting.set(self._waiting)

        def timed() -> T:
            with metrics.http_query_seconds.time():
                return function(*args, **kwargs)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, timed)
        except Exception as error:
            metrics.http_query_failures.labels(_reason(error)).inc()
            raise
        finally:
            self._waiting -= 1
            metrics.http_queries_waiting.set(self._waiting)

    def close(self) -> None:
        """Take no more. Queries that run are not waited for: nobody is left to hear their answers."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _reason(error: Exception) -> str:
    """Whose fault it was: it took too long, the question is not possible, or ours."""
    if isinstance(error, QueryTimeout | QueryTimedOut):
        return "timeout"
    ours = isinstance(error, InternalServer)
    return "refused" if isinstance(error, SqlError | RequestError | Problem | EndpointError) and not ours else "failed"


@dataclass(frozen=True, slots=True)
class Internal:
    """What other workers of a group may ask of this one. The functions may block, and run in `threads`."""

    access: PeerAccess
    owned: OwnedPartitions
    directory: StoreDirectory
    tails: Callable[[bytes], bytes]
    rejected: Callable[[str, int], list[RejectedMessages]]
    threads: ThreadPoolExecutor


@dataclass(frozen=True, slots=True)
class Services:
    """The worker's parts, as far as HTTP needs them."""

    store: Reader
    endpoint: Endpoint
    alerts: AlertArchive
    dead_letters: DeadLetterArchive
    credentials: Credentials
    appender: Appender  # belongs to the HTTP thread's event loop
    progress: HowFar
    partitions: Callable[[], list[int]]  # of [readings], that are this worker's
    clock_ns: Callable[[], int]
    queries: QueryPool
    directory: Directory
    rejected: Callable[[str, int], list[RejectedMessages]]  # of an account, at most so many
    partition_of: Callable[[str, str], int]  # of [readings], for messages of an account on an MQTT topic
    steps: Steps | None = None  # of the host's clock; None: nobody looks
    keepers: Keepers | None = None  # where there are other workers
    internal: Internal | None = None  # the same


def services(request: Request) -> Services:
    """The services of this application, as a dependency of a route."""
    found = request.app.state.services
    assert isinstance(found, Services)
    return found


def account(request: Request) -> str:
    """The account of the request's credential, as a dependency of a route. Raises Problem 401."""
    return services(request).credentials.account_of_bearer(request.headers.get("authorization"))
