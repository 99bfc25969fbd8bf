"""The kill tour with two gateways and two workers on Kafka, which is killed too; each law has a witness."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.group_kit import PARTITIONS
from tests.support.kafka_broker import Broker
from tests.support.mosquitto import Mosquitto, Relay
from tests.support.ports import kept_ports
from tests.support.tour.deployment import OnKafka
from tests.support.tour.settings import tour_settings
from tests.support.tour.tour import travel, witnesses_of

pytestmark = [pytest.mark.processes, pytest.mark.timeout(3600)]


def test_no_law_is_broken_whatever_of_the_group_is_killed_and_when(
    kafka: Broker, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """`--fault-kills` makes the tour longer, `--fault-rate` the load heavier."""
    kills, rate = request.config.getoption("--fault-kills"), request.config.getoption("--fault-rate")

    def kill_kafka() -> None:
        kafka.kill()
        kafka.start()

    with (
        kept_ports(1) as (hook,),
        Mosquitto(tmp_path / "mosquitto") as broker,
        Relay(broker.address) as relay,
        OnKafka(tmp_path, tour_settings(tmp_path, relay.address, hook), kafka, is_long=kills > 3) as deployment,
    ):
        travel(deployment, witnesses_of(deployment, broker, relay, hook, rate), kills=kills, others=[kill_kafka])
        together = {path.parent for path in deployment.state.rglob("checkpoint/*")}
        assert len(together) == PARTITIONS, "pending rows were saved of some partitions only"
