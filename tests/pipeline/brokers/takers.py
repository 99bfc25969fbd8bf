"""What takes in messages of brokers in a test's own loop, and questions to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipeline import metrics
from pipeline.brokers.settings import BrokerSettings
from pipeline.brokers.subscriptions import Subscriptions
from pipeline.frame import Frame, decode_frame
from pipeline.log.testing import FakeAppender
from pipeline.stages.mqtt_to_readings import MqttToReadings

DEADLINE_S = 30.0


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait, and let the loop run."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, what
        await asyncio.sleep(0.01)


def counted(metric: object, *labels: str) -> float:
    """What a metric with these labels shows."""
    return float(metric.labels(*labels)._value.get())  # type: ignore[attr-defined]


@dataclass
class Taker:
    """A stage with a log in memory, and subscriptions that feed it."""

    log: FakeAppender
    stage: MqttToReadings
    subscriptions: Subscriptions
    brokers: Sequence[BrokerSettings] = field(default_factory=list)

    def frames(self) -> list[Frame]:
        return [decode_frame(value) for _, value in self.log.appended]

    def payloads(self) -> list[bytes]:
        return [payload for frame in self.frames() for payload in frame.payloads]

    def topics(self) -> list[str]:
        return [topic for frame in self.frames() for topic in frame.mqtt_topics]

    def connected(self) -> bool:
        return self.subscriptions.are_ready

    def acked(self) -> float:
        return sum(counted(metrics.broker_acks, broker.name) for broker in self.brokers)

    async def stop(self) -> None:
        """As the gateway does."""
        self.log.is_stalled = self.log.is_full = False
        self.log.let_go()
        self.subscriptions.pause()
        await self.stage.drain()
        await self.subscriptions.stop()
        self.stage.stop()
        self.stage.failed.cancel()


Take = Callable[..., Taker]
