"""Without tokens the API answers for its own names, and changes nothing for pages of others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from pipeline.api.http.app import create_app
from pipeline.api.http.metrics_server import metrics_server
from pipeline.base.quantities import Address
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


@pytest.mark.parametrize(("host", "rebound"), [("127.0.0.1", 421), ("0.0.0.0", 200)])
def test_metrics_without_a_token_are_for_names_of_this_server_where_nobody_else_can_ask(
    host: str, rebound: int
) -> None:
    failed: list[BaseException] = []
    server = metrics_server(Address(host, 0), AnsweredHosts.of(["gauge.example"]), failed.append)
    server.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.address[1]}") as http:
            names = ("127.0.0.1", "localhost:9465", "gauge.example", "rebound.example", "gateway.farm.svc:9464")
            told = [http.get("/metrics", headers={"host": name}).status_code for name in names]
    finally:
        server.stop()

    assert told == [200, 200, 200, rebound, rebound]
    assert failed == []
