"""A rule file over the history of an account: `POST /v1/rules/backtest`, which starts a judging process."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from pipeline.api.http.backtests import running
from pipeline.api.http.backtests.judging import verdict_of
from pipeline.api.http.backtests.messages import Columns, Order, Piece, Verdict
from pipeline.log.frame import FrameKind, encode_frame
from pipeline.log.topics import READINGS
from store.catalog.catalog import TableSettings
from store.endpoint import WriteRecord, encode_write
from store.record import MeasureType, TableId
from tests.support.http_service import NOW_NS, NS, HttpService

TOKENS = {"seven": "farm-7", "eight": "farm-8"}
RULES = """
groups:
  - name: climate
    table: farm.climate
    rules:
      - {alert: TooHot, measure: temperature, range: {max: 32}, labels: {severity: warning}}
"""
COLUMNS = Columns(("sensor",), ("temperature",), "zone_name")


def told(order: Order, *pieces: tuple[int, list[tuple[int, str, float]]]) -> io.BufferedReader:
    """What a judging process is told."""
    said = io.BytesIO()
    said.write(msgspec.json.encode(order) + b"\n")
    for upto_s, rows in pieces:
        said.write(msgspec.json.encode(Piece("farm.climate", NOW_NS + upto_s * NS)) + b"\n")
        columns: dict[str, Any] = {
            "time": pa.array([NOW_NS + second * NS for second, _, _ in rows], pa.timestamp("ns", tz="UTC")),
            "measure_name": pa.array(["climate"] * len(rows), pa.string()),
            "zone_name": pa.array(["north"] * len(rows), pa.string()),
            "sensor": pa.array([sensor for _, sensor, _ in rows], pa.string()),
            "temperature": pa.array([value for _, _, value in rows], pa.float64()),
        }
        table = pa.table(columns)
        with pa.ipc.new_stream(said, table.schema) as writer:
            writer.write_table(table)
    return io.BufferedReader(io.BytesIO(said.getvalue()))  # type: ignore[arg-type]  # it is a raw one, too


def order(**changes: Any) -> Order:
    """Ten seconds for these rules over one table."""
    made = Order(RULES, "farm-7", {"farm.climate": COLUMNS}, NOW_NS, 10.0, 1 << 30, 500)
    return msgspec.structs.replace(made, **changes)


def judged(asked: io.BufferedReader, seconds: list[float] | None = None) -> Verdict:
    """The verdict, while a clock says these seconds."""
    clock = iter(seconds or [0.0] * 1000)
    return msgspec.json.decode(verdict_of(asked, lambda: next(clock), lambda _: None), type=Verdict)


def test_rows_in_any_order_within_a_piece_are_judged_by_their_times() -> None:
    pieces = [(10, [(6, "a", 20.0), (5, "a", 33.0)]), (20, []), (30, [(25, "b", 34.0), (26, "a", 35.0)])]

    verdict = judged(told(order(), *pieces))

    assert [(one.fired_ns, one.resolved_ns, one.dimensions) for one in verdict.found] == [
        (NOW_NS + 5 * NS, NOW_NS + 6 * NS, {"sensor": "a"}),
        (NOW_NS + 25 * NS, None, {"sensor": "b"}),
        (NOW_NS + 26 * NS, None, {"sensor": "a"}),
    ]
    assert (verdict.rows, verdict.upto_ns, verdict.rules) == (4, NOW_NS + 30 * NS, {"climate/TooHot": 3})
    assert verdict.days == [("2026-11-23", "climate/TooHot", 3)]
    assert verdict.sensors == [("sensor=a", "climate/TooHot", 2), ("sensor=b", "climate/TooHot", 1)]


def test_what_comes_after_its_time_is_not_judged() -> None:
    asked = told(order(), (10, [(5, "a", 33.0)]), (20, [(15, "b", 33.0)]))

    verdict = judged(asked, [0.0, 9.9, 10.1])

    assert (verdict.alerts, verdict.upto_ns) == (1, NOW_NS + 10 * NS)


def test_as_many_are_told_one_by_one_as_were_asked_for() -> None:
    asked = told(order(most=1), (10, [(5, "a", 33.0), (6, "b", 33.0)]))

    verdict = judged(asked)

    assert (verdict.alerts, len(verdict.found), len(verdict.sensors)) == (2, 1, 1)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[HttpService]:
    made = HttpService(tmp_path, TOKENS)
    async with made.app.router.lifespan_context(made.app):
        for minute in range(60):
            ts, value = made.clock() - (60 - minute) * 60 * NS, 33.0 if minute in {20, 21, 40} else 20.0
            message = {"ts": ts, "temperature": value}
            await made.publish("greenhouse/eu/gh-1/north/s1", message, account="farm-7")
        yield made
    made.close()


@pytest.mark.processes
async def test_the_alerts_of_the_last_hour(service: HttpService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece with more rows than it may have is halved; an account is judged by its own rows."""
    monkeypatch.setattr(running, "PIECES", 2)
    monkeypatch.setattr(running, "ROWS", 20)
    async with service.client("seven") as http:
        answer = await http.post("/v1/rules/backtest", json={"text": RULES, "from": "2h"})
    found = answer.json()

    assert answer.status_code == 200, found
    assert [(one["fired"], one["resolved"]) for one in found["found"]] == [
        ("2026-11-23T09:20:00Z", "2026-11-23T09:22:00Z"),
        ("2026-11-23T09:40:00Z", "2026-11-23T09:41:00Z"),
    ]
    assert (found["rows"], found["alerts"], found["until"], found["to"]) == (60, 2, *["2026-11-23T10:00:00Z"] * 2)
    assert found["sensors"][0]["sensor"] == "greenhouse=gh-1 region=eu sensor=s1 zone=north"


