"""A subscription to one broker, for as long as the gateway runs: connects, holds, and connects again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable

from pipeline import metrics
from pipeline.brokers import paho_client
from pipeline.brokers.backoff import Backoff
from pipeline.brokers.causes import cause_of
from pipeline.brokers.connection import Connection
from pipeline.brokers.errors import BrokerError
from pipeline.brokers.identity import Identity
from pipeline.brokers.settings import BrokerSettings
from pipeline.stages.mqtt_to_readings import MqttToReadings

logger = logging.getLogger(__name__)


class Subscription:
    """One entry of the configuration. `run` never ends by itself; `stop` ends it."""

    def __init__(self, settings: BrokerSettings, client_id: str, stage: MqttToReadings, identity: Identity) -> None:
        self._settings = settings
        self._client_id = client_id
        self._stage = stage
        self._identity = identity
        self._backoff = Backoff()
        self._connection: Connection | None = None
        self._may_read = asyncio.Event()
        self._may_read.set()
        metrics.broker_connected.labels(settings.name).set(0)

    @property
    def is_ready(self) -> bool:
        """Whether it is connected and subscribed."""
        connection = self._connection
        return connection is not None and connection.is_ready and not connection.lost.done()

    async def run(self) -> None:
        """Connect, hold, and wait, for ever."""
        while True:
            await self._may_read.wait()  # a broker whose answer is not read would seem dead
            began_s = time.monotonic()
            error = await self._hold()
            wait_s = self._backoff.wait_s(time.monotonic() - began_s if self._was_ready() else 0.0)
            metrics.broker_errors.labels(self._settings.name, error.reason).inc()
            logger.warning("no connection to the broker: %s; the next attempt in %.1f s", error, wait_s)
            await asyncio.sleep(wait_s)
            metrics.broker_reconnects.labels(self._settings.name).inc()

    def pause(self) -> None:
        """Read no more."""
        self._may_read.clear()
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """Read again."""
        self._may_read.set()
        if self._connection is not None:
            self._connection.resume()

    def stop(self) -> None:
        """Say goodbye to the broker; it keeps our session."""
        if self._connection is not None:
            self._connection.close()

    def _was_ready(self) -> bool:
        return self._connection is not None and self._connection.is_ready

    async def _hold(self) -> BrokerError:
        """One connection from beginning to end; why it ended."""
        self._connection = None
        try:
            connection = Connection(self._settings, self._client_id, self._stage, self._identity)
            await _in_thread(
                lambda: paho_client.connect(connection.client, self._settings),
                undo=lambda: _close_socket(connection),
            )
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told, and tried again
            return cause_of(self._settings, error)
        self._connection = connection
        connection.attach()
        await asyncio.wait([connection.lost])  # cancelled, it leaves the future alone
        return connection.lost.result()


def _close_socket(connection: Connection) -> None:
    sock = connection.client.socket()
    if sock is not None:
        sock.close()


async def _in_thread(connect: Callable[[], None], *, undo: Callable[[], None]) -> None:
    """Run `connect`, which blocks, in a thread that the end of the process does not wait for. If nobody wants the
    outcome any more when it is there, `undo`.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(error: Exception | None) -> None:
        if done.cancelled():
            undo()
        elif error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def work() -> None:
        error: Exception | None = None
        try:
            connect()
        except Exception as raised:  # noqa: BLE001  # it is raised where it is awaited
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, error)

    threading.Thread(target=work, name="connect-to-broker", daemon=True).start()
    await done
