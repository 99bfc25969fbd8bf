"""A visitor sees what their token may see; nobody else's page can send forms."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from pipeline.base.web_hosts import AnsweredHosts
from pipeline.console.sessions import LASTS_S, MOST_SESSIONS, Sessions
from tests.support.broker_intake import until
from tests.support.console_pages import ConsolePages, text_of
from tests.support.http_service import HttpService


async def test_without_tokens_there_is_nothing_to_sign_in_to(console: ConsolePages) -> None:
    text = await console.text("/")

    assert "default admin" in text
    assert "Sign out" not in text


async def test_a_page_asks_for_a_token_first_and_is_shown_after_it(guarded: ConsolePages) -> None:
    asked = await guarded.browser.get("/alerts?status=resolved")
    shown = await guarded.sign_in("token-of-farm-7", asked.url.params["next"])

    assert asked.url.path == "/sign-in"
    assert shown.url.path == "/alerts"
    assert shown.url.params["status"] == "resolved"
    assert "farm-7 admin" in text_of(shown)


@pytest.mark.parametrize("token", ["wrong", "", "ü"])
async def test_a_token_that_the_api_does_not_know_is_refused_by_name_of_the_setting(
    guarded: ConsolePages, token: str
) -> None:
    refused = await guarded.sign_in(token)

    assert refused.status_code == 401
    assert "http.tokens" in text_of(refused)


async def test_an_account_sees_its_own(guarded: ConsolePages) -> None:
    topic = "greenhouse/eu/gh-1/north/s-1"
    await guarded.service.publish(topic, {"ts": guarded.service.clock(), "temperature": 21.0}, account="farm-7")

    of_7 = text_of(await guarded.sign_in("token-of-farm-7"))
    of_8 = text_of(await guarded.sign_in("token-of-farm-8"))

    assert "gh-1/north" in of_7
    assert "gh-1/north" not in of_8


async def test_signing_out_ends_the_session_also_for_who_kept_its_cookie(guarded: ConsolePages) -> None:
    await guarded.sign_in("token-of-farm-7")
    cookies = dict(guarded.browser.cookies)
    await guarded.browser.post("/sign-out")
    guarded.browser.cookies.update(cookies)

    assert (await guarded.browser.get("/")).url.path == "/sign-in"


async def test_signing_out_ends_what_is_live_in_other_tabs(guarded: ConsolePages) -> None:
    await guarded.sign_in("token-of-farm-7")

    async def sign_out_soon() -> None:
        await until(lambda: guarded.app.state.site.feeds._feeds)
        await guarded.browser.post("/sign-out")

    async with asyncio.timeout(30):
        live, _ = await asyncio.gather(guarded.browser.get("/overview/live"), sign_out_soon())

    assert live.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example"])
async def test_signing_in_leads_to_no_other_site(guarded: ConsolePages, target: str) -> None:
    assert str((await guarded.sign_in("token-of-farm-7", target)).url) == "http://console.test/"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {},
        {"origin": "http://evil.example"},
        {"origin": "http://["},
    ],
)
async def test_a_form_of_another_site_is_refused(console: ConsolePages, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(console.app), base_url="http://console.test") as other:
        answer = await other.post("/alerts/some/ack", headers=headers, data={"by": "Eve", "why": "x"})

    assert answer.status_code == 403


def test_a_session_ends_after_its_time_and_the_oldest_for_one_too_many() -> None:
    now_s = 0.0
    sessions = Sessions(lambda: now_s)
    first, *_, last = [sessions.begin(f"token {number}") for number in range(MOST_SESSIONS + 1)]

    assert sessions.token_of(first) is None
    assert sessions.token_of(last) == f"token {MOST_SESSIONS}"
    now_s = LASTS_S
    assert sessions.token_of(last) is not None
    now_s = 2 * LASTS_S + 1
    assert sessions.token_of(last) is None


async def test_a_console_answers_for_its_own_names_only(tmp_path: Path) -> None:
    async with ConsolePages(HttpService(tmp_path), AnsweredHosts.of(["gauge.example"])) as console:
        answers = {
            host: await console.browser.get("/healthz", headers={"host": host})
            for host in ("127.0.0.1:8081", "gauge.example", "rebound.example:8081")
        }

    assert [answer.status_code for answer in answers.values()] == [200, 200, 421]
    assert "Host: rebound.example:8081 is not a name of this server" in answers["rebound.example:8081"].text
