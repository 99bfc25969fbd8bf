"""Sends queued deliveries to their receivers.

Each receiver has its own task, connections and a few attempts at once, so a slow one delays no other. The
queue is in the archive and durable: after a crash, a delivery that is not recorded as delivered is sent again with the
same id (at least once). The archive returns the resolved event of an alert only after its firing is settled, so
a receiver gets them in order.

If another worker can take [alerts] over, settled deliveries are also recorded in [alerts] (`note`), so that it does not
send them again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, assert_never

from pipeline.alerting.archive.alerts import AlertArchive, settlement
from pipeline.alerting.archive.delivery import Delivery, DeliveryState
from pipeline.alerting.receivers.kinds import notifier_of
from pipeline.alerting.receivers.notifier import Notifier
from pipeline.alerting.receivers.retry_policy import (
    BACKOFF,
    DELIVER_FOR_NS,
    SECOND_NS,
    Attempt,
    Delivered,
    GiveUp,
    TryAgain,
    Verdict,
    judge,
)
from pipeline.alerting.receivers.transport import Resolve, resolve
from pipeline.alerting.repeating import repeat
from pipeline.base import metrics
from pipeline.config.brokers import Broker
from pipeline.config.receivers import Receiver

CONCURRENT_REQUESTS = 4
GRACE_S = 3.0
# How soon to look at the queue again if its next delivery is due but waits for another one of the same alert.
LOOK_AGAIN_S = 1.0
LONGEST_SLEEP_S = 60.0
TRIED_ANEW_NS = 3600 * SECOND_NS  # after a start, whatever the age: the clock may have been set forward meanwhile

Note = Callable[[Mapping[str, Any]], Awaitable[None]]

log = logging.getLogger(__name__)


class Sender:
    """The deliveries of one process to all receivers. Used from one event loop.

    clock_ns  the clock by which attempts are due; it is steady (`pipeline.base.clock.evenly`)
    wall_ns   the host's time, for the timestamps of attempts
    rng       for the jitter between attempts
    """

    def __init__(
        self,
        receivers: Iterable[Receiver],
        archive: AlertArchive,
        *,
        brokers: Sequence[Broker] = (),
        clock_ns: Callable[[], int],
        wall_ns: Callable[[], int],
        rng: random.Random,
        ssl_context: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
        note: Note | None = None,
    ) -> None:
        """Raises ConfigError if a receiver cannot be used as it is configured."""
        self._lines = [
            _Line(
                receiver,
                notifier_of(receiver, brokers, wall_ns=wall_ns, ssl_context=ssl_context, resolve=resolve),
                archive,
                clock_ns,
                wall_ns,
                rng,
                note,
            )
            for receiver in receivers
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._archive = archive
        self._clock_ns = clock_ns

    @property
    def receivers(self) -> tuple[str, ...]:
        """The names of the receivers."""
        return tuple(line.receiver.name for line in self._lines)

    async def start(self) -> None:
        """Start to send, including what an earlier process left in the queue.

        Times that a change of the host's clock made wrong are corrected first: a delivery waits at most the longest
        back-off, and one that seems too old is tried for another hour.
        """
        await asyncio.to_thread(
            self._archive.take_up,
            self._clock_ns(),
            longest_wait_ns=int(BACKOFF.longest_s * SECOND_NS),
            longest_age_ns=DELIVER_FOR_NS - TRIED_ANEW_NS,
        )
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every URL, which may be secret
        self._tasks = [asyncio.create_task(line.run(), name=f"alerts to {line.receiver.name}") for line in self._lines]
        self._tasks += [asyncio.create_task(line.look_at_address()) for line in self._lines]

    async def stop(self) -> None:
        """Stop. Requests in progress get a few seconds to end; the rest stays in the queue."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(line.close() for line in self._lines))
        self._tasks = []

    def wake(self) -> None:
        """Look at the queue now, because something was added. Only from the event loop's thread."""
        for line in self._lines:
            line.look.set()


