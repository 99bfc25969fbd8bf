"""A process that is killed during upkeep loses nothing: applied rows are stored, or are read again from the log."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from store.catalog.catalog import TableSettings
from store.record import TableId
from store.testing import Row, batch_of
from tests.support.lone_store import LoneStore, open_store

pytestmark = pytest.mark.processes

TABLES = [TableId("farm", "d", f"t{number}") for number in range(3)]
PARTITION = "0123/readings/0"
T0 = 1_795_000_000_000_000_000
ROWS_PER_FRAME = 20


def frame(table: TableId, offset: int) -> list[Row]:
    """The rows of a frame: some are late, and the last repeats a row of the previous frame."""
    number = TABLES.index(table)
    rows = [
        Row((("s", str(i % 7)),), T0 + offset * 1_000_000 - (i % 5) * 1_500_000 + i, (("v", float(offset + number)),))
        for i in range(ROWS_PER_FRAME)
    ]
    return [*rows, *(frame(table, offset - 1)[:1] if offset else [])]


def opened(folder: Path) -> LoneStore:
    return open_store(
        folder,
        memory_limit_bytes=1 << 26,
        templates={("d", table.table): TableSettings(from_config=True) for table in TABLES},
        clock_ns=time.time_ns,
    )


def feed(store: LoneStore, offset: int) -> None:
    for table in TABLES:
        rows = frame(table, offset)
        store.apply(batch_of(store.registry.of(table), PARTITION, [offset] * len(rows), rows))
    store.advance(PARTITION, offset)


def run(folder: Path) -> None:
    """The child process: replays, then applies and maintains until it is killed; prints each applied offset."""
    from store import upkeep

    upkeep.FLUSH_AFTER_NS = 1  # every pass flushes and
    store = opened(folder)
    offset = store.replay_from(PARTITION) or 0
    while True:
        feed(store, offset)
        sys.stdout.write(f"{offset}\n")
        sys.stdout.flush()
        offset += 1
        store.maintain()
        if offset % 5 == 0:  # merge
            for table in store.all_tables():
                files = table.files()
                table.rewrite([file for file in files if file.date == files[0].date])


@pytest.mark.parametrize("seed", [0, 1, pytest.param(2, marks=pytest.mark.soak)])
def test_every_row_is_there_once_after_kills_during_upkeep(tmp_path: Path, seed: int) -> None:
    applied = -1
    for life in range(4):
        code = f"import sys; sys.path[:0] = {sys.path!r}; import pathlib, test_crash; "
        code += f"test_crash.run(pathlib.Path({str(tmp_path)!r}))"
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environ)
        assert child.stdout is not None
        started = None
        for line in child.stdout:
            applied = max(applied, int(line))
            started = started or time.monotonic()
            if time.monotonic() - started > 0.3 + 0.037 * ((seed * 4 + life) % 7):
                break
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read()
        child.wait()
        child.stdout.close()
        applied = max([applied, *(int(line) for line in rest.splitlines() if line)])

    store = opened(tmp_path)
    low_watermark = store.low_watermark(PARTITION)
    for offset in range(store.replay_from(PARTITION) or 0, applied + 1):
        feed(store, offset)

    assert 0 < low_watermark <= applied + 1
    for table in TABLES:
        expected = {row.key: row for offset in range(applied + 1) for row in frame(table, offset)}
        with store.snapshot("farm") as snapshot:
            rows = snapshot.execute(f"SELECT s, time_ns, v FROM {snapshot.source(table)}").to_pylist()
        found = sorted((row["s"], row["time_ns"], row["v"]) for row in rows)
        assert found == sorted((r.dimensions[0][1], r.time_ns, r.values[0][1]) for r in expected.values())
    store.close()
