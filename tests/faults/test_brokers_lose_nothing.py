"""Through a broker: what it acknowledged to a sender is stored exactly once, whatever is cut, paused or killed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from fault_kit import Sender, assert_nothing_lost, config, publish_for
from mosquitto import Wire, running

from pipeline.testing import Product, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]


@dataclass
class Front:
    """What a sender is told: where the product's files are, and the broker in front of it."""

    folder: Path
    mqtt: str


def connections(product: Product) -> int:
    """How often the gateways have connected to the broker."""
    return product.output.read_text().count("pipeline.brokers.connection: connected to ")


def connected_again(product: Product, before: int) -> None:
    wait_for(lambda: connections(product) > before, "the gateway is connected again", timeout_s=60)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_the_broker_acknowledged_is_stored_exactly_once(tmp_path: Path, version: str) -> None:
    """In mid-load: the wire cut, the broker paused and restarted, the gateway killed by SIGKILL."""
    with running(tmp_path / "mosquitto") as broker:
        wire = Wire(broker.port)
        entry = {"url": f"mqtt://127.0.0.1:{wire.port}", "topics": ["fault/#"], "version": version, "keep_alive": "1s"}
        with Product(tmp_path, config(brokers=[entry])) as product:
            connected_again(product, 0)
            with Sender(
                Front(tmp_path, broker.address),  # type: ignore[arg-type]  # has what is asked of a product
                seconds=9,
                rate=600,
                connections=10,
                sensors=500,
            ) as sender:
                publish_for(1)
                before = connections(product)
                wire.cut()
                connected_again(product, before)

                before = connections(product)
                with broker.paused():
                    wait_for(lambda: "was silent for" in product.output.read_text(), "the silence is noticed")
                connected_again(product, before)

                before = connections(product)
                broker.stop()
                broker.start()
                connected_again(product, before)

                before = connections(product)
                product.kill("gateway")
                connected_again(product, before)
                sender.result()

            assert_nothing_lost(product, sender)
        wire.end()
    assert "forgotten our session" not in product.output.read_text()
