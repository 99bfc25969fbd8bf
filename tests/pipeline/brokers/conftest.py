"""A gateway in the test's own loop with a fake log, and the brokers it subscribes to."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from intake import Intake, Publisher, Take

from pipeline.brokers.brokers import Brokers
from pipeline.brokers.testing import Mosquitto
from pipeline.config.brokers import Broker
from pipeline.gateway.server import Gateway
from pipeline.gateway.settings import ListenerSettings
from pipeline.log.testing import FakeAppender
from pipeline.stages.mqtt_to_readings import BatchSettings


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that keeps what it holds over a restart."""
    with Mosquitto(tmp_path / "mosquitto") as running:
        yield running


@pytest.fixture
async def take(tmp_path: Path) -> AsyncIterator[Take]:
    """Starts gateways that subscribe to the brokers that a test names."""
    intakes: list[Intake] = []

    async def start(*brokers: dict[str, Any] | Broker, folder: str = "gateway", **batch: Any) -> Intake:
        log = FakeAppender()
        settings = replace(ListenerSettings(port=0, stop_timeout_s=5), batch=replace(BatchSettings(), **batch))
        gateway = Gateway(settings, log, clock_ns=time.time_ns)
        entries = [broker if isinstance(broker, Broker) else Broker(**broker) for broker in brokers]
        subscriptions = Brokers(entries, tmp_path / folder, gateway.stage, gateway.names)
        gateway.also_on_pressure = subscriptions.on_pressure
        await gateway.start()
        subscriptions.start()
        intakes.append(Intake(gateway, subscriptions, log))
        return intakes[-1]

    yield start
    for intake in intakes:
        await intake.stop()


@pytest.fixture
def publish(mosquitto: Mosquitto) -> Iterator[Publisher]:
    """Publishes to the broker, and returns once it has acknowledged."""
    publisher = Publisher(mosquitto.port)
    yield publisher
    publisher.close()
