"""The gateway process: `run` until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import time
from dataclasses import replace

import uvloop

from pipeline.config import Config
from pipeline.gateway.serve import serve
from pipeline.gateway.settings import ListenerSettings, User
from pipeline.log import open_appender
from pipeline.log.topics import READINGS
from pipeline.partitioning import partitioner_of
from pipeline.process_figures import ProcessFigures
from pipeline.stages.mqtt_to_readings import PARTITIONED_CLOSE_AFTER_S


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
    appender = open_appender(config.log_settings)
    await appender.start()
    # What is here now stays: the collector need not look at it again with every thousand sessions that come.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    figures = asyncio.create_task(ProcessFigures("gateway").keep_updated())
    try:
        settings = listener_settings(config)
        partition_of = partitioner_of(config.tables, appender.partitions_of(READINGS))
        if partition_of is not None:
            settings = replace(settings, batch=replace(settings.batch, close_after_s=PARTITIONED_CLOSE_AFTER_S))
        await serve(
            settings,
            appender,
            clock_ns=time.time_ns,
            stop=stop,
            reload=reload,
            partition_of=partition_of,
            brokers=config.brokers,
            brokers_folder=config.layout.brokers,
        )
    finally:
        figures.cancel()
        await appender.stop()
