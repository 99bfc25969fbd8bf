"""Slows down the accounts that send more messages than their quota allows, and nobody else.

Its connections are not read until the account has waited for what it sent too much: the device, or the broker, keeps
the rest, and hears the acknowledgements later. Nothing is refused or lost. A connection that sends is stopped at its
next messages; those that are silent cost nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from pipeline.base import metrics
from pipeline.base.rates import Rates


class Reading(Protocol):
    """A connection that is read."""

    def pause(self) -> None:
        """Stop reading it."""
        ...

    def resume(self) -> None:
        """Read it again, unless there is another reason not to."""
        ...


class Throttle:
    """Used in the gateway's event loop."""

    def __init__(self, rate_of: Callable[[str], float | None]) -> None:
        """`rate_of` an account in messages a second; None: any number."""
        self._rates = Rates(rate_of)
        self._loop = asyncio.get_running_loop()
        self._held: dict[Reading, asyncio.TimerHandle] = {}

    def note(self, account: str, count: int) -> None:
        """The account has sent `count` messages."""
        self._rates.take(account, count, self._loop.time())

    def hold(self, account: str, connection: Reading) -> float:
        """Stop reading this connection if its account has sent too much; returns for how many seconds (0: not)."""
        wait_s = self._rates.wait_s(account, self._loop.time())
        if wait_s > 0 and connection not in self._held:
            metrics.quota_refusals.labels(account, "messages_per_second").inc()
            self._held[connection] = self._loop.call_later(wait_s, self._release, account, connection)
            connection.pause()
            return wait_s
        return 0.0

    def is_holding(self, connection: Reading) -> bool:
        """Whether this connection is not read because of its account's quota."""
        return connection in self._held

    def forget(self, connection: Reading) -> None:
        """The connection has ended."""
        timer = self._held.pop(connection, None)
        if timer is not None:
            timer.cancel()

    def stop(self) -> None:
        """Read none of them again."""
        for connection in list(self._held):
            self.forget(connection)

    def _release(self, account: str, connection: Reading) -> None:
        del self._held[connection]
        if not self.hold(account, connection):  # others of the account have sent meanwhile
            connection.resume()
