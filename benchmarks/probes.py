"""Latencies for users under load: probes from PUBLISH to PUBACK and queryable; dashboard queries."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import paho.mqtt.client as paho
import repository  # noqa: F401  # for tests.support
from deployment import ACCOUNTS, password, token, user
from paho.mqtt.enums import CallbackAPIVersion

from pipeline.base.errors import ServerRefused, ServerUnreachable
from pipeline.operations.client import Client
from tests.support.paho_clients import disconnect
from tests.support.product import Product

PROBE_EVERY_S = 1.0
PROBE_TIMEOUT_S = 60.0
QUERIES_PER_S = 10.0


def percentiles_ms(seconds: list[float]) -> str:
    """`p50 / p99` in milliseconds."""
    if not seconds:
        return "none"
    p50, p99 = np.percentile(np.array(seconds) * 1000, [50, 99])
    return f"{p50:.0f} / {p99:.0f}"


class Prober:
    """Publishes single messages; measures when each is acknowledged and queryable."""

    def __init__(
        self, mqtt: str, is_queryable: Callable[[str], bool], *, account: int | None = None, ts_per_s: int = 1000
    ) -> None:
        """`account`: whose user publishes, None for an anonymous one; `ts_per_s`: the unit of the messages' time."""
        self._is_queryable = is_queryable
        self._ts_ns = 10**9 // ts_per_s
        self._mqtt = paho.Client(CallbackAPIVersion.VERSION2, client_id="prober")
        if account is not None:
            self._mqtt.username_pw_set(user(account), password(account))
        host, _, port = mqtt.rpartition(":")
        self._mqtt.connect(host, int(port))
        self._mqtt.loop_start()
        self._numbers = itertools.count()
        self.sent_s: dict[str, float] = {}  # by sensor, monotonic
        self.puback_s: list[float] = []
        self.queryable_s: list[float] = []

    def probe(self, timeout_s: float = PROBE_TIMEOUT_S) -> float:
        """Publish one message; returns the seconds until it was queryable. Raises AssertionError after `timeout_s`."""
        sensor = f"p-{next(self._numbers):06}"
        payload = json.dumps({"ts": time.time_ns() // self._ts_ns, "alarm": 1.0})
        began_s = self.sent_s[sensor] = time.monotonic()
        self._mqtt.publish(f"probe/{sensor}", payload, qos=1).wait_for_publish(timeout_s)
        self.puback_s.append(time.monotonic() - began_s)
        while not self._is_queryable(sensor):
            if time.monotonic() - began_s > timeout_s:
                raise AssertionError(f"{sensor} not queryable within {timeout_s} s")
            time.sleep(0.01)
        self.queryable_s.append(time.monotonic() - began_s)
        return self.queryable_s[-1]

    def close(self) -> None:
        """Disconnect."""
        disconnect(self._mqtt)


class Questions:
    """What is asked of the product: whether a probe is there, and its part of a dashboard, by ten accounts in turn."""

    def __init__(self, product: Product) -> None:
        self._clients = [product.client(token(number)) for number in range(ACCOUNTS)]
        self._zones: list[list[str]] = [[] for _ in range(ACCOUNTS)]
        self._turn = 0

    def is_queryable(self, sensor: str) -> bool:
        """Whether a row of this sensor of account 0 is found."""
        sql = f'SELECT COUNT(*) FROM "probe"."readings" WHERE sensor = \'{sensor}\''  # our own names
        try:
            return bool(self._clients[0].post("v1", "query", body={"sql": sql}).json()["rows"][0][0])
        except (ServerRefused, ServerUnreachable):  # no probe table yet, or the worker was killed
            return False

    def ask(self) -> None:
        """Ask for the averages of a zone over the last five minutes, in bins of ten seconds."""
        self._turn += 1
        number = self._turn % ACCOUNTS
        client: Client = self._clients[number]
        zones = self._zones[number]
        if not zones:
            zones += [
                zone["zone"]
                for zone in client.get("v1", "zones", parameters=[("table", "agriculture.readings")])["zones"]
            ]
            return
        zone = zones[self._turn // ACCOUNTS % len(zones)]
        parameters = [("measure", "temperature"), ("from", "5m"), ("bin", "10s")]
        client.get("v1", "zones", zone, "averages", parameters=parameters)


@dataclass
class Repeated(threading.Thread):
    """Calls a function at a fixed rate until stopped; keeps the duration of each call."""

    function: object
    every_s: float
    seconds: list[float] = field(default_factory=list)
    failures: int = 0

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._stopping = threading.Event()

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        """Run until `stop`."""
        assert callable(self.function)
        next_s = time.monotonic()
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                self.function()
                self.seconds.append(time.monotonic() - began_s)
            except (ServerRefused, ServerUnreachable, AssertionError):
                self.failures += 1
            next_s += self.every_s
            self._stopping.wait(max(0.0, next_s - time.monotonic()))

    def stop(self) -> None:
        """Stop after the current call."""
        self._stopping.set()
        self.join()
