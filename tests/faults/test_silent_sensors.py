"""Sensors fall silent while processes are killed and stopped: each of their outages alerts once, none of ours does."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.paho_clients import disconnect
from tests.support.ports import kept_ports
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

AFTER_S = 12
FROZEN_S = AFTER_S + 3
RULES = f"""\
groups:
  - name: g
    table: default.readings
    rules:
      - alert: Silent
        missing: {{after: {AFTER_S}s}}
"""
SENSORS = [f"{zone}/s{number}" for zone in "abcde" for number in range(8)]
SILENT = ["a/s0", "b/s1", "c/s2", "c/s3", "e/s7"]


class Fleet:
    """Sensors that each send about twice a second, but those in `silent`."""

    def __init__(self, port: int) -> None:
        self.silent: set[str] = set()
        self._ends = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "fleet")
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, name="fleet")
        self._thread.start()

    def _run(self) -> None:
        while not self._ends.wait(0.5):
            if self._client.is_connected():
                for sensor in SENSORS:
                    if sensor not in self.silent:
                        self._client.publish(sensor, b'{"t": 1}', qos=0)

    def stop(self) -> None:
        self._ends.set()
        self._thread.join()
        disconnect(self._client)


@contextmanager
def fleet_of(port: int) -> Iterator[Fleet]:
    fleet = Fleet(port)
    try:
        yield fleet
    finally:
        fleet.stop()


def alerts(product: Product) -> Counter[tuple[str, str]]:
    """(sensor, status) of every alert."""
    with product.client() as client:
        found = client.get("v1", "alerts", parameters=[("limit", "1000")])["alerts"]
    return Counter(("/".join(each["dimensions"].values()), each["status"]) for each in found)


def frozen(product: Product, name: str, seconds: float) -> None:
    """The process does not run for so long, and knows nothing of it."""
    pid = product.pid(name)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(pid, signal.SIGCONT)


def test_outages_of_sensors_alert_once_and_those_of_ours_never(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    with kept_ports(1) as (port,):
        config = f'listener: {{address: "127.0.0.1:{port}"}}\nhttp: {{address: "127.0.0.1:0"}}\nrules: ["rules.yaml"]\n'
        with Product(tmp_path, config) as product, fleet_of(port) as fleet:
            wait_for(lambda: len(product_devices(product)) == len(SENSORS), "every sensor is known")
            product.kill("gateway")
            frozen(product, "gateway", FROZEN_S)
            fleet.silent = set(SILENT)
            product.kill("worker")
            product.kill("gateway")
            wait_for(product.is_answering, "the worker answers")
            wait_for(lambda: len(alerts(product)) == len(SILENT), "each silent sensor has an alert")
            product.kill("worker")
            frozen(product, "gateway", FROZEN_S)
            wait_for(product.is_answering, "the worker answers")
            fired = alerts(product)
            fleet.silent = set()
            over = wait_for(
                lambda: all(status == "resolved" for _, status in alerts(product)) and alerts(product), "all resolve"
            )

    assert fired == Counter((sensor, "firing") for sensor in SILENT)
    assert over == Counter((sensor, "resolved") for sensor in SILENT)


def product_devices(product: Product) -> list[object]:
    with product.client() as client:
        devices: list[object] = client.get("v1", "devices", parameters=[("limit", "1000")])["devices"]
    return devices
