"""`serve`: the listener until it is told to stop, or the log fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.base.arrival import ArrivalStamps
from pipeline.config.brokers import Broker
from pipeline.gateway.brokers.brokers import Brokers
from pipeline.gateway.brokers.identity import Identity
from pipeline.gateway.listener.server import Gateway
from pipeline.gateway.listener.settings import ListenerSettings
from pipeline.gateway.listening import Listening
from pipeline.log.log import Appender
from pipeline.stream.partitioning import Partitioner


async def serve(
    settings: ListenerSettings,
    appender: Appender,
    *,
    stamps: ArrivalStamps,
    stop: asyncio.Event,
    reload: asyncio.Event | None = None,
    on_listening: Callable[[int], None] | None = None,
    partition_of: Partitioner | None = None,
    brokers: Sequence[Broker] = (),
    identity: Identity | None = None,
    listening: Listening | None = None,
) -> None:
    """Receive messages, at the listener and from `brokers`, until `stop` is set, then end gracefully.

    `on_listening` is called with the port; `identity` is this gateway's at `brokers`; `listening` is told in the log.
    `appender` is started, and is not stopped here. Setting `reload` loads the certificates again. Raises ConfigError if
    certificates, or those for brokers, cannot be used at the start, LogError if the log fails (not if it is full, or
    Kafka is unavailable), OSError if the address cannot be used.
    """
    gateway = Gateway(settings, appender, stamps=stamps, partition_of=partition_of, listening=listening)
    subscriptions = Brokers(brokers, identity, gateway.stage, gateway.names)
    await gateway.start()
    gateway.on_pressure.append(subscriptions.on_pressure)
    subscriptions.start()
    if on_listening is not None:
        on_listening(gateway.port)
    reloading = asyncio.create_task(_reload(gateway, reload or asyncio.Event()))
    stopped = asyncio.create_task(stop.wait())
    try:
        ends: set[asyncio.Future[Any]] = {stopped, gateway.stage.failed}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        reloading.cancel()
        gateway.on_pressure.clear()
        subscriptions.stop_reading()
        await gateway.stop()
        await subscriptions.stop()
    if gateway.stage.failed.done():
        gateway.stage.failed.result()


async def _reload(gateway: Gateway, reload: asyncio.Event) -> None:
    while True:
        await reload.wait()
        reload.clear()
        gateway.reload_certificates()
