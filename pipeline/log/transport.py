"""The embedded log as a transport of Faust.

Faust's own positions ("committed offsets") are not kept: they may pass a message that was never processed. Where
reading starts is asked of the application at every assignment (`LogUse.start_offset`), which keeps its positions with
its data.
What of Faust's driver interface serves consumer groups, transactions and changelogs has no meaning here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faust.transport import base
from faust.types import TP

from pipeline.log.limits import Limits
from pipeline.log.transport_consumer import Consumer
from pipeline.log.transport_producer import Producer


@dataclass(frozen=True, slots=True)
class LogUse:
    """How an application uses its log.

    url            `local:///absolute/folder`; text, because yarl would take it apart and lower-case parts of it
    start_offset   where to begin to read a partition: the first offset not yet processed, or None if nothing ever was.
                   Called for each partition at assignment, just before its messages flow; may block for milliseconds.
    limits         what the application's own appends (alerts, dead letters) are held to
    """

    url: str
    start_offset: Callable[[TP], int | None]
    limits: Limits


class Transport(base.Transport):
    """Found by Faust under the scheme `local`. Its application has the attribute `log_use`."""

    Consumer = Consumer
    Producer = Producer
    default_port = 0
    driver_version = "streamgauge"

    def __init__(self, url: list[Any], app: Any, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(url, app, loop)
        self.use: LogUse = app.log_use
