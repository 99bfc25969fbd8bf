"""The partition of [alerts] on this worker: groups are told and deliveries sent while it is assigned to it.

The embedded log assigns it always, Kafka to one worker. A new owner reads [alerts] from the position of its own
archive, and finds in it what the previous owner has delivered. It starts to send when it has read all of that, so a
delivery that is recorded in [alerts] is not sent again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.receivers.group_timer import GroupTimer
from pipeline.alerting.receivers.kinds import check_receiver
from pipeline.alerting.receivers.sender import Sender
from pipeline.alerting.recorder import Record, Recorder
from pipeline.alerting.routing.plan import plan_of
from pipeline.base.clock import HOST, Clock, evenly
from pipeline.config import Config

LOOK_EVERY_S = 0.05
Append = Callable[[bytes], Awaitable[Any]]


class AlertsPartition:
    """Starts and stops the sender and the timer of groups. Used from the worker's event loop.

    append    appends to [alerts]; set by the stage
    record    writes transitions to the store; None: they are not written
    notes     whether settled deliveries are appended: another worker can take over
    config    the configuration of this moment; `plan` is who hears of which alert by it
    clock_ns  the clock by which deliveries are queued and due
    """

    def __init__(
        self,
        config: Config,
        archive: AlertArchive,
        partition_id: str,
        clock: Clock = HOST,
        rng: random.Random | None = None,
    ) -> None:
        """`partition_id` is `<log id>/alerts/0`; `rng` is for the jitter between attempts.

        Raises ConfigError if a receiver cannot be used as it is configured.
        """
        self.check(config)
        self.archive = archive
        self.partition_id = partition_id
        self.append: Append | None = None
        self.record: Record | None = None
        self.notes = False
        self.plan = plan_of(config)
        self.clock_ns = evenly(clock)
        self.wall_ns = clock.wall_ns
        self._rng = rng or random.Random()  # noqa: S311  # as it says
        self.config = config
        self._sender: Sender | None = None
        self._timer: GroupTimer | None = None
        self._recorder: Recorder | None = None
        self._running: list[asyncio.Task[None]] = []
        self._starting: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Look at the queue and at the groups now, because something was added to them."""
        if self._sender is not None:
            self._sender.wake()
        for task in (self._timer, self._recorder):
            if task is not None:
                task.look.set()

    @staticmethod
    def check(config: Config) -> None:
        """Raises ConfigError if a receiver cannot be used as it is configured."""
        for receiver in config.receivers:
            check_receiver(receiver)

    async def replace(self, config: Config) -> None:
        """Go by another configuration from the next message on. What is queued or grouped stays.

        Raises ConfigError, and changes nothing, if a receiver cannot be used as it is configured.
        """
        self.check(config)
        plan = plan_of(config)
        await asyncio.to_thread(self.archive.plan_changed, plan, self.clock_ns())
        self.plan, former, self.config = plan, self.config, config
        is_same = (former.receivers, former.brokers) == (config.receivers, config.brokers)
        if self._sender is not None and not is_same:
            await self._sender.stop()
            self._sender = await self._started_sender()
        self.wake()

    def assigned(self, next_offset: int) -> None:
        """Start to send as soon as [alerts], which ends at `next_offset` now, has been read up to there."""
        self._starting = asyncio.create_task(self._start_at(next_offset), name="webhooks to be started")

    async def revoked(self) -> None:
        """Stop sending: the next owner of [alerts] delivers the rest."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
            self._starting = None
        running, self._running, self._timer, self._recorder = self._running, [], None, None
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.stop()

    async def _start_at(self, next_offset: int) -> None:
        while (self.archive.next_offset(self.partition_id) or 0) < next_offset:  # noqa: ASYNC110  # an event would cost the
            await asyncio.sleep(LOOK_EVERY_S)  # stage a check at every alert, for this one moment
        await asyncio.to_thread(self.archive.plan_changed, self.plan, self.clock_ns())
        self._sender = await self._started_sender()
        assert self.append is not None
        self._timer = GroupTimer(self.archive, lambda: self.plan, self.append, self.clock_ns, self.wall_ns)
        self._running = [asyncio.create_task(self._timer.run(), name="groups of alerts")]
        if self.record is not None:
            self._recorder = Recorder(self.archive, self.record, self.append if self.notes else None)
            self._running.append(asyncio.create_task(self._recorder.run(), name="transitions of alerts"))

    async def _started_sender(self) -> Sender:
        sender = Sender(
            self.config.receivers,
            self.archive,
            brokers=self.config.brokers,
            clock_ns=self.clock_ns,
            wall_ns=self.wall_ns,
            rng=self._rng,
            note=self._note if self.notes else None,
        )
        await sender.start()
        return sender

    async def _note(self, settlement: Mapping[str, Any]) -> None:
        assert self.append is not None
        await self.append(orjson.dumps([settlement]))
