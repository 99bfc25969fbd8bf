"""What an operation is given: the request, who asks, and what the endpoint stands on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from store.endpoint.payload import WriteRecord
from store.reading.reader import Reader
from store.record import Applied, TableId

T = TypeVar("T")


class Writer(Protocol):
    """Takes a validated WriteRecords request to the store, by way of the log."""

    async def write(self, table: TableId, records: Sequence[WriteRecord]) -> Applied:
        """What became of each of `records` of `table`, n ≥ 1, once it is durable and applied.

        Raises TimeoutError if that is not known in time.
        """
        ...


class Runner(Protocol):
    """Runs what blocks off the event loop, for who asks."""

    def run(self, function: Callable[[], T], /, *, query_id: str | None = None, text: str = "") -> Awaitable[T]:
        """A future of what `function` returns or raises."""
        ...

    def cancel(self, query_id: str) -> None:
        """End what runs under this id, if it is of who asks; `run` of it raises QueryCancelled."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """One call of one operation."""

    request: Mapping[str, Any]
    headers: Mapping[str, str]
    account: str
    region: str
    now_ns: int
    store: Reader
    runner: Runner
    operation: str
