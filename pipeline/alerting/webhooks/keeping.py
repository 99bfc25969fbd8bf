"""The deliveries to receivers while [alerts] is this worker's: on an embedded log always, else as Kafka assigns it.

Who takes [alerts] over reads it from where its own archive left off, and finds in it what the owner before has
delivered. It sends only once it has read all that, so nothing is posted anew that was noted.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.webhooks.sender import Note, WebhookSender, trust_of
from pipeline.base.clock import evenly
from pipeline.config.webhooks import Receiver

LOOK_EVERY_S = 0.05


class AlertKeeping:
    """Starts and ends the sender. Used from the worker's event loop.

    note      appends to [alerts] that deliveries were settled; None where nobody else could take over
    clock_ns  by which deliveries are queued and due
    """

    def __init__(self, receivers: Sequence[Receiver], archive: AlertArchive, partition_id: str) -> None:
        """`partition_id` is the log partition's: `<log id>/alerts/0`. Raises ConfigError: a file of authorities is not
        good.
        """
        for receiver in receivers:
            trust_of(receiver)
        self.archive = archive
        self.partition_id = partition_id
        self.note: Note | None = None
        self.clock_ns = evenly()
        self._receivers = receivers
        self._sender: WebhookSender | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def receivers(self) -> tuple[str, ...]:
        """The names of the receivers, for which deliveries are to be queued."""
        return tuple(receiver.name for receiver in self._receivers)

    def wake(self) -> None:
        """Something was put into the queue."""
        if self._sender is not None:
            self._sender.wake()

    def take(self, next_offset: int) -> None:
        """[alerts] is this worker's from here on; it ends at `next_offset` now."""
        self._starting = asyncio.create_task(self._start_at(next_offset), name="webhooks to be started")

    async def let_go(self) -> None:
        """[alerts] is not this worker's any more: what is not delivered is its next owner's to deliver."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
            self._starting = None
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.stop()

    async def _start_at(self, next_offset: int) -> None:
        while (self.archive.next_offset(self.partition_id) or 0) < next_offset:  # noqa: ASYNC110  # an event would cost the
            await asyncio.sleep(LOOK_EVERY_S)  # stage a check at every alert, for this one moment
        sender = WebhookSender(
            self._receivers,
            self.archive,
            clock_ns=self.clock_ns,
            wall_ns=time.time_ns,
            rng=random.Random(),  # noqa: S311  # jitter
            note=self._noted,
        )
        await sender.start()
        self._sender = sender

    async def _noted(self, settlement: Mapping[str, Any]) -> None:
        if self.note is not None:
            await self.note(settlement)
