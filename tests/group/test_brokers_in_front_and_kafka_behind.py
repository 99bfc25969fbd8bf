"""Two gateways share what a broker hands over, two workers what Kafka holds; nothing is lost when one of them dies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.fault_kit import At, Sender, assert_nothing_lost, publish_for
from tests.support.group_kit import shared_out
from tests.support.group_product import GroupProduct
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]


def test_what_a_broker_took_is_stored_once_whoever_is_killed(start: Any, tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "mosquitto") as mosquitto:
        entry = {"url": f"mqtt://{mosquitto.address}", "topics": ["fault/#"], "group": "gateways"}
        product: GroupProduct = start(sections={"brokers": [entry]})
        wait_for(lambda: shared_out(product), "each worker has partitions", timeout_s=60)
        for gateway in product.gateways:
            wait_for(lambda of=gateway: "subscribed to" in of.output.read_text(), "a subscription")  # type: ignore[misc]
        with Sender(
            At(mosquitto.address, tmp_path), seconds=16, rate=1_000, connections=10, sensors=1_000, drain_s=60
        ) as sender:
            for part in product.parts:
                publish_for(3)
                product.restart(part)
            sender.result()
        assert_nothing_lost(product, sender, timeout_s=120)
