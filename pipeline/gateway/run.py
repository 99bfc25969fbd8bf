"""The gateway process: `run` until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import time

import uvloop

from pipeline.config import Config
from pipeline.gateway.serve import serve
from pipeline.gateway.settings import ListenerSettings, User
from pipeline.log import open_appender


def run(config: Config) -> None:
    """Take in what devices publish, until SIGTERM or SIGINT; then end gracefully. SIGHUP loads the certificates again.

    Raises ConfigError if the certificates cannot be used, LogError if the log cannot be used or fails, OSError if the
    address cannot be had.
    """
    uvloop.run(_run(config))


def listener_settings(config: Config) -> ListenerSettings:
    """What the configuration says about the listener."""
    listener = config.listener
    return ListenerSettings(
        host=listener.address.host,
        port=listener.address.port,
        users=tuple(
            User(user.username, None if user.password is None else user.password.get_secret_value(), user.account)
            for user in listener.users
        ),
        tls=config.listener_tls,
    )


async def _run(config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    reload = asyncio.Event()
    hangup = stop if sys.stderr.isatty() else reload  # a terminal that is closed, or an operator's word
    loop.add_signal_handler(signal.SIGHUP, hangup.set)
    appender = open_appender(config.log_url, max_bytes=config.log.max_bytes, min_free_bytes=config.log.min_free)
    await appender.start()
    # What is here now stays: the collector need not look at it again with every thousand sessions that come.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        await serve(listener_settings(config), appender, clock_ns=time.time_ns, stop=stop, reload=reload)
    finally:
        await appender.stop()
