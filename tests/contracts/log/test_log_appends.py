"""Appending: order, durability, and several processes at once."""

import asyncio
import itertools
import os
import random

import pytest
from log_workbench import LocalBench, Workbench, killed, lines_of, span

from pipeline.base.errors import LogError
from pipeline.log.log import Extent
from pipeline.log.topics import ALERTS, READINGS


async def test_messages_lie_in_the_order_in_which_they_were_appended(bench: Workbench) -> None:
    appender = await bench.appender()
    values = [os.urandom(random.Random(n).choice([1, 300, 70_000])) for n in range(200)]

    offsets = await asyncio.gather(*[appender.append(READINGS, value) for value in values])

    assert offsets == list(range(200))
    assert bench.admin().read(READINGS, 0, 1000) == list(enumerate(values))


async def test_an_append_that_was_answered_can_be_read_by_anybody(bench: Workbench) -> None:
    appender, admin = await bench.appender(), bench.admin()

    for number in range(50):
        offset = await appender.append(READINGS, b"%d" % number)
        assert admin.read(READINGS, offset, 1) == [(number, b"%d" % number)]


async def test_topics_do_not_mix_and_the_extent_tells_what_each_holds(bench: Workbench) -> None:
    appender, admin = await bench.appender(), bench.admin()

    await asyncio.gather(
        appender.append(READINGS, b"12345"), appender.append(READINGS, b""), appender.append(ALERTS, b"a")
    )

    assert span(admin.extent(READINGS)) == (0, 2)
    assert admin.read(ALERTS, 0, 10) == [(0, b"a")]
    assert admin.read(READINGS, 1, 10) == [(1, b"")]


async def test_the_embedded_log_counts_the_bytes_of_its_values(local_bench: LocalBench) -> None:
    appender, admin = await local_bench.appender(), local_bench.admin()

    await asyncio.gather(*[appender.append(READINGS, value) for value in (b"12345", b"", b"123")])
    admin.trim(READINGS, 1)

    assert admin.extent(READINGS) == Extent(first=1, next_offset=3, size_bytes=3)


async def test_stop_finishes_what_was_appended(bench: Workbench) -> None:
    appender = await bench.appender()
    appends = [appender.append(READINGS, b"x" * 50_000) for _ in range(100)]

    await appender.stop()

    assert [append.result() for append in appends] == list(range(100))
    with pytest.raises(LogError, match="does not run"):
        appender.append(READINGS, b"too late")


async def test_an_append_whose_caller_has_gone_does_not_disturb_the_others(bench: Workbench) -> None:
    appender = await bench.appender()
    first, gone, last = (appender.append(READINGS, value) for value in (b"1", b"2", b"3"))

    gone.cancel()

    assert (await first, await last) == (0, 2)


async def test_a_partition_that_is_not_there_is_refused_by_name(bench: Workbench) -> None:
    appender = await bench.appender()

    with pytest.raises(LogError, match=r"readings.*not 1"):
        await appender.append(READINGS, b"x", partition=1)


@pytest.mark.processes
async def test_every_append_that_was_answered_survives_sigkill_of_the_writer(bench: Workbench) -> None:
    answered: dict[int, int] = {}
    for attempt in range(3):
        with bench.writer(attempt, 1_000_000) as writer:
            lines = lines_of(writer, 200 + 77 * attempt) + killed(writer)
        answered |= {offset: attempt * 1_000_000 + number for number, offset in lines}

    messages = bench.admin().read(READINGS, 0, 1_000_000)

    assert [message.offset for message in messages] == list(range(len(messages)))
    kept = {offset: int(value.split()[0]) * 1_000_000 + int(value.split()[1]) for offset, value in messages}
    assert answered.items() <= kept.items()
    assert len(set(kept.values())) == len(kept)


@pytest.mark.processes
async def test_writers_in_several_processes_keep_their_own_order_and_share_no_offset(bench: Workbench) -> None:
    appender = await bench.appender()
    with bench.writer(1, 400) as one, bench.writer(2, 400) as two:
        own = [await appender.append(READINGS, b"0 %d" % number) for number in range(200)]
        offsets = {1: [line[1] for line in lines_of(one, 400)], 2: [line[1] for line in lines_of(two, 400)], 0: own}

    messages = bench.admin().read(READINGS, 0, 10_000)

    assert [message.offset for message in messages] == list(range(1000))
    for writer, its_offsets in offsets.items():
        found = [(offset, value) for offset, value in messages if value.startswith(b"%d " % writer)]
        assert found == [(offset, b"%d %d" % (writer, number)) for number, offset in enumerate(its_offsets)]
    assert all(a < b for its_offsets in offsets.values() for a, b in itertools.pairwise(its_offsets))
