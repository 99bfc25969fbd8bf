"""The overview shows what the API says: zones with averages, alerts, and what to do when there is nothing."""

from __future__ import annotations

import re

from pipeline.console.rendering import number, sparkline, with_times
from tests.support.console_pages import ConsolePages, text_of

NS = 1_000_000_000
NORTH = "greenhouse/eu/gh-1/north/s-1"


async def test_an_empty_server_says_what_to_send(console: ConsolePages) -> None:
    for page in ("/", "/ingest"):
        text = await console.text(page)
        assert "mosquitto_pub -t greenhouse/north/sensor-1" in text
        assert "listener.users" in text


async def test_a_zone_shows_the_average_of_the_last_values_of_its_sensors(console: ConsolePages) -> None:
    now_ns = console.service.clock()
    for sensor, last in (("s-1", 21.0), ("s-2", 22.0)):
        values = [(now_ns - 5 * NS, 10.0), (now_ns - 4 * NS, last)]
        topic = NORTH.replace("s-1", sensor)
        await console.service.publish(topic, *({"ts": ts, "temperature": value} for ts, value in values))

    text = await console.text("/")

    assert "gh-1/north 21.50 °C" in text
    assert "2 sensors" in text


async def test_totals_are_those_of_the_account(guarded: ConsolePages) -> None:
    at_ns = guarded.service.clock()
    for account, sensors in (("farm-7", 1), ("farm-8", 3)):
        for sensor in range(sensors):
            message = {"ts": at_ns, "temperature": 21.0}
            await guarded.service.publish(f"greenhouse/eu/gh-1/north/s-{sensor}", message, account=account)
            await guarded.service.publish("greenhouse/eu/gh-1/north/broken", b"{", account=account)

    of_7 = text_of(await guarded.sign_in("token-of-farm-7"))
    of_8 = text_of(await guarded.sign_in("token-of-farm-8"))

    assert "Rejected messages, kept 1 Devices 1 " in of_7
    assert "Rejected messages, kept 3 Devices 3 " in of_8


async def test_another_measure_and_part_of_a_name_can_be_asked_for(console: ConsolePages) -> None:
    now_ns = console.service.clock()
    await console.service.publish(NORTH, {"ts": now_ns - NS, "temperature": 21.0, "co2": 560})
    await console.service.publish("greenhouse/eu/gh-2/south/s-2", {"ts": now_ns - NS, "temperature": 18.0})

    text = await console.text("/?q=NORTH&measure=co2")

    assert "gh-1/north 560" in text
    assert "gh-2" not in text


async def test_zones_with_alerts_come_first(console: ConsolePages) -> None:
    now_ns = console.service.clock()
    for zone in ("a", "b", "c"):
        await console.service.publish(f"greenhouse/eu/gh-1/{zone}/s-1", {"ts": now_ns - NS, "temperature": 21.0})
    console.service.alert("1", zone="gh-1/c")

    text = await console.text("/")

    assert re.findall(r"gh-1/[abc](?= \d)", text)[0] == "gh-1/c"
    assert "1 alert" in text
    assert "climate/TooHot" in text


async def test_what_is_live_is_what_the_page_shows(console: ConsolePages) -> None:
    """The parts of the feed have a place on the page each."""
    now_ns = console.service.clock()
    await console.service.publish(NORTH, {"ts": now_ns - NS, "temperature": 21.0})
    page = (await console.browser.get("/")).text

    (key,) = re.findall(r'id="z-(\w+)"', page)

    for part in ("numbers", "alerts", "trouble", f"v-{key}", f"s-{key}"):
        assert f'sse-swap="{part}"' in page
    assert 'hx-trigger="sse:structure"' in page


async def test_names_of_devices_are_never_markup(console: ConsolePages) -> None:
    topic = "greenhouse/eu/<script>alert(1)</script>".replace("</", "<")
    await console.service.publish(f"{topic}/north/s-1", {"ts": console.service.clock(), "temperature": 21.0})

    assert "<script>alert" not in (await console.browser.get("/")).text


async def test_a_page_that_there_is_not_is_said(console: ConsolePages) -> None:
    assert "There is no page /nowhere." in await console.text("/nowhere", 404)


def test_numbers_have_four_digits_and_whole_ones_their_own() -> None:
    shown = [number(value) for value in (21.4321, 0.00123456, 1234567.891, 560.0, -0.5, None, float("nan"))]

    assert shown == ["21.43", "0.001235", "1,234,568", "560", "-0.5000", "—", "—"]


def test_times_in_a_text_are_written_as_all_others_and_the_text_is_no_markup() -> None:
    told = str(with_times("2026-11-23T10:00:00.702Z: <40> is above"))

    assert told == '<time datetime="2026-11-23T10:00:00.702Z">2026-11-23 10:00:00 UTC</time>: &lt;40&gt; is above'


def test_a_sparkline_spans_its_box_and_leaves_gaps_out() -> None:
    points = re.findall(r"([\d.]+),([\d.]+)", str(sparkline([1.0, None, 3.0], width=100, height=20)))

    assert points == [("0.0", "18.0"), ("100.0", "2.0")]
    assert "polyline" not in str(sparkline([1.0, None]))
