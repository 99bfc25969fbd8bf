"""Dimensions by the number of their values; tables with their bytes; workers with their partitions."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from pipeline.api.inventory.cardinality import DimensionValues, merged
from pipeline.api.inventory.directory import TableSummary
from tests.support.http_service import NOW_NS, HttpService


@pytest.fixture
async def filled(service: HttpService) -> HttpService:
    """Three sensors in two zones."""
    for zone, sensor in (("north", "s1"), ("north", "s2"), ("south", "s3")):
        await service.publish(f"greenhouse/eu/gh-1/{zone}/{sensor}", {"ts": NOW_NS, "temperature": 20.0, "co2": 400})
    return service


async def found(http: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    answer = await http.get(f"/v1/dimensions?{query}")
    assert answer.status_code == 200, answer.text
    dimensions: list[dict[str, Any]] = answer.json()["dimensions"]
    return dimensions


@pytest.mark.usefixtures("filled")
async def test_dimensions_with_most_values_come_first_with_their_largest_values(http: httpx.AsyncClient) -> None:
    counts = [(of["dimension"], of["values"], of["series"]) for of in await found(http)]
    (zone,) = await found(http, "dimension=zone&table=farm.climate")

    assert counts == [("sensor", 3, 3), ("zone", 2, 3), ("greenhouse", 1, 3), ("region", 1, 3)]
    assert zone["top"] == [{"value": "north", "series": 2}, {"value": "south", "series": 1}]
    assert (await found(http, "dimension=zone&top=1"))[0]["top"] == zone["top"][:1]
    assert await found(http, "table=farm.water") == []


def test_partitions_together_count_a_value_once() -> None:
    north = DimensionValues("farm", "air", "zone", 3, {"north": 2, "south": 1})
    more = DimensionValues("farm", "air", "zone", 2, {"south": 2})
    other = DimensionValues("farm", "air", "sensor", 5, {f"s{number}": 1 for number in range(5)})

    assert merged([north, more, other]) == [
        other,
        DimensionValues("farm", "air", "zone", 5, {"north": 2, "south": 3}),
    ]


async def test_a_table_has_its_bytes_in_both_tiers(filled: HttpService, http: httpx.AsyncClient) -> None:
    filled.store.commit_all()
    filled.store.all_tables()[0].count_values()  # as upkeep does

    (table,) = [of for of in (await http.get("/v1/tables")).json()["tables"] if of["table"] == "farm.climate"]
    size = filled.store.all_tables()[0].size()

    assert size.values == 6
    assert (table["memory_bytes"], table["magnetic_bytes"]) == (size.memory_bytes, size.magnetic_bytes)
    assert table["memory_bytes_per_value"] == round(size.memory_bytes / 6, 2)
    assert table["magnetic_bytes_per_value"] == round(size.counted_bytes / size.counted_values, 2)


def test_two_partitions_of_a_table_share_its_files() -> None:
    one, two = TableSummary("a", "b", 2, None, 10, 5, 70, 30, 3), TableSummary("a", "b", 1, 9, 20, 6, 60, 10, 1)

    assert one + two == TableSummary("a", "b", 3, 9, 30, 11, 70, 40, 4)


async def test_workers_have_their_partitions(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/workers")

    assert answer.json() == {"partitions": 1, "workers": [{"worker": "127.0.0.1:8080", "partitions": [0]}]}
