"""WriteRecords by boto3: what was answered 200 is there, and retries make no second row."""

from __future__ import annotations

import random
import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.tour.deployment import Deployment
from tests.support.tour.settings import token
from tests.support.tour.witness import BusyWitness, rows
from tests.support.waiting import wait_for

ACCOUNT = 4
NAMES = {"DatabaseName": "written", "TableName": "numbers"}
EACH = 5


def timestream(deployment: Deployment) -> Any:
    """The client as a user has it, without retries of its own: the witness retries, and counts."""
    return boto3.client(
        "timestream-write",
        endpoint_url=f"http://{random.choice(deployment.addresses())}",
        region_name="eu-west-1",
        aws_access_key_id=f"farm-{ACCOUNT}",
        aws_secret_access_key=token(ACCOUNT),
        config=Config(
            retries={"total_max_attempts": 1},
            connect_timeout=5,
            read_timeout=20,
            inject_host_prefix=False,
            endpoint_discovery_enabled=False,
        ),
    )


class Written(BusyWitness):
    """Writes numbered records, several a request, each again until it is answered 200."""

    every_s = 0.2

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment)
        self._start_ms = time.time_ns() // 1_000_000 - 60_000
        self._answered = 0
        self._errors = 0
        self.answers: int = 0

    def begin(self) -> None:
        client = timestream(self.deployment)
        client.create_database(DatabaseName=NAMES["DatabaseName"])
        client.create_table(**NAMES)
        self._client = client
        super().begin()

    def act(self) -> None:
        batch = range(self._answered, self._answered + EACH)
        try:
            self._client.write_records(**NAMES, Records=[self._record(number) for number in batch])
        except (BotoCoreError, ClientError):
            self._errors += 1
            self._client = timestream(self.deployment)
        else:
            self._answered += EACH
            self.answers += 1

    def _record(self, number: int) -> dict[str, Any]:
        return {
            "Dimensions": [{"Name": "writer", "Value": "w"}],
            "MeasureName": "n",
            "MeasureValue": str(number),
            "MeasureValueType": "BIGINT",
            "Time": str(self._start_ms + number),
        }

    def check(self) -> None:
        sql = 'SELECT measure_value::bigint AS n FROM "written"."numbers"'
        found = wait_for(lambda: rows(self.deployment, ACCOUNT, sql), "an answer")
        stored = sorted(int(row["n"]) for row in found)
        assert self._errors > 0, "WriteRecords felt no kill"
        assert len(stored) == len(set(stored)), "a record is stored twice"
        assert set(range(self._answered)) <= set(stored), "a record that was answered is not stored"
        assert set(stored) <= set(range(self._answered + EACH)), "a record is stored that was never written"
