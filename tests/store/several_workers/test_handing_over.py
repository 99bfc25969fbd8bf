"""When partitions move, in an orderly way or not, no row is lost or counted twice, and a former owner does no harm."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import workers_bench
from workers_bench import PARTITIONS, T0, TABLE, Bench, partition_of

from store import layout, upkeep
from store.catalog.catalog import TableSettings
from store.errors import Behind, PartitionSilent, QueryFailed
from store.magnetic import versions
from store.reading.tail import Pin, TailReply, TailRequest
from store.record import Outcome, RecordBatch, TableId
from store.testing import Row, batch_of
from store.upkeep import Upkeep
from tests.support.tables import evict_sealed, inside


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(str(tmp_path / "magnetic"))
    yield made
    made.close()


def row(number: int, value: float = 1.0, sensor: str = "1", name: str = "v") -> Row:
    return Row((("s", sensor),), T0 + number, ((name, value),))


PARTITION = partition_of(row(0))


def test_a_successor_counts_late_repeated_and_corrected_rows_once(bench: Bench) -> None:
    for number in range(6):
        bench.write([row(number * 10)])
        if number == 3:
            bench.owners[PARTITION].flush()
    bench.write([row(50), row(5), row(20, 2.0), row(50, 3.0)])
    old = bench.worker_of[PARTITION]

    bench.workers[old].revoke(bench.owners[PARTITION])  # without a flush, as after a crash
    bench.take(PARTITION, 1 - old)
    bench.write([row(5), row(20, 2.0), row(50, 3.0), row(30, 4.0)])

    bench.check()


def test_one_that_slept_while_its_partition_was_taken_over_writes_nothing(bench: Bench) -> None:
    bench.write([row(0)])
    sleeper = bench.owners[PARTITION]
    bench.zombies.append(sleeper)
    bench.take(PARTITION, 1 - bench.worker_of[PARTITION])
    bench.write([row(10)])
    bench.owners[PARTITION].flush()
    table = bench.owners[PARTITION].opened(TABLE)
    assert table is not None
    before = inside(table).magnetic.refresh()

    sleeper.flush()

    assert sleeper.is_fenced
    assert inside(table).magnetic.refresh().number == before.number
    assert sleeper.apply(batch_of(sleeper.registry.of(TABLE), PARTITION, [9], [row(9)])).outcomes.tolist() == [
        Outcome.SKIPPED
    ]
    bench.check()


def test_what_a_sleeper_saves_is_no_more_than_its_successor_needs(bench: Bench) -> None:
    bench.write([row(0)])
    bench.zombies.append(bench.owners[PARTITION])
    bench.take(PARTITION, 1 - bench.worker_of[PARTITION])
    for number in range(1, 4):
        bench.write([row(number * 10)])
    bench.owners[PARTITION].flush()
    low_watermark = bench.owners[PARTITION].low_watermark(PARTITION)

    bench.zombies[0].flush()
    bench.zombies[0].maintain()

    bench.retake(PARTITION)
    assert bench.owners[PARTITION].low_watermark(PARTITION) == low_watermark == 4
    bench.write([row(10), row(15)])
    bench.check()


@pytest.mark.parametrize("is_asked_first", [True, False])
def test_a_paused_owner_that_commits_first_is_not_counted_twice(bench: Bench, is_asked_first: bool) -> None:
    bench.write([row(0), row(10)])
    bench.zombies.append(bench.owners[PARTITION])
    bench.take(PARTITION, 1 - bench.worker_of[PARTITION])
    bench.write([row(20)])

    bench.zombies[0].flush()
    if is_asked_first:
        bench.check()
    successor = bench.owners[PARTITION]
    successor.flush()

    assert successor.is_fenced is not is_asked_first
    bench.settle()
    bench.check()
    bench.write([row(10), row(30)])
    bench.check()


def test_of_many_tables_rows_are_saved_together_for_the_successor(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Six tables have unflushed rows in each of two partitions of a worker: together they are many tables."""
    monkeypatch.setattr(upkeep, "MOST_FLUSHED_ALONE", 9)
    monkeypatch.setattr(upkeep, "COMMIT_EVERY_NS", 10_000_000_000)  # no table is committed in turn
    partitions = [partition for partition in PARTITIONS if bench.worker_of[partition] == 0]
    sensors = [
        next(s for s in map(str, range(99)) if partition_of(row(0, sensor=s)) == partition) for partition in partitions
    ]
    tables = [TableId("farm", "d", f"made {number}") for number in range(6)]
    bench.workers[0].catalog.create_database("farm", "d")
    for table in tables:
        bench.workers[0].catalog.create_table(table, TableSettings())
        bench.write([row(0, sensor=sensor) for sensor in sensors], table=table)
    bench.now_ns += 26_000_000_000

    for partition in partitions:
        bench.owners[partition].maintain()

    assert not list((tmp_path / "magnetic").rglob("*.parquet"))
    assert [bench.owners[partition].low_watermark(partition) for partition in partitions] == [6, 6]
    for partition in partitions:
        bench.workers[0].revoke(bench.owners[partition])  # without a flush, as after a crash
        bench.take(partition, 1)
        assert bench.owners[partition].replay_from(partition) == 6
    for table in tables:
        assert bench.found(0, table) == bench.found(1, table) == bench.expected(table) != []
        bench.write([row(0, sensor=sensor) for sensor in sensors], table=table)  # repeated
        bench.write([row(1, 2.0, sensor) for sensor in sensors], table=table)
        assert bench.found(0, table) == bench.expected(table)


