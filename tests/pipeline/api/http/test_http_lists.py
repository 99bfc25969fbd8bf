"""Zones, devices, alerts, deliveries and dead letters over HTTP."""

import base64
from typing import Any

import httpx
import orjson
import pytest

from pipeline.api.http.routes import dead_letters
from pipeline.log.frame import FrameKind, decode_frame
from pipeline.log.topics import READINGS
from store.record import SeriesKey, TableId
from tests.support.http_service import NOW_NS, NS, HttpService

MINUTE = 60 * NS


async def test_zones_are_listed_with_sensors_and_last_time(service: HttpService, http: httpx.AsyncClient) -> None:
    for sensor, minutes in (("s1", 3), ("s2", 1), ("s2", 2)):
        body = {"ts": NOW_NS - minutes * MINUTE, "temperature": 20}
        await service.publish(f"greenhouse/eu/gh-1/north/{sensor}", body)
    await service.publish("water/gh-1/north/p1", {"ts": NOW_NS - 5 * MINUTE, "flow": 1})

    everything, of_water = await http.get("/v1/zones"), await http.get("/v1/zones?table=farm.water")

    water = {"zone": "gh-1/north", "table": "farm.water", "sensors": 1, "last_time": "2026-11-23T09:55:00Z"}
    climate = {"zone": "gh-1/north", "table": "farm.climate", "sensors": 2, "last_time": "2026-11-23T09:59:00Z"}
    assert everything.json() == {"zones": [climate, water]}
    assert of_water.json() == {"zones": [water]}


async def test_tables_are_listed_with_series_and_last_time(service: HttpService, http: httpx.AsyncClient) -> None:
    for sensor, minutes in (("s1", 3), ("s2", 1), ("s2", 2)):
        body = {"ts": NOW_NS - minutes * MINUTE, "temperature": 20}
        await service.publish(f"greenhouse/eu/gh-1/north/{sensor}", body)

    found = await http.get("/v1/tables")

    listed = [(table["table"], table["series"], table["last_time"]) for table in found.json()["tables"]]
    assert ("farm.climate", 2, "2026-11-23T09:59:00Z") in listed
    assert all(table["series"] == 0 for table in found.json()["tables"] if table["last_time"] is None)


async def test_a_series_on_its_way_to_the_store_is_not_listed_yet(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    """Normalise knows a series a moment before its first record is applied."""
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS, "temperature": 20})
    index = service.store.registry.of(TableId("default", "farm", "climate"))
    for number in range(200):
        index.id_of(SeriesKey((("sensor", f"new-{number}"),), "climate"), "gh-1/east")

    zones, devices = await http.get("/v1/zones"), await http.get("/v1/devices?limit=1000")
    of_zone = await http.get("/v1/devices?zone=gh-1/east")

    assert [zone["zone"] for zone in zones.json()["zones"]] == ["gh-1/north"]
    assert len(devices.json()["devices"]) == 1
    assert of_zone.json()["devices"] == []


async def test_devices_say_who_sent_what_when_and_what_was_rejected(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS - MINUTE, "temperature": 20})
    await service.publish("greenhouse/eu/gh-1/south/s2", {"ts": NOW_NS, "temperature": 20})
    await service.publish("greenhouse/eu/gh-1/south/s2", b"{", b"[1]", b"{")

    answer = await http.get("/v1/devices")
    of_north = await http.get("/v1/devices?zone=gh-1/north")
    newest = await http.get("/v1/devices?limit=1")

    south = {
        "table": "farm.climate",
        "zone": "gh-1/south",
        "dimensions": {"greenhouse": "gh-1", "region": "eu", "sensor": "s2", "zone": "south"},
        "measure_name": "climate",
        "last_time": "2026-11-23T10:00:00Z",
    }
    assert [device["dimensions"]["sensor"] for device in answer.json()["devices"]] == ["s2", "s1"]
    assert [device["zone"] for device in of_north.json()["devices"]] == ["gh-1/north"]
    assert newest.json()["devices"] == [south]
    rejected = {(found["mqtt_topic"], found["reason"]): found["count"] for found in answer.json()["rejected"]}
    assert rejected == {
        ("greenhouse/eu/gh-1/south/s2", "invalid_json"): 2,
        ("greenhouse/eu/gh-1/south/s2", "time_missing"): 1,
    }


async def test_devices_say_which_fields_were_altered(service: HttpService, http: httpx.AsyncClient) -> None:
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS, "temperature": 20, "time": "10:00"})
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS, "temperature": "warm", "time": "10:00"})

    answer = (await http.get("/v1/devices")).json()
    of_water = (await http.get("/v1/devices?table=farm.water")).json()

    last = {"table": "farm.climate", "last_arrival": "2026-11-23T10:00:00Z"}
    assert answer["altered"] == [
        {**last, "field": "time", "what": "renamed", "count": 2},
        {**last, "field": "temperature", "what": "other_column", "count": 1},
    ]
    assert of_water["altered"] == []


