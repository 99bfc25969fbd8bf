"""What many browsers ask costs the API one question."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from pipeline.base.errors import ServerUnreachable
from pipeline.console.api import Api, ApiRefused
from pipeline.console.shared_answers import MOST_KEPT, REST, SharedAnswers


class Asked:
    """An API that counts what it is asked, with its clock."""

    def __init__(self, status: int = 200, took_s: float = 0.0) -> None:
        self.paths: list[str] = []
        self.now_s = 0.0
        self.status = status
        self._took_s = took_s
        api = Api(httpx.AsyncClient(transport=httpx.MockTransport(self._answer), base_url="http://api.test"))
        self.shared = SharedAnswers(api, lambda: self.now_s)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path)
        self.now_s += self._took_s
        await asyncio.sleep(0)
        return httpx.Response(self.status, json={"detail": "no", "token": request.headers.get("authorization")})


async def test_what_is_asked_at_once_is_asked_once_for_each_token() -> None:
    asked = Asked()

    answers: list[Any] = await asyncio.gather(
        *(asked.shared.get(token, "/v1/zones") for token in ("a", "a", "b") for _ in range(50))
    )

    assert asked.paths == ["/v1/zones"] * 2
    assert {answer["token"] for answer in answers} == {"Bearer a", "Bearer b"}


@pytest.mark.parametrize(("age_s", "questions"), [(0.99, 1), (1.0, 2), (1.01, 2)])
async def test_an_answer_is_fresh_for_its_time(age_s: float, questions: int) -> None:
    asked = Asked()
    await asked.shared.get(None, "/x", fresh_s=1.0)
    asked.now_s = age_s
    await asked.shared.get(None, "/x", fresh_s=1.0)

    assert len(asked.paths) == questions


async def test_a_slow_answer_is_fresh_for_longer_so_that_asking_takes_a_twentieth_of_the_time() -> None:
    asked = Asked(took_s=2.0)
    await asked.shared.get(None, "/x", fresh_s=1.0)
    asked.now_s = 2 * REST - 0.1
    await asked.shared.get(None, "/x", fresh_s=1.0)

    assert len(asked.paths) == 1


async def test_a_failure_is_told_to_all_who_wait_and_asked_again_by_the_next() -> None:
    asked = Asked(503)
    refused = await asyncio.gather(*(asked.shared.get(None, "/x") for _ in range(3)), return_exceptions=True)
    asked.status = 200

    assert [type(error) for error in refused] == [ApiRefused] * 3
    assert (await asked.shared.get(None, "/x"))["detail"] == "no"
    assert len(asked.paths) == 2


async def test_who_leaves_takes_the_answer_from_nobody() -> None:
    asked = Asked()
    first = asyncio.create_task(asked.shared.get(None, "/x"))
    second = asyncio.create_task(asked.shared.get(None, "/x"))
    await asyncio.sleep(0)
    first.cancel()

    assert (await second)["detail"] == "no"
    assert len(asked.paths) == 1


async def test_a_bounded_number_of_answers_is_kept() -> None:
    asked = Asked()
    for number in range(MOST_KEPT + 10):
        await asked.shared.get(None, f"/{number}")

    assert len(asked.shared._kept) == MOST_KEPT


async def test_an_api_that_does_not_answer_is_said_with_its_address() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    api = Api(httpx.AsyncClient(transport=httpx.MockTransport(refuse), base_url="http://api.test"))

    with pytest.raises(ServerUnreachable, match=r"http://api\.test.*connection refused"):
        await api.get(None, "/v1/zones")


async def test_what_is_known_to_have_changed_is_asked_anew() -> None:
    asked = Asked()
    await asked.shared.get("a", "/v1/alerts", (("status", "firing"),), fresh_s=60)
    asked.shared.forget("a", "/v1/alerts", (("status", "firing"),))
    asked.shared.forget("a", "/v1/never-asked")
    for _ in range(2):
        await asked.shared.get("a", "/v1/alerts", (("status", "firing"),), fresh_s=60)

    assert asked.paths == ["/v1/alerts"] * 2
