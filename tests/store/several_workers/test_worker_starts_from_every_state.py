"""Workers that share a magnetic tier start with all rows after a kill in any state."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from store.catalog.catalog import TableSettings
from store.partition_store import PartitionStore
from store.record import TableId
from store.store import Store
from store.testing import Row, batch_of
from tests.support.stopped_states import StoppedStates
from tests.support.tables import inside, save_pending_rows

TABLE, MADE = TableId("default", "d", "t"), TableId("default", "made", "by_hand")
PARTITIONS = ["0123456789abcdef/readings/0", "0123456789abcdef/readings/1"]
TEMPLATES = {("d", "t"): TableSettings(timedelta(days=3), timedelta(0), from_config=True)}
T0 = 1_795_000_000_000_000_000


class Life:
    """One worker with both partitions, and their log."""

    def __init__(self, folder: Path, log: dict[str, list[Row]]) -> None:
        self.log = log
        self.shared = Store.open(
            str(folder),
            partitions=PARTITIONS,
            memory_limit_bytes=1 << 26,
            templates=TEMPLATES,
            clock_ns=lambda: T0,
            log_end=lambda: {partition: len(rows) for partition, rows in self.log.items()},
        )
        self.stores: dict[str, PartitionStore] = {}
        for partition in PARTITIONS:
            store = self.stores[partition] = self.shared.take(partition)
            for offset in range(store.replay_from(partition) or 0, len(log[partition])):
                self._apply(partition, offset)

    def publish(self, partition: int, row: Row) -> None:
        partition = PARTITIONS[partition]
        self.log[partition].append(row)
        self._apply(partition, len(self.log[partition]) - 1)

    def _apply(self, partition: str, offset: int) -> None:
        store = self.stores[partition]
        store.apply(batch_of(store.registry.of(TABLE), partition, [offset], [self.log[partition][offset]]))
        store.advance(partition, offset)

    def each_flushes(self) -> None:
        for store in self.stores.values():
            store.flush()

    def found(self) -> list[float]:
        if self.shared.catalog.find(TABLE) is None:
            return []
        with self.shared.snapshot(TABLE.account) as snapshot:
            return sorted(snapshot.execute(f"SELECT v FROM {snapshot.source(TABLE)}")["v"].to_pylist())


def reading(sensor: str, number: int) -> Row:
    return Row((("s", sensor),), T0 + number, (("v", float(number)),))


@pytest.mark.timeout(600)
def test_every_state_that_a_kill_can_leave_starts_again_with_all_rows(tmp_path: Path) -> None:
    log: dict[str, list[Row]] = {partition: [] for partition in PARTITIONS}
    root = tmp_path / "magnetic"
    watcher = StoppedStates(
        root, tmp_path / "states", lambda: {partition: list(rows) for partition, rows in log.items()}
    )
    with watcher.watching():
        life = Life(root, log)
        life.each_flushes()
        life.publish(0, reading("a", 1))
        life.publish(1, reading("b", 2))
        life.each_flushes()
        watcher.take("flushed")
        life.publish(0, reading("c", 3))
        store = life.stores[PARTITIONS[0]]
        save_pending_rows(store)
        store._upkeep.save_positions()
        life.publish(0, reading("a", 4))
        life.each_flushes()
        (table,) = store.all_tables()
        table.refresh()
        table.rewrite(table.files())
        watcher.take("merged")
        inside(table).magnetic._checkpoint()
        watcher.take("checkpoint of Delta")
        life.shared.catalog.create_database("default", "made")
        life.shared.catalog.create_table(MADE, TableSettings())
        life.shared.catalog.delete_table(MADE)
        life.publish(1, reading("d", 5))
        life.each_flushes()
        life.shared.close()
    assert watcher.seen > 50

    failures = []
    for state in watcher.states:
        shutil.rmtree(root)
        state.folder.rename(root)
        assert isinstance(state.note, dict)
        try:
            again = Life(root, state.note)
            found = again.found()
            again.each_flushes()
            again.shared.close()
            assert found == sorted(value for rows in state.note.values() for row in rows for _, value in row.values)
        except Exception as error:  # noqa: BLE001  # all of them are told
            failures.append(f"{state.what}: {type(error).__name__}: {error}")

    assert failures == []
