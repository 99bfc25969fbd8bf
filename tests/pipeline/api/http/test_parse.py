"""`/v1/parse` and `/v1/messages`: what messages would become, and what arrives. Nothing is stored by them."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from typing import Any, cast

import httpx
import orjson
import pytest

from pipeline.api.http import live_feeds
from pipeline.api.http.routes.messages import events
from pipeline.api.inventory import arriving
from pipeline.api.inventory.arriving import FIRST_FRAMES, MOST_MESSAGES, LogEnd
from pipeline.log.dead_letter import Reason, Rejection, encode_rejection
from pipeline.log.frame import FrameKind, encode_frame
from pipeline.log.topics import READINGS
from tests.support.http_service import NOW_NS, NS, HttpService

TOPIC = "greenhouse/eu/gh-1/north/s1"


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_feeds, "LOOK_EVERY_S", 0)
    monkeypatch.setattr(live_feeds, "_REST", 0)


async def parsed(http: httpx.AsyncClient, payload: Any, mqtt_topic: str = TOPIC, **body: Any) -> dict[str, Any]:
    answer = await http.post("/v1/parse", json={"mqtt_topic": mqtt_topic, "payload": payload, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_payload_becomes_the_row_that_would_be_stored(http: httpx.AsyncClient) -> None:
    found = await parsed(http, {"ts": NOW_NS - NS, "temperature": 21.5, "door": "open", "ok": True})

    assert found == {
        "rows": [
            {
                "table": "farm.climate",
                "zone": "gh-1/north",
                "dimensions": {"region": "eu", "greenhouse": "gh-1", "zone": "north", "sensor": "s1"},
                "measure_name": "climate",
                "time": "2026-11-23T09:59:59Z",
                "measures": {
                    "temperature": {"value": 21.5, "type": "double"},
                    "door": {"value": "open", "type": "varchar"},
                    "ok": {"value": True, "type": "boolean"},
                },
            }
        ],
        "reason": None,
        "detail": None,
        "altered": [],
    }


@pytest.mark.parametrize(
    ("payload", "topic", "reason"),
    [
        ({"ts": 1, "temperature": 1}, "elsewhere", "no_route"),
        ('{"ts": 1, "temp', TOPIC, "invalid_json"),
        ("", TOPIC, "empty_payload"),
        ({"temperature": 1}, TOPIC, "time_missing"),
        ("not json", TOPIC, "invalid_json"),
        ("21.4", TOPIC, "time_missing"),
        ({"ts": NOW_NS + 3600 * NS, "temperature": 1}, TOPIC, "too_far_ahead"),
        ({"ts": NOW_NS}, TOPIC, "no_measures"),
    ],
)
async def test_what_would_be_a_dead_letter_has_the_reason(
    http: httpx.AsyncClient, payload: Any, topic: str, reason: str
) -> None:
    found = await parsed(http, payload, topic)

    assert (found["rows"], found["reason"]) == ([], reason)
    assert found["detail"]


async def test_the_columns_that_there_are_decide_as_of_a_message_that_arrives(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    """And what is tried leaves nothing behind, neither a row nor a series nor a type."""
    await service.publish(TOPIC, {"ts": NOW_NS - NS, "level": 3})
    tried = {"ts": NOW_NS, "level": "high", "extra": 1}

    before = (await parsed(http, tried))["rows"], (await parsed(http, {**tried, "extra": "x"}))["rows"]
    assert (await http.get("/v1/series")).json()["matched"] == 1
    assert "extra" not in (await http.get("/v1/measures")).text
    await service.publish(TOPIC, tried)
    latest = (await http.get("/v1/latest")).json()["latest"]

    assert {name: of["value"] for name, of in before[0][0]["measures"].items()} == {
        of["measure"]: of["value"] for of in latest if of["time"].startswith("2026-11-23T10:00:00")
    }
    assert before[1][0]["measures"]["extra"] == {"value": "x", "type": "varchar"}


async def test_arrival_and_bytes_may_be_given(http: httpx.AsyncClient) -> None:
    old = {"ts": NOW_NS - 3600 * NS, "temperature": 1}
    assert (await parsed(http, {**old, "ts": NOW_NS}, arrival="1h"))["reason"] == "too_far_ahead"
    raw = base64.b64encode(b"\xff").decode()
    answer = await http.post("/v1/parse", json={"mqtt_topic": TOPIC, "payload_base64": raw})
    assert answer.json()["reason"] == "invalid_utf8"

    for body, told in (
        ({"mqtt_topic": TOPIC}, "either payload or payload_base64"),
        ({"mqtt_topic": TOPIC, "payload": 1, "payload_base64": raw}, "either payload or payload_base64"),
        ({"mqtt_topic": TOPIC, "payload_base64": "%"}, "base64"),
        ({"mqtt_topic": "a/+", "payload": 1}, "an MQTT topic has no"),
    ):
        refused = await http.post("/v1/parse", json=body)
        assert (refused.status_code, told in refused.json()["detail"]) == (400, True), refused.text


# What arrives


async def arrived(http: httpx.AsyncClient, topic_filter: str = "%23") -> dict[str, Any]:
    """The event with which a stream of messages begins."""
    answer = await http.get(f"/v1/messages?follow=false&mqtt_topic={topic_filter}")
    assert answer.status_code == 200, answer.text
    event, data = (line.split(": ", 1)[1] for line in answer.text.strip().splitlines())
    assert event == "messages"
    found: dict[str, Any] = orjson.loads(data)
    return found


async def test_messages_are_shown_as_sent_and_as_understood(service: HttpService, http: httpx.AsyncClient) -> None:
    good = {"ts": NOW_NS, "temperature": 20}
    await service.publish(TOPIC, good, b"\xff")
    rejection = encode_rejection(Rejection(Reason.TOO_LARGE, "300000 bytes", b"the head"))
    await service.appender.append(
        READINGS, encode_frame(FrameKind.REJECTED, [NOW_NS + 9], ["default"], [TOPIC], [rejection])
    )

    found = await arrived(http)

    assert (found["matched"], found["unread_frames"]) == (3, 0)
    understood, bytes_alone, rejected = found["messages"]
    assert orjson.loads(understood["payload"]) == good
    assert understood["rows"] == (await parsed(http, good))["rows"]
    assert (bytes_alone["payload_base64"], bytes_alone["reason"]) == ("/w==", "invalid_utf8")
    assert (rejected["payload"], rejected["reason"], rejected["detail"]) == ("the head", "too_large", "300000 bytes")


async def test_a_filter_and_the_account_choose(guarded: HttpService) -> None:
    for account in ("farm-7", "farm-8"):
        for zone in ("north", "south"):
            await guarded.publish(f"greenhouse/eu/gh-1/{zone}/s1", {"ts": NOW_NS}, account=account)

    seen = {}
    for account in ("farm-7", "farm-9"):
        async with guarded.client("token-of-farm-7") as http:
            found = await arrived(http, "greenhouse/%2B/%2B/north/%23" if account == "farm-7" else "greenhouse/x")
            seen[account] = [of["mqtt_topic"] for of in found["messages"]], found["matched"]

    assert seen == {"farm-7": (["greenhouse/eu/gh-1/north/s1"], 1), "farm-9": ([], 0)}


async def test_of_many_messages_the_newest_are_shown_and_all_are_counted(service: HttpService) -> None:
    stream = cast("AsyncGenerator[bytes]", events(service.app.state.services, "default", "#", follow=True))
    await anext(stream)

    await service.publish(TOPIC, *({"ts": NOW_NS + number} for number in range(MOST_MESSAGES + 5)))
    data = orjson.loads((await anext(stream)).decode().strip().splitlines()[1].removeprefix("data: "))
    await stream.aclose()

    times = [orjson.loads(of["payload"])["ts"] for of in data["messages"]]
    assert times == [NOW_NS + number for number in range(5, MOST_MESSAGES + 5)]
    assert data["matched"] == MOST_MESSAGES + 5


async def test_a_look_reads_no_more_than_it_may_and_counts_the_rest(
    service: HttpService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "MOST_FRAMES", 2)
    end = LogEnd(service.admin, "default", "#")
    end.look()
    for number in range(5):
        await service.publish(TOPIC, {"ts": NOW_NS + number})

    found = end.look()

    assert (found.matched, found.unread_frames) == (2, 3)
    assert [orjson.loads(of.payload)["ts"] for of in found.newest] == [NOW_NS + 3, NOW_NS + 4]
    assert end.look().matched == 0


async def test_messages_before_others_that_do_not_match_are_found_at_the_first_look(service: HttpService) -> None:
    """As of a device that was silent for a while, or of a server where only ticks come."""
    await service.publish(TOPIC, {"ts": NOW_NS})
    for number in range(3 * FIRST_FRAMES):
        await service.publish("greenhouse/eu/gh-2/south/s9", {"ts": NOW_NS + number})

    found = LogEnd(service.admin, "default", TOPIC).look()

    assert [of.mqtt_topic for of in found.newest] == [TOPIC]
    assert (found.matched, found.unread_frames) == (1, 0)


async def test_the_first_look_goes_back_so_far_and_no_further(
    service: HttpService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "MOST_FRAMES", FIRST_FRAMES + 1)
    for _ in range(2):
        await service.publish(TOPIC, {"ts": NOW_NS})
    for number in range(FIRST_FRAMES):
        await service.publish("greenhouse/eu/gh-2/south/s9", {"ts": NOW_NS + number})

    assert LogEnd(service.admin, "default", TOPIC).look().matched == 1
