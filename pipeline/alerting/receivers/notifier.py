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


@dataclass(frozen=True, slots=True)
class Notice:
    """A message that is about no alert.

    title, text   for people
    body          for programs, of the type `content_type`, with `headers` where it is posted
    attributes    what it is about
    is_failure    whether somebody should look
    """

    id: str
    title: str
    text: str
    body: bytes
    content_type: str
    headers: Mapping[str, str]
    attributes: Mapping[str, str]
    is_failure: bool


class Notifier(Protocol):
    """The connection to one receiver. Used from one event loop; no attempt may take longer than half a minute."""

    async def attempt(self, delivery: Delivery) -> Attempt | Accepted:
        """The result of one attempt. Failures of the network and of the receiver are results, without secrets."""
        ...

    async def tell(self, notice: Notice) -> Attempt | Accepted:
        """The result of sending a message that is about no alert, in one attempt."""
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
