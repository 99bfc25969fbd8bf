"""For readers during writes and upkeep, a count never falls, and is never more than the number of applied rows."""

import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from store.catalog.catalog import TableSettings
from store.memory.room import MemoryRoom
from store.record import MeasureType, RecordBatch, SeriesKey, TableId
from tests.support.examples import times
from tests.support.lone_store import LoneStore, open_store
from tests.support.tables import inside

TABLE = TableId("farm", "d", "t")
PARTITION = "0123/readings/0"
T0 = 1_795_000_000_000_000_000
SERIES = 50
FRAMES = times(150)


def frame(store: LoneStore, offset: int) -> RecordBatch:
    """Fifty new rows, of which a tenth are late, and ten that replace values of earlier rows."""
    index = store.registry.of(TABLE)
    ids = [index.id_of(SeriesKey((("s", str(i)),), "m")) for i in range(SERIES)]
    time_ns = [T0 + offset * 1_000_000_000 - (3_500_000_000 if i % 10 == 0 else 0) for i in range(SERIES)]
    again = range(1, 10) if offset else range(0)
    series = np.array([*ids, *(ids[i] for i in again)], np.int32)
    times = np.array([*time_ns, *(time_ns[i] - 1_000_000_000 for i in again)], np.int64)
    count = len(series)
    values = pa.array(np.full(count, float(offset)))
    return RecordBatch(
        index, PARTITION, series, times, np.ones(count, np.int64), np.full(count, offset, np.int64), times + 1,
        {"v": values}, {"v": MeasureType.DOUBLE},
    )  # fmt: skip


def test_counts_never_fall_and_never_pass_what_was_applied(tmp_path: Path) -> None:
    store = open_store(
        tmp_path,
        memory_limit_bytes=1 << 26,
        templates={("d", "t"): TableSettings(from_config=True)},
        clock_ns=time.time_ns,
    )
    store.apply(frame(store, 0))
    store.advance(PARTITION, 0)
    begun, done, problems = [SERIES], threading.Event(), []

    def upkeep() -> None:
        table = store.all_tables()[0]
        while not done.is_set():
            store.flush()
            with inside(table).lock:
                inside(table).memory.close_chunk()
            table.seal()
            files = table.files()
            if len(files) > 3:
                table.rewrite([file for file in files if file.date == files[0].date])
            if len(inside(table).memory.chunks) > 4:
                MemoryRoom(lambda: 3, 2).make([table])

    def read() -> None:
        highest = 0
        while not done.is_set():
            with store.snapshot(TABLE.account) as snapshot:
                sql = f"SELECT count(*) AS n, count(DISTINCT (s, time_ns)) AS keys FROM {snapshot.source(TABLE)}"
                row = snapshot.execute(sql).to_pylist()[0]
            most = begun[0]
            if row["n"] < highest or row["n"] > most or row["n"] != row["keys"]:
                problems.append((row, highest, most))
            highest = max(highest, row["n"])

    def guard(work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:
            problems.append(error)
            raise

    threads = [threading.Thread(target=guard, args=(work,)) for work in (upkeep, read, read)]
    for thread in threads:
        thread.start()
    for offset in range(1, FRAMES):
        begun[0] += SERIES
        store.apply(frame(store, offset))
        store.advance(PARTITION, offset)
    done.set()
    for thread in threads:
        thread.join()

    assert problems == []
    with store.snapshot(TABLE.account) as snapshot:
        rows = snapshot.execute(f"SELECT count(*) AS n FROM {snapshot.source(TABLE)}").to_pylist()
    assert rows[0]["n"] == SERIES * FRAMES
    store.close()
