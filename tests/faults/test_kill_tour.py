"""One life of the product with the embedded log, in which everything is killed; each law has a witness."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.mosquitto import Mosquitto, Relay
from tests.support.ports import kept_ports
from tests.support.tour.deployment import Embedded
from tests.support.tour.settings import tour_settings
from tests.support.tour.tour import travel, witnesses_of

pytestmark = [pytest.mark.processes, pytest.mark.timeout(3600)]


def test_no_law_is_broken_whatever_is_killed_and_when(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """`--fault-kills` makes the tour longer, `--fault-rate` the load heavier."""
    kills, rate = request.config.getoption("--fault-kills"), request.config.getoption("--fault-rate")
    with (
        kept_ports(1) as (hook,),
        Mosquitto(tmp_path / "mosquitto") as broker,
        Relay(broker.address) as relay,
        Embedded(tmp_path, tour_settings(tmp_path, relay.address, hook), is_long=kills > 3) as deployment,
    ):
        travel(deployment, witnesses_of(deployment, broker, relay, hook, rate), kills=kills)
