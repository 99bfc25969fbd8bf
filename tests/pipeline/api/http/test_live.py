"""`/v1/live`: complete at first, then what has changed, made once for all who ask for the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, cast

import httpx
import msgspec
import orjson
import pytest

from pipeline.api.http import live_feeds
from pipeline.api.http.event_streams import PING_EVERY_S, SLOW_S
from pipeline.api.http.routes.live import MOST_TRANSITIONS, Wanted, events
from pipeline.api.inventory.live import LivePart, LiveRequest, LiveZone, Spread, merged
from pipeline.api.inventory.transitions import TransitionsPart
from pipeline.base.errors import PeerUnavailable
from pipeline.config.model import HttpLimits
from tests.support.http_service import NOW_NS, NS, HttpService

MINUTE = 60 * NS
NORTH, SOUTH = "greenhouse/eu/gh-1/north", "greenhouse/eu/gh-1/south"


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_feeds, "LOOK_EVERY_S", 0)
    monkeypatch.setattr(live_feeds, "_REST", 0)


class Seconds:
    """Steady time that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.step_s = 0.0  # by which it moves when it is asked for

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


class Client:
    """A stream that is read event by event."""

    def __init__(
        self, service: HttpService, *kinds: Any, account: str = "default", after: int | None = None, **asked: Any
    ) -> None:
        request = LiveRequest(account, None, (), (), 15 * MINUTE, 20)
        wanted = Wanted(frozenset(kinds), msgspec.structs.replace(request, **asked), after)
        self.time = Seconds()
        stream = events(service.app.state.services, wanted, follow=True, now_s=self.time)
        self.stream = cast("AsyncGenerator[bytes]", stream)

    async def next(self) -> tuple[str, Any]:
        """The kind of the next event, and its data; of a comment its text."""
        async with asyncio.timeout(30):
            lines = (await anext(self.stream)).decode().strip().splitlines()
        fields = dict(line.split(": ", 1) for line in lines)
        return fields.get("event") or fields[""], orjson.loads(fields.get("data", "null"))

    async def zones(self) -> dict[str, Any]:
        """The measures of each zone of the next event `zones`."""
        kind, data = await self.next()
        assert kind == "zones"
        return {zone["zone"]: zone["measures"] for zone in data["zones"]}


async def now(http: httpx.AsyncClient, query: str = "") -> list[tuple[str, Any]]:
    """The events with which a stream begins."""
    answer = await http.get(f"/v1/live?follow=false{query}")
    assert answer.status_code == 200, answer.text
    found = [dict(line.split(": ", 1) for line in event.splitlines()) for event in answer.text.strip().split("\n\n")]
    return [(event["event"], orjson.loads(event["data"])) for event in found if event]


async def test_a_zone_has_the_last_values_of_its_sensors(service: HttpService, http: httpx.AsyncClient) -> None:
    for sensor, temperature in (("s1", 20), ("s2", 23)):
        await service.publish(f"{NORTH}/{sensor}", {"ts": NOW_NS - MINUTE, "temperature": 99, "co2": 400})
        await service.publish(f"{NORTH}/{sensor}", {"ts": NOW_NS - NS, "temperature": temperature, "door": "open"})
    await service.publish(f"{SOUTH}/s3", {"ts": NOW_NS - 20 * MINUTE, "temperature": 7})

    (kind, data), (of_devices, devices) = await now(http)

    assert (kind, of_devices) == ("zones", "devices")
    assert data["zones"] == [
        {
            "table": "farm.climate",
            "zone": "gh-1/north",
            "sensors": 2,
            "last_time": "2026-11-23T09:59:59Z",
            "measures": {
                "temperature": {"average": 21.5, "min": 20.0, "max": 23.0, "count": 2},
                "co2": {"average": 400.0, "min": 400.0, "max": 400.0, "count": 2},
            },
        },
        {
            "table": "farm.climate",
            "zone": "gh-1/south",
            "sensors": 1,
            "last_time": "2026-11-23T09:40:00Z",
            "measures": {},
        },
    ]
    assert devices["series"] == 3
    assert [device["dimensions"]["sensor"] for device in devices["devices"]][-1] == "s3"


