"""Sensors fall silent while processes are killed and stopped: each of their outages alerts once, none of ours does."""

from __future__ import annotations

import math
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
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

AFTER_S = 10
FROZEN_S = AFTER_S + 2
INTERVAL_S = 2.0
RULES = f"""\
groups:
  - name: g
    table: default.readings
    rules:
      - alert: Silent
        missing: {{after: {AFTER_S}s}}
"""
MORE_RULES = """\
      - alert: Hot
        measure: t
        range: {max: 100}
"""
ZONES = [f"z{number:02}" for number in range(20)]
SENSORS = [f"{zone}/s{number:02}" for number in range(50) for zone in ZONES]
CUT_OFF = "z07"
SLICES = 20
FOR_LONG = 10**6


class Fleet:
    """Sensors on one connection that each send every INTERVAL_S, but while they are silent.

    connections  how many it has had
    """

    def __init__(self, port: int) -> None:
        self.connections = 0
        self._silences: dict[str, tuple[float, float]] = {}  # by sensor, from when until when
        self._ends = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "fleet")
        self._client.on_connect = self._on_connect
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, name="fleet")
        self._thread.start()

    def _on_connect(self, *_: object) -> None:
        self.connections += 1

    def silence(self, plan: Mapping[str, tuple[float, float]]) -> None:
        """These sensors are silent, from so many seconds after now, for so many; all others are not."""
        now_s = time.monotonic()
        self._silences = {sensor: (now_s + begin, now_s + begin + lasts) for sensor, (begin, lasts) in plan.items()}

    def _run(self) -> None:
        turn = 0
        while not self._ends.wait(INTERVAL_S / SLICES):
            turn += 1
            for sensor in SENSORS[turn % SLICES :: SLICES] if self._client.is_connected() else ():
                begin_s, end_s = self._silences.get(sensor, (math.inf, math.inf))
                if not begin_s <= time.monotonic() < end_s:
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


def random_outages(rng: random.Random) -> tuple[dict[str, tuple[float, float]], set[str]]:
    """One sensor in a hundred falls silent at a random time, and a zone is cut off; with it, who has to alert."""
    chosen = rng.sample([sensor for sensor in SENSORS if not sensor.startswith(CUT_OFF)], len(SENSORS) // 100)
    long, short = chosen[::2], chosen[1::2]
    cut_s = rng.uniform(0, FROZEN_S)
    plan = {sensor: (cut_s, FOR_LONG) for sensor in SENSORS if sensor.startswith(CUT_OFF)}
    plan |= {sensor: (rng.uniform(0, FROZEN_S), FOR_LONG) for sensor in long}
    plan |= {sensor: (rng.uniform(0, FROZEN_S), rng.uniform(0.5, 2)) for sensor in short}
    return plan, {*long, CUT_OFF}


def test_outages_of_sensors_alert_once_and_those_of_ours_never(tmp_path: Path) -> None:
    """A thousand sensors: the zone that is cut off is one alert; its rules are reloaded meanwhile."""
    plan, silent = random_outages(random.Random(15))
    (tmp_path / "rules.yaml").write_text(RULES)
    with kept_ports(1) as (port,):
        config = f'listener: {{address: "127.0.0.1:{port}"}}\nhttp: {{address: "127.0.0.1:0"}}\nrules: ["rules.yaml"]\n'
        with Product(tmp_path, config) as product, fleet_of(port) as fleet:
            wait_for(lambda: len(product_devices(product)) == len(SENSORS), "every sensor is known")
            fleet.silence(plan)
            kill_gateway(product, fleet)
            frozen(product, "gateway", FROZEN_S)
            product.kill("worker")
            kill_gateway(product, fleet)
            wait_for(product.is_answering, "the worker answers")
            reload_rules(product)
            wait_for(lambda: len(alerts(product)) == len(silent), "each silent sensor has an alert")
            product.kill("worker")
            wait_for(product.is_answering, "the worker answers")
            fired = alerts(product)
            fleet.silence({})
            over = wait_for(
                lambda: all(status == "resolved" for _, status in alerts(product)) and alerts(product), "all resolve"
            )
            connections = fleet.connections

    assert fired == Counter((sensor, "firing") for sensor in silent)
    assert over == Counter((sensor, "resolved") for sensor in silent)
    assert connections == 3  # one more after each kill of the gateway: a reload ends none


def kill_gateway(product: Product, fleet: Fleet) -> None:
    before = fleet.connections
    product.kill("gateway")
    wait_for(lambda: fleet.connections > before, "the fleet is connected again")


def reload_rules(product: Product) -> None:
    """There is another rule; the one of silence stays."""
    (product.folder / "rules.yaml").write_text(RULES + MORE_RULES)
    with product.client() as client:
        client.post("v1", "rules", "reload", body={})
    wait_for(lambda: "g/Hot" in rules_in_force(product), "the rules are reloaded")


def rules_in_force(product: Product) -> set[str]:
    with product.client() as client:
        return {each["rule"] for each in client.get("v1", "rules")["rules"]}


def product_devices(product: Product) -> list[object]:
    with product.client() as client:
        devices: list[object] = client.get("v1", "devices", parameters=[("limit", "1000")])["devices"]
    return devices
