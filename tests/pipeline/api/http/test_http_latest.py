"""The last values of sensors over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.http_service import NOW_NS, NS, HttpService

MINUTE = 60 * NS


async def values(http: httpx.AsyncClient, query: str = "") -> list[tuple[str, str, object, str]]:
    """(sensor, measure, value, time) of each entry."""
    answer = await http.get(f"/v1/latest?{query}")
    assert answer.status_code == 200, answer.text
    return [(of["dimensions"]["sensor"], of["measure"], of["value"], of["time"]) for of in answer.json()["latest"]]


async def test_each_measure_has_the_value_of_the_newest_row_that_has_it(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    topic = "greenhouse/eu/gh-1/north/s1"
    await service.publish(topic, {"ts": NOW_NS - 3 * MINUTE, "temperature": 20, "co2": 400})
    await service.publish(topic, {"ts": NOW_NS - 2 * MINUTE - NS // 4, "temperature": 21.5})

    co2, temperature = sorted(await http_latest(http, ""), key=lambda of: str(of["measure"]))

    common = {
        "table": "farm.climate",
        "zone": "gh-1/north",
        "dimensions": {"region": "eu", "greenhouse": "gh-1", "zone": "north", "sensor": "s1"},
        "measure_name": "climate",
    }
    assert co2 == {**common, "measure": "co2", "unit": None, "time": "2026-11-23T09:57:00Z", "value": 400.0}
    assert temperature == {
        **common,
        "measure": "temperature",
        "unit": "celsius",
        "time": "2026-11-23T09:57:59.75Z",
        "value": 21.5,
    }


async def test_they_are_chosen_by_zone_measure_dimension_table_and_time(
    service: HttpService, http: httpx.AsyncClient
) -> None:
    for minutes, sensor, zone in ((3, "s1", "north"), (1, "s2", "south"), (2, "s3", "south")):
        await service.publish(
            f"greenhouse/eu/gh-1/{zone}/{sensor}", {"ts": NOW_NS - minutes * MINUTE, "temperature": minutes, "co2": 9}
        )
    await service.publish("water/gh-1/north/p1", {"ts": NOW_NS - 5 * MINUTE, "flow": 1})

    assert [of[:2] for of in await values(http, "zone=gh-1/south&measure=temperature")] == [
        ("s2", "temperature"),
        ("s3", "temperature"),
    ]
    assert [of[0] for of in await values(http, "measure=co2&dimension=sensor=s3")] == ["s3"]
    assert await values(http, "measure=co2&dimension=sensor=s3&zone=gh-1/north") == []
    assert [of[0] for of in await values(http, "measure=temperature&measure=co2&from=90s")] == ["s2", "s2"]
    assert [of[0] for of in await values(http, "measure=temperature&limit=2")] == ["s2", "s3"]
    assert len(await http_latest(http, "table=farm.water")) == 1
    assert len(await http_latest(http, "")) == 7


async def http_latest(http: httpx.AsyncClient, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await http.get(f"/v1/latest?{query}")).json()["latest"]
    return found


async def test_a_newer_and_a_corrected_value_are_seen_at_once(service: HttpService, http: httpx.AsyncClient) -> None:
    topic = "greenhouse/eu/gh-1/north/s1"
    await service.publish(topic, {"ts": NOW_NS - 3 * MINUTE, "temperature": 20})
    first = await values(http, "measure=temperature")
    await service.publish(topic, {"ts": NOW_NS - 3 * MINUTE, "temperature": 25})
    corrected = await values(http, "measure=temperature")
    await service.publish(topic, {"ts": NOW_NS - 9 * MINUTE, "temperature": 1})
    await service.publish(topic, {"ts": NOW_NS - MINUTE, "temperature": 30})

    newer = await values(http, "measure=temperature")

    assert [found[0][2] for found in (first, corrected, newer)] == [20.0, 25.0, 30.0]


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ("zone=nowhere", 404, "no zone 'nowhere'"),
        ("dimension=sensor", 400, "a dimension is NAME=VALUE"),
        ("limit=0", 400, "limit"),
        ("from=yesterday", 400, "from=yesterday is not possible"),
    ],
)
async def test_what_is_not_possible_is_said(
    service: HttpService, http: httpx.AsyncClient, query: str, status: int, detail: str
) -> None:
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS - MINUTE, "temperature": 20})

    answer = await http.get(f"/v1/latest?{query}")

    assert answer.status_code == status
    assert detail in answer.json()["detail"]