async def test_what_is_asked_for_is_what_is_sent(service: HttpService, http: httpx.AsyncClient) -> None:
    for zone in (NORTH, SOUTH):
        await service.publish(f"{zone}/s1", {"ts": NOW_NS - 2 * MINUTE, "temperature": 20, "co2": 400})
    await service.publish("water/gh-1/north/p1", {"ts": NOW_NS, "flow": 1})

    (_, south), (_, devices) = await now(http, "&table=farm.climate&zone=gh-1/south&measure=co2&devices=1")
    assert [(zone["zone"], list(zone["measures"])) for zone in south["zones"]] == [("gh-1/south", ["co2"])]
    assert [device["zone"] for device in devices["devices"]] == ["gh-1/south"]
    ((kind, old),) = await now(http, "&of=zones&within=1m&table=farm.climate")
    assert kind == "zones"
    assert [zone["measures"] for zone in old["zones"]] == [{}, {}]
    assert await now(http, "&of=zones&zone=nowhere") == [("zones", {"zones": []})]
    for query, told in (("of=dust", "of is"), ("within=5", "within=5"), ("zone=a" + "&zone=a" * 200, "at most 200")):
        refused = await http.get(f"/v1/live?{query}")
        assert refused.status_code == 400
        assert told in refused.json()["detail"]


async def test_after_the_first_event_only_what_changes_is_sent(service: HttpService) -> None:
    for zone in (NORTH, SOUTH):
        await service.publish(f"{zone}/s1", {"ts": NOW_NS - MINUTE, "temperature": 20})
    client = Client(service, "zones")
    assert set(await client.zones()) == {"gh-1/north", "gh-1/south"}

    await service.publish(f"{SOUTH}/s1", {"ts": NOW_NS, "temperature": 30})

    assert await client.zones() == {"gh-1/south": {"temperature": {"average": 30, "min": 30, "max": 30, "count": 1}}}


async def test_a_client_that_was_away_gets_the_newest_once(service: HttpService) -> None:
    """Nothing is queued for it."""
    await service.publish(f"{NORTH}/s1", {"ts": NOW_NS - MINUTE, "temperature": 20})
    away, there = Client(service, "zones"), Client(service, "zones")
    await away.zones()
    await there.zones()
    for number in range(3):
        await service.publish(f"{NORTH}/s1", {"ts": NOW_NS + number, "temperature": number})
        while (await there.zones())["gh-1/north"]["temperature"]["average"] != number:
            pass  # a look may have come between what a message changes

    assert (await away.zones())["gh-1/north"]["temperature"]["average"] == 2


async def test_those_who_ask_for_the_same_share_one_look_and_nobody_looks_when_they_are_gone(
    service: HttpService,
) -> None:
    await service.publish(f"{NORTH}/s1", {"ts": NOW_NS, "temperature": 20})
    feeds = service.app.state.services.live
    clients = [Client(service, "zones") for _ in range(5)] + [Client(service, "zones", zones=("gh-1/north",))]
    for client in clients:
        await client.zones()
    assert len(feeds.zones) == 2

    for client in clients:
        await client.stream.aclose()

    assert (len(feeds.zones), len(feeds.alerts)) == (0, 0)


async def test_devices_are_counted_and_the_newest_named(service: HttpService) -> None:
    await service.publish(f"{NORTH}/s1", {"ts": NOW_NS - MINUTE, "temperature": 20})
    client = Client(service, "devices", devices=1)
    first = (await client.next())[1]
    await service.publish(f"{NORTH}/s2", {"ts": NOW_NS, "temperature": 20})

    async with asyncio.timeout(30):
        while not (then := (await client.next())[1])["devices"]:
            pass

    assert (first["series"], first["records_per_second"], then["series"]) == (1, None, 2)
    assert [device["dimensions"]["sensor"] for device in then["devices"]] == ["s2"]


async def test_alerts_of_the_account_come_in_order_and_a_client_goes_on_where_it_was(service: HttpService) -> None:
    service.alert("earlier")
    client = Client(service, "alerts")
    client.time.step_s = 1
    assert await client.next() == ("ping", None)
    client.time.step_s = 0
    service.alert("another's", account="farm-8")
    for number in range(MOST_TRANSITIONS + 1):
        service.alert(f"a{number}")

    found: list[str] = []
    while len(found) < MOST_TRANSITIONS + 1:
        kind, data = await client.next()
        assert kind == "alerts"
        found += [one["id"] for one in data["transitions"]]
    again = (await Client(service, "alerts", after=MOST_TRANSITIONS).next())[1]
    unknown = await Client(service, "alerts", after=9999).next()

    assert found == [f"a{number}" for number in range(MOST_TRANSITIONS + 1)]
    assert [one["id"] for one in again["transitions"]] == ["a98", "a99", "a100"]
    assert unknown[0] == "missed"


