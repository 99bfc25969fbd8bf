"""Consuming by Faust: where it begins, what it sees, and what a crash or a slow stage does."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from faust.types import TP
from log_workbench import Workbench, killed, lines_of, until

from pipeline.log.faust.app import App, running
from pipeline.log.topics import ALERTS, READINGS


def collect(app: App, topic: str) -> list[tuple[int, bytes]]:
    """What an agent of `app` gets from the topic."""
    seen: list[tuple[int, bytes]] = []

    @app.agent(app.topic(topic), concurrency=1, name=f"collect-{topic}")
    async def agent(stream: Any) -> None:
        async for event in stream.events():
            seen.append((event.message.offset, event.value))  # noqa: PERF401  the stream never ends

    return seen


@pytest.mark.parametrize(("start", "first"), [(None, 0), (0, 0), (1, 1), (299, 299), (300, 300)])
async def test_reading_begins_where_the_application_says(bench: Workbench, start: int | None, first: int) -> None:
    appender = await bench.appender()
    for number in range(300):
        append = appender.append(READINGS, b"%d" % number)
    await append
    app = bench.app(lambda _: start)
    seen = collect(app, READINGS)

    async with running(app):
        await appender.append(READINGS, b"300")
        await until(lambda: bool(seen) and seen[-1][0] == 300)

    assert seen == [(number, b"%d" % number) for number in range(first, 301)]


async def test_partitions_are_taken_up_before_positions_are_asked_and_let_go_at_the_end(bench: Workbench) -> None:
    calls: list[tuple[str, set[tuple[str, int]]]] = []

    async def assigned(partitions: set[TP]) -> None:
        calls.append(("assigned", {*map(tuple, partitions)}))

    async def revoked(partitions: set[TP]) -> None:
        calls.append(("revoked", {*map(tuple, partitions)}))

    def start(tp: TP) -> None:
        calls.append(("start", {tuple(tp)}))

    app = bench.app(start, on_assigned=assigned, on_revoked=revoked)
    seen, appender = collect(app, READINGS), await bench.appender()
    collect(app, ALERTS)

    async with running(app):
        await appender.append(READINGS, b"x")
        await until(lambda: bool(seen))

    both = {(READINGS, 0), (ALERTS, 0)}
    assert calls[0] == ("assigned", both)
    assert sorted(map(str, calls[1:3])) == sorted(str(("start", {one})) for one in both)
    assert calls[3:] == [("revoked", both)]


@pytest.mark.processes
async def test_an_application_sees_what_other_processes_append_while_it_runs(bench: Workbench) -> None:
    app = bench.app(lambda _: None)
    seen = collect(app, READINGS)

    async with running(app):
        with bench.writer(7, 300) as writer:
            await asyncio.to_thread(lines_of, writer, 300)  # the application runs meanwhile
        await until(lambda: len(seen) == 300)

    assert seen == [(number, b"7 %d" % number) for number in range(300)]


@pytest.mark.processes
async def test_a_reader_that_is_killed_goes_on_from_its_own_position(bench: Workbench, tmp_path: Path) -> None:
    journal = tmp_path / "positions"
    with bench.writer(0, 2000) as writer:
        for attempt in range(3):
            with bench.reader(journal) as reader:
                lines_of(reader, 100 + 51 * attempt)
                killed(reader)
        lines_of(writer, 2000)
        with bench.reader(journal):
            await until(lambda: journal.read_text().endswith("\n1999 1999\n"))

    assert journal.read_text() == "".join(f"{number} {number}\n" for number in range(2000))


@pytest.mark.processes
async def test_readers_in_several_processes_each_see_everything(bench: Workbench, tmp_path: Path) -> None:
    journals = [tmp_path / "one", tmp_path / "two"]
    with bench.reader(journals[0]) as one, bench.reader(journals[1]) as two:
        with bench.writer(0, 300) as a, bench.writer(1, 300) as b:
            lines_of(a, 300)
            lines_of(b, 300)
        seen = [lines_of(one, 600), lines_of(two, 600)]

    assert seen[0] == seen[1]
    assert [offset for offset, _ in seen[0]] == list(range(600))


async def test_a_slow_stage_bounds_what_is_read_ahead_and_holds_back_its_own_topic_only(bench: Workbench) -> None:
    appender = await bench.appender()
    await asyncio.gather(*[appender.append(topic, b"x") for topic in (READINGS, ALERTS) for _ in range(1000)])
    app = bench.app(lambda _: None)
    readings = collect(app, READINGS)
    going_on = asyncio.Event()
    slow: list[int] = []

    @app.agent(app.topic(ALERTS), concurrency=1)
    async def agent(stream: Any) -> None:
        async for event in stream.events():
            await going_on.wait()
            slow.append(event.message.offset)

    async with running(app):
        await until(lambda: len(readings) == 1000)
        (position,) = [await app.consumer.position(tp) for tp in app.consumer.assignment() if tp.topic == ALERTS]
        going_on.set()
        await until(lambda: len(slow) == 1000)

    assert position <= 2 * app.conf.stream_buffer_maxsize
    assert slow == list(range(1000))


async def test_what_an_agent_has_in_hand_is_finished_before_the_end(bench: Workbench) -> None:
    appender = await bench.appender()
    await appender.append(READINGS, b"x")
    app = bench.app(lambda _: None)
    begun, ended = asyncio.Event(), asyncio.Event()

    @app.agent(app.topic(READINGS), concurrency=1)
    async def agent(stream: Any) -> None:
        async for _ in stream.events():
            begun.set()
            await asyncio.sleep(0.1)
            ended.set()

    async with running(app):
        await begun.wait()

    assert ended.is_set()


async def test_what_an_agent_sends_is_durable_when_its_future_is_done(bench: Workbench) -> None:
    appender, admin = await bench.appender(), bench.admin()
    app = bench.app(lambda _: None)
    alerts = app.topic(ALERTS)
    found: list[tuple[int, bytes]] = []

    @app.agent(app.topic(READINGS), concurrency=1)
    async def agent(stream: Any) -> None:
        async for event in stream.events():
            sent = await (await alerts.send(value=b"alert " + event.value))
            found.extend(admin.read(ALERTS, sent.offset, 1))

    async with running(app):
        await appender.append(READINGS, b"one")
        await appender.append(READINGS, b"two")
        await until(lambda: len(found) == 2)

    assert found == [(0, b"alert one"), (1, b"alert two")]
