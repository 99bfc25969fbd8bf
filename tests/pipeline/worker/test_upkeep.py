"""What a worker does beside the stream: the log is trimmed to the lowest position; failures end the process."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.log import open_admin, open_appender
from pipeline.log.settings import LogSettings
from pipeline.log.topics import ALERTS, DEAD_LETTERS, READINGS
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.worker.upkeep import StoreMaintenance, Trimmer, every


@pytest.mark.parametrize(
    ("store", "rules", "usage", "first"),
    [(100, 70, 90, 70), (40, 70, 90, 40), (0, 70, 70, 0), (100, 100, 100, 100), (100, 70, 60, 60), (9, 9, None, 0)],
)
async def test_readings_are_kept_down_to_the_lowest_of_store_rules_and_usage(
    tmp_path: Path, store: int, rules: int, usage: int | None, first: int
) -> None:
    log = LogSettings(f"local://{tmp_path}/log", 1 << 30, 0)
    appender, admin = open_appender(log), open_admin(log)
    await appender.start()
    for topic in (READINGS, ALERTS, DEAD_LETTERS):
        for _ in range(100):
            await appender.append(topic, b"x" * 1000)
    await appender.stop()
    partition: Any = SimpleNamespace(
        number=0,
        id=admin.partition_id(READINGS),
        store=SimpleNamespace(low_watermark=lambda _: store),
        rules=SimpleNamespace(low_watermark=rules),
        usage=SimpleNamespace(low_watermark=usage),
    )
    archives: Any = {
        ALERTS: SimpleNamespace(next_offset=lambda _: 30),
        DEAD_LETTERS: SimpleNamespace(next_offset=lambda _: None),
    }

    await Trimmer(admin, OwnedPartitions(1, [partition]), archives, tmp_path / "trim.lock").trim()

    kept = {topic: admin.extent(topic).first for topic in (READINGS, ALERTS, DEAD_LETTERS)}
    admin.close()
    assert kept == {READINGS: first, ALERTS: 30, DEAD_LETTERS: 0}


def test_maintenance_that_fails_is_handed_to_fail_and_ends() -> None:
    failures: list[BaseException] = []
    failed = threading.Event()

    def maintain() -> None:
        raise OSError("no space left on device")

    def fail(error: BaseException) -> None:
        failures.append(error)
        failed.set()

    maintenance = StoreMaintenance(maintain, fail)
    maintenance.start()
    assert failed.wait(60)
    maintenance.stop()

    assert [str(error) for error in failures] == ["no space left on device"]


async def test_repeated_work_that_fails_is_handed_to_fail_and_ends() -> None:
    failures: list[BaseException] = []
    calls: list[int] = []

    async def work() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise ValueError("third")

    async with asyncio.timeout(60):
        await every(0.001, work, failures.append)

    assert ([str(error) for error in failures], len(calls)) == (["third"], 3)
