"""The queries that run or wait: listed for their account, and ended by their id."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx

from pipeline.cluster.client import Answered, Forwarded
from tests.support.http_service import HEAVY, NOW_NS, HttpService, queries_once

QUERY = {"x-amz-target": "Timestream_20181101.Query", "content-type": "application/x-amz-json-1.0"}


async def test_queries_are_listed_and_ended_by_their_account_alone(guarded: HttpService) -> None:
    """Two run and one waits; who waits for an answer gets a 409; another account sees and ends none of them."""
    async with guarded.client("token-of-farm-7") as http, guarded.client("token-of-farm-8") as other:
        asked = [asyncio.create_task(http.post("/v1/query", json={"sql": HEAVY})) for _ in range(2)]
        await queries_once(http, "running", "running")
        asked.append(asyncio.create_task(http.post("/v1/query", json={"sql": "VALUES 1"})))
        found = (await queries_once(http, "running", "running", "waiting")).json()["queries"]

        seen, refused = await other.get("/v1/queries"), await other.post(f"/v1/queries/{found[0]['id']}/cancel")
        ended = [await http.post(f"/v1/queries/{query['id']}/cancel") for query in reversed(found)]
        answers = await asyncio.gather(*asked)
        await queries_once(http)

        assert (seen.json(), refused.status_code) == ({"queries": []}, 404)
        assert [query["text"] for query in found] == [HEAVY, HEAVY, "VALUES 1"]
        assert [query["started"] is None for query in found] == [False, False, True]
        assert [answer.json() for answer in ended] == [{"cancelled": query["id"]} for query in reversed(found)]
        assert [answer.status_code for answer in answers] == [409] * 3


async def test_a_query_of_another_worker_is_ended_there(service: HttpService, http: httpx.AsyncClient) -> None:
    """Its answer is passed on; where nobody runs it, the 404 is one, and is not asked for in a circle."""
    told: list[tuple[str, str]] = []

    class Others:
        def owner_of(self, topic: str) -> str | None:
            return None

        def page_owner(self, token: str) -> str | None:
            return None

        def others(self) -> list[str]:
            return ["idle:1", "busy:2"]

        async def forward(self, address: str, asked: Forwarded) -> Answered:
            told.append((address, asked.target))
            runs = address == "busy:2" and asked.target == "/v1/queries/A1/cancel"
            body = b'{"cancelled":"A1"}' if runs else b"{}"
            return Answered(200 if runs else 404, {"content-type": "application/json"}, body)

    service.app.state.services = replace(service.app.state.services, topic_owners=Others())
    found, none = await http.post("/v1/queries/A1/cancel"), await http.post("/v1/queries/B2/cancel")
    forwarded = await http.post("/v1/queries/A1/cancel", headers={"x-streamgauge-forwarded": "1"})

    assert (found.json(), none.status_code, forwarded.status_code) == ({"cancelled": "A1"}, 404, 404)
    assert [address for address, _ in told] == ["idle:1", "busy:2"] * 2
    assert "B2" in none.json()["detail"]


async def test_what_reads_no_rows_does_not_wait_for_long_queries(service: HttpService, http: httpx.AsyncClient) -> None:
    await service.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS, "temperature": 20.5})
    asked = [asyncio.create_task(http.post("/v1/query", json={"sql": HEAVY})) for _ in range(2)]
    found = (await queries_once(http, "running", "running")).json()["queries"]

    for sql in ("SELECT 1", "SHOW TABLES", "DESCRIBE farm.climate", "SHOW MEASURES FROM farm.climate"):
        assert (await http.post("/v1/query", json={"sql": sql})).status_code == 200
        answer = await http.post("/", json={"QueryString": sql}, headers=QUERY)
        assert (answer.status_code, len(answer.json()["Rows"]) > 0) == (200, True)
    assert not any(task.done() for task in asked)

    for query in found:
        await http.post(f"/v1/queries/{query['id']}/cancel")
    await asyncio.gather(*asked)
