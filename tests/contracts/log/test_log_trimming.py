"""Trimming, limits, and whose log it is."""

import asyncio
import shutil
from pathlib import Path

import pytest
from log_workbench import LocalBench, Workbench, span, until

from pipeline.base.errors import LogFull
from pipeline.log.log import Appender, Extent
from pipeline.log.topics import ALERTS, DEAD_LETTERS, READINGS


async def test_what_lies_below_is_removed_and_the_rest_stays(bench: Workbench) -> None:
    appender, admin = await bench.appender(), bench.admin()
    await asyncio.gather(*[appender.append(READINGS, b"%03d" % number) for number in range(300)])

    admin.trim(READINGS, 250)

    assert span(admin.extent(READINGS)) == (250, 300)
    assert [message.offset for message in admin.read(READINGS, 0, 3)] == [250, 251, 252]


@pytest.mark.parametrize(("below", "first"), [(0, 0), (9, 9), (10, 10), (11, 10)])
async def test_trimming_ends_at_the_end(bench: Workbench, below: int, first: int) -> None:
    appender, admin = await bench.appender(), bench.admin()
    await asyncio.gather(*[appender.append(READINGS, b"x") for _ in range(10)])

    admin.trim(READINGS, below)

    assert span(admin.extent(READINGS)) == (first, 10)


async def test_trimming_again_below_what_was_trimmed_changes_nothing(bench: Workbench) -> None:
    appender, admin = await bench.appender(), bench.admin()
    await asyncio.gather(*[appender.append(READINGS, b"x") for _ in range(10)])
    admin.trim(READINGS, 7)

    admin.trim(READINGS, 3)

    assert span(admin.extent(READINGS)) == (7, 10)


async def test_offsets_are_never_used_again_though_all_was_removed_and_the_log_reopened(bench: Workbench) -> None:
    appender = await bench.appender()
    await asyncio.gather(*[appender.append(READINGS, b"x") for _ in range(10)])
    bench.admin().trim(READINGS, 10)
    await appender.stop()

    again = await bench.appender()

    assert bench.admin().extent(READINGS) == Extent(10, 10, 0), "empty"
    assert await again.append(READINGS, b"y") == 10


async def test_readings_are_refused_at_the_cap_while_the_worker_can_drain_and_taken_again_after(
    local_bench: LocalBench,
) -> None:
    appender, admin = await local_bench.appender(max_bytes=4 << 20), local_bench.admin()
    value = b"x" * 100_000

    refusal, next_offset = await fill(appender, value)

    assert "max_bytes" in str(refusal)
    assert admin.extent(READINGS).next_offset == next_offset, "a refused append leaves nothing behind"
    assert 3 << 20 <= admin.extent(READINGS).size_bytes <= 4 << 20
    assert await appender.append(ALERTS, value) == await appender.append(DEAD_LETTERS, value) == 0
    admin.trim(READINGS, next_offset)
    assert await taken_in_the_end(appender, value) == next_offset


@pytest.mark.processes  # it mounts the disk
async def test_a_full_disk_refuses_appends_keeps_every_answered_one_and_passes(local_bench: LocalBench) -> None:
    disk = local_bench.log.on_small_disk()
    appender, admin = await local_bench.appender(), local_bench.admin()
    value = b"x" * 500_000

    refusal, next_offset = await fill(appender, value)

    assert "full" in str(refusal)
    assert next_offset > 5
    assert admin.read(READINGS, 0, 1000) == [(offset, value) for offset in range(next_offset)]
    assert admin.extent(READINGS).next_offset == next_offset, "a refused append leaves nothing behind"
    disk.make_room(admin, READINGS)
    assert await taken_in_the_end(appender, value) == next_offset


@pytest.mark.processes  # it mounts the disk
async def test_a_log_that_filled_the_disk_down_to_its_reserve_can_be_drained(local_bench: LocalBench) -> None:
    disk = local_bench.log.on_small_disk()
    appender, admin = await local_bench.appender(min_free_bytes=disk.SIZE_BYTES // 3), local_bench.admin()
    disk.make_room(admin, READINGS)
    value = b"x" * 200_000

    _, next_offset = await fill(appender, value)
    assert await appender.append(ALERTS, b"found while draining") == 0
    admin.trim(READINGS, next_offset)

    assert await taken_in_the_end(appender, value) == next_offset


async def test_a_disk_at_its_reserve_refuses_readings_first(local_bench: LocalBench, tmp_path: Path) -> None:
    free_bytes = shutil.disk_usage(tmp_path).free
    plenty, short = await local_bench.appender(), await local_bench.appender(min_free_bytes=free_bytes + (1 << 40))
    enough_for_alerts = await local_bench.appender(min_free_bytes=int(free_bytes * 1.5))

    assert await plenty.append(READINGS, b"x") == 0
    for refused in (short.append(READINGS, b"x"), enough_for_alerts.append(READINGS, b"x"), short.append(ALERTS, b"x")):
        with pytest.raises(LogFull, match="min_free"):
            await refused
    assert await enough_for_alerts.append(ALERTS, b"x") == 0


async def fill(appender: Appender, value: bytes) -> tuple[LogFull, int]:
    """Append until the log refuses; how it does, and the number of appends it answered."""
    for number in range(10_000):
        try:
            assert await appender.append(READINGS, value) == number
        except LogFull as refusal:
            return refusal, number
    raise AssertionError("the log never was full")


async def taken_in_the_end(appender: Appender, value: bytes) -> int:
    """The offset of `value`, which is appended again and again until the log takes it."""
    offsets: list[int] = []

    async def retry() -> None:
        while not offsets:
            try:
                offsets.append(await appender.append(READINGS, value))
            except LogFull:
                await asyncio.sleep(0.01)

    await asyncio.gather(retry(), until(lambda: bool(offsets)))
    return offsets[0]


async def test_a_log_keeps_its_id_and_a_log_in_its_place_has_another(bench: Workbench) -> None:
    first, again = bench.admin(), bench.admin()
    assert first.log_id == again.log_id
    assert first.partition_id(READINGS) == f"{first.log_id}/readings/0"
    first.close()
    again.close()

    await bench.log.replace()

    assert bench.admin().log_id != first.log_id
