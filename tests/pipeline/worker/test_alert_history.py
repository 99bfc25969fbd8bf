"""The table "streamgauge"."alerts": every transition once, of its account alone, and written by nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.alerting.recorder import Recorder
from pipeline.config import Config
from pipeline.worker.alert_history import AlertHistory
from pipeline.worker.answering import PartitionChoice
from tests.support.http_service import HttpService
from tests.support.manual_clock import stamps_by

TOKENS = {"seven": "farm-7", "eight": "farm-8"}
SELECT = 'SELECT kind, alert_id, severity, value, rule, zone, muted FROM "streamgauge"."alerts" ORDER BY time, kind'


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[HttpService]:
    made = HttpService(tmp_path, TOKENS)
    async with made.app.router.lifespan_context(made.app):
        yield made
    made.close()


async def rows(service: HttpService, token: str, sql: str = SELECT) -> list[list[Any]]:
    async with service.client(token) as http:
        answer = await http.post("/v1/query", json={"sql": sql})
    assert answer.status_code == 200, answer.text
    found: list[list[Any]] = answer.json()["rows"]
    return found


async def test_every_transition_is_a_row_of_its_account_also_if_it_is_written_again(service: HttpService) -> None:
    service.alert("a1", account="farm-7", labels={"severity": "critical"})
    service.clock.now_ns += 1_000
    service.alert("a1", "resolved", account="farm-7")
    service.alert("b1", account="farm-8")
    history = AlertHistory(service.appender, PartitionChoice((), 1), stamps_by(service.clock))
    found = service.alerts.unrecorded(10)

    for _ in range(2):  # as after a kill before it was noted
        await history.record(found)
        service.take_in()

    assert await rows(service, "seven") == [
        ["firing", "a1", "critical", 33.1, "climate/TooHot", "gh-1/north", ""],
        ["resolved", "a1", "", 33.1, "climate/TooHot", "gh-1/north", ""],
    ]
    assert [row[1] for row in await rows(service, "eight")] == ["b1"]


async def test_what_is_written_is_noted_and_not_written_again(service: HttpService) -> None:
    service.alert("a1", account="farm-7")
    written: list[str] = []
    notes: list[bytes] = []

    async def record(transitions: Any) -> None:
        written.extend(one.alert_id for one in transitions)

    async def note(value: bytes) -> None:
        notes.append(value)

    recorder = Recorder(service.alerts, record, note)
    assert await recorder._record_some()
    assert not await recorder._record_some()
    service.alert("a2", account="farm-7")
    assert await recorder._record_some()

    assert written == ["a1", "a2"]
    assert notes == [b'[{"recorded":{"below":1}}]', b'[{"recorded":{"below":2}}]']


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("CreateDatabase", {}),
        ("CreateTable", {"TableName": "mine"}),
        ("DeleteTable", {"TableName": "alerts"}),
        ("DeleteDatabase", {}),
        (
            "WriteRecords",
            {
                "TableName": "alerts",
                "Records": [
                    {
                        "Dimensions": [{"Name": "rule", "Value": "x"}],
                        "MeasureName": "alert",
                        "MeasureValue": "1",
                        "Time": "1795428000000",
                    }
                ],
            },
        ),
    ],
)
async def test_no_client_writes_or_removes_it(service: HttpService, operation: str, more: dict[str, Any]) -> None:
    async with service.client("seven") as http:
        answer = await http.post(
            "/",
            json={"DatabaseName": "streamgauge", **more},
            headers={
                "x-amz-target": f"Timestream_20181101.{operation}",
                "content-type": "application/x-amz-json-1.0",
                "authorization": "AWS4-HMAC-SHA256 Credential=seven/20261123/us-east-1/timestream/aws4_request",
            },
        )

    assert answer.status_code in (400, 403), answer.text


def test_no_table_of_the_configuration_takes_messages_into_it() -> None:
    with pytest.raises(ValueError, match="written by the server alone"):
        Config.model_validate({"tables": [{"name": "streamgauge.alerts", "topics": "#"}]})