async def test_a_client_that_does_not_take_events_is_closed_with_a_word(service: HttpService) -> None:
    await service.publish(f"{NORTH}/s1", {"ts": NOW_NS, "temperature": 20})
    client = Client(service, "zones", "devices")
    await client.next()
    client.time.now_s += SLOW_S + 1

    kind, _ = await client.next()

    assert kind == "closed"
    with pytest.raises(StopAsyncIteration):
        await anext(client.stream)


async def test_a_quiet_stream_says_that_it_is_there(service: HttpService) -> None:
    client = Client(service, "zones")
    await client.next()
    client.time.now_s += PING_EVERY_S

    assert await client.next() == ("ping", None)


async def test_a_worker_that_does_not_answer_is_told_once_and_its_answer_follows(service: HttpService) -> None:
    parts = service.app.state.services

    class Directory:
        is_away = True

        def live(self, request: LiveRequest) -> LivePart:
            if self.is_away:
                raise PeerUnavailable("the worker at http://other:1 does not answer")
            return LivePart([LiveZone("d", "t", "z", 1, 0, {})], [], 1, 1)

    directory = Directory()

    def transitions(_: object) -> TransitionsPart:
        return TransitionsPart(1, 0, [])

    service.app.state.services = replace(parts, directory=directory, transitions=transitions)
    client = Client(service, "zones")
    kind, data = await client.next()
    directory.is_away = False
    after = await client.zones()

    assert (kind, data["detail"]) == ("unavailable", "the worker at http://other:1 does not answer")
    assert after == {"z": {}}


async def test_streams_beyond_a_limit_are_refused(service: HttpService, http: httpx.AsyncClient) -> None:
    parts = service.app.state.services
    service.app.state.services = replace(parts, limits=HttpLimits(streams_per_account=1))

    with parts.streams.opened("default"):
        refused = await http.get("/v1/live")
    after = await http.get("/v1/live?follow=false")

    assert (refused.status_code, after.status_code) == (503, 200)
    assert "http.limits.streams_per_account" in refused.json()["detail"]


async def test_an_account_sees_its_own(guarded: HttpService) -> None:
    await guarded.publish(f"{NORTH}/s1", {"ts": NOW_NS, "temperature": 20}, account="farm-7")
    seen = {}
    for account in ("farm-7", "farm-8"):
        async with guarded.client(f"token-of-{account}") as http:
            seen[account] = [zone["zone"] for zone in (await now(http, "&of=zones"))[0][1]["zones"]]

    assert seen == {"farm-7": ["gh-1/north"], "farm-8": []}


def test_parts_of_several_workers_are_one_answer() -> None:
    """Over the wire between workers, too."""

    def zone(name: str, sensors: int, last_ns: int, **measures: Spread) -> LiveZone:
        return LiveZone("farm", "climate", name, sensors, last_ns, measures)

    parts = [
        LivePart([zone("a", 1, 5, x=Spread(3.0, 3.0, 3.0, 1)), zone("b", 1, 1)], [], 2, 10),
        LivePart([zone("a", 2, 4, x=Spread(9.0, 1.0, 8.0, 2), y=Spread(1.0, 1.0, 1.0, 1))], [], 2, 5),
    ]
    sent = [msgspec.msgpack.decode(msgspec.msgpack.encode(part), type=LivePart) for part in parts]

    assert merged(sent, 20) == LivePart(
        [zone("a", 3, 5, x=Spread(12.0, 1.0, 8.0, 3), y=Spread(1.0, 1.0, 1.0, 1)), zone("b", 1, 1)], [], 4, 15
    )
    assert merged([], 20) == LivePart([], [], 0, 0)


async def test_no_devices_can_be_asked_for_and_the_servers_own_tables_have_none(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    await service.publish(f"{NORTH}/s-1", {"ts": NOW_NS, "temperature": 21.0})
    service.alert("a1")
    await service.write_history()

    alone, named = [dict(await now(http, query))["devices"] for query in ("&devices=0", "&table=streamgauge.alerts")]
    lists = [(await http.get(path)).json() for path in ("/v1/series", "/v1/devices")]

    assert (alone["series"], alone["devices"]) == (1, [])
    assert (named["series"], named["devices"][0]["dimensions"]["rule"]) == (1, "climate/TooHot")
    assert [of["table"] for found in lists for of in found.get("series", found.get("devices"))] == ["farm.climate"] * 2
