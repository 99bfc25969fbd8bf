"""What the tests of a group of workers share: its configuration, devices, and questions to any of its workers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pyarrow as pa
from paho.mqtt.enums import CallbackAPIVersion

from pipeline.base.errors import ServerRefused, ServerUnreachable
from pipeline.log.topics import READINGS
from pipeline.operations.client import Client
from tests.support.group_product import GroupProduct, Part
from tests.support.kafka_broker import Broker
from tests.support.kafka_cluster import Cluster
from tests.support.paho_clients import disconnect
from tests.support.waiting import wait_for

PARTITIONS = 4
ZONES = tuple(f"z{number}" for number in range(16))  # enough that every partition has some
TABLE = {
    "name": "faults.table_00",
    "topics": "fault/{region}/{greenhouse}/{zone}/{sensor}",
    "zone": "{greenhouse}/{zone}",
    "time": {"field": "ts", "unit": "ms"},
}
RULES = """\
groups:
  - name: group
    table: faults.table_00
    rules:
      - {alert: TooHot, measure: temperature, range: {max: 38}}
"""


def group_config(broker: Broker | Cluster, folder: Path, **sections: Any) -> dict[str, Any]:
    """The configuration of a group with a log of its own on `broker`."""
    (folder / "rules.yaml").write_text(RULES)
    settings = broker.settings()
    log = {"url": broker.url, "partitions": PARTITIONS, "prefix": settings.prefix, "group": settings.group}
    return {"log": log, "tables": [TABLE], "rules": [str(folder / "rules.yaml")], **sections}


@contextmanager
def device(product: GroupProduct) -> Iterator[mqtt.Client]:
    """One device; paho connects it again whenever its connection ends."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="group-device")
    client.reconnect_delay_set(min_delay=1, max_delay=1)
    host, _, port = product.mqtt.rpartition(":")
    wait_for(lambda: _connected(client, host, int(port)), "a gateway listens")
    client.loop_start()
    try:
        wait_for(client.is_connected, "the device is connected")
        yield client
    finally:
        disconnect(client)


def _connected(client: mqtt.Client, host: str, port: int) -> bool:
    try:
        return client.connect(host, port) == mqtt.MQTT_ERR_SUCCESS
    except OSError:
        return False


def publish(client: mqtt.Client, zones: tuple[str, ...] = ZONES, *, house: str = "g", **measures: Any) -> None:
    """One reading of a sensor in each zone of a greenhouse; returns once all are acknowledged."""
    body = json.dumps({"ts": time.time_ns() // 10**6, **measures})
    wait_for(client.is_connected, "the device is connected")
    for waiting in [client.publish(f"fault/r/{house}/{zone}/s-{zone}", body, qos=1) for zone in zones]:
        waiting.wait_for_publish(60)
        assert waiting.is_published()


def ask(client: Client, sql: str) -> pa.Table:
    """The answer to a query."""
    answer = client.post("v1", "query", body={"sql": sql, "format": "arrow"})
    return pa.ipc.open_stream(answer.content).read_all()


def count(worker: Part, house: str = "g") -> int:
    """How many rows of a greenhouse this worker answers that there are; -1 while it cannot tell."""
    sql = f'SELECT COUNT(*) AS n FROM "faults"."table_00" WHERE greenhouse = \'{house}\''
    try:
        with worker.client() as client:
            return int(ask(client, sql)["n"][0].as_py())
    except (ServerUnreachable, ServerRefused):
        return -1


def refusal(worker: Part, *path: str) -> str | None:
    """Why this worker does not answer a query (or what is at `path`); None if it does."""
    try:
        with worker.client() as client:
            if path:
                client.get(*path)
            else:
                ask(client, 'SELECT COUNT(*) AS n FROM "faults"."table_00"')
    except ServerRefused as error:
        return str(error)
    return None


def owned(product: GroupProduct, worker: Part) -> set[int]:
    """The partitions of [readings] that this worker says are its own."""
    with worker.client() as client:
        return set(client.get("readyz")["partitions"])


def shared_out(product: GroupProduct) -> bool:
    """Whether every partition of [readings] is some running worker's, and each worker has some."""
    try:
        each = [owned(product, worker) for worker in product.workers if worker.is_running()]
    except (ServerUnreachable, ServerRefused):
        return False
    return all(each) and sorted(partition for of in each for partition in of) == list(range(PARTITIONS))


__all__ = [
    "PARTITIONS",
    "READINGS",
    "ZONES",
    "ask",
    "count",
    "device",
    "group_config",
    "owned",
    "publish",
    "refusal",
    "shared_out",
]
