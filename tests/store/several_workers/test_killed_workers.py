"""Workers in several processes write at the same time, and are killed at any moment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from worker_process import frame
from workers_bench import PARTITIONS, TABLE, Bench

pytestmark = pytest.mark.processes

HERE = Path(__file__).parent
LAST = 24


@contextmanager
def worker(url: str, partition: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(HERE / "worker_process.py"), url, partition, str(LAST)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent.parent)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def read_to(process: subprocess.Popen[str], offset: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= offset:
            return
    raise AssertionError(f"the worker ended before {offset}, with {process.wait()}")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("url", "killed_at"), [("folder", (4, 11)), ("s3", (5, 8))], indirect=["url"])
def test_what_killed_workers_leave_is_whole_for_their_successors(
    url: str, tmp_path: Path, killed_at: tuple[int, int]
) -> None:
    with worker(url, PARTITIONS[0]) as first, worker(url, PARTITIONS[1]) as second:
        read_to(first, killed_at[0])
        first.kill()
        read_to(second, killed_at[1])
        second.kill()
    with worker(url, PARTITIONS[0]) as first:
        read_to(first, LAST - 2)
        first.kill()

    bench = Bench(url)
    try:
        for partition in PARTITIONS[:2]:
            for offset in range(LAST + 1):
                rows = frame(partition, offset)
                bench.log[partition].append((TABLE, rows, False))
                for row in rows:
                    bench.oracles[TABLE].apply(row)
            bench.retake(partition)

        assert bench.owners[PARTITIONS[0]].low_watermark(PARTITIONS[0]) > 0
        bench.check()
        bench.each(lambda store: store.flush())
        bench.check()
    finally:
        bench.close()