@pytest.mark.processes
async def test_a_table_that_knows_no_zones_is_judged(service: HttpService) -> None:
    found = [(NOW_NS - 60 * NS, 1.0), (NOW_NS - 30 * NS, 33.0)]
    records = [
        WriteRecord((("sensor", "m-1"),), "climate", at_ns, 1, (("temperature", MeasureType.DOUBLE, value),))
        for at_ns, value in found
    ]
    service.store.catalog.create_table(TableId("farm-7", "farm", "meters"), TableSettings())
    payload = encode_write("farm", "meters", records)
    await service.appender.append(
        READINGS, encode_frame(FrameKind.WRITE_RECORDS, [NOW_NS], ["farm-7"], [""], [payload])
    )
    service.take_in()
    rules = RULES.replace("farm.climate", "farm.meters")

    async with service.client("seven") as http:
        answer = await http.post("/v1/rules/backtest", json={"text": rules, "from": "2h"})

    assert answer.status_code == 200, answer.text
    assert [(one["dimensions"], one["zone"], one["value"]) for one in answer.json()["found"]] == [
        ({"sensor": "m-1"}, None, 33.0)
    ]


async def test_what_cannot_be_judged_is_refused(service: HttpService) -> None:
    other = RULES.replace("farm.climate", "farm.none")
    bodies = [
        {"text": "groups: [{nmae: x}]"},
        {"text": "groups: []"},
        {"text": RULES, "from": "1h", "to": "2h"},
        {"text": RULES, "from": "soon"},
        {"text": other},
    ]
    async with service.client("seven") as http:
        answers = [await http.post("/v1/rules/backtest", json=body) for body in bodies]

    assert [answer.status_code for answer in answers] == [400] * 5, [answer.text for answer in answers]
    assert "nmae" in answers[0].json()["detail"]
    assert answers[0].json()["problems"][0].startswith("rules:1: ")
    assert answers[1].json()["detail"] == "rules:1: `groups` of the file must not be empty"
    assert answers[2].json()["parameter"] == answers[3].json()["parameter"] == "from"
    assert "farm.none" in answers[4].json()["detail"]