async def test_alerts_are_listed_newest_first_and_by_page(service: HttpService, http: httpx.AsyncClient) -> None:
    for number in range(5):
        service.alert(f"a{number}")
    service.alert("a1", "resolved")

    first = (await http.get("/v1/alerts?limit=3")).json()
    second = (await http.get(f"/v1/alerts?limit=3&before={first['next']}")).json()
    resolved = (await http.get("/v1/alerts?status=resolved")).json()

    assert [alert["id"] for alert in first["alerts"] + second["alerts"]] == ["a4", "a3", "a2", "a1", "a0"]
    assert second["next"] is None
    assert [alert["id"] for alert in resolved["alerts"]] == ["a1"]
    assert {"table": "farm.climate", "zone": "gh-1/north", "status": "firing", "value": 33.1}.items() <= first[
        "alerts"
    ][0].items()


async def test_alerts_are_filtered_by_zone_and_table(service: HttpService, http: httpx.AsyncClient) -> None:
    service.alert("a1", zone="gh-1/north")
    service.alert("a2", zone="gh-1/south")

    south = await http.get("/v1/alerts?zone=gh-1/south&table=farm.climate")
    nowhere = await http.get("/v1/alerts?table=farm.water")

    assert [alert["id"] for alert in south.json()["alerts"]] == ["a2"]
    assert nowhere.json() == {"alerts": [], "next": None}


async def test_deliveries_say_what_came_of_them(service: HttpService, http: httpx.AsyncClient) -> None:
    service.alert("a1")
    service.alert("a2")
    (due, *_) = service.alerts.due(NOW_NS, "growers", 10)
    service.alerts.failed(due, NOW_NS + MINUTE, "500 Internal Server Error")

    answer = await http.get("/v1/alerts/deliveries?receiver=growers&state=queued")
    nobody = await http.get("/v1/alerts/deliveries?receiver=nobody")

    assert answer.json()["deliveries"][-1] == {
        "id": "a1.firing",
        "receiver": "growers",
        "state": "queued",
        "attempts": 1,
        "queued": "2026-11-23T10:00:00Z",
        "next_attempt": "2026-11-23T10:01:00Z",
        "settled": None,
        "error": "500 Internal Server Error",
        "answer": "500 Internal Server Error",
    }
    assert nobody.json()["deliveries"] == []


