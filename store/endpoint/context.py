"""The input of an operation: the request, the account, and the interfaces that the endpoint uses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

from store.catalog.rollup_table import RollupTable
from store.endpoint.payload import Parts, WriteRecord
from store.objects.location import S3Location
from store.processes.job import Executor
from store.reading.reader import Reader
from store.record import Applied, TableId

T = TypeVar("T")


Buckets: TypeAlias = Mapping[str, Path | S3Location]
"""Where the buckets are that a client may use, by their names: a folder, or a prefix in a bucket."""


class Writer(Protocol):
    """Writes a validated WriteRecords request to the store, through the log."""

    async def write(self, table: TableId, records: Sequence[WriteRecord]) -> Applied:
        """The outcome of each of `records` of `table`, n ≥ 1, when they are durable and applied.

        Raises TimeoutError if the outcome is not known in time.
        """
        ...

    async def write_import(self, table: TableId, parts: Parts) -> Applied:
        """The same for rows of an import."""
        ...


class Topics(Protocol):
    """Publishes messages to topics of SNS, which lead to receivers. One event loop."""

    def leads(self, account: str, arn: str) -> bool:
        """Whether somebody is told of what this account publishes to a topic."""
        ...

    async def publish(self, arn: str, message_id: str, attributes: Mapping[str, str], message: bytes) -> str | None:
        """Publish to a topic; None if it was accepted, else what went wrong."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class NoTopics:
    """No topic leads anywhere."""

    def leads(self, account: str, arn: str) -> bool:  # noqa: ARG002
        """See `Topics`."""
        return False

    async def publish(self, *_: object) -> str | None:
        """See `Topics`."""
        return "there are no topics"

    async def close(self) -> None:
        """See `Topics`."""


class Runner(Protocol):
    """Runs blocking functions outside the event loop, for the client of a request."""

    def run(
        self, function: Callable[[], T], /, *, query_id: str | None = None, text: str = "", is_short: bool = False
    ) -> Awaitable[T]:
        """An awaitable with the result or the exception of `function`. What is short need not wait for long queries."""
        ...

    def cancel(self, query_id: str) -> None:
        """End the function with this id, if it belongs to the same client; its `run` raises QueryCancelled."""
        ...


class InThreads:
    """Runs functions in threads of the loop's default pool; they cannot be cancelled."""

    async def run(self, function: Callable[[], T], /, **_: object) -> T:
        """See `Runner`."""
        return await asyncio.to_thread(function)

    def cancel(self, query_id: str) -> None:
        """See `Runner`."""


@dataclass(frozen=True, slots=True)
class Context:
    """One call of one operation."""

    request: Mapping[str, Any]
    headers: Mapping[str, str]
    account: str
    region: str
    now_ns: int
    store: Reader
    executor: Executor
    runner: Runner
    operation: str
    buckets: Buckets = field(default_factory=dict)
    topics: Topics = field(default_factory=NoTopics)
    rollups: Sequence[RollupTable] = ()
