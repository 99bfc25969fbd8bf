"""A Faust application that can run inside a process of ours.

It disables what Faust does by default and must not do here: listen on port 6066, create folders in the working
directory, elect a leader through a topic, scan modules for agents. Start and stop it within a running event loop:

    app = new_app(LogUse(settings, start_offset))
    @app.agent(app.topic(READINGS), concurrency=1) …
    async with running(app):
        await app.wait_until_stopped()  # ends when it has crashed: see `app.crash_reason`

An application that was started must be stopped before its loop ends: Faust restarts agents that are only cancelled, and
`asyncio.run` would wait for ever.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import faust
from faust.tables import TableManager

from pipeline.log.faust import NoWebClient
from pipeline.log.faust.transport import LogUse, Transport

STREAM_BUFFER_EVENTS = 64  # each event is a batch of readings
NOT_USED = "local:///log"  # Faust needs a broker's url; the real one is in `LogUse.settings`


class _NoTables(TableManager):
    async def on_start(self) -> None:
        """As in Faust, without waiting a second for tables."""
        await self._update_channels()
        await self.recovery.start()


class App(faust.App):
    """Faust's application, with its use of the log."""

    log_use: LogUse

    def _create_directories(self) -> None:
        """Do nothing: the folders are for Faust's tables, which are not used."""

    def _init_fixups(self) -> list[Any]:
        """None: they adapt Faust to Django, and to look for them reads the metadata of all installed packages."""
        return []

    def agent(self, channel: Any = None, *, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """As Faust's, without its `venusian.attach`, which is for scanning modules for agents.

        It asks the file system for the path of every loaded module: for five agents a third of the CPU of a start.
        """

        def add(run: Any) -> Any:
            make: Any = self.conf.Agent
            agent = make(run, name=name, app=self, channel=channel, on_error=self._on_agent_error, **options)
            self.agents[agent.name] = agent
            self.topics.beacon.add(agent)
            return agent

        return add


def new_app(use: LogUse, *, name: str = "streamgauge", **settings: Any) -> App:
    """An application with the log `use`; `settings` are further settings of Faust.

    Call it in the running event loop.
    """
    app = App(
        name,
        broker=NOT_USED,
        autodiscover=False,
        TableManager=_NoTables,
        HttpClient=NoWebClient,
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
    """Start the application; at the end agents finish their current events, then the log is closed.

    Raises the exception with which the application crashed, if it did.
    """
    await app.start()
    try:
        yield
    finally:
        await app.stop()
    if app.crash_reason is not None:
        raise app.crash_reason
