"""Series are found by text, in order, page by page, whichever worker has them."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from pipeline.api.inventory.search import SeriesPage, merged
from tests.support.http_service import NOW_NS, NS, HttpService

MINUTE = 60 * NS


@pytest.fixture
async def filled(service: HttpService) -> HttpService:
    for number in range(5):
        topic = f"greenhouse/eu/gh-{number % 2}/North/s{number}"
        await service.publish(topic, {"ts": NOW_NS - number * MINUTE, "temperature": number, "door": "open"})
    await service.publish("water/gh-0/north/p1", {"ts": NOW_NS - 30 * MINUTE, "flow": 3})
    return service


async def found(http: httpx.AsyncClient, query: str) -> dict[str, Any]:
    answer = await http.get(f"/v1/series?{query}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def names(body: dict[str, Any]) -> list[str]:
    return [of["dimensions"].get("sensor") or of["dimensions"]["pump"] for of in body["series"]]


@pytest.mark.usefixtures("filled")
async def test_a_series_has_its_newest_time_and_its_last_values(http: httpx.AsyncClient) -> None:
    body = await found(http, "q=s3")

    assert body == {
        "series": [
            {
                "table": "farm.climate",
                "zone": "gh-1/North",
                "dimensions": {"region": "eu", "greenhouse": "gh-1", "zone": "North", "sensor": "s3"},
                "measure_name": "climate",
                "last_time": "2026-11-23T09:57:00Z",
                "values": {
                    "temperature": {"time": "2026-11-23T09:57:00Z", "value": 3.0, "unit": "celsius"},
                    "door": {"time": "2026-11-23T09:57:00Z", "value": "open", "unit": None},
                },
                "mqtt_topic": "greenhouse/eu/gh-1/North/s3",
            }
        ],
        "matched": 1,
        "next": None,
    }
    assert [of["values"] for of in (await found(http, "q=s3&values=false"))["series"]] == [{}]
    assert [of["values"] for of in (await found(http, "q=s3&from=1m"))["series"]] == [{}]


@pytest.mark.usefixtures("filled")
async def test_each_word_must_match_and_so_must_what_else_is_asked_for(http: httpx.AsyncClient) -> None:
    asked = {
        "": ["s0", "s2", "s4", "s1", "s3", "p1"],
        "q=north": ["s0", "s2", "s4", "s1", "s3", "p1"],
        "q=GH-0 north": ["s0", "s2", "s4", "p1"],
        "q=sensor%3Ds4": ["s4"],
        "q=climate s1": ["s1"],
        "q=gh-1north": [],
        "dimension=greenhouse%3Dgh-1": ["s1", "s3"],
        "dimension=greenhouse%3Dgh-1&dimension=sensor%3Ds2": [],
        "zone=gh-1/North": ["s1", "s3"],
        "zone=gh-1/north": [],
        "table=farm.water": ["p1"],
    }

    assert {query: names(await found(http, query)) for query in asked} == asked


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("limit", [1, 2, 6, 7])
async def test_pages_have_every_series_once(http: httpx.AsyncClient, limit: int) -> None:
    listed: list[str] = []
    body = await found(http, f"limit={limit}")
    listed += names(body)
    while body["next"] is not None:
        body = await found(http, f"limit={limit}&after={body['next']}")
        assert body["matched"] == 6
        listed += names(body)

    assert listed == ["s0", "s2", "s4", "s1", "s3", "p1"]


async def test_series_that_come_later_are_found_too(filled: HttpService, http: httpx.AsyncClient) -> None:
    assert names(await found(http, "q=s9")) == []

    await filled.publish("greenhouse/eu/gh-0/North/s9", {"ts": NOW_NS, "temperature": 1})

    assert names(await found(http, "q=s9")) == ["s9"]
    assert names(await found(http, "q=gh-0 climate")) == ["s0", "s2", "s4", "s9"]


async def test_an_account_finds_its_own(guarded: HttpService) -> None:
    await guarded.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS, "temperature": 1}, account="farm-7")
    async with guarded.client("token-of-farm-8") as http:
        assert await found(http, "") == {"series": [], "matched": 0, "next": None}


async def test_what_is_not_possible_is_said(http: httpx.AsyncClient) -> None:
    for query, told in (
        ("after=x", "after=x is not possible"),
        ("dimension=x", "a dimension is NAME=VALUE"),
        ("q=" + "+a" * 11, "at most 10 words"),
    ):
        answer = await http.get(f"/v1/series?{query}")
        assert (answer.status_code, told in answer.json()["detail"]) == (400, True), answer.text


@pytest.mark.usefixtures("filled")
async def test_pages_of_several_workers_are_one(filled: HttpService, http: httpx.AsyncClient) -> None:
    """Each sends the first of its series; those of all are the first of all."""
    directory = filled.app.state.services.directory
    requests: list[Any] = []
    search = directory.search
    directory.search = lambda request: requests.append(request) or search(request)
    await found(http, "")
    whole = search(requests[0])
    parts = [SeriesPage(whole.series[place::2], 3) for place in (0, 1)]
    sent = [msgspec.msgpack.decode(msgspec.msgpack.encode(part), type=SeriesPage) for part in parts]

    assert merged(sent, 100) == whole
    assert merged(sent, 2).series == whole.series[:2]
