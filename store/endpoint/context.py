"""What an operation is given: the request, who asks, and what the endpoint stands on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from store.reader import Reader
from store.record import Applied

T = TypeVar("T")


class Writer(Protocol):
    """Takes a validated WriteRecords request to the store, by way of the log."""

    async def write(self, account: str, payload: bytes) -> Applied:
        """What became of each record of `payload` (see `payload.encode_write`), once it is durable and applied.

        Raises TimeoutError if that is not known in time.
        """
        ...


class Run(Protocol):
    """Runs a blocking call off the event loop."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]:
        """A future of what `function` returns or raises."""
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
    run: Run
    operation: str
