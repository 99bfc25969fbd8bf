"""Several gateways share a port: one is killed, the others go on, and what any of them acknowledged is stored."""

from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.support.fault_kit import FIRST_ID, Sender, assert_nothing_lost, config, publish_for
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

GATEWAYS = ("gateway-1", "gateway-2")


def connections(product: Product) -> dict[str, float]:
    """How many devices each gateway has now."""
    page = httpx.get(f"http://{product.http}/metrics").text
    found = {}
    for line in page.splitlines():
        if line.startswith('streamgauge_gateway_connections{gateway="'):
            found[line.split('"')[1]] = float(line.rpartition(" ")[2])
    return found


def starts(product: Product) -> int:
    """How often a gateway has begun to listen."""
    return product.output.read_text().count("listening for MQTT")


def test_each_gateway_is_killed_under_load_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """Each time with new devices, since those of a gateway that was killed all go to the other one."""
    text = config(listener={"address": "127.0.0.1:0", "gateways": len(GATEWAYS)})
    acked, unknown = [], []
    with Product(tmp_path, text) as product:
        for number, gateway in enumerate(GATEWAYS):
            wait_for(lambda number=number: starts(product) == 2 + number, "both listen")  # type: ignore[misc]
            load = Sender(
                product,
                seconds=3600,
                rate=2_000,
                connections=40,
                first_id=FIRST_ID + number * 10_000_000,
                name=gateway,
            )
            with load as sender:
                wait_for(lambda: len([n for n in connections(product).values() if n]) == 2, "both have devices")
                publish_for(0.5)
                other = next(name for name in GATEWAYS if name != gateway)
                other_pid = product.pid(other)
                product.kill(gateway)
                assert product.pid(other) == other_pid
                publish_for(0.5)
                sender.stop()
                sender.result()
            acked.append(sender.acked)
            unknown.append(sender.unknown)

        sender.acked, sender.unknown = np.concatenate(acked), np.concatenate(unknown)
        assert_nothing_lost(product, sender)
        assert f"{GATEWAYS[0]} was killed by SIGKILL; starting it again" in product.output.read_text()
