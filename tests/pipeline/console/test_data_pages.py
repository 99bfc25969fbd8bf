"""Zones, queries, what arrives, devices, rules and the system: each page says what the API says."""

from __future__ import annotations

import html
import json
import re
import time
from dataclasses import replace
from typing import Any

import pytest

from pipeline.api.http.checkup import Checkup
from pipeline.console.pages import device
from pipeline.console.pages.query import marked, picture
from pipeline.console.rate import Rate
from store.values.sql_text import quote_table
from tests.support.console_pages import ConsolePages, text_of

NS = 1_000_000_000
NORTH = "greenhouse/eu/gh-1/north/s-1"


@pytest.fixture
async def filled(console: ConsolePages) -> ConsolePages:
    """With a sensor that was heard some times, and a message that was rejected."""
    now_ns = console.service.clock()
    readings = [{"ts": now_ns - ago * 60 * NS, "temperature": 20.0 + ago, "co2": 500} for ago in (9, 5, 2, 1)]
    await console.service.publish(NORTH, *readings)
    await console.service.publish(NORTH, b'{"temperature": ')
    return console


async def test_a_chart_of_a_zone_has_the_averages_of_the_api(filled: ConsolePages) -> None:
    page = (await filled.browser.get("/zone?zone=gh-1/north&table=farm.climate")).text
    async with filled.service.client() as http:
        asked = "/v1/averages?zone=gh-1/north&measure=temperature&from=1h&bin=1m"
        (of_api,) = (await http.get(asked)).json()["results"]

    charts = [json.loads(found) for found in re.findall(r'<script type="application/json">(.*?)</script>', page)]

    (temperature,) = [one for one in charts if one["unit"] == "°C"]
    assert temperature["lines"][0]["values"] == [bin_["average"] for bin_ in of_api["averages"]] == [29, 25, 22, 21]
    assert temperature["band"] == [1, 2]
    assert "s-1" in page


async def test_alerts_of_the_time_are_drawn_in(filled: ConsolePages) -> None:
    filled.service.alert("1")

    page = (await filled.browser.get("/zone?zone=gh-1/north&table=farm.climate")).text

    assert '"kind": "alert"' in page
    assert "Alerts in this time" in page


async def test_a_time_that_there_is_not_is_refused_with_those_there_are(filled: ConsolePages) -> None:
    text = await filled.text("/zone?zone=gh-1/north&table=farm.climate&span=2h", 400)

    assert "span=2h is not possible: one of 15m, 1h, 6h" in text


async def test_the_editor_begins_with_a_statement_that_works(filled: ConsolePages) -> None:
    page = (await filled.browser.get("/query")).text
    (sql,) = re.findall(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)

    result = await filled.browser.post("/query/run", data={"sql": html.unescape(sql)})

    assert "gh-1/north" in result.text
    assert "<figure" in result.text


async def test_an_error_is_shown_at_its_word(filled: ConsolePages) -> None:
    sql = 'SELECT zone_name,\r\n  tempersture FROM "farm"."climate"'

    result = await filled.browser.post("/query/run", data={"sql": sql})

    assert "did you mean" in text_of(result)
    assert '<mark class="marked">tempersture</mark>' in result.text


async def test_explain_says_what_is_read_and_marks_the_same_word(filled: ConsolePages) -> None:
    fine = await filled.browser.post("/query/run", data={"sql": 'SELECT co2 FROM "farm"."climate"', "explain": "1"})
    wrong = await filled.browser.post("/query/run", data={"sql": 'SELECT co3 FROM "farm"."climate"', "explain": "1"})

    assert "rows_in_ram" in fine.text
    assert '<mark class="marked">co3</mark>' in wrong.text


async def test_a_page_has_so_many_rows_and_a_file_has_all(filled: ConsolePages) -> None:
    sql = "SELECT * FROM (VALUES {}) AS v(x)".format(", ".join(f"({number})" for number in range(1001)))

    shown = await filled.browser.post("/query/run", data={"sql": sql})
    file = await filled.browser.post("/query/download", data={"sql": sql, "format": "csv"})

    assert "1,000 rows; there are more" in text_of(shown)
    assert len(file.text.splitlines()) == 1002
    assert file.headers["content-disposition"] == 'attachment; filename="query.csv"'


