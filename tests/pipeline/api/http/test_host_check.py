"""Without tokens the API answers for its own names, and changes nothing for pages of others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from pipeline.api.http.app import create_app
from pipeline.base.web_hosts import AnsweredHosts
from tests.support.http_service import HttpService


@pytest.fixture
async def checked(service: HttpService) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application with names of its own."""
    services = replace(
        service.app.state.services, hosts=AnsweredHosts.of(["gauge.example"]), origins=("https://pages.example",)
    )
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://gauge.example") as http:
        yield http


async def test_another_name_is_misdirected(checked: httpx.AsyncClient) -> None:
    answer = await checked.get("/v1/me", headers={"host": "rebound.example:8080"})
    own = [await checked.get("/v1/me", headers={"host": host}) for host in ("gauge.example", "[::1]:8080")]

    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["header"] == "Host"
    assert answer.json()["value"] == "rebound.example:8080"
    assert "IP addresses, localhost, gauge.example" in answer.json()["detail"]
    assert [answer.status_code for answer in own] == [200, 200]


async def test_pages_of_others_change_nothing(checked: httpx.AsyncClient) -> None:
    sql = {"sql": "SELECT 1"}
    refused, own, allowed = [
        await checked.post("/v1/query", json=sql, headers={"origin": origin})
        for origin in ("https://other.example", "http://gauge.example", "https://pages.example")
    ]

    assert (refused.status_code, refused.json()["header"], refused.json()["value"]) == (
        403,
        "Origin",
        "https://other.example",
    )
    assert (own.status_code, allowed.status_code) == (200, 200)
