"""What the routes stand on, put together once by the worker and handed to the application."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.api.http.credentials import Credentials, Who
from pipeline.api.http.forwarding import TopicOwners
from pipeline.api.http.slots import Asker, QuerySlots
from pipeline.api.inventory.directory import Directory
from pipeline.api.inventory.rejected import RejectedMessages
from pipeline.api.inventory.stores import StoreDirectory
from pipeline.base.arrival import ArrivalStamps
from pipeline.base.clock import Steps
from pipeline.cluster.client import PeerAccess
from pipeline.log.log import Appender
from pipeline.stream.bent_fields import BentField
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.progress import HowFar
from pipeline.stream.rule_book import RuleBook
from store.endpoint import Endpoint
from store.reading.reader import Reader


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
    queries: QuerySlots
    lists: QuerySlots  # of their own: what there is is told while an account's queries run
    directory: Directory
    rejected: Callable[[str, int], list[RejectedMessages]]  # of an account, at most so many
    bent: Callable[[str, int], list[BentField]]  # fields of an account's tables, at most so many
    partition_of: Callable[[str, str], int]  # of [readings], for messages of an account on an MQTT topic
    stamps: ArrivalStamps  # of what HTTP takes in; in its thread
    rules: RuleBook | None = None
    steps: Steps | None = None  # of the host's clock; None: nobody looks
    topic_owners: TopicOwners | None = None  # where there are other workers
    internal: Internal | None = None  # the same


def services(request: Request) -> Services:
    """The services of this application, as a dependency of a route."""
    found = request.app.state.services
    assert isinstance(found, Services)
    return found


_BEARER = HTTPBearer(auto_error=False, description="one of `http.tokens`; any where none are configured")


def who(request: Request, _: Annotated[object, Security(_BEARER)]) -> Who:
    """Who asks, as a dependency of a route. Raises Unauthenticated."""
    return services(request).credentials.bearer(request.headers.get("authorization"))


def account(who: Annotated[Who, Depends(who)]) -> str:
    """The account of the request's credential, as a dependency of a route. Raises Unauthenticated."""
    return who.account


def asker(request: Request, account: Annotated[str, Depends(account)]) -> Asker:
    """Who asks, and how it is known that they hung up, as a dependency of a route. Raises Unauthenticated."""
    return asker_of(request, account)


def asker_of(request: Request, account: str) -> Asker:
    """The same, where the account is known already."""
    return Asker(account, partial(_hung_up, request))


async def _hung_up(request: Request) -> None:
    """Returns once the client is gone; to be called when the request's body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
