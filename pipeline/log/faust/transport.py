"""The log as a transport of Faust: how an application uses it, and the transport of the embedded log.

Faust's own positions ("committed offsets") decide nothing, because they may pass a message that was never processed. At
every assignment the application chooses where reading starts (`LogUse.start_offset`), because it keeps its positions
with its data. The parts of Faust's driver interface for transactions and changelogs have no meaning here.
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
    """The default of `on_assigned` and `on_revoked`."""


@dataclass(frozen=True, slots=True)
class LogUse:
    """How an application uses its log. Topics have their bare names here.

    settings       the settings of the log
    start_offset   the first offset of a partition that is not processed yet, or None if nothing ever was. Called for
                   each partition at assignment, before its messages flow; may block for milliseconds on the embedded
                   log, and for seconds on Kafka, where it runs in its own thread.
    on_assigned    called with all partitions of this application, also those it had before, and before `start_offset`.
                   May take longer than a rebalance: the other members of the group do not wait.
    on_revoked     called with all partitions at the start of each rebalance, and at a graceful end. Agents have
                   finished their events, and no other member has the partitions until this returns; it must return
                   within `LogSettings.rebalance_s`, or they are assigned to others.
    client_id      the name of this application in `LogAdmin.owners`: the address at which its peers reach it
    """

    settings: LogSettings
    start_offset: Callable[[TP], int | None]
    on_assigned: Callable[[set[TP]], Awaitable[None]] = _nothing
    on_revoked: Callable[[set[TP]], Awaitable[None]] = _nothing
    client_id: str = "streamgauge"


class Transport(base.Transport):
    """Faust finds it by the scheme `local`. Its application has the attribute `log_use`."""

    Consumer: ClassVar[type[PartitionConsumer]] = LocalConsumer
    Producer = Producer
    default_port = 0
    driver_version = "streamgauge"

    def __init__(self, url: list[Any], app: Any, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(url, app, loop)
        self.use: LogUse = app.log_use