async def test_a_delivery_is_shown_with_what_is_sent_and_the_answer(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    service.alert("a1")
    (due,) = service.alerts.due(NOW_NS, "growers", 10)
    service.alerts.delivered(due, NOW_NS, "HTTP 204")

    (shown,) = (await http.get("/v1/alerts/deliveries/a1.firing")).json()["deliveries"]

    assert (shown["state"], shown["answer"]) == ("delivered", "HTTP 204")
    assert shown["address"] == "https://hooks.example/***?***"
    assert orjson.loads(shown["body"])["data"]["id"] == "a1"


async def letters_of(http: httpx.AsyncClient, **parameters: str) -> list[dict[str, Any]]:
    answer = await http.get("/v1/dead-letters", params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["dead_letters"]
    return found


async def test_dead_letters_show_their_payload_as_text_or_base64(service: HttpService, http: httpx.AsyncClient) -> None:
    await service.publish("greenhouse/eu/gh-1/north/s1", b"{not json", b"\xff\x00")

    binary, text = await letters_of(http)
    one = await http.get(f"/v1/dead-letters/{text['id']}")

    assert (text["payload"], text["reason"], text["replayed"]) == ("{not json", "invalid_json", None)
    assert text["arrival"] == "2026-11-23T10:00:00Z"
    assert base64.b64decode(binary["payload_base64"]) == b"\xff\x00"
    assert one.json() == text


async def test_dead_letters_are_filtered(service: HttpService, http: httpx.AsyncClient) -> None:
    await service.publish("greenhouse/eu/gh-1/north/s1", b"{not json")
    service.clock.now_ns += 10 * MINUTE
    await service.publish("nowhere", b"{}")

    assert [letter["reason"] for letter in await letters_of(http, reason="no_route")] == ["no_route"]
    assert [letter["reason"] for letter in await letters_of(http, mqtt_topic="nowhere")] == ["no_route"]
    assert [letter["reason"] for letter in await letters_of(http, **{"from": "5m"})] == ["no_route"]
    assert [letter["reason"] for letter in await letters_of(http, to="5m")] == ["invalid_json"]
    assert await letters_of(http, replayed="true") == []


async def test_a_replay_appends_the_message_with_its_first_stamp(service: HttpService, http: httpx.AsyncClient) -> None:
    """What still fails is a new dead letter. The frame says that its stamps are older than its place in the log."""
    await service.publish("greenhouse/eu/gh-1/north/s1", b"{not json")
    (letter,) = await letters_of(http)
    service.clock.now_ns += MINUTE

    answer = await http.post("/v1/dead-letters/replay", json={"ids": [letter["id"]]})

    offset, value = service.admin.read(READINGS, 1, 10)[0]
    frame = decode_frame(value)
    assert answer.json() == {"replayed": 1, "more": False, "up_to": None}
    assert (offset, frame.arrival_ns, frame.payloads) == (1, [NOW_NS], [b"{not json"])
    assert frame.kind is FrameKind.MQTT_AGAIN
    assert (await letters_of(http))[0]["replayed"] == "2026-11-23T10:01:00Z"
    service.take_in()
    assert [found["replayed"] for found in await letters_of(http)] == [None, "2026-11-23T10:01:00Z"]


async def test_a_letter_that_was_too_far_from_its_arrival_is_judged_as_if_it_came_now(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    """It was the host's clock that was wrong, perhaps, and is right by now."""
    body = {"ts": NOW_NS + 60 * MINUTE, "temperature": 21.5}
    await service.publish("greenhouse/eu/gh-1/north/s1", body)
    (letter,) = await letters_of(http, reason="too_far_ahead")
    service.clock.now_ns += 61 * MINUTE

    answer = await http.post("/v1/dead-letters/replay", json={"reason": "too_far_ahead"})

    frame = decode_frame(service.admin.read(READINGS, 1, 10)[0][1])
    assert answer.json()["replayed"] == 1
    assert (frame.kind, frame.arrival_ns) == (FrameKind.MQTT, [service.clock.now_ns])
    service.take_in()
    assert [found["id"] for found in await letters_of(http)] == [letter["id"]]  # it became a row


async def test_all_letters_of_a_reason_are_replayed_once(service: HttpService, http: httpx.AsyncClient) -> None:
    await service.publish("greenhouse/eu/gh-1/north/s1", b"1", b"{x", b"{y")

    replayed = [
        (await http.post("/v1/dead-letters/replay", json={"reason": "invalid_json"})).json()["replayed"]
        for _ in range(2)
    ]

    (_, value) = service.admin.read(READINGS, 1, 10)[0]
    assert replayed == [2, 0]
    assert decode_frame(value).payloads == [b"{x", b"{y"]


@pytest.mark.parametrize(
    ("body", "status", "parameter"),
    [
        ({}, 400, "ids"),
        ({"ids": ["x:0:0:0"], "reason": "no_route"}, 400, "ids"),
        ({"ids": ["x:0:0:0"]}, 404, "ids"),
        ({"reason": "bad"}, 400, "reason"),
        ({"ids": ["x"] * 1001}, 400, "ids"),
        ({"id": "x"}, 400, "id"),
    ],
)
async def test_a_replay_that_is_not_possible_appends_nothing(
    service: HttpService, http: httpx.AsyncClient, body: dict[str, Any], status: int, parameter: str
) -> None:
    answer = await http.post("/v1/dead-letters/replay", json=body)

    assert (answer.status_code, answer.json()["parameter"]) == (status, parameter)
    assert service.admin.extent(READINGS).next_offset == 0


async def test_no_account_sees_anothers_alerts_devices_or_letters(guarded: HttpService) -> None:
    await guarded.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS, "temperature": 1}, b"{", account="farm-7")
    guarded.alert("a1", account="farm-7")
    (letter,) = guarded.dead_letters.list()
    async with guarded.client("token-of-farm-8") as http:
        lists = [
            (await http.get(path)).json()
            for path in ("/v1/zones", "/v1/devices", "/v1/alerts", "/v1/alerts/deliveries", "/v1/dead-letters")
        ]
        one = await http.get(f"/v1/dead-letters/{letter.letter.id}")
        replay = await http.post("/v1/dead-letters/replay", json={"ids": [letter.letter.id]})
        sql = await http.post("/v1/query", json={"sql": 'SELECT * FROM "farm"."climate"'})

    assert [found for answer in lists for found in answer.values() if found] == []
    assert (one.status_code, replay.status_code) == (404, 404)
    assert sql.status_code in {400, 404} or sql.json()["rows"] == []


async def test_a_replay_in_parts_goes_oldest_first_and_leaves_what_failed_again_meanwhile(
    service: HttpService, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "MAX_REPLAYED", 2)
    await service.publish("greenhouse/eu/gh-1/north/s1", b"{x", b"{y", b"{z")
    body: dict[str, Any] = {"reason": "invalid_json"}

    first = (await http.post("/v1/dead-letters/replay", json=body)).json()
    service.take_in()
    second = (await http.post("/v1/dead-letters/replay", json=body | {"up_to": first["up_to"]})).json()

    appended = [decode_frame(value).payloads for _, value in service.admin.read(READINGS, 1, 10)]
    assert (first["replayed"], first["more"], second["replayed"], second["more"]) == (2, True, 1, False)
    assert appended == [[b"{x", b"{y"], [b"{z"]]
