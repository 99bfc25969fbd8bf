"""The gateway process: `run` until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import uvloop

from pipeline.base import metrics
from pipeline.base.arrival import host_stamps
from pipeline.base.clock import Steps
from pipeline.base.ports import taken_ports_explained
from pipeline.base.process import keep_existing_objects
from pipeline.base.process_metrics import ProcessMetrics
from pipeline.base.quantities import Address
from pipeline.config import Config
from pipeline.gateway.brokers.identity import Identity
from pipeline.gateway.listener.settings import ListenerSettings, User
from pipeline.gateway.listening import Listening
from pipeline.gateway.mqtt_to_readings import PARTITIONED_CLOSE_AFTER_S
from pipeline.gateway.serve import serve
from pipeline.log import open_appender
from pipeline.log.topics import READINGS
from pipeline.stream.partitioning import partitioner_of
from store.objects import damage

log = logging.getLogger(__name__)


def run(config: Config) -> None:
    """Receive messages until SIGTERM or SIGINT; then end gracefully. SIGHUP loads the certificates again.

    Raises ConfigError if the certificates cannot be used, LogError if the log cannot be used or fails, OSError if the
    address cannot be used.
    """
    damage.observe(metrics.count_damage)
    uvloop.run(_run(config))


def listener_settings(config: Config) -> ListenerSettings:
    """The settings of the listener from the configuration."""
    listener = config.listener
    return ListenerSettings(
        host=listener.address.host,
        port=listener.address.port,
        users=tuple(
            User(user.username, None if user.password is None else user.password.get_secret_value(), user.account)
            for user in listener.users
        ),
        tls=config.listener_tls,
        most_connections=listener.limits.connections,
        most_pending=listener.limits.pending,
        most_pending_per_address=listener.limits.pending_per_address,
        message_rates=config.message_rates,
        connect_timeout_s=listener.limits.connect_timeout.total_seconds(),
    )


@contextmanager
def _answering(config: Config, stop: asyncio.Event) -> Iterator[None]:
    """Serve /metrics and /healthz at `listener.metrics`, if there is one; if the server ends by itself, `stop` is set.

    Raises PortTaken if another process has the port, and at the end the error that ended the server.
    """
    address = config.listener.metrics
    if address is None:
        yield
        return
    from pipeline.api.http.metrics_server import metrics_server  # noqa: PLC0415  # slow to import, and rarely used

    loop, failures = asyncio.get_running_loop(), []

    def fail(error: BaseException) -> None:
        failures.append(error)
        loop.call_soon_threadsafe(stop.set)

    with taken_ports_explained(address, "listener.metrics"):
        server = metrics_server(address, config.own_hosts(socket.gethostname()), fail)
    server.start()
    log.info("metrics at http://%s/metrics", Address(*server.address))
    try:
        yield
    finally:
        server.stop()
    if failures:
        raise failures[0]


@contextmanager
def _identity(config: Config) -> Iterator[Identity | None]:
    """The identity of this gateway, if brokers or rules need one. Raises DataDirError."""
    identity = Identity(config.layout.brokers) if config.brokers or config.rules else None
    try:
        yield identity
    finally:
        if identity is not None:
            identity.release()


async def _run(config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    reload = asyncio.Event()
    hangup = stop if sys.stderr.isatty() else reload  # the terminal was closed, or new certificates
    loop.add_signal_handler(signal.SIGHUP, hangup.set)
    appender = open_appender(config.log_settings)
    await appender.start()
    keep_existing_objects()
    beside = [asyncio.create_task(job) for job in (ProcessMetrics("gateway").keep_updated(), Steps("gateway").watch())]
    try:
        settings = listener_settings(config)
        partition_of = partitioner_of(config.tables, appender.partitions_of(READINGS))
        if partition_of is not None:
            settings = replace(settings, batch=replace(settings.batch, close_after_s=PARTITIONED_CLOSE_AFTER_S))
        with _answering(config, stop), _identity(config) as identity:
            await serve(
                settings,
                appender,
                stamps=host_stamps(),
                stop=stop,
                reload=reload,
                partition_of=partition_of,
                brokers=config.brokers,
                identity=identity,
                # only rules want to know, and ticks would keep the disk of an idle machine awake
                listening=Listening(identity.name) if identity is not None and config.rules else None,
            )
    finally:
        for task in beside:
            task.cancel()
        await appender.stop()
