"""Any worker can create and delete databases and tables at any time, for all workers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from workers_bench import PARTITIONS, T0, TABLE, Bench, partition_of

from store import layout, upkeep
from store.catalog import versions as catalog_versions
from store.catalog.catalog import Catalog, TableSettings
from store.errors import DatabaseExists, StoreFormatError, TableExists, UnknownTable
from store.magnetic import versions
from store.objects.objects import open_objects
from store.record import Outcome, TableId
from store.store import Store
from store.testing import Row

OTHER = TableId("farm", "d", "other")
MADE = TableId("farm", "d", "made")


@pytest.fixture(params=["commits", "checkpoint"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Rows become durable by a commit of each table, or in the pending rows of each partition."""
    monkeypatch.setattr(versions, "REFRESH_EVERY_S", 0.0)
    if request.param == "checkpoint":
        monkeypatch.setattr(upkeep, "MOST_FLUSHED_ALONE", 0)
    made = Bench(str(tmp_path / "magnetic"))
    made.workers[0].catalog.create_database("farm", "d")
    yield made
    made.close()


def row(number: int, value: float = 1.0, sensor: str = "1") -> Row:
    return Row((("s", sensor),), T0 + number, (("v", value),))


PARTITION = partition_of(row(0))


def other_worker(bench: Bench) -> Store:
    return bench.workers[1 - bench.worker_of[PARTITION]]


def test_a_table_made_by_one_worker_is_there_for_all_at_once(bench: Bench) -> None:
    bench.workers[0].catalog.create_table(MADE, TableSettings(magnetic_writes=True))

    assert bench.workers[1].catalog.table(MADE).settings.magnetic_writes
    with pytest.raises(TableExists):
        bench.workers[1].catalog.create_table(MADE, TableSettings())
    with pytest.raises(DatabaseExists):
        bench.workers[1].catalog.create_database("farm", "d")
    bench.write([row(0)], table=MADE)
    assert bench.found(1, MADE) == bench.expected(MADE)


@pytest.mark.parametrize("is_flushed", [True, False])
def test_no_flush_restores_a_table_that_another_worker_deleted(bench: Bench, is_flushed: bool, tmp_path: Path) -> None:
    bench.workers[0].catalog.create_table(MADE, TableSettings())
    bench.write([row(0)], table=MADE)
    store = bench.owners[PARTITION]
    if is_flushed:
        store.flush()
        bench.write([row(10)], table=MADE)

    other_worker(bench).catalog.delete_table(MADE)
    store.flush()
    store.maintain()

    assert not store.is_fenced
    assert store.opened(MADE) is None
    assert not layout.table_folder(tmp_path / "magnetic", MADE).exists()
    for worker in range(2):
        with pytest.raises(UnknownTable):
            bench.found(worker, MADE)


