"""Types and units of measures over HTTP, and by the command."""

from __future__ import annotations

import httpx
import pytest

from store.record import MeasureType
from tests.support.http_service import NOW_NS, HttpService


async def _send(service: HttpService, *values: object) -> None:
    bodies = [{"ts": NOW_NS - 60 + number, "level": value} for number, value in enumerate(values)]
    await service.publish("greenhouse/eu/gh-1/north/s1", *bodies)


async def _retype(http: httpx.AsyncClient, **asked: str) -> httpx.Response:
    body = {"table": "farm.climate", "measure": "level", "type": "double", **asked}
    return await http.post("/v1/measures/retype", json=body)


async def test_a_measure_is_listed_and_retyped(service: HttpService, http: httpx.AsyncClient) -> None:
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS - 90, "level": "low", "temperature": 20})
    await _send(service, "12")
    before = (await http.get("/v1/measures?table=farm.climate")).json()["measures"]

    answer = await _retype(http)
    service.store.update_columns()
    await _send(service, 14)

    assert [(entry["measure"], entry["type"], entry["unit"], entry["since"]) for entry in before] == [
        ("level", "varchar", None, None),
        ("temperature", "double", "celsius", None),
    ]
    assert answer.json() == {
        "table": "farm.climate",
        "measure": "level",
        "type": "double",
        "unit": None,
        "since": "2026-11-23T10:00:00Z",
        "earlier": {"types": ["varchar"], "units": []},
    }
    averages = await http.get("/v1/zones/gh-1%2Fnorth/averages?measure=level&from=1h")
    assert [(row["average"], row["count"]) for row in averages.json()["averages"]] == [(14.0, 1)]


async def test_the_normaliser_learns_of_it(service: HttpService, http: httpx.AsyncClient) -> None:
    """A device's numbers go into the retyped measure, not beside it."""
    await _send(service, "low")
    await _retype(http)
    service.store.update_columns()

    await _send(service, "low", 14)

    types = service.store.measure_types(next(iter(service.store.all_tables())).id)
    assert types == {"level": MeasureType.DOUBLE, "level_text": MeasureType.VARCHAR}


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({"type": "number"}, 400, "type=number is not possible: one of double, bigint, boolean, varchar"),
        ({"measure": "no"}, 400, "farm.climate has no measure 'no'"),
        ({"measure": "zone"}, 400, "'zone' is a dimension of farm.climate, and every dimension is text"),
        (
            {"measure": "temperature", "type": "varchar"},
            400,
            "the configuration makes 'temperature' of farm.climate a double",
        ),
        ({"table": "farm.no"}, 404, "there is no table farm.no"),
        ({"table": "no"}, 400, "table"),
    ],
)
async def test_nonsense_is_refused_in_words(
    service: HttpService, http: httpx.AsyncClient, asked: dict[str, str], status: int, words: str
) -> None:
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS, "level": "x", "temperature": 1})

    answer = await _retype(http, **asked)

    assert answer.status_code == status
    assert words in answer.json()["detail"]


async def test_a_unit_that_never_changed_has_nothing_to_correct(service: HttpService, http: httpx.AsyncClient) -> None:
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS, "temperature": 1})
    body = {"table": "farm.climate", "measure": "temperature", "unit": "fahrenheit"}

    answer = await http.post("/v1/measures/unit", json=body)

    assert answer.status_code == 400
    assert answer.json()["detail"] == (
        "'temperature' of farm.climate has had one unit only, that of the configuration: change it there"
    )
