"""After any writes, moves, losses, repeats, flushes, merges and evictions, all workers have the oracle's rows."""

import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from workers_bench import PARTITIONS, T0, Bench, shallow

from store import upkeep
from store.magnetic import versions
from store.partition_store import PartitionStore
from store.testing import Row
from tests.support.examples import examples
from tests.support.oracle_rows import DAY_NS, WRITES
from tests.support.tables import attempt, evict_sealed, inside

TURN_NS = 45_000_000_000  # a table is committed at every second `maintain`

_moves = st.tuples(
    st.sampled_from(["move", "die", "doze", "flush", "evict"]), st.integers(0, len(PARTITIONS) - 1), st.integers(0, 1)
)
_others = st.sampled_from([("wake",), ("compact",), ("clean",), ("maintain",), ("later",)])


class Workers(Bench):
    """Workers, and the steps that change their state."""

    def rows(self, rows: list[Row], by_version: bool) -> None:
        for store in self.owners.values():
            shallow(store)
        self.write(
            rows if by_version else [Row(r.dimensions, r.time_ns, r.values, 1, r.measure_name) for r in rows],
            by_version,
        )

    def move(self, partition: int, worker: int) -> None:
        """The owner hands the partition over to a worker in an orderly way."""
        name = PARTITIONS[partition]
        store = self.owners[name]
        store.flush()
        self.workers[self.worker_of[name]].revoke(store)
        self.take(name, worker)

    def die(self, partition: int, worker: int) -> None:
        """The owner ends without saving anything."""
        name = PARTITIONS[partition]
        self.workers[self.worker_of[name]].revoke(self.owners[name])
        self.take(name, worker)

    def doze(self, partition: int, worker: int) -> None:
        """The owner pauses, and another worker takes its partition."""
        name = PARTITIONS[partition]
        self.zombies.append(self.owners[name])
        self.take(name, worker)

    def wake(self) -> None:
        """Paused owners continue as if nothing had happened."""
        for store in self.zombies:
            store.flush()
        self.settle()

    def flush(self, partition: int, _worker: int) -> None:
        self.owners[PARTITIONS[partition]].flush()
        self.settle()

    def evict(self, partition: int, _worker: int) -> None:
        store = self.owners[PARTITIONS[partition]]
        for table in store.all_tables():
            inside(table).memory.insert_head(self.now_ns)
            inside(table).memory.close_chunk()
            table.seal()
            evict_sealed([table])

    def compact(self) -> None:
        self.each(_rewrite)

    def clean(self) -> None:
        self.each(_clean)

    def maintain(self) -> None:
        self.now_ns += 30_000_000_000
        self.each(lambda store: store.maintain())

    def later(self) -> None:
        self.now_ns += DAY_NS


def _rewrite(store: PartitionStore) -> None:
    for table in store.all_tables():
        if store.tables.is_compaction_leader_of(table):
            attempt(store, table, table.refresh)
            files = table.files()
            for date in sorted({file.date for file in files}):
                group = [file for file in files if file.date == date]
                attempt(store, table, functools.partial(table.rewrite, group))


def _clean(store: PartitionStore) -> None:
    for table in store.all_tables():
        attempt(store, table, table.refresh)
        files = table.files_to_clean()
        if files:
            attempt(store, table, functools.partial(table.rewrite, files))


ALL_COLUMNS = Row(
    (("S", "1"), ("Zone", "a b"), ("s", "1")),
    T0 - 1,
    (("v", 1.0), ("V", 2), ("measure_value::double", 1.0), ("text", "it's"), ("on", True)),
)


@pytest.mark.timeout(300)
@examples(10)
@given(st.booleans(), st.booleans(), st.lists(st.one_of(WRITES, _moves, _others), min_size=1, max_size=10))
def test_any_interleaving_on_any_worker_gives_the_oracles_rows(
    is_fresh: bool, are_many_tables: bool, operations: list[tuple[Any, ...]]
) -> None:
    """The steps depend on two settings: how versions are read, and how rows become durable.

    Queries look for the newest version each time, or only if the known one is outdated; owners commit their rows, or
    save them as pending rows as if there were many tables.
    """
    folder = Path(tempfile.mkdtemp(prefix="streamgauge-shared-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versions, "REFRESH_EVERY_S", 0.0 if is_fresh else 3600.0)
        if are_many_tables:
            patch.setattr(upkeep, "MOST_FLUSHED_ALONE", 0)
            patch.setattr(upkeep, "COMMIT_EVERY_NS", TURN_NS)
        bench = Workers(str(folder / "magnetic"))
        try:
            bench.rows([ALL_COLUMNS], False)
            for name, *arguments in operations:
                getattr(bench, "rows" if name == "write" else name)(*arguments)
                bench.check()
        finally:
            bench.close()
            shutil.rmtree(folder)
