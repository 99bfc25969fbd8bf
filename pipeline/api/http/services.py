"""The services that the routes use, assembled by the worker and passed to the application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPBearer

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.alerting.routing.plan import AlertPlan, plan_for
from pipeline.api.http.checkup import Checkup
from pipeline.api.http.console_place import ConsolePlace
from pipeline.api.http.credentials import Credentials, Who
from pipeline.api.http.forwarding import TopicOwners
from pipeline.api.http.live_feeds import LiveFeeds
from pipeline.api.http.open_streams import OpenStreams
from pipeline.api.http.slots import Asker, QuerySlots
from pipeline.api.inventory.directory import Directory
from pipeline.api.inventory.rejected import RejectedPart
from pipeline.api.inventory.stores import StoreDirectory
from pipeline.api.inventory.transitions import TransitionsPart, TransitionsRequest
from pipeline.api.inventory.usage import OwnUsage
from pipeline.base.arrival import ArrivalStamps
from pipeline.base.clock import Steps
from pipeline.base.web_hosts import AnsweredHosts
from pipeline.cluster.client import PeerAccess
from pipeline.cluster.deletes import DeleteResponse
from pipeline.config.model import HttpLimits
from pipeline.config.prices import Prices
from pipeline.config.receivers import Receiver
from pipeline.log.log import Appender, LogAdmin
from pipeline.stream.altered_fields import AlteredField
from pipeline.stream.detectors import RuleDetectors, Wanted
from pipeline.stream.normalise.routes import Route
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.progress import HowFar
from pipeline.stream.rule_book import RuleBook
from pipeline.stream.rule_files import Reloaded
from pipeline.stream.usage.counts import UsagePart
from store.catalog.rollup_table import RollupTable
from store.endpoint import Endpoint
from store.endpoint.context import Buckets
from store.processes.job import Executor
from store.reading.reader import Reader
from store.record import TableId


@dataclass(frozen=True, slots=True)
class Internal:
    """The functions for other workers of a group. They may block, and run in `threads`."""

    access: PeerAccess
    owned: OwnedPartitions
    directory: StoreDirectory
    tails: Callable[[bytes], bytes]
    rejected: Callable[[str, int], RejectedPart]
    transitions: Callable[[TransitionsRequest], TransitionsPart]
    usage: OwnUsage
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
    partitions: Callable[[], list[int]]  # the partitions of [readings] that this worker owns
    clock_ns: Callable[[], int]
    executor: Executor  # of SQL, in the slots of queries
    queries: QuerySlots
    lists: QuerySlots  # separate slots: lists are answered while an account's queries run
    directory: Directory
    log: LogAdmin
    routes: Sequence[Route]  # of the configuration: which MQTT topics become records of which table
    deleted: Callable[[TableId, Sequence[int], float], Awaitable[list[DeleteResponse]]]  # see `cluster.deletes`
    owners: Callable[[], Mapping[tuple[str, int], str]]  # of (topic, partition): addresses of workers
    rejected: Callable[[str, int], RejectedPart]  # of an account; at most this number
    transitions: Callable[[TransitionsRequest], TransitionsPart]  # of alerts, whichever worker keeps them
    altered: Callable[[str, int], list[AlteredField]]  # fields of an account's tables; at most this number
    partition_of: Callable[[str, str], int]  # of [readings], for messages of an account on an MQTT topic
    stamps: ArrivalStamps  # for messages received by HTTP; in its thread
    usage: Callable[[], UsagePart]  # of all accounts, over all workers
    prices: Prices | None = None
    limits: HttpLimits = field(default_factory=HttpLimits)
    origins: Sequence[str] = ()  # of web pages that may ask
    hosts: AnsweredHosts | None = None  # None: any
    streams: OpenStreams = field(default_factory=OpenStreams)  # of server-sent events
    live: LiveFeeds = field(default_factory=LiveFeeds)
    buckets: Callable[[str], Buckets] = lambda _: {}  # of an account, for files
    rollups: Sequence[RollupTable] = ()
    console: ConsolePlace | None = None
    worker: str = ""  # the name of this worker among others; "" if there are none
    receivers: Callable[[], Sequence[Receiver]] = tuple  # of alerts, of the configuration of this moment
    plan: Callable[[], AlertPlan] = plan_for  # of alerts, as above
    rules: RuleBook | None = None
    rule_files: Callable[[str], Sequence[tuple[str, str]]] = lambda _: ()  # shown to an account: names and texts
    reload: Callable[[], Awaitable[Reloaded]] | None = None  # the rule files
    detectors: Callable[[Wanted], Awaitable[list[RuleDetectors]]] | None = None  # of rules of this worker
    doctor: Checkup | None = None
    steps: Steps | None = None  # of the host's clock; None: not watched
    topic_owners: TopicOwners | None = None  # if there are other workers
    internal: Internal | None = None  # as above


# Dependencies are coroutines: FastAPI would run functions in a thread, for each request.


async def services(request: Request) -> Services:
    """The services of this application, as a dependency of a route."""
    return services_of(request)


def services_of(request: Request) -> Services:
    """The services of this application."""
    found = request.app.state.services
    assert isinstance(found, Services)
    return found


_BEARER = HTTPBearer(auto_error=False, description="one of `http.tokens`; any where none are configured")


# Each asks the credentials by itself: a dependency of a dependency costs a request as much as its own work.


async def who(request: Request, _: Annotated[object, Security(_BEARER)]) -> Who:
    """The account and role of the request, as a dependency of a route. Raises Unauthenticated."""
    return _who(request)


async def account(request: Request, _: Annotated[object, Security(_BEARER)]) -> str:
    """The account of the request, as a dependency of a route. Raises Unauthenticated."""
    return _who(request).account


async def asker(request: Request, _: Annotated[object, Security(_BEARER)]) -> Asker:
    """The account, and how to notice that the client hung up, as a dependency of a route. Raises Unauthenticated."""
    return asker_of(request, _who(request).account)


def _who(request: Request) -> Who:
    return services_of(request).credentials.bearer(request.headers.get("authorization"))


def asker_of(request: Request, account: str) -> Asker:
    """The same, if the account is known already."""
    return Asker(account, partial(_hung_up, request))


async def _hung_up(request: Request) -> None:
    """Return when the client is gone; call it after the request's body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
