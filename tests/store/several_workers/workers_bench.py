"""Several workers in one process on one magnetic tier, with their log and the oracle."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from store.catalog.catalog import Catalog, TableSettings
from store.errors import Behind
from store.partition_store import PartitionStore
from store.reading.lending import Lender
from store.reading.snapshot import Snapshot
from store.reading.tail import Gather, Pin, PinnedRows, TailReply, TailRequest
from store.record import Outcome, TableId
from store.store import Store
from store.testing import Oracle, Row, batch_of
from tests.support.oracle_rows import T0, plain, stored_rows
from tests.support.tables import remember_little

TABLE = TableId("farm", "d", "t")
PARTITIONS = [f"0123456789abcdef/readings/{partition}" for partition in range(3)]
RETENTION = timedelta(days=3)
TEMPLATES = {("d", "t"): TableSettings(RETENTION, timedelta(0), from_config=True)}


def partition_of(row: Row) -> str:
    """The partition of a key."""
    return PARTITIONS[zlib.crc32(repr((row.dimensions, row.measure_name)).encode()) % len(PARTITIONS)]


class Bench:
    """Workers by number; each partition has one owner, and all workers read it."""

    def __init__(
        self,
        magnetic: str,
        workers: int = 2,
        templates: Mapping[tuple[str, str], TableSettings] = TEMPLATES,
    ) -> None:
        self._magnetic = magnetic
        self.now_ns = T0
        self.log: dict[str, list[tuple[TableId, list[Row], bool]]] = {partition: [] for partition in PARTITIONS}
        self.oracles: dict[TableId, Oracle] = {TABLE: Oracle()}
        self.workers: list[Store] = []
        for _ in range(workers):
            self.start_worker(templates)
        self.owners: dict[str, PartitionStore] = {}
        self.worker_of: dict[str, int] = {}
        self.zombies: list[PartitionStore] = []
        for number, partition in enumerate(PARTITIONS):
            self.take(partition, number % workers)

    def start_worker(self, templates: Mapping[tuple[str, str], TableSettings]) -> None:
        """Add a worker, which owns no partition yet."""
        self.workers.append(
            Store.open(
                self._magnetic,
                partitions=PARTITIONS,
                memory_limit_bytes=1 << 26,
                templates=templates,
                clock_ns=lambda: self.now_ns,
                log_end=lambda: {partition: len(frames) for partition, frames in self.log.items()},
            )
        )

    def hand_over(self, partition: str, worker: int) -> None:
        """The owner saves its state and releases the partition, and `worker` takes it."""
        self.owners[partition].flush()
        self.workers[self.worker_of[partition]].revoke(self.owners[partition])
        self.take(partition, worker)

    def take(self, partition: str, worker: int) -> None:
        """`worker` becomes the owner, and reads everything again that is not durable."""
        store = self.workers[worker].take(partition)
        self.owners[partition], self.worker_of[partition] = store, worker
        for offset in range(store.replay_from(partition) or 0, len(self.log[partition])):
            self.apply(partition, offset)

    def write(self, rows: Sequence[Row], by_version: bool = False, table: TableId = TABLE) -> None:
        """Write one frame to each partition of these rows."""
        for partition in PARTITIONS:
            mine = [row for row in rows if partition_of(row) == partition]
            if mine:
                self.log[partition].append((table, mine, by_version))
                oracle = self.oracles.setdefault(table, Oracle())
                expected = [oracle.apply(row, by_version=by_version) for row in mine]
                found = self.apply(partition, len(self.log[partition]) - 1)
                visible_from = self.now_ns - RETENTION // timedelta(microseconds=1) * 1000
                for row, outcome, other in zip(mine, found, expected, strict=True):
                    assert outcome == other or row.time_ns < visible_from, (row, Outcome(outcome), other)

    def apply(self, partition: str, offset: int) -> list[int]:
        """Apply one frame on the owner; if it is fenced, open its store again and apply everything that it lacks."""
        store = self.owners[partition]
        outcomes = self.feed(store, partition, offset)
        if store.is_fenced:
            self.retake(partition)
        return outcomes

    def feed(self, store: PartitionStore, partition: str, offset: int) -> list[int]:
        table, rows, by_version = self.log[partition][offset]
        half = len(rows) // 2
        outcomes: list[int] = []
        for part in (rows[:half], rows[half:]):  # a frame may be split into several batches
            if part:
                index = store.registry.of(table)
                batch = batch_of(index, partition, [offset] * len(part), part, by_version=by_version)
                outcomes += store.apply(batch).outcomes.tolist()
        store.advance(partition, offset)
        return outcomes

    def retake(self, partition: str) -> None:
        """The owner releases the partition and takes it again."""
        worker = self.worker_of[partition]
        self.workers[worker].revoke(self.owners[partition])
        self.take(partition, worker)

    def settle(self) -> None:
        """Open fenced stores again, as a worker does."""
        for partition, store in list(self.owners.items()):
            if store.is_fenced:
                self.retake(partition)

    def each(self, work: Callable[[PartitionStore], object]) -> None:
        """Call `work` on every owner's store."""
        for store in list(self.owners.values()):
            work(store)
        self.settle()

    def gather_of(self, worker: int) -> Gather:
        """The replies that a query on `worker` gathers: its own rows in place, those of others as they are sent."""
        return lambda request, pin: self._gather(worker, request, pin)

    def gather(self, request: TailRequest, _pin: Pin) -> list[TailReply | PinnedRows]:
        """The same on a worker that owns no partition."""
        return self._gather(-1, request, _pin)

    def _gather(self, worker: int, request: TailRequest, pin: Pin) -> list[TailReply | PinnedRows]:
        asked = TailRequest.decode(request.encode())
        try:
            return [
                pin(store) if self.worker_of[partition] == worker else TailReply.decode(store.tail(asked).encode())
                for partition, store in self.owners.items()
            ]
        except Behind:
            self.settle()  # an owner may have been fenced just now
            raise

    def found(
        self, worker: int, table: TableId = TABLE, from_ns: int | None = None, to_ns: int | None = None
    ) -> list[str]:
        """The rows that a query on `worker` returns."""
        with self.workers[worker].snapshot(table.account, self.gather_of(worker)) as snapshot:
            return stored_rows(snapshot, table, from_ns, to_ns)

    def expected(self, table: TableId = TABLE, from_ns: int | None = None, to_ns: int | None = None) -> list[str]:
        """The rows that it must return."""
        visible_from = self.now_ns - RETENTION // timedelta(microseconds=1) * 1000
        least = visible_from if from_ns is None else max(visible_from, from_ns)
        return plain(self.oracles[table].visible(least, to_ns))

    def check(self) -> None:
        """Check that every worker has the oracle's rows."""
        for worker in range(len(self.workers)):
            for from_ns, to_ns in ((None, None), (T0 + 1, T0 + 1_001)):
                assert self.found(worker, TABLE, from_ns, to_ns) == self.expected(TABLE, from_ns, to_ns)

    def close(self) -> None:
        """Close all workers."""
        for store in self.zombies:
            store.close()
        for worker in self.workers:
            worker.close()


@dataclass(frozen=True, slots=True)
class Asked:
    """A worker as queries see it: a `store.reading.reader.Reader`."""

    bench: Bench
    worker: int

    @property
    def catalog(self) -> Catalog:
        return self.bench.workers[self.worker].catalog

    def snapshot(self, account: str) -> Snapshot:
        return self.bench.workers[self.worker].snapshot(account, self.bench.gather_of(self.worker))

    def lender(self, account: str) -> Lender:
        return self.bench.workers[self.worker].lender(account, self.bench.gather_of(self.worker))


def shallow(store: PartitionStore, table: TableId = TABLE) -> None:
    """Make the store remember only two rows of a series, so that look-ups are needed."""
    used = store.opened(table)
    if used is not None:
        remember_little(used)
