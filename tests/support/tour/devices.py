"""Two devices that know what was acknowledged: one rewrites a key, one speaks QoS 2."""

from __future__ import annotations

import itertools
import json
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.paho_clients import disconnect
from tests.support.tour.deployment import Deployment
from tests.support.tour.settings import user
from tests.support.tour.witness import BusyWitness, rows
from tests.support.waiting import wait_for

ACKNOWLEDGED_S = 120.0


class Device:
    """Publishes as the user of an account; paho connects it again after each kill, and sends again."""

    def __init__(self, deployment: Deployment, account: int, name: str) -> None:
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
        who = user(account)
        self._client.username_pw_set(who["username"], who["password"])
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._acknowledged: set[int] = set()
        self._client.on_publish = lambda _client, _data, packet_id, *_: self._acknowledged.add(packet_id)
        host, _, port = deployment.mqtt.rpartition(":")
        self._client.connect(host, int(port))
        self._client.loop_start()

    def publish(self, messages: list[tuple[str, dict[str, object]]], qos: int = 1) -> None:
        """Publish (MQTT topic, body) each, and return once all are acknowledged."""
        wait_for(self._client.is_connected, "the device is connected", timeout_s=ACKNOWLEDGED_S)
        # not `wait_for_publish`: it raises for what is published while disconnected, though it is sent later
        packet_ids = {self._client.publish(topic, json.dumps(body), qos=qos).mid for topic, body in messages}
        wait_for(lambda: self._acknowledged >= packet_ids, "the messages are acknowledged", timeout_s=ACKNOWLEDGED_S)
        self._acknowledged -= packet_ids

    def close(self) -> None:
        disconnect(self._client)


class Key(BusyWitness):
    """One key is sent with a higher value each time, and read all the while."""

    every_s = 0.1
    ACCOUNT = 0
    SQL = 'SELECT n FROM "tour"."keys"'

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment)
        self._ts_ms = time.time_ns() // 1_000_000
        self._sent = 0
        self._seen: list[int] = []
        self._most_rows = 0
        self.answers: int = 0
        self._reader = threading.Thread(target=self._read, daemon=True)

    def begin(self) -> None:
        self._device = Device(self.deployment, self.ACCOUNT, "key")
        super().begin()
        self._reader.start()

    def act(self) -> None:
        self._device.publish([("keys/s", {"ts": self._ts_ms, "n": self._sent + 1})])
        self._sent += 1

    def _read(self) -> None:
        while not self.stopping.wait(0.5):
            self._look()

    def _look(self) -> list[int]:
        found = [int(row["n"]) for row in rows(self.deployment, self.ACCOUNT, self.SQL)]
        self._most_rows = max(self._most_rows, len(found))
        self._seen += found
        self.answers += len(found)
        return found

    def end(self) -> None:
        super().end()
        self._reader.join()
        self._device.close()

    def check(self) -> None:
        last = wait_for(self._look, "the key is answered")
        assert last == [self._sent], f"the key ends with {last}, and {self._sent} was sent last"
        back = [pair for pair in itertools.pairwise(self._seen) if pair[1] < pair[0]]
        assert back == [], f"the key went back (before, after): {back[:3]}"
        assert self._most_rows == 1, "the key had more than one row"
        assert len(set(self._seen)) > 3, f"only {len(set(self._seen))} values were seen on the way"


class Exactly(BusyWitness):
    """A device that publishes with QoS 2."""

    every_s = 0.3
    ACCOUNT = 2
    EACH = 20

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment)
        self._start_ms = time.time_ns() // 1_000_000
        self._sent = 0

    def begin(self) -> None:
        self._device = Device(self.deployment, self.ACCOUNT, "exactly")
        super().begin()

    def act(self) -> None:
        numbers = range(self._sent, self._sent + self.EACH)
        self._device.publish([("exactly/s", {"ts": self._start_ms + number, "n": number}) for number in numbers], qos=2)
        self._sent += self.EACH

    def end(self) -> None:
        super().end()
        self._device.close()

    def check(self) -> None:
        # a worker may just have taken a partition over, and replay it
        stored = wait_for(self._stored, "as many rows as messages of QoS 2", timeout_s=240)
        assert len(stored) == len(set(stored)), "a message of QoS 2 is stored twice"
        assert stored == list(range(self._sent)), "a message of QoS 2 is missing, or was never sent"

    def _stored(self) -> list[int]:
        """The numbers in order, once there are as many as were sent."""
        found = rows(self.deployment, self.ACCOUNT, 'SELECT n FROM "tour"."exactly"')
        return sorted(int(row["n"]) for row in found) if len(found) >= self._sent else []
