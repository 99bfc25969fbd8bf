"""The log as a transport of Faust: what an application says about its use, and the transport of the embedded log.

Faust's own positions ("committed offsets") decide nothing: they may pass a message that was never processed. Where
reading starts is asked of the application at every assignment (`LogUse.start_offset`), which keeps its positions with
its data.
What of Faust's driver interface serves transactions and changelogs has no meaning here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from faust.transport import base
from faust.types import TP

from pipeline.log.faust.consumer import Consumer as LocalConsumer
from pipeline.log.faust.partitions import PartitionConsumer
from pipeline.log.faust.producer import Producer
from pipeline.log.settings import LogSettings

TopicPartitions: TypeAlias = set[TP]


async def _nothing(_partitions: set[TP]) -> None:
    """Nothing to take up or to let go."""


@dataclass(frozen=True, slots=True)
class LogUse:
    """How an application uses its log. Topics have their bare names here.

    settings       where the log is, and what its appends are held to
    start_offset   where to begin to read a partition: the first offset not yet processed, or None if nothing ever was.
                   Called for each partition at assignment, just before its messages flow; may block for milliseconds on
                   the embedded log, and for seconds on Kafka, where a thread of its own asks.
    on_assigned    takes these partitions up, before `start_offset` is asked: all that the application has from now on,
                   those it had before too. May take longer than a rebalance: the others of the group do not wait.
    on_revoked     lets these partitions go: at the start of each rebalance all of them, and at a graceful end. What
                   agents had in hand of them is finished, and nobody else has them until this returns; it must within
                   `LogSettings.rebalance_s`, or they are given away.
    client_id      what `LogAdmin.owners` calls this application: the address at which its peers reach it
    """

    settings: LogSettings
    start_offset: Callable[[TP], int | None]
    on_assigned: Callable[[set[TP]], Awaitable[None]] = _nothing
    on_revoked: Callable[[set[TP]], Awaitable[None]] = _nothing
    client_id: str = "streamgauge"


class Transport(base.Transport):
    """Found by Faust under the scheme `local`. Its application has the attribute `log_use`."""

    Consumer: ClassVar[type[PartitionConsumer]] = LocalConsumer
    Producer = Producer
    default_port = 0
    driver_version = "streamgauge"

    def __init__(self, url: list[Any], app: Any, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(url, app, loop)
        self.use: LogUse = app.log_use