@pytest.mark.parametrize("bench", ["commits"], indirect=True)
def test_a_flush_that_is_too_late_to_hear_of_a_deletion_writes_where_nobody_reads(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.workers[0].catalog.create_table(MADE, TableSettings())
    bench.write([row(0)], table=MADE)
    store, catalog = bench.owners[PARTITION], other_worker(bench).catalog

    def delete_and_make_anew(_: object) -> bool:
        monkeypatch.delattr(store.tables, "is_there")
        catalog.delete_table(MADE)
        catalog.create_table(MADE, TableSettings())
        return True

    monkeypatch.setattr(store.tables, "is_there", delete_and_make_anew)
    store.flush()

    assert bench.found(0, MADE) == bench.found(1, MADE) == []
    del bench.oracles[MADE]
    bench.write([row(20)], table=MADE)
    bench.owners[PARTITION].flush()
    assert bench.found(0, MADE) == bench.found(1, MADE) == bench.expected(MADE)


def test_rows_of_a_deleted_table_do_not_come_back_with_the_log(bench: Bench) -> None:
    bench.workers[0].catalog.create_table(MADE, TableSettings())
    bench.write([row(0), row(10)], table=MADE)
    catalog = other_worker(bench).catalog
    catalog.delete_table(MADE)
    catalog.create_table(MADE, TableSettings())

    bench.retake(PARTITION)  # from the low watermark: the rows are applied again

    assert bench.found(0, MADE) == bench.found(1, MADE) == []


def test_a_record_applied_to_a_deleted_table_is_in_the_next_one(bench: Bench) -> None:
    """A store learns of a deletion within a second; rows that it applied in the meantime are read again."""
    bench.workers[0].catalog.create_table(MADE, TableSettings())
    bench.write([row(0), row(10)], table=MADE)
    catalog = other_worker(bench).catalog
    catalog.delete_table(MADE)
    catalog.create_table(MADE, TableSettings())
    del bench.oracles[MADE]

    store = bench.owners[PARTITION]
    bench.log[PARTITION].append((MADE, [row(10), row(30)], False))
    assert bench.feed(store, PARTITION, 1) == [Outcome.SAME, Outcome.NEW]
    store.flush()

    assert store.is_fenced
    bench.settle()
    assert bench.found(0, MADE) == bench.found(1, MADE)
    assert len(bench.found(0, MADE)) == 2


def test_a_table_of_the_configuration_is_created_again_for_records_after_its_deletion(bench: Bench) -> None:
    bench.write([row(0)])
    other_worker(bench).catalog.delete_table(TABLE)

    store = bench.owners[PARTITION]
    bench.log[PARTITION].append((TABLE, [row(10)], False))
    bench.feed(store, PARTITION, 1)
    store.flush()
    bench.settle()

    assert len(bench.found(0)) == len(bench.found(1)) == 1
    assert bench.workers[0].catalog.table(TABLE).incarnation == 2


def test_a_deletion_that_was_cut_short_is_finished_at_the_next_start(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write([row(0)])
    bench.owners[PARTITION].flush()
    monkeypatch.setattr(Store, "remove_files", lambda *_: None)
    bench.workers[0].catalog.delete_table(TABLE)
    monkeypatch.undo()
    folder = layout.table_folder(tmp_path / "magnetic", TABLE)
    assert folder.exists()

    again = Bench(str(tmp_path / "magnetic"))
    again.close()

    assert not folder.exists()


def test_what_a_newer_program_has_written_is_refused(tmp_path: Path) -> None:
    objects = open_objects(str(tmp_path / "magnetic" / layout.OBJECTS))
    objects.put(layout.FORMAT, b"3\n")

    with pytest.raises(StoreFormatError, match=r"is b'3\\n'; this program reads 2"):
        Bench(str(tmp_path / "magnetic"))


def test_old_versions_of_the_catalog_go_and_who_knows_only_those_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_versions, "VERSIONS_KEPT", 3)
    objects = open_objects(str(tmp_path))

    def catalog() -> Catalog:
        return Catalog(objects, {}, lambda: 0, dict, lambda _: None)

    stale, busy = catalog(), catalog()
    stale.create_database("farm", "first")
    for number in range(8):
        busy.create_database("farm", f"d{number}")
    assert len(objects.list(layout.CATALOG)) == 3
    monkeypatch.setattr(stale._versions, "has_newer", lambda: False)  # it looked before, and was paused since

    assert not stale._versions.save(b"{}")

    monkeypatch.undo()
    stale.create_database("farm", "last")
    assert len(busy.databases("farm")) + len(stale.databases("farm")) >= 19
    assert len(catalog().databases("farm")) == 10


CONTEND = """
import sys
from store.catalog.catalog import TableSettings
from store.errors import DatabaseExists, TableExists
from store.objects.objects import open_objects
from store.record import TableId
from store.catalog.catalog import Catalog
catalog = Catalog(open_objects(sys.argv[1]), {}, lambda: 1, dict, lambda info: None)
sys.stdin.readline()
won = 0
for number in range(8):
    try:
        catalog.create_database("farm", f"d{number}")
    except DatabaseExists:
        pass
    try:
        catalog.create_table(TableId("farm", f"d{number}", "t"), TableSettings())
        won += 1
    except TableExists:
        pass
    catalog.create_table(TableId("farm", f"d{number}", sys.argv[2]), TableSettings())
    catalog.number_partitions([f"{sys.argv[2]}/{number}"])
print(won)
"""


@pytest.mark.processes
def test_of_many_who_make_one_table_at_once_one_does_and_nobodys_change_is_lost(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CONTEND, str(tmp_path), f"own{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    won = [int(process.communicate(timeout=90)[0]) for process in processes]

    catalog = Catalog(open_objects(str(tmp_path)), {}, lambda: 1, dict, lambda _: None)
    assert sum(won) == 8
    assert len(catalog.all_tables()) == 8 * 4
    assert sorted(catalog.partitions) == sorted(f"own{worker}/{number}" for worker in range(3) for number in range(8))
    assert len(set(catalog.partitions)) == 24


def test_streams_have_the_same_numbers_for_all(bench: Bench) -> None:
    assert list(bench.workers[0].catalog.partitions) == list(bench.workers[1].catalog.partitions) == PARTITIONS
