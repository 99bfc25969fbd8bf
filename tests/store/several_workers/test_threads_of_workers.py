"""During writes, upkeep, moves and queries of several workers, no query misses a row or has one twice."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from pathlib import Path

from workers_bench import PARTITIONS, T0, TABLE, Bench, partition_of

from store.reading.tail import Pin, PinnedRows, TailReply, TailRequest
from store.testing import Row, batch_of
from tests.support.tables import attempt, evict_sealed, inside

FRAMES = 60


class Busy:
    """A bench whose stores several threads use; each partition's store is replaced under its own lock."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.applied = dict.fromkeys(PARTITIONS, 0)
        self.begun = dict.fromkeys(PARTITIONS, 0)
        self.locks = {partition: threading.Lock() for partition in PARTITIONS}
        self.is_over = threading.Event()
        self.errors: list[BaseException] = []

    def write(self, partition: str) -> None:
        sensor = next(s for s in map(str, range(99)) if partition_of(Row((("s", s),), 0, ())) == partition)
        first = len(self.bench.log[partition])
        for offset in range(first, first + FRAMES):
            rows = [Row((("s", sensor),), T0 + offset * 10 + n, (("v", 1.0),)) for n in range(5)]
            if offset > first:  # repeated, and corrected to the same sum
                rows += [Row((("s", sensor),), T0 + offset * 10 - 10, (("v", 1.0),))]
            self.bench.log[partition].append((TABLE, rows, False))
            with self.locks[partition]:
                store = self.bench.owners[partition]
                self.begun[partition] += 5
                store.apply(batch_of(store.registry.of(TABLE), partition, [offset] * len(rows), rows))
                store.advance(partition, offset)
                self.applied[partition] += 5

    def look_after(self, worker: int) -> None:
        while not self.is_over.is_set():
            for store in self.bench.workers[worker].stores():
                store.flush()
                store.maintain()
                for table in store.all_tables():
                    attempt(store, table, table.refresh)
                    files = table.files()
                    if len(files) > 1:
                        attempt(store, table, functools.partial(table.rewrite, files))
                    with inside(table).lock:
                        inside(table).memory.close_chunk()
                    table.seal()
                evict_sealed(self.bench.workers[worker].all_tables())

    def query(self, worker: int) -> None:
        while not self.is_over.is_set():
            least = 1 + sum(self.applied.values())
            gather = functools.partial(self.gather, worker)
            with self.bench.workers[worker].snapshot("farm", gather) as snapshot:
                source = snapshot.source(TABLE)
                most = 1 + sum(self.begun.values())
                found = snapshot.execute(f"SELECT count(*) AS n, count(DISTINCT (s, time_ns)) AS d FROM {source}")
            (row,) = found.to_pylist()
            assert row["n"] == row["d"]
            assert least <= row["n"] <= most

    def gather(self, worker: int, request: TailRequest, pin: Pin) -> list[TailReply | PinnedRows]:
        replies: list[TailReply | PinnedRows] = []
        for partition in PARTITIONS:
            with self.locks[partition]:
                store, is_here = self.bench.owners[partition], self.bench.worker_of[partition] == worker
                replies.append(pin(store) if is_here else store.tail(request))
        return replies

    def run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # told by the test
            self.errors.append(error)


def test_queries_are_complete_during_all_other_operations(tmp_path: Path) -> None:
    bench = Bench(str(tmp_path / "magnetic"))
    bench.write([Row((("s", "first"),), T0 - 1, (("v", 1.0),))])
    for worker in range(2):
        assert bench.found(worker) == bench.expected()  # and knows the columns now
    busy = Busy(bench)
    sensor_rows = [lambda partition=partition: busy.write(partition) for partition in PARTITIONS]
    others = [lambda worker=worker: busy.look_after(worker) for worker in range(2)]
    others += [lambda worker=worker: busy.query(worker) for worker in range(2)]
    threads = [threading.Thread(target=busy.run, args=(work,)) for work in (*sensor_rows, *others)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads[: len(PARTITIONS)]:
            thread.join(60)
        busy.is_over.set()
        for thread in threads:
            thread.join(30)

        assert not any(thread.is_alive() for thread in threads)
        assert busy.errors == []
        assert len(bench.found(0)) == len(bench.found(1)) == 1 + len(PARTITIONS) * FRAMES * 5
    finally:
        bench.close()