async def test_what_arrives_is_shown_as_sent_and_as_understood(filled: ConsolePages) -> None:
    text = await filled.text("/ingest")

    assert "row farm.climate" in text
    assert "rejected invalid_json" in text


async def test_a_message_is_tried_and_not_stored(filled: ConsolePages) -> None:
    good = {"mqtt_topic": NORTH, "payload": json.dumps({"ts": filled.service.clock(), "temperature": 21})}

    understood = text_of(await filled.browser.post("/ingest/try", data=good))
    refused = text_of(await filled.browser.post("/ingest/try", data={**good, "payload": '{"temperature": 21}'}))

    assert "row farm.climate" in understood
    assert "temperature 21.0" in understood
    assert "rejected time_missing" in refused
    async with filled.service.client() as http:
        assert len((await http.get("/v1/series")).json()["series"]) == 1


async def test_a_dead_letter_is_replayed_by_who_may(filled: ConsolePages) -> None:
    page = (await filled.browser.get("/ingest")).text
    (letter,) = re.findall(r'name="id" value="([^"]+)"', page)

    text = text_of(await filled.browser.post("/ingest/replay", data={"id": letter}))

    assert "replayed 2026-11-23" in text


async def test_devices_are_found_by_a_part_of_a_word(filled: ConsolePages) -> None:
    await filled.service.publish("greenhouse/eu/gh-2/south/s-2", {"ts": filled.service.clock(), "temperature": 1.0})

    text = await filled.text("/devices?q=S-1")

    assert "sensor=s-1" in text
    assert "temperature 21 °C" in text
    assert "sensor=s-2" not in text
    assert "invalid_json" in text
    assert "A part of a word is enough" in await filled.text("/devices?q=nobody")


async def test_the_page_of_a_device_has_what_it_sent_beside_what_became_of_it(filled: ConsolePages) -> None:
    listed = (await filled.browser.get("/devices?q=s-1")).text
    (link,) = re.findall(r'href="(/device[?][^"]+)"', listed)

    text = await filled.text(html.unescape(link))

    assert "MQTT topic greenhouse/eu/gh-1/north/s-1" in text
    assert "Rejected messages, kept 1" in text
    assert "temperature 21 °C" in text
    assert '{"temperature": rejected invalid_json' in text
    assert '"co2":500} row farm.climate' in text


async def test_more_letters_than_are_listed_are_said(filled: ConsolePages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "MOST_LETTERS", 1)
    await filled.service.publish(NORTH, b"{")

    assert "Rejected messages, kept 1 and more" in await filled.text("/device?table=farm.climate&dimension=sensor=s-1")


async def test_rows_a_minute_are_counted_whatever_the_names_are(filled: ConsolePages) -> None:
    now_ns = filled.service.clock.now_ns = time.time_ns()  # by which SQL counts
    odd = "greenhouse/eu/gh'1/nor\"th/s-1"
    await filled.service.publish(odd, *({"ts": now_ns - number * NS, "temperature": 1.0} for number in range(30)))

    page = await filled.browser.get(
        "/device",
        params=[("table", "farm.climate"), ("dimension", "greenhouse=gh'1"), ("dimension", 'zone=nor"th')],
    )
    unknown = await filled.text("/device?table=farm.climate&dimension=sensor=nobody")

    assert "Rows a minute, in 15 minutes 2 " in text_of(page)
    assert "None with these dimensions was heard" in unknown


async def test_sensors_that_are_unlike_the_others_are_named(filled: ConsolePages) -> None:
    at_ns = filled.service.clock() - NS
    for sensor, value in enumerate((21.0, 21.2, 20.9, 21.1, 41.5), start=2):
        await filled.service.publish(f"greenhouse/eu/gh-1/north/s-{sensor}", {"ts": at_ns, "temperature": value})

    text = await filled.text("/zone?zone=gh-1/north&table=farm.climate")

    assert re.findall(r"whose median is 21.05: [^:]*sensor=s-(\d)[^:]* 41.50 Numbers", text) == ["6"]


