"""WriteRecords by boto3 while the worker is killed: what was answered 200 is there, and retries make no second row."""

import threading
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.fault_kit import ask, config, hasty, publish_for
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

NAMES = {"DatabaseName": "sensors", "TableName": "climate"}
WRITERS = 4


def timestream(product: Product) -> Any:
    """The client as a user has it, without retries of its own: the test retries, and counts."""
    return boto3.client(
        "timestream-write",
        endpoint_url=f"http://{product.http}",
        region_name="eu-west-1",
        aws_access_key_id="default",
        aws_secret_access_key="any",
        config=Config(
            retries={"total_max_attempts": 1},
            connect_timeout=5,
            read_timeout=20,
            inject_host_prefix=False,
            endpoint_discovery_enabled=False,
        ),
    )


class Writer(threading.Thread):
    """Writes numbered records, several a request, each again until it is answered 200."""

    def __init__(self, product: Product, number: int, start_ms: int) -> None:
        super().__init__()
        self.number = number
        self.answered: list[int] = []
        self.errors: list[str] = []
        self.stopping = threading.Event()
        self._client = timestream(product)
        self._start_ms = start_ms

    def run(self) -> None:
        first = 0
        while not self.stopping.is_set():
            batch = list(range(first, first + 5))
            try:
                self._client.write_records(**NAMES, Records=[self._record(n) for n in batch])
            except (BotoCoreError, ClientError) as error:
                self.errors.append(str(error))
                self.stopping.wait(0.05)
                continue
            self.answered += batch
            first += 5

    def _record(self, number: int) -> dict[str, Any]:
        return {
            "Dimensions": [{"Name": "writer", "Value": str(self.number)}],
            "MeasureName": "n",
            "MeasureValue": str(number),
            "MeasureValueType": "BIGINT",
            "Time": str(self._start_ms + number),
        }


def test_what_was_answered_is_there_once(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with hasty(tmp_path), Product(tmp_path, config()) as product:
        client = timestream(product)
        client.create_database(DatabaseName="sensors")
        client.create_table(**NAMES)
        start_ms = time.time_ns() // 1_000_000 - 60_000
        writers = [Writer(product, number, start_ms) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        try:
            for _ in range(request.config.getoption("--fault-kills")):
                publish_for(0.7)
                product.kill("worker")
                wait_for(product.is_answering, "the product answers")
            publish_for(0.5)
            wait_for(lambda: all(len(writer.answered) > 50 for writer in writers), "each has written often enough")
        finally:
            for writer in writers:
                writer.stopping.set()
            for writer in writers:
                writer.join()
        with product.client() as asked:
            rows = ask(asked, 'SELECT writer, measure_value::bigint AS n FROM "sensors"."climate"').to_pylist()

    stored = sorted((int(row["writer"]), int(row["n"])) for row in rows)
    answered = {(writer.number, n) for writer in writers for n in writer.answered}
    in_doubt = {(w.number, n) for w in writers for n in range(len(w.answered), len(w.answered) + 5)}
    assert any(writer.errors for writer in writers), "no kill was felt"
    assert len(stored) == len(set(stored)), "stored twice"
    assert answered - set(stored) == set(), "lost"
    assert set(stored) - answered <= in_doubt
