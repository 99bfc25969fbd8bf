"""A Faust application fit to run inside a process of ours.

What Faust would do by itself and must not here: listen on port 6066, make folders in the working directory, elect a
leader through a topic, scan modules for agents. Start and stop it within a running event loop:

    app = new_app(LogUse(url, start_offset, limits))
    @app.agent(app.topic(READINGS, value_serializer="raw"), concurrency=1) …
    await app.start()        # returns when all partitions are assigned and messages flow
    await app.wait_until_stopped()  # returns when it was stopped or has crashed (`app.crash_reason`)
    await app.stop()         # waits for the events that agents have in hand, then closes the log
"""

from __future__ import annotations

from typing import Any

import faust

from pipeline.log.transport import LogUse, Transport

STREAM_BUFFER_EVENTS = 64  # each event is a batch of readings


class App(faust.App):
    """Faust's application, which knows its log."""

    log_use: LogUse

    def _create_directories(self) -> None:
        """Nothing: folders serve Faust's tables, which are not used."""


def new_app(use: LogUse, *, name: str = "streamgauge", **settings: Any) -> App:
    """An application on the log `use`; `settings` are further settings of Faust. Call it where the event loop runs."""
    app = App(
        name,
        broker=use.url,
        autodiscover=False,
        value_serializer="raw",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_buffer_maxsize=STREAM_BUFFER_EVENTS,
        worker_redirect_stdouts=False,
        **settings,
    )
    app.log_use = use
    app.transport = Transport([use.url], app)
    app.finalize()
    return app
