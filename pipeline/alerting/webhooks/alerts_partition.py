"""The partition of [alerts] on this worker: deliveries are sent while it is assigned to it.

The embedded log assigns it always, Kafka to one worker. A new owner reads [alerts] from the position of its own
archive, and finds in it what the previous owner has delivered. It starts to send when it has read all of that, so a
delivery that is recorded in [alerts] is not sent again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.webhooks.sender import Note, WebhookSender, trust_of
from pipeline.base.clock import HOST, Clock, evenly
from pipeline.config.webhooks import Receiver

LOOK_EVERY_S = 0.05


class AlertsPartition:
    """Starts and stops the sender. Used from the worker's event loop.

    note      appends to [alerts] that a delivery was settled; None if no other worker can take over
    clock_ns  the clock by which deliveries are queued and due
    """

    def __init__(
        self,
        receivers: Sequence[Receiver],
        archive: AlertArchive,
        partition_id: str,
        clock: Clock = HOST,
        rng: random.Random | None = None,
    ) -> None:
        """`partition_id` is `<log id>/alerts/0`; `rng` is for the jitter between attempts.

        Raises ConfigError if the CA file of a receiver cannot be used.
        """
        for receiver in receivers:
            trust_of(receiver)
        self.archive = archive
        self.partition_id = partition_id
        self.note: Note | None = None
        self.clock_ns = evenly(clock)
        self._wall_ns = clock.wall_ns
        self._rng = rng or random.Random()  # noqa: S311  # as it says
        self._receivers = receivers
        self._sender: WebhookSender | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def receivers(self) -> tuple[str, ...]:
        """The names of the receivers, for which deliveries are to be queued."""
        return tuple(receiver.name for receiver in self._receivers)

    def wake(self) -> None:
        """Look at the queue now, because something was added to it."""
        if self._sender is not None:
            self._sender.wake()

    def assigned(self, next_offset: int) -> None:
        """Start to send as soon as [alerts], which ends at `next_offset` now, has been read up to there."""
        self._starting = asyncio.create_task(self._start_at(next_offset), name="webhooks to be started")

    async def revoked(self) -> None:
        """Stop sending: the next owner of [alerts] delivers the rest."""
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
            wall_ns=self._wall_ns,
            rng=self._rng,
            note=self._noted,
        )
        await sender.start()
        self._sender = sender

    async def _noted(self, settlement: Mapping[str, Any]) -> None:
        if self.note is not None:
            await self.note(settlement)
