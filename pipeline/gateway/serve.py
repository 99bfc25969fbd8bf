"""`serve`: the listener, and the brokers, until it is told to stop, or the log fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.brokers.brokers import Brokers
from pipeline.config.brokers import Broker
from pipeline.gateway.server import Gateway
from pipeline.gateway.settings import ListenerSettings
from pipeline.log.log import Appender


async def serve(
    settings: ListenerSettings,
    appender: Appender,
    *,
    clock_ns: Callable[[], int],
    stop: asyncio.Event,
    on_listening: Callable[[int], None] | None = None,
    brokers: Sequence[Broker] = (),
    brokers_folder: Path = Path("brokers"),
) -> None:
    """Take in what devices publish, here and at `brokers`, until `stop` is set, then end gracefully. `on_listening` is
    told the port; `brokers_folder` keeps who we are to brokers.

    `appender` is started, and stays so. Raises LogError if the log fails (a full one does not), OSError if the address
    cannot be had, ConfigError or DataDirError for brokers that cannot even be tried.
    """
    gateway = Gateway(settings, appender, clock_ns=clock_ns)
    subscriptions = Brokers(brokers, brokers_folder, gateway.stage, gateway.names)
    gateway.also_on_pressure = subscriptions.on_pressure
    await gateway.start()
    subscriptions.start()
    if on_listening is not None:
        on_listening(gateway.port)
    stopped = asyncio.create_task(stop.wait())
    try:
        ends: set[asyncio.Future[Any]] = {stopped, gateway.stage.failed}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        subscriptions.stop_reading()
        await gateway.stop()
        await subscriptions.stop()
    if gateway.stage.failed.done():
        gateway.stage.failed.result()