class _Line:
    """The connection to one receiver."""

    def __init__(
        self,
        receiver: Receiver,
        notifier: Notifier,
        archive: AlertArchive,
        clock_ns: Callable[[], int],
        wall_ns: Callable[[], int],
        rng: random.Random,
        note: Note | None,
    ) -> None:
        self.receiver = receiver
        self._notifier = notifier
        self._note_in_log = note
        self.look = asyncio.Event()
        self._archive = archive
        self._clock_ns = clock_ns
        self._wall_ns = wall_ns
        self._rng = rng
        self._is_failing = False
        metrics.webhook_failing.labels(receiver.name).set(0)
        self._under_way: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Send due deliveries until cancelled."""
        await repeat(self.look, self._look, f"the queue of deliveries to {self.receiver.name} cannot be read")

    async def _look(self) -> float | None:
        await self._send_due()
        return await self._sleep_s()

    async def look_at_address(self) -> None:
        """Warn at start if the address cannot be used, and not only at the first alert."""
        told = await self._notifier.trouble()
        if told is not None:
            log.warning("alerts cannot be sent to %s (%s): %s", self.receiver.name, self.receiver.shown, told)

    async def close(self) -> None:
        """Wait a short time for requests in progress, then close the connections."""
        tasks = list(self._under_way.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._notifier.close()

    async def _send_due(self) -> None:
        # Remove finished requests before the queue is read, not after: the queue could have been read before their
        # result was recorded. Requests in progress are still queued and due longest, so they count towards the limit
        # here.
        self._under_way = {seq: task for seq, task in self._under_way.items() if not task.done()}
        due = await asyncio.to_thread(self._archive.due, self._clock_ns(), self.receiver.name, CONCURRENT_REQUESTS)
        for delivery in due:
            if delivery.seq not in self._under_way and len(self._under_way) < CONCURRENT_REQUESTS:
                self._under_way[delivery.seq] = asyncio.create_task(self._deliver(delivery))

    async def _sleep_s(self) -> float | None:
        """How long nothing becomes due; None: until something is queued. A finished request ends the sleep too."""
        next_ns = await asyncio.to_thread(self._archive.next_due_ns, self.receiver.name)
        if next_ns is None:
            return None
        ahead_s = (next_ns - self._clock_ns()) / SECOND_NS
        return min(ahead_s, LONGEST_SLEEP_S) if ahead_s > 0 else LOOK_AGAIN_S

    async def _deliver(self, delivery: Delivery) -> None:
        """Make one attempt and record its result."""
        try:
            await self._note(delivery, await self._attempt(delivery))
        except Exception:
            log.exception(
                "the result of the delivery %s to %s was not recorded; it is sent again",
                delivery.id,
                self.receiver.name,
            )
            await asyncio.sleep(LOOK_AGAIN_S)
        finally:
            self.look.set()

    async def _attempt(self, delivery: Delivery) -> Verdict:
        """What follows an attempt. Whatever goes wrong with it, it counts as one, so that the next one comes later."""
        try:
            with metrics.webhook_seconds.time():
                attempt = await self._notifier.attempt(delivery)
            return judge(delivery, attempt, self._clock_ns(), self._rng, wall_ns=self._wall_ns())
        except Exception as error:
            log.exception("an attempt to deliver %s to %s failed unexpectedly", delivery.id, self.receiver.name)
            attempt = Attempt(None, {}, f"unexpected: {type(error).__name__}; the log says more")
            return judge(delivery, attempt, self._clock_ns(), self._rng, wall_ns=self._wall_ns())

    async def _note(self, delivery: Delivery, verdict: Verdict) -> None:
        name, now_ns = self.receiver.name, self._clock_ns()
        settled: Mapping[str, Any] | None = None
        self._tell(verdict)
        match verdict:
            case Delivered(answer):
                await asyncio.to_thread(self._archive.delivered, delivery, now_ns, answer)
                outcome = "delivered"
                settled = settlement(delivery, DeliveryState.DELIVERED, now_ns, None)
            case TryAgain(at_ns, error):
                await asyncio.to_thread(self._archive.failed, delivery, at_ns, error)
                outcome = "failed"
            case GiveUp(error):
                await asyncio.to_thread(self._archive.given_up, delivery, now_ns, error)
                log.warning(
                    "gave up delivering %s to %s: %s; `streamgauge alerts retry %s` tries again",
                    *(delivery.id, name, error, delivery.id),
                )
                outcome = "given_up"
                settled = settlement(delivery, DeliveryState.GIVEN_UP, now_ns, error)
            case _:
                assert_never(verdict)
        metrics.webhook_attempts.labels(name, outcome).inc()
        if settled is not None and self._note_in_log is not None:
            await self._note_in_log(settled)

    def _tell(self, verdict: Verdict) -> None:
        """Log when a receiver begins to fail and when it works again, but not every attempt."""
        is_failing = not isinstance(verdict, Delivered)
        if is_failing == self._is_failing:
            return
        self._is_failing = is_failing
        metrics.webhook_failing.labels(self.receiver.name).set(is_failing)
        where = f"{self.receiver.name} ({self.receiver.shown})"
        match verdict:
            case Delivered():
                log.info("alerts reach %s again", where)
            case TryAgain(_, error):
                log.warning("an alert could not be delivered to %s: %s; it is tried again for a day", where, error)
            case GiveUp(error):
                log.warning("an alert could not be delivered to %s: %s", where, error)
