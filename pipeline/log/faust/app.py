"""A Faust application fit to run inside a process of ours.

What Faust would do by itself and must not here: listen on port 6066, make folders in the working directory, elect a
leader through a topic, scan modules for agents. Start and stop it within a running event loop:

    app = new_app(LogUse(settings, start_offset))
    @app.agent(app.topic(READINGS), concurrency=1) …
    async with running(app):
        await app.wait_until_stopped()  # ends when it has crashed: see `app.crash_reason`

An application that was started must be stopped before its loop ends: Faust restarts agents that are merely cancelled,
and `asyncio.run` would wait for ever.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import faust
from faust.tables import TableManager

from pipeline.log.faust.transport import LogUse, Transport

STREAM_BUFFER_EVENTS = 64  # each event is a batch of readings
NOT_USED = "local:///log"  # Faust wants a broker's url; ours is in the settings of the log's use


class _NoTables(TableManager):
    async def on_start(self) -> None:
        """As Faust's, without its second of waiting for tables to appear."""
        await self._update_channels()
        await self.recovery.start()


class App(faust.App):
    """Faust's application, which knows its log."""

    log_use: LogUse

    def _create_directories(self) -> None:
        """Nothing: folders serve Faust's tables, which are not used."""


def new_app(use: LogUse, *, name: str = "streamgauge", **settings: Any) -> App:
    """An application on the log `use`; `settings` are further settings of Faust. Call it where the event loop runs."""
    app = App(
        name,
        broker=NOT_USED,
        autodiscover=False,
        TableManager=_NoTables,
        value_serializer="raw",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_buffer_maxsize=STREAM_BUFFER_EVENTS,
        worker_redirect_stdouts=False,
        **settings,
    )
    app.log_use = use
    app.transport = _transport(use)([NOT_USED], app)
    app.finalize()
    return app


def _transport(use: LogUse) -> type[Any]:
    if use.settings.is_kafka:
        from pipeline.log.faust.kafka import KafkaTransport  # noqa: PLC0415  only the log in use is imported

        return KafkaTransport
    return Transport


@asynccontextmanager
async def running(app: App) -> AsyncIterator[None]:
    """Messages flow within; at the end the events that agents have in hand are finished, then the log is closed.

    Raises what the application crashed of, if it did.
    """
    await app.start()
    try:
        yield
    finally:
        await app.stop()
    if app.crash_reason is not None:
        raise app.crash_reason
