"""Alerts: what the list and one of them show, and who may acknowledge and silence."""

from __future__ import annotations

from urllib.parse import unquote

import orjson
import pytest

from pipeline.console.pages.alerts import matchers_of
from tests.support.console_pages import ConsolePages, text_of


async def test_those_that_fire_are_listed_and_others_on_request(console: ConsolePages) -> None:
    console.service.alert("1", zone="gh-1/hot")
    console.service.alert("2", zone="gh-1/was-hot")
    console.service.alert("2", "resolved", zone="gh-1/was-hot")

    firing, resolved = await console.text("/alerts"), await console.text("/alerts?status=resolved")

    assert "gh-1/hot" in firing
    assert "was-hot" not in firing
    assert "gh-1/was-hot" in resolved


async def test_without_any_the_page_says_where_rules_are(console: ConsolePages) -> None:
    assert "The page Rules shows those in force" in await console.text("/alerts")


async def test_one_alert_says_what_it_is_and_what_happened(console: ConsolePages) -> None:
    console.service.alert("1")

    text = await console.text("/alerts/1")

    assert "climate/TooHot firing" in text
    assert "33.10 allowed: max=32" in text
    assert "zone=north" in text


async def test_an_alert_that_there_is_not_is_the_words_of_the_api(console: ConsolePages) -> None:
    assert "no alert has the id 7" in await console.text("/alerts/7", 404)


async def test_a_form_becomes_a_request_of_the_api(console: ConsolePages) -> None:
    """In the log; what the archive makes of it is seen in a browser, where there is a stream."""
    console.service.alert("1")
    await console.browser.post("/alerts/1/ack", data={"by": "Ada", "why": "on my way", "until": "2h"})

    (appended,) = console.service.admin.read("alerts", 0, 10)

    (event,) = orjson.loads(appended[1])
    assert event["acked"]["by"] == "Ada"
    assert event["acked"]["until_ns"] == console.service.clock() + 7_200 * 10**9


async def test_the_role_read_sees_no_forms_and_the_api_refuses_them(guarded: ConsolePages) -> None:
    guarded.service.alert("1", account="farm-7")
    await guarded.sign_in("reader-of-farm-7")

    text = await guarded.text("/alerts/1")
    refused = await guarded.browser.post("/alerts/1/ack", data={"by": "Eve", "why": "x"})

    assert "cannot acknowledge" in text
    assert refused.status_code == 403
    assert "this token has the role read; an acknowledgement needs write" in text_of(refused)


def test_the_matchers_of_a_silence_take_any_name() -> None:
    assert matchers_of({"rule": 'a"b\\', "zone": "gh-1/north"}) == ['rule="a\\"b\\\\"', 'zone_name="gh-1/north"']
    assert matchers_of({"rule": "a/B", "zone": None}) == ['rule="a/B"']


@pytest.mark.parametrize("odd", ["%00", "%0D%0A", "a%3Flimit=1", "%F0%9F%8D%85", "a%23b", "%25", "<script>"])
async def test_an_id_with_odd_characters_is_one_that_there_is_not(console: ConsolePages, odd: str) -> None:
    page = await console.browser.get(f"/alerts/{odd}")
    ended = await console.browser.post(f"/alerts/{odd}/end-silence", data={"id": unquote(odd)})
    cancelled = await console.browser.post("/system/cancel", data={"id": unquote(odd)})

    assert (page.status_code, ended.status_code, cancelled.status_code) == (404, 404, 404)
    assert "no alert has the id" in text_of(page)
    assert "<script>" not in page.text.partition("<main")[2]