async def test_the_system_page_has_the_tables(filled: ConsolePages) -> None:
    filled.service.store.commit_all()
    filled.service.store.all_tables()[0].count_values()  # as upkeep does

    text = await filled.text("/system")

    assert re.search(r"farm.climate 1 [\d.]+ (bytes|kB) [\d.]+ B [\d.]+ kB [\d.]+ B 2026-11-23", text)
    assert "127.0.0.1:8080 0 " in text
    assert "farm.climate sensor 1 1 s-1 1" in text


async def test_the_doctor_is_asked_for_administrators(guarded: ConsolePages) -> None:
    wrong = [{"check": "disk", "level": "warn", "what": "3 GiB <free>", "remedy": "make room"}]
    wrong.append({"check": "clock", "level": "fail", "what": "it says 1970", "remedy": "set it"})
    fine = [{"check": "memory", "level": "ok", "what": "enough", "remedy": ""}]
    services = guarded.service.app.state.services
    guarded.service.app.state.services = replace(services, doctor=Checkup(lambda: [*wrong, *fine]))

    await guarded.sign_in("token-of-farm-7")
    page, text = await guarded.browser.get("/system"), await guarded.text("/system/findings")
    guarded.service.app.state.services = replace(services, doctor=Checkup(lambda: fine))
    nothing = await guarded.text("/system/findings")
    await guarded.sign_in("reader-of-farm-7")
    of_reader = await guarded.browser.get("/system")

    assert 'hx-get="/system/findings"' in page.text
    assert "clock fail it says 1970 set it disk warn 3 GiB <free> make room" in text
    assert "1 finding is ok" in text
    assert nothing.startswith("Nothing is wrong.")
    assert "/system/findings" not in of_reader.text
    assert "streamgauge doctor" in of_reader.text
    assert "admin" in await guarded.text("/system/findings", 403)


async def test_the_rate_of_messages_is_not_known_at_the_first_look(filled: ConsolePages) -> None:
    first = await filled.text("/system/numbers")
    rate = Rate()
    looks = [rate.of(count, now_s) for count, now_s in ((100.0, 10.0), (100.0, 11.0), (500.0, 14.0), (5.0, 17.0))]

    assert first.startswith("Messages per second — Behind the log")
    assert looks == [None, None, 100.0, None]


@pytest.mark.parametrize(
    ("problem", "word"),
    [
        ("line 1:8: no such column", "x"),
        ("line 2:3: no such table", '"a b"'),
        ("invalid at line 9:9: end", "⟨end⟩"),
        ("there is no place in this", ""),
    ],
)
def test_the_word_at_a_place(problem: str, word: str) -> None:
    sql = 'SELECT x\n, "a b"'

    found = marked(sql, problem)

    assert found["word"] == word
    assert (found["before"] + word + found["after"]).replace("⟨end⟩", "") == sql


def test_a_picture_needs_times_and_numbers_and_has_a_line_for_each_text() -> None:
    columns = [{"name": "z", "type": "varchar"}, {"name": "t", "type": "timestamp"}, {"name": "m", "type": "double"}]
    rows: list[list[Any]] = [["a", "2026-11-23T10:00:00Z", 1.0], ["b", "2026-11-23T10:01:00Z", 2.0]]

    drawn = picture(columns, rows)

    assert drawn is not None
    assert drawn["lines"] == [{"label": "a", "values": [1.0, None]}, {"label": "b", "values": [None, 2.0]}]
    assert picture(columns[:1], rows) is None
    assert quote_table("farm.climate") == '"farm"."climate"'


async def test_all_topics_that_are_rejected_are_on_the_page_of_devices(filled: ConsolePages) -> None:
    await filled.service.publish("greenhouse/eu/gh-1/north/s-9", b"[")

    text = await filled.text("/devices")

    assert NORTH in text
    assert "greenhouse/eu/gh-1/north/s-9" in text
