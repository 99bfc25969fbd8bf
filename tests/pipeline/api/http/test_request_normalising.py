"""Requests as clients send them are taken as they are meant, or refused in words that say what is taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from pipeline.api.http.request_normalising import RequestNormaliser
from tests.support.http_service import HttpService

QUERY = b'{"sql": "SELECT 7 AS x"}'
REPLAY = b'{"reason": "no_route"}'


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics", "/v1/zones", "/docs"])
async def test_head_is_get_without_a_body(http: httpx.AsyncClient, path: str) -> None:
    head, get = await http.head(path), await http.get(path)

    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


async def test_a_browser_is_shown_a_page_that_leads_on(service: HttpService) -> None:
    """Also while the log is replayed; and every link leads somewhere."""
    async with service.client() as browser:
        page = await browser.get("/", headers={"accept": "text/html,*/*;q=0.8"})
        links = [part.split('"')[0] for part in page.text.split('href="')[1:]]
        statuses = [(await browser.get(link)).status_code for link in links]

    assert page.headers["content-type"].startswith("text/html")
    assert {"/docs", "/healthz", "/metrics"} <= set(links)
    assert set(statuses) == {200}


async def test_one_slash_too_many_is_none(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/zones/")).json() == (await http.get("/v1/zones")).json()


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "application/json",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/problem+json",
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "APPLICATION/JSON",
    ],
)
async def test_a_question_is_json_whatever_is_said_of_it(http: httpx.AsyncClient, kind: str | None) -> None:
    answer = await http.post("/v1/query", content=QUERY, headers={"content-type": kind} if kind else {})

    assert answer.json()["rows"] == [[7]]


@pytest.mark.parametrize(
    ("path", "headers", "words"),
    [
        ("/v1/dead-letters/replay", {"content-type": "text/plain"}, "send application/json"),
        ("/v1/dead-letters/replay", {"content-type": "application/x-www-form-urlencoded"}, "send application/json"),
        ("/v1/query", {"content-type": "multipart/form-data; boundary=x"}, "multipart/form-data is not taken"),
        ("/v1/query", {"content-type": "application/json; charset=latin-1"}, "JSON is in UTF-8"),
        ("/v1/query", {"content-encoding": "gzip"}, "Content-Encoding: gzip is not taken"),
    ],
)
async def test_another_kind_of_body_is_a_415(
    http: httpx.AsyncClient, path: str, headers: dict[str, str], words: str
) -> None:
    """What changes something takes none that a form of any web page could send."""
    answer = await http.post(path, content=REPLAY, headers=headers)

    assert (answer.status_code, answer.json()["status"]) == (415, 415)
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(("path", "size"), [("/v1/query", 4 << 20), ("/", 16 << 20)])
async def test_a_body_that_is_too_large_is_a_413(http: httpx.AsyncClient, path: str, size: int) -> None:
    """Whether its length is told before it or not."""

    async def chunks() -> object:
        for _ in range(17):
            yield b" " * (size // 16)

    told = await http.post(path, content=b" " * (size + 1))
    untold = await http.post(path, content=chunks())

    assert [told.status_code, untold.status_code] == [413, 413]
    assert f"{size:,} are allowed" in told.json()["detail"]
    assert told.headers["content-type"] == untold.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "parameter", "words"),
    [
        ("/v1/zones?tabel=a.b", "tabel", "did you mean table?"),
        ("/v1/devices?offset=5", "offset", "there are limit, table, zone"),
        ("/v1/alerts?state=firing", "state", "did you mean"),
        ("/v1/averages?zone=z&measure=t&step=1m", "step", "there are bin, from, measure"),
        ("/v1/zones/z/averages?measure=t&form=1h", "form", "did you mean from?"),
        ("/v1/zones/z/averages?measure=t&measure=u", "measure", "measure is given 2 times"),
        ("/v1/dead-letters/x?limit=1", "limit", "there are none here"),
    ],
)
async def test_a_parameter_is_never_left_out_silently(
    http: httpx.AsyncClient, path: str, parameter: str, words: str
) -> None:
    answer = await http.get(path)

    assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)
    assert words in answer.json()["detail"]


async def test_a_misspelt_key_of_a_body_is_told_with_the_nearest(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/query", json={"sql": "SELECT 1", "formt": "csv"})

    assert (answer.status_code, answer.json()["parameter"]) == (400, "formt")
    assert answer.json()["detail"] == "there is no formt in this body: did you mean format?"


async def test_what_a_path_takes_is_told_with_a_405(http: httpx.AsyncClient) -> None:
    answer = await http.put("/")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/query", {}, 401),
        ("/v1/query", {"authorization": "Bearer token-of-nobody"}, 401),
        ("/", {"x-amz-target": "Timestream_20181101.Query"}, 403),
        ("/", {"authorization": "AWS4-HMAC-SHA256 Credential=nobody/20261130/x/timestream/aws4_request"}, 403),
    ],
)
async def test_the_body_of_a_client_without_a_valid_token_is_not_read(
    guarded: HttpService, path: str, headers: dict[str, str], status: int
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        raise AssertionError("more of the body is read")

    async with guarded.client() as client:
        client.headers.pop("authorization", None)
        answer = await client.post(path, headers=headers, content=body())

    assert answer.status_code == status


async def test_a_target_that_is_too_long_is_a_414(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/zones", params={"table": "t" * 16_384})

    assert answer.status_code == 414
    assert "at most 16,384 bytes" in answer.json()["detail"]


async def test_where_bodies_take_too_much_memory_the_one_that_arrives_slowest_gives_way(tmp_path: Path) -> None:
    service = HttpService(tmp_path)
    limits = service.app.state.services.limits
    service.app.state.services = replace(service.app.state.services, limits=limits.model_copy(update={"bodies": 3_000}))
    goes_on = asyncio.Event()

    arrives = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b" " * 2_000
        arrives.set()  # the first part was taken
        await goes_on.wait()
        yield b"{}"

    async with service.app.router.lifespan_context(service.app), service.client() as http:
        slow = asyncio.create_task(http.post("/v1/query", content=slowly()))
        await arrives.wait()
        quick = await http.post("/v1/query", content=b'{"sql": "SELECT 1"}' + b" " * 2_000)
        large = await http.post("/v1/query", content=b" " * 3_001)
        goes_on.set()
        gave_way = await slow

    service.close()
    assert [quick.status_code, large.status_code, gave_way.status_code] == [200, 503, 503]
    assert "the bodies of requests in progress have more than 3,000 bytes" in gave_way.json()["detail"]
    assert normaliser_of(service)._bodies.size_bytes == 0


def normaliser_of(service: HttpService) -> RequestNormaliser:
    """The middleware of the application, which is built at its first request."""
    layer = service.app.middleware_stack
    while not isinstance(layer, RequestNormaliser):
        layer = layer.app if hasattr(layer, "app") else layer._app  # type: ignore[union-attr]  # starlette's, or ours
    return layer
