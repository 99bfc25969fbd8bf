"""Zero loss through a broker: counted from its promise while it keeps that, from our acknowledgement when it dies."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.support.fault_kit import (
    FIRST_ID,
    At,
    Sender,
    assert_nothing_lost,
    caught_up,
    config,
    publish_for,
    stored_ids,
)
from tests.support.mosquitto import Mosquitto, Relay
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]


def acknowledged_ids(relay: Relay) -> set[int]:
    """Of the messages that we have acknowledged to the broker."""
    return {int(json.loads(payload)["id"]) for payload in relay.acknowledged()}


def publishing(at: At, name: str, first_id: int, seconds: float) -> Sender:
    return Sender(at, seconds=seconds, name=name, rate=1_000, connections=10, sensors=1_000, first_id=first_id)


def test_what_came_through_a_broker_is_stored_once_whatever_is_cut_paused_restarted_or_killed(tmp_path: Path) -> None:
    """TCP cut, broker stopped and continued, gateway killed, broker restarted, in mid-load: all that the broker took is
    stored, once. Then the broker is killed, and with it goes what it had not handed over: what we acknowledged stays.
    """
    with Mosquitto(tmp_path / "mosquitto") as mosquitto, Relay(mosquitto.address) as relay:
        entry = {"url": f"mqtt://{relay.address}", "topics": ["fault/#"]}
        with Product(tmp_path, config(brokers=[entry])) as product:
            at = At(mosquitto.address, tmp_path)
            wait_for(lambda: "subscribed to fault/#" in product.output.read_text(), "a subscription")

            with publishing(at, "kept", FIRST_ID, 9) as kept:
                publish_for(1.5)
                relay.cut()
                publish_for(1.5)
                mosquitto.pause()
                publish_for(1)
                mosquitto.go_on()
                publish_for(1)
                product.kill("gateway")
                publish_for(1)
                mosquitto.restart()
                kept.result()

            assert_nothing_lost(product, kept)
            first = acknowledged_ids(relay)
            wait_for(lambda: caught_up(product), "what we have acknowledged is applied")
            assert first <= set(stored_ids(product).tolist())

            with publishing(at, "killed", FIRST_ID + 1_000_000, 3) as killed:
                publish_for(1.5)
                mosquitto.restart(signal.SIGKILL)
                killed.result()
            wait_for(lambda: acknowledged_ids(relay) - first, "messages of the second load")

            acknowledged = acknowledged_ids(relay)
            wait_for(lambda: caught_up(product), "what we have acknowledged is applied")
            stored = stored_ids(product)
            assert len(acknowledged) > len(first)
            assert acknowledged <= set(stored.tolist())
            assert len(stored) == len(np.unique(stored))
