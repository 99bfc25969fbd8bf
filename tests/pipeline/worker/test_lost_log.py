"""What is kept when the log is lost, and another comes in its place: rows that only the pending rows had, alerts."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.pipeline.worker.test_starts_from_every_state import NOW_NS, Life
from tests.support.tables import save_pending_rows


def pending(life: Life) -> int:
    return sum(work[3] for work in life.partition.rules.engine.work(NOW_NS))


@pytest.mark.parametrize("has_positions", [True, False], ids=["positions saved", "killed before that"])
def test_pending_rows_and_pending_alerts_outlive_the_log(tmp_path: Path, has_positions: bool) -> None:
    (tmp_path / "life").mkdir()
    life = Life(tmp_path / "life")
    life.begin()
    life.publish("farm/s1", 2_000_000)  # more than the rule allows
    life.work_off()
    save_pending_rows(life.store)
    if has_positions:
        life.store._upkeep.save_positions()
    asyncio.run(life.partition.rules.save_pass())
    before = life.stored(), pending(life)
    life.end()
    shutil.rmtree(life.config.layout.log)

    after = []
    for _ in range(2):  # also where it ended before it had saved anything
        again = Life(life.folder)
        again.begin()
        after.append((again.stored(), pending(again)))
        again.end()

    assert before == ([2_000_000], 1)
    assert after == [before, before]
