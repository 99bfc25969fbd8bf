"""What was used is shown by account, table and day, and its cost adds up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.api.inventory.usage import GIB, Asked, cost_of, lines, total
from pipeline.config.prices import Prices
from pipeline.config.roles import Role
from pipeline.stream.usage.counts import DAY_NS, Stored, UsagePart, Use
from tests.support.http_service import NOW_NS, HttpService

TODAY = NOW_NS // DAY_NS  # 2026-11-23
PRICES = Prices.model_validate(
    {"currency": "EUR", "written_gib": "0.5", "memory_gib_hour": 0.036, "magnetic_gib_month": "0.03", "metered_gib": 1}
)
CLIMATE, WATER = ("default", "farm", "climate"), ("default", "farm", "water")
PART = UsagePart(
    [
        (TODAY - 30, CLIMATE, Use(records=1000)),
        (TODAY - 1, CLIMATE, Use(3, 300, 3600.0 * GIB, 7200.0 * GIB, 2, 50, 20_000_000)),
        (TODAY, CLIMATE, Use(1, 100)),
        (TODAY, WATER, Use(2, 50)),
        (TODAY, ("zoo", "d", "t"), Use(9, 900)),
        (TODAY, ("default", "", ""), Use(queries=1, metered_bytes=10_000_000)),
    ],
    [(CLIMATE, Stored(7, 70)), (("zoo", "d", "t"), Stored(1, 2))],
)


@pytest.fixture
async def used(tmp_path: Path) -> AsyncIterator[HttpService]:
    tokens = {"operator": "default", "reader": "default", "zoo": "zoo"}
    made = HttpService(tmp_path, tokens, {"reader": Role.READ}, prices=PRICES)
    made.usage = PART
    async with made.app.router.lifespan_context(made.app):
        yield made
    made.close()


async def asked(service: HttpService, token: str = "operator", **parameters: str) -> httpx.Response:
    async with service.client(token) as http:
        return await http.get("/v1/usage", params={name.rstrip("_"): value for name, value in parameters.items()})


def shown(answer: httpx.Response, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(line[name] for name in names) for line in answer.json()["usage"]]


async def test_this_month_of_the_own_account_is_shown_by_table_and_day(used: HttpService) -> None:
    answer = await asked(used)

    assert shown(answer, "database", "table", "day", "records") == [
        ("", "", "2026-11-23", 0),
        ("farm", "climate", "2026-11-22", 3),
        ("farm", "climate", "2026-11-23", 1),
        ("farm", "water", "2026-11-23", 2),
    ]
    assert (answer.json()["from"], answer.json()["to"], answer.json()["currency"]) == (
        "2026-11-01",
        "2026-11-23",
        "EUR",
    )
    assert answer.json()["stored"] == [
        {"account": "default", "table": "farm.climate", "memory_bytes": 7, "magnetic_bytes": 70}
    ]


async def test_days_are_chosen_and_added_up(used: HttpService) -> None:
    one = await asked(used, from_="2026-11-22", to="2026-11-23", by="account,table")
    month = await asked(used, from_="2026-10-01", by="account")

    assert shown(one, "account", "table", "day", "records", "memory_gib_hours", "magnetic_gib_hours") == [
        ("default", "climate", None, 3, 1.0, 2.0)
    ]
    assert shown(month, "account", "database", "records") == [("default", None, 1006)]


async def test_other_accounts_are_shown_to_the_admin_of_the_default_account_alone(used: HttpService) -> None:
    everything, zoo = await asked(used, account="*", by="account"), await asked(used, account="zoo", by="account")
    own = await asked(used, "zoo", by="account")
    refused = [await asked(used, "reader", account="*"), await asked(used, "zoo", account="default")]

    assert shown(everything, "account", "records") == [("default", 6), ("zoo", 9)]
    assert len(everything.json()["stored"]) == 2
    assert shown(zoo, "records") == shown(own, "records") == [(9,)]
    assert [answer.status_code for answer in refused] == [403, 403]
    assert "needs admin" in refused[0].json()["detail"]
    assert "account zoo" in refused[1].json()["detail"]


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [({"by": "zone"}, "by"), ({"by": ""}, "by"), ({"from_": "x"}, "from"), ({"to": "2020-01-01"}, "to")],
)
async def test_what_cannot_be_asked_is_named(used: HttpService, parameters: dict[str, str], wrong: str) -> None:
    answer = await asked(used, **parameters)

    assert (answer.status_code, answer.json()["parameter"]) == (400, wrong)


def test_a_cost_is_that_of_each_price() -> None:
    use = Use(0, GIB, 3600.0 * GIB, 3600.0 * 730 * GIB, 1, 0, 2 * GIB)

    assert cost_of(use, PRICES) == Decimal("0.5") + Decimal("0.036") + Decimal("0.03") + 2
    assert cost_of(use, None) is None


def test_a_bill_adds_up_to_its_lines() -> None:
    found = lines(PART, Asked(None, 0, TODAY, ("account", "table", "day")), PRICES)
    whole, cost = total(found)

    assert cost == sum(Decimal(str(line.cost)) for line in found)
    assert whole.records == sum(use.records for _, _, use in PART.uses)
    assert total(lines(PART, Asked(None, 0, TODAY, ("account",)), None))[1] is None


async def test_without_prices_no_cost_is_told(service: HttpService, http: httpx.AsyncClient) -> None:
    service.usage = PART

    answer = await http.get("/v1/usage")

    assert answer.json()["currency"] is None
    assert answer.json()["total"]["cost"] is None
