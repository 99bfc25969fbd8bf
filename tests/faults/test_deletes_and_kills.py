"""DELETEs while records come in and the worker is killed: what was there before is gone, what came later stays."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.base.errors import ServerRefused, ServerUnreachable
from pipeline.operations.client import Client
from tests.support.product import FREE_PORTS, Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]

TABLE = {"DatabaseName": "farm", "TableName": "air"}
SENSORS = 4
KILLS = 3


class Writing(threading.Thread):
    """Writes records of all sensors, one after the other, each until it is acknowledged."""

    def __init__(self, product: Product) -> None:
        super().__init__(daemon=True)
        self.acknowledged: dict[tuple[str, int], tuple[float, float]] = {}  # key → when it was sent, and acknowledged
        self._product = product
        self._is_done = threading.Event()

    def run(self) -> None:
        number = 0
        while not self._is_done.is_set():
            key = f"s{number % SENSORS}", time.time_ns() // 1_000_000
            began_s = time.monotonic()
            with contextlib.suppress(httpx.HTTPError):
                if call(self._product, "WriteRecords", **TABLE, Records=[record(*key)]).is_success:
                    self.acknowledged[key] = began_s, time.monotonic()
                    number += 1

    def wait_for_more(self, records: int) -> None:
        least = len(self.acknowledged) + records
        wait_for(lambda: len(self.acknowledged) >= least, f"{records} more records")

    def end(self) -> None:
        self._is_done.set()
        self.join()


def call(product: Product, operation: str, **request: Any) -> httpx.Response:
    """One operation of Timestream."""
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"Timestream_20181101.{operation}"}
    return httpx.post(f"http://{product.http}/", content=json.dumps(request), headers=headers, timeout=10)


def record(sensor: str, time_ms: int) -> dict[str, Any]:
    return {
        "Dimensions": [{"Name": "sensor", "Value": sensor}],
        "MeasureName": "celsius",
        "MeasureValue": "21.5",
        "MeasureValueType": "DOUBLE",
        "Time": str(time_ms),
    }


def deleted(product: Product, sensor: str) -> float:
    """Delete the rows of a sensor, whatever happens; returns when the request that succeeded was sent."""
    while True:
        sent_s = time.monotonic()
        with contextlib.suppress(ServerUnreachable, ServerRefused), product.client() as client:
            body = {"sql": f"DELETE FROM farm.air WHERE sensor = '{sensor}'", "confirm": True, "purge": True}
            if carried_out(client, client.post("v1", "deletes", body=body).json()):
                return sent_s
        wait_for(product.is_answering, "the product answers again")


def carried_out(client: Client, answer: dict[str, Any]) -> bool:
    while answer["state"] == "running":
        answer = client.get("v1", "deletes", answer["id"])
    return bool(answer["state"] == "done")


def stored(product: Product) -> set[tuple[str, int]]:
    with product.client() as client:
        body = {"sql": "SELECT sensor, to_milliseconds(time) FROM farm.air"}
        return {(sensor, time_ms) for sensor, time_ms in client.post("v1", "query", body=body).json()["rows"]}


def test_a_delete_deletes_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    rng = random.Random(7)
    with Product(tmp_path, FREE_PORTS) as product:
        assert call(product, "CreateDatabase", DatabaseName="farm").is_success
        assert call(product, "CreateTable", **TABLE).is_success
        writing = Writing(product)
        writing.start()
        writing.wait_for_more(40)
        sent_s: dict[str, float] = {}
        for number in range(KILLS):
            sensor = f"s{number}"
            thread = threading.Thread(target=lambda name: sent_s.update({name: deleted(product, name)}), args=(sensor,))
            thread.start()
            writing.wait_for_more(rng.randrange(1, 9))
            product.kill("worker")
            thread.join()
        ended_s = {name: time.monotonic() for name in sent_s}
        writing.wait_for_more(9)
        writing.end()
        before = stored(product)
        product.kill("worker")
        wait_for(product.is_answering, "the product answers again")
        after = stored(product)

    assert before == after
    for (sensor, time_ms), (written_s, acknowledged_s) in writing.acknowledged.items():
        if sensor not in sent_s or written_s > ended_s[sensor]:
            assert (sensor, time_ms) in after, "a row is missing that no DELETE chose"
        elif acknowledged_s < sent_s[sensor]:
            assert (sensor, time_ms) not in after, "a row is there that was deleted"
