"""A gateway in the test's own loop with a fake log, and the brokers it subscribes to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics import MetricWrapperBase

from pipeline.base import metrics
from pipeline.config.brokers import Broker
from tests.support.broker_intake import Intake, Publisher, Take, start_intake
from tests.support.mosquitto import Mosquitto


@pytest.fixture(autouse=True)
def _counted_from_zero() -> None:
    """Brokers are counted by their address, and a free port may be one that a broker of an earlier test had."""
    for name, metric in vars(metrics).items():
        if name.startswith("broker_") and isinstance(metric, MetricWrapperBase):
            metric.clear()


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
        intakes.append(await start_intake(tmp_path / folder, *brokers, **batch))
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
