"""What detectors have learnt, over HTTP: of the own account, by rule, table and zone; series on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.detector_service import learnt_by
from tests.support.http_service import HttpService


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[HttpService]:
    made = HttpService(tmp_path, {"seven": "farm-7", "eight": "farm-8"})
    made.app.state.services = replace(made.app.state.services, detectors=learnt_by(made, "farm-7"))
    async with made.app.router.lifespan_context(made.app):
        yield made
    made.close()


async def asked(service: HttpService, query: str, token: str = "seven") -> list[dict[str, Any]]:
    async with service.client(token) as http:
        answer = await http.get(f"/v1/detectors?{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["detectors"]
    return found


async def test_zones_are_told_with_the_stages_of_their_series_and_series_if_they_are_asked_for(
    service: HttpService,
) -> None:
    (without,) = await asked(service, "")
    (found,) = await asked(service, "series=5")

    (zone,) = found["zones"]
    (series,) = found["series"]
    assert without == {**found, "series": []}
    assert (found["rule"], found["table"], round(found["bound"], 2)) == ("unusual/Odd", "farm.climate", 7.94)
    assert zone == {
        "zone": "gh-1/north", "bound": found["bound"], "false": 0, "right": 0,
        "learning": 1, "provisional": 0, "live": 0, "suppressed": 0,
    }  # fmt: skip
    assert (series["stage"], series["suppressed"], series["dimensions"]["sensor"]) == ("learning", [], "s1")
    assert "spike" in series["learning"]


@pytest.mark.parametrize(
    ("query", "token", "rules", "zones"),
    [
        ("table=farm.climate&rule=unusual/Odd&zone=gh-1/north", "seven", 1, 1),
        ("zone=gh-1/south", "seven", 1, 0),
        ("rule=unusual/No", "seven", 0, 0),
        ("table=farm.water", "seven", 0, 0),
        ("", "eight", 0, 0),
    ],
)
async def test_what_is_asked_for_is_told_and_nothing_else(
    service: HttpService, query: str, token: str, rules: int, zones: int
) -> None:
    found = await asked(service, query, token)

    assert (len(found), sum(len(one["zones"]) for one in found)) == (rules, zones)
