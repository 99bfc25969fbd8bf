"""What every kind of receiver has: an attempt to deliver, and how it looks to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pipeline.alerting.archive.delivery import Delivery
from pipeline.alerting.receivers.retry_policy import Accepted, Attempt


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, with secrets masked."""

    to: str
    headers: Mapping[str, str]
    body: str


class Notifier(Protocol):
    """The connection to one receiver. Used from one event loop; no attempt may take longer than half a minute."""

    async def attempt(self, delivery: Delivery) -> Attempt | Accepted:
        """The result of one attempt. Failures of the network and of the receiver are results, without secrets."""
        ...

    def request(self, delivery: Delivery) -> Request:
        """What an attempt sends."""
        ...

    async def trouble(self) -> str | None:
        """Why nothing can be sent, as far as it is known without sending anything; without secrets."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
