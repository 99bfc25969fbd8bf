"""The stream on one page: topics, the channel between them, and an agent for each stage.

    [readings] ─▶ readings_to_records ─▶ (records) ─┬▶ records_to_store
                        │                           └▶ records_to_alerts ─▶ [alerts] ─▶ alerts_to_webhooks
                        └▶ [dead_letters] ─▶ dead_letters_to_archive

Faust provides agents, topics, channels, partitions and back-pressure. Known faults of its 0.15 series are handled here:
it acknowledges an event whose agent raised, so an error other than the data's ends the process (`fail`) before anything
after it can be committed; its committed offsets are only a hint, and every consumer starts from its own position
(`start_offsets`). Exactly-once, tables, the leader topic and the web server are not used.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from faust.channels import Channel
from mode.utils.queues import FlowControlEvent, ThrowableQueue

from pipeline.log.faust.app import App, new_app
from pipeline.log.faust.transport import LogUse
from pipeline.log.topics import ALERTS, DEAD_LETTERS, READINGS
from pipeline.stream.work_batch import WorkBatch

Stage = Callable[[Any], Awaitable[None]]
BUFFERED_WORK_BATCHES = 4  # each holds frames of up to about 4 MB


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where stages write: when a call returns, its data is durable, or passed on."""

    dead_letters: Callable[[bytes], Awaitable[Any]]
    records: Callable[[Any], Awaitable[Any]]
    alerts: Callable[[bytes], Awaitable[Any]]
    readings: Callable[[bytes, int], Awaitable[Any]]  # to a partition: words for the rules


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages, with everything bound except their input and outlets."""

    readings_to_records: Callable[[Any, Outlets], Awaitable[None]]
    records_to_store: Stage
    records_to_alerts: Callable[[Any, Outlets], Awaitable[None]]
    alerts_to_webhooks: Callable[[Any, Outlets], Awaitable[None]]
    dead_letters_to_archive: Stage


class RecordsChannel(Channel[WorkBatch]):
    """A channel that continues while Faust suspends its topics.

    At a rebalance Faust suspends all its queues and then waits until agents have finished their current events. Then
    the first stage could never pass its batch on, and Kafka would regard this worker as dead.
    """

    @property
    def queue(self) -> ThrowableQueue[Any]:
        """The queue of one subscriber."""
        if self._queue is None:
            self._queue = ThrowableQueue(maxsize=self.maxsize, flow_control=FlowControlEvent(initially_suspended=False))
        return self._queue


def build(log_use: LogUse, stages: Stages, fail: Callable[[BaseException], None]) -> App:
    """The Faust application, not started.

    `fail` is called with the exception of a stage, and must end the process without saving anything.
    """
    app = new_app(log_use)
    topics = {name: app.topic(name, value_serializer="raw", partitions=1) for name in (READINGS, ALERTS, DEAD_LETTERS)}
    records = RecordsChannel(app, maxsize=BUFFERED_WORK_BATCHES)
    outlets = Outlets(
        dead_letters=lambda value: _append(topics[DEAD_LETTERS], value),
        records=lambda work: records.send(value=work),
        alerts=lambda value: _append(topics[ALERTS], value),
        readings=lambda value, partition: _append(topics[READINGS], value, partition),
    )

    def agent(source: Any, name: str, stage: Stage) -> None:
        async def run(stream: Any) -> None:
            try:
                await stage(stream)
            except Exception as error:  # noqa: BLE001  # whatever it is, nothing after it may be committed
                fail(error)

        app.agent(source, name=name, concurrency=1)(run)

    agent(topics[READINGS], "readings_to_records", lambda stream: stages.readings_to_records(stream, outlets))
    agent(records, "records_to_store", stages.records_to_store)
    agent(records, "records_to_alerts", lambda stream: stages.records_to_alerts(stream, outlets))
    agent(topics[ALERTS], "alerts_to_webhooks", lambda stream: stages.alerts_to_webhooks(stream, outlets))
    agent(topics[DEAD_LETTERS], "dead_letters_to_archive", stages.dead_letters_to_archive)
    return app


async def _append(topic: Any, value: bytes, partition: int | None = None) -> None:
    """Append to a topic of the log and wait until it is durable."""
    await (await topic.send(value=value, partition=partition))
