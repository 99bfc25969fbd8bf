"""A worker with one partition, as a program: `worker_process.py MAGNETIC PARTITION LAST`.

Reads the frames of the partition, each computed from its offset, from the offset that its store requests up to LAST;
flushes and merges from time to time. Prints the offset of each frame after it is applied.
"""

from __future__ import annotations

import functools
import sys

from workers_bench import PARTITIONS, T0, TABLE, TEMPLATES, partition_of

from store import upkeep
from store.partition_store import PartitionStore
from store.store import Store
from store.testing import Row, batch_of
from tests.support.tables import attempt


def frame(partition: str, offset: int) -> list[Row]:
    """New rows, a repeated one, and one that corrects another; a later frame adds a column."""
    sensors = [sensor for sensor in map(str, range(60)) if partition_of(_row(sensor, 0, 0.0)) == partition][:4]
    rows = [_row(sensor, offset * 10, float(offset)) for sensor in sensors]
    if offset:
        rows.append(_row(sensors[0], offset * 10 - 10, float(offset - 1)))
        rows.append(_row(sensors[1], offset * 10 - 10, offset + 0.5))
    if offset > 8:
        rows.append(Row((("s", sensors[2]), ("site", partition[-1])), T0 + offset, (("late", True),)))
    return rows


def _row(sensor: str, number: int, value: float) -> Row:
    return Row((("s", sensor),), T0 + number, (("v", value),))


def feed(store: PartitionStore, partition: str, offset: int) -> None:
    """One frame."""
    rows = frame(partition, offset)
    store.apply(batch_of(store.registry.of(TABLE), partition, [offset] * len(rows), rows))
    store.advance(partition, offset)


def merge(store: PartitionStore) -> None:
    """Merge the files of each date, at the same time as other workers."""
    for table in store.all_tables():
        attempt(store, table, table.refresh)
        files = table.files()
        if len(files) > 1:
            attempt(store, table, functools.partial(table.rewrite, files))


def main(magnetic: str, partition: str, last: int) -> None:
    """Run until LAST is applied and flushed."""
    upkeep.LOOK_EVERY_NS = 0
    shared = Store.open(
        magnetic,
        partitions=PARTITIONS,
        memory_limit_bytes=1 << 26,
        templates=TEMPLATES,
        clock_ns=lambda: T0,
        log_end=dict,
    )
    store = shared.take(partition)
    for offset in range(store.replay_from(partition) or 0, last + 1):
        feed(store, partition, offset)
        print(offset, flush=True)  # noqa: T201  # read by the test
        if offset % 3 == 2:
            store.flush()
        if offset % 5 == 4:
            merge(store)
        assert not store.is_fenced
    store.flush()
    shared.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
