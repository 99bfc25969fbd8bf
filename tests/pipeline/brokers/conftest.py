"""A broker, and gateways in the test's own loop that subscribe to it, with a log in memory."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from mosquitto import Mosquitto, Wire, running
from takers import Take, Taker

from pipeline.brokers.settings import BrokerSettings
from pipeline.brokers.subscriptions import Subscriptions
from pipeline.log.testing import FakeAppender
from pipeline.stages.mqtt_to_readings import BatchSettings, MqttToReadings


@pytest.fixture
async def take(tmp_path: Path) -> AsyncIterator[Take]:
    """Starts takers for the brokers that a test names; `who` is whose folder it is."""
    takers: list[Taker] = []

    def start(*brokers: BrokerSettings, who: str = "gateway", batch: BatchSettings | None = None) -> Taker:
        log = FakeAppender()
        told: list[Callable[[bool], None]] = []
        stage = MqttToReadings(
            log,
            batch or BatchSettings(),
            clock_ns=time.time_ns,
            on_pressure=lambda is_pressed: [tell(is_pressed) for tell in told] and None,
        )
        subscriptions = Subscriptions(brokers, stage, tmp_path / who)
        told.append(subscriptions.on_pressure)
        subscriptions.start()
        takers.append(Taker(log, stage, subscriptions, brokers))
        return takers[-1]

    yield start
    for taker in takers:
        if not taker.stage.failed.done():
            await taker.stop()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker that is never stopped: tests tell themselves apart by topics."""
    with running(tmp_path_factory.mktemp("mosquitto")) as one:
        yield one


@pytest.fixture
def wire(broker: Mosquitto) -> Iterator[Wire]:
    """A way to the broker that can be cut."""
    one = Wire(broker.port)
    yield one
    one.end()
