"""The gateway process: `run` until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import signal
import time

import uvloop

from pipeline.config import Config
from pipeline.gateway.serve import serve
from pipeline.gateway.settings import ListenerSettings, User
from pipeline.log import open_appender
from pipeline.process_figures import ProcessFigures


def run(config: Config) -> None:
    """Take in what devices publish, until SIGTERM or SIGINT; then end gracefully.

    Raises LogError if the log cannot be used or fails, OSError if the address cannot be had.
    """
    uvloop.run(_run(config))


def listener_settings(config: Config) -> ListenerSettings:
    """What the configuration says about the listener."""
    listener = config.listener
    return ListenerSettings(
        host=listener.address.host,
        port=listener.address.port,
        users=tuple(User(user.username, user.password.get_secret_value(), user.account) for user in listener.users),
    )


async def _run(config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    appender = open_appender(config.log_url, max_bytes=config.log.max_bytes, min_free_bytes=config.log.min_free)
    await appender.start()
    # What is here now stays: the collector need not look at it again with every thousand sessions that come.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    figures = asyncio.create_task(ProcessFigures("gateway").keep_updated())
    try:
        await serve(listener_settings(config), appender, clock_ns=time.time_ns, stop=stop)
    finally:
        figures.cancel()
        await appender.stop()