def test_a_replay_that_is_saved_midway_stores_nothing_twice(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows whose time is their arrival are not looked up, so rows from the pending rows must not be applied again."""

    def stamped(*arguments: Any, **options: Any) -> RecordBatch:
        batch = batch_of(*arguments, **options)
        return replace(batch, arrival_ns=batch.time_ns)

    monkeypatch.setattr(upkeep, "MOST_FLUSHED_ALONE", 0)
    monkeypatch.setattr(workers_bench, "batch_of", stamped)
    for number in range(4):
        bench.write([row(number)])
    worker, owner = bench.workers[bench.worker_of[PARTITION]], bench.owners[PARTITION]
    with monkeypatch.context() as killed:  # after the rows are saved, and before the low watermark is
        killed.setattr(Upkeep, "save_positions", lambda _: None)
        owner.flush()
    worker.revoke(owner)
    bench.owners[PARTITION] = worker.take(PARTITION)

    for offset in range(4):
        bench.apply(PARTITION, offset)
        bench.owners[PARTITION].flush()

    bench.check()


@pytest.mark.parametrize("data", [b"?", b"\0\x91\x93", None], ids=["no object of ours", "cut off", "missing"])
def test_after_damage_to_the_checkpoint_the_log_is_read_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(upkeep, "MOST_FLUSHED_ALONE", 0)
    bench.write([row(0)])
    bench.owners[PARTITION].flush()
    (kept,) = (tmp_path / "magnetic" / layout.OBJECTS).rglob(f"{layout.PENDING_ROWS}/*")
    if data is None:
        kept.unlink()
    else:
        kept.write_bytes(data)

    owner = bench.workers[1 - bench.worker_of[PARTITION]].take(PARTITION)

    assert owner.replay_from(PARTITION) is None
    assert f"DAMAGED pending rows: the pending rows of {PARTITION}" in caplog.text


def test_where_nothing_is_kept_of_the_series_they_are_found_in_the_magnetic_tier(bench: Bench) -> None:
    bench.write([row(0), row(10), row(10, 2.0)])
    bench.owners[PARTITION].flush()
    keep = bench.workers[0].partition_state(PARTITION)
    for kind in keep.kinds("series"):
        keep.forget(kind)

    bench.retake(PARTITION)
    bench.write([row(0), row(5), row(10, 2.0)])

    bench.check()


def test_rows_that_left_memory_are_read_from_a_newer_version(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "REFRESH_EVERY_S", 3600.0)
    bench.write([row(0)])
    bench.check()  # both workers know the version without rows
    bench.owners[PARTITION].flush()
    table = bench.owners[PARTITION].opened(TABLE)
    assert table is not None
    inside(table).memory.close_chunk()
    table.seal()
    assert evict_sealed([table]) == 1

    bench.check()

    behind = TailRequest("farm", "d", "t", 1, inside(table).magnetic.version.number, {PARTITION: -1}, T0, T0 + 1, None)
    with pytest.raises(Behind, match="are not known"):
        bench.owners[PARTITION].tail(behind)


def test_a_query_fails_by_name_where_a_partition_has_no_owner(bench: Bench) -> None:
    bench.write([row(0)])
    silent = PARTITIONS[1]

    with (
        bench.workers[0].snapshot(
            "farm", lambda request, pin: [r for r in bench.gather(request, pin) if r.partition != silent]
        ) as s,
        pytest.raises(PartitionSilent, match=silent),
    ):
        s.source(TABLE)


def test_an_owner_that_is_always_behind_fails_the_query(bench: Bench) -> None:
    def gather(_: TailRequest, _pin: Pin) -> list[TailReply]:
        raise Behind("gone")

    bench.write([row(0)])
    with bench.workers[0].snapshot("farm", gather) as snapshot, pytest.raises(QueryFailed, match="after 5 tries: gone"):
        snapshot.source(TABLE)


def test_a_table_read_twice_in_one_query_is_the_same_in_both(bench: Bench) -> None:
    bench.write([row(0), row(10)])

    with bench.workers[1].snapshot("farm", bench.gather) as snapshot:
        first = snapshot.source(TABLE)
        bench.write([row(20), row(10, 5.0)])
        second = snapshot.source(TABLE, time_from_ns=T0)
        counted = snapshot.execute(f"SELECT (SELECT sum(v) FROM {first}) AS a, (SELECT sum(v) FROM {second}) AS b")

    assert counted.to_pylist() == [{"a": 2.0, "b": 2.0}]
    bench.check()


def test_dimensions_and_times_are_selected_in_files_and_in_memory_alike(bench: Bench) -> None:
    bench.write([row(0, sensor="a"), row(0, sensor="b"), row(10, sensor="a")])
    for store in bench.owners.values():
        store.flush()
    bench.write([row(20, sensor="a"), row(20, sensor="b"), row(30, sensor="a")])

    with bench.workers[1].snapshot("farm", bench.gather) as snapshot:
        source = snapshot.source(TABLE, time_from_ns=T0 + 10, time_to_ns=T0 + 30, dimensions={"s": ["a"]})
        found = snapshot.execute(f"SELECT s, time_ns FROM {source} ORDER BY 2").to_pylist()

    assert found == [{"s": "a", "time_ns": T0 + 10}, {"s": "a", "time_ns": T0 + 20}]


def test_one_that_slept_answers_no_query_once_its_successor_has_committed(bench: Bench) -> None:
    bench.write([row(0)])
    sleeper = bench.owners[PARTITION]
    bench.zombies.append(sleeper)
    bench.take(PARTITION, 1 - bench.worker_of[PARTITION])
    bench.write([row(10)])
    bench.owners[PARTITION].flush()

    asked = TailRequest("farm", "d", "t", 1, 99, {PARTITION: 1}, T0, T0 + 99, None)
    assert bench.owners[PARTITION].tail(asked).rows.num_rows == 0
    with pytest.raises(Behind, match="owned by another worker"):
        sleeper.tail(asked)
    assert sleeper.is_fenced


def test_a_revoked_store_answers_no_query(bench: Bench) -> None:
    bench.write([row(0)])
    store = bench.owners[PARTITION]
    bench.retake(PARTITION)

    with pytest.raises(Behind):
        store.tail(TailRequest("farm", "d", "t", 1, 99, {PARTITION: -1}, T0, T0 + 99, None))


def test_a_merge_keeps_the_columns_that_another_worker_has_brought(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "REFRESH_EVERY_S", 0.0)
    sensors = [
        next(s for s in map(str, range(99)) if partition_of(row(0, sensor=s)) == partition)
        for partition in PARTITIONS[:2]
    ]
    bench.write([row(0, sensor=sensors[0])])
    bench.owners[PARTITIONS[0]].flush()
    bench.write([Row((("s", sensors[1]), ("site", "x")), T0 + 1, (("humidity", 5.0),))])
    bench.write([row(2, sensor=sensors[1], name="humidity")])
    bench.each(lambda store: store.flush())
    bench.write([row(3, sensor=sensors[0])])
    merging = bench.owners[PARTITIONS[0]]
    merging.flush()  # so that it knows all files
    table = merging.opened(TABLE)
    assert table is not None

    assert table.rewrite(table.files())

    assert len(table.files()) == 1
    bench.check()


@pytest.mark.parametrize("kinds", [(1.5, 2.5), (1.5, "text")], ids=["same type", "different types"])
def test_two_that_meet_a_new_column_at_once_agree_on_it(bench: Bench, kinds: tuple[float | str, ...]) -> None:
    sensors = [
        next(s for s in map(str, range(99)) if partition_of(row(0, sensor=s)) == partition)
        for partition in PARTITIONS[:2]
    ]
    bench.write([row(0, sensor=sensor) for sensor in sensors])
    barrier = threading.Barrier(2)
    outcomes: list[int] = [-1, -1]

    def meet(number: int) -> None:
        store, partition = bench.owners[PARTITIONS[number]], PARTITIONS[number]
        new = Row((("s", sensors[number]),), T0 + 1, (("new", kinds[number]),))
        batch = batch_of(store.registry.of(TABLE), partition, [1], [new])
        barrier.wait(60)
        outcomes[number] = int(store.apply(batch).outcomes[0])
        store.advance(partition, 1)

    threads = [threading.Thread(target=meet, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    types = {kind for store in bench.owners.values() if (kind := store.measure_types(TABLE).get("new"))}
    assert len(types) == 1
    assert outcomes == [Outcome.NEW, Outcome.NEW]
    for store in bench.owners.values():
        store.flush()
    with bench.workers[0].snapshot("farm", bench.gather) as snapshot:
        columns = [c.quoted for c in snapshot.schema("d", "t").columns if c.name.startswith("new")]
        counted = " + ".join(f"count({column})" for column in columns)
        found = snapshot.execute(f"SELECT {counted} AS n FROM {snapshot.source(TABLE)}").to_pylist()
    assert found == [{"n": 2}]
