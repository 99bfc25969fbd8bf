import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake

from store import layout, upkeep
from store.catalog.catalog import TableSettings
from store.engine.duck import Duck
from store.engine.interruption import Interruption
from store.errors import QueryFailed, QueryTimeout, UnknownTable
from store.memory.room import MemoryRoom
from store.record import Outcome, SeriesKey, TableId
from store.testing import Row, batch_of
from tests.support.lone_store import MAGNETIC, LoneStore, open_store
from tests.support.tables import inside, save_pending_rows

T0 = 1_795_000_000_000_000_000
PARTITION = "0123/readings/0"
TABLE = TableId("farm", "d", "t0")
Opener = Callable[[], LoneStore]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    stores: list[LoneStore] = []

    def make() -> LoneStore:
        for store in stores:
            store.close()
        stores[:] = [
            open_store(
                tmp_path / "store",
                memory_limit_bytes=1 << 26,
                templates={("d", f"t{n}"): TableSettings(timedelta(days=9), from_config=True) for n in range(200)},
                clock_ns=lambda: T0 + 60_000_000_000,
            )
        ]
        return stores[0]

    yield make
    for store in stores:
        store.close()


def write(store: LoneStore, offset: int, *rows: Row, table: TableId = TABLE, by_version: bool = False) -> list[int]:
    batch = batch_of(store.registry.of(table), PARTITION, [offset] * len(rows), rows, by_version=by_version)
    outcomes: list[int] = store.apply(batch).outcomes.tolist()
    store.advance(PARTITION, offset)
    return outcomes


def row(time_ns: int, value: float = 1.0, series: str = "1", version: int = 1) -> Row:
    return Row((("s", series),), T0 + time_ns, (("v", value),), version)


def count(store: LoneStore, table: TableId = TABLE) -> int:
    with store.snapshot(table.account) as snapshot:
        rows = snapshot.execute(f"SELECT count(*) AS n FROM {snapshot.source(table)}").to_pylist()
    found: int = rows[0]["n"]
    return found


def test_what_is_not_flushed_comes_again_from_the_log_and_what_is_flushed_is_skipped(opened: Opener) -> None:
    store = opened()
    write(store, 0, row(0))
    store.flush()
    write(store, 1, row(1))
    store = opened()
    assert (count(store), store.replay_from(PARTITION), store.low_watermark(PARTITION)) == (1, 1, 1)

    assert write(store, 0, row(0)) == [Outcome.SKIPPED]
    assert write(store, 1, row(1)) == [Outcome.NEW]
    assert count(store) == 2


def test_rows_of_a_torn_commit_come_again_also_at_the_start_after_the_next(opened: Opener, tmp_path: Path) -> None:
    """The start that sets the commit aside may be killed before it has flushed anything."""
    store = opened()
    for offset in range(2):
        write(store, offset, row(offset))
        store.flush()
    commits = sorted((tmp_path / "store" / MAGNETIC).rglob(f"{layout.DELTA_LOG}/*.json"))
    store.close()
    commits[-1].write_bytes(b"")
    (commits[-1].parents[1] / layout.COPIES / commits[-1].name).unlink()  # it is written after the commit is durable

    assert opened().replay_from(PARTITION) == 1
    store = opened()

    assert store.replay_from(PARTITION) == 1
    assert write(store, 1, row(1)) == [Outcome.NEW]
    store.flush()
    assert count(opened()) == 2


def test_a_late_row_written_by_version_is_known_when_a_device_repeats_it(opened: Opener) -> None:
    store = opened()
    write(store, 0, row(1))

    assert write(store, 1, row(0), by_version=True) == [Outcome.NEW]
    assert write(store, 2, row(0)) == [Outcome.SAME]
    assert write(store, 3, row(1, 2.0, version=2), by_version=True) == [Outcome.REPLACED]
    assert write(store, 4, row(1)) == [Outcome.REPLACED]
    assert count(store) == 2


def test_superseded_rows_leave_the_magnetic_tier_once_all_files_of_their_time_are_merged(opened: Opener) -> None:
    store = opened()
    for offset, value in enumerate((1.0, 2.0, 3.0)):
        write(store, offset, row(0, value), row(10 + offset))
        store.flush()
    store = opened()
    table = store.all_tables()[0]

    table.rewrite(table.files()[:2])
    assert count(store) == 4
    assert inside(table).settled() == [T0]

    table.rewrite(table.files())
    assert count(store) == 4
    assert inside(table).settled() == []
    assert [file.rows for file in table.files()] == [4]


def test_a_stream_never_seen_has_no_position(opened: Opener) -> None:
    assert opened().replay_from("other/readings/0") is None


def test_a_snapshot_does_not_move(opened: Opener) -> None:
    store = opened()
    write(store, 0, row(0), row(1))
    with store.snapshot("farm") as snapshot:
        source = snapshot.source(TABLE)
        write(store, 1, row(2), row(1, 5.0))
        store.flush()
        table = store.all_tables()[0]
        inside(table).memory.close_chunk()
        table.seal()
        MemoryRoom(lambda: 2, 1).make([table])

        values = snapshot.execute(f"SELECT v FROM {source} ORDER BY time_ns")["v"].to_pylist()
        assert values == [1.0, 1.0]
    assert count(store) == 3


def test_equal_dimension_values_are_pruned_exactly_in_both_tiers(opened: Opener) -> None:
    store = opened()
    write(store, 0, *(row(i, series=str(i)) for i in range(400)))
    store.flush()
    for _ in ("RAM", "Parquet"):
        with store.snapshot("farm") as snapshot:
            for wanted in ([], ["7"], ["7", "it's"], [str(i) for i in range(300)]):
                source = snapshot.source(TABLE, dimensions={"s": wanted})
                found = snapshot.execute(f"SELECT s FROM {source}")["s"].to_pylist()
                assert sorted(found) == sorted(set(wanted) & {str(i) for i in range(400)})
            assert snapshot.execute(f"SELECT * FROM {snapshot.source(TABLE, dimensions={'no': ['7']})}").num_rows == 0
        store = opened()


def test_a_deleted_table_and_its_files_do_not_return_in_a_replay(opened: Opener, tmp_path: Path) -> None:
    store = opened()
    write(store, 0, row(0))
    store.flush()
    write(store, 1, row(1))
    store.catalog.delete_table(TABLE)
    with store.snapshot("farm") as snapshot, pytest.raises(UnknownTable):
        snapshot.source(TABLE)
    assert not list((tmp_path / "store" / "magnetic").rglob("*.parquet"))

    assert write(store, 2, row(2)) == [Outcome.NEW]  # the template creates it again, empty
    store = opened()
    assert write(store, 1, row(1)) == [Outcome.SKIPPED]
    assert write(store, 2, row(2)) == [Outcome.NEW]
    assert count(store) == 1


def test_rows_of_a_table_that_is_nowhere_are_skipped(opened: Opener) -> None:
    assert write(opened(), 0, row(0), table=TableId("farm", "d", "nowhere")) == [Outcome.SKIPPED]


def test_a_shorter_retention_hides_old_rows_at_once(opened: Opener) -> None:
    store = opened()
    write(store, 0, row(0), row(59_000_000_000))
    settings = TableSettings(timedelta(seconds=2), timedelta(0))
    store.catalog.update_table(TABLE, settings)
    assert count(store) == 1


def test_with_many_tables_rows_are_saved_together_and_come_back(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "MOST_FLUSHED_ALONE", 8)  # fewer tables to open than with 150
    store = opened()
    tables = [TableId("farm", "d", f"t{n}") for n in range(12)]
    for offset, table in enumerate(tables):
        write(store, offset, row(offset), row(offset, 2.0), table=table)
        store.registry.of(table).zones[0] = "north"
    store.maintain()

    assert store.low_watermark(PARTITION) == 12
    assert not list((tmp_path / "store" / "magnetic").rglob("*.parquet"))
    store = opened()
    assert store.replay_from(PARTITION) == 12
    assert [count(store, table) for table in tables] == [1] * 12
    assert {store.registry.of(table).zones[0] for table in tables} == {"north"}
    assert write(store, 11, row(11), table=tables[11]) == [Outcome.SKIPPED]
    assert write(store, 12, row(11, 2.0), table=tables[11]) == [Outcome.SAME]
    store.flush()
    store = opened()
    assert [count(store, table) for table in tables] == [1] * 12
    assert len(store._backend.pending_rows.load()) == 12


def test_a_key_that_pending_rows_supersede_is_there_once_though_its_files_are_merged_first(opened: Opener) -> None:
    """The mark of its time stays until the rows that supersede are in the magnetic tier, too."""
    store = opened()
    for offset, value in enumerate((1.0, 2.0)):
        write(store, offset, row(0, value), row(10 + offset))
        store.flush()
    write(store, 2, row(0, 3.0))
    write(store, 3, row(0, 4.0))
    save_pending_rows(store)
    store._upkeep.save_positions()
    store = opened()
    table = store.all_tables()[0]
    assert table.files_to_clean() == []

    table.rewrite(table.files())

    assert count(store) == 3
    store.flush()
    assert count(store) == 3
    store = opened()
    assert count(store) == 3
    table = store.all_tables()[0]
    table.rewrite(table.files_to_clean())
    assert count(store) == 3
    assert sum(file.rows for file in table.files()) == 3


def test_the_memory_tier_stays_under_its_cap_and_no_row_is_missed(tmp_path: Path) -> None:
    store = open_store(
        tmp_path,
        memory_limit_bytes=1 << 20,
        templates={("d", "t0"): TableSettings(timedelta(days=9), from_config=True)},
        clock_ns=lambda: T0,
    )
    for offset in range(10):
        write(store, offset, *(row((offset * 5_000 + i) * 1_000_007, hash(i / 7) / 3.3) for i in range(5_000)))
        store.maintain()
        assert count(store) == (offset + 1) * 5_000
    assert store.table_bytes() <= 1 << 20
    assert inside(store.all_tables()[0]).memory.whole_from_ns > T0
    store.close()


def test_a_batch_on_its_way_when_its_table_is_deleted_is_skipped(opened: Opener) -> None:
    store = opened()
    write(store, 0, row(0))
    table = store.all_tables()[0]
    batch = batch_of(store.registry.of(TABLE), PARTITION, [1], [row(1)])
    store.catalog.delete_table(TABLE)

    assert table.apply(batch, T0, 2).outcomes.tolist() == [Outcome.SKIPPED]
    assert store.apply(batch).outcomes.tolist() == [Outcome.NEW]  # the template creates another table for it
    assert count(store) == 1


def test_another_writer_of_the_magnetic_tier_is_noticed(
    opened: Opener, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened()
    write(store, 0, row(0))
    store.flush()
    folder = next((tmp_path / "store" / "magnetic").rglob("_delta_log")).parent
    from deltalake.transaction import CommitProperties, Transaction

    table = DeltaTable(folder)
    write_deltalake(
        table,
        table.to_pyarrow_table(),
        mode="append",
        commit_properties=CommitProperties(app_transactions=[Transaction(PARTITION, 99)]),
    )
    write(store, 1, row(1))

    store.flush()

    assert store.is_fenced
    assert "another process writes to it" in caplog.text
    assert DeltaTable(folder).version() == table.version()


def test_other_engines_read_the_history(opened: Opener, tmp_path: Path) -> None:
    store = opened()
    write(store, 0, row(1_234, 3.0))
    store.flush()

    found = (
        DeltaTable(next((tmp_path / "store" / "magnetic").rglob("_delta_log")).parent).to_pyarrow_table().to_pylist()
    )
    assert [(r["s"], r["v"], r["time"].microsecond, r["time_ns_rest"], r["version"]) for r in found] == [
        ("1", 3.0, 1, 234, 1)
    ]


def test_a_query_cannot_reach_the_machine_or_run_for_ever(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.store.Duck", Duck)  # its own, and none that other tests have used
    outside = tmp_path / "outside.csv"
    outside.write_text("a\n1\n")
    with opened().snapshot("farm") as snapshot:
        for statement in (
            f"SELECT * FROM read_csv('{outside}')",
            f"COPY (SELECT 1) TO '{tmp_path / 'written.csv'}'",
            "SET enable_external_access = true",
            "INSTALL httpfs",
        ):
            with pytest.raises(QueryFailed):
                snapshot.execute(statement)
        with Interruption(timeout_s=0.05), pytest.raises(QueryTimeout, match=r"0\.05 s"):
            snapshot.execute("SELECT count(*) FROM range(1000000) a, range(1000000) b")
        assert snapshot.execute("SELECT ? AS x", [7]).to_pylist() == [{"x": 7}]


def test_a_series_met_before_its_first_record_is_applied_keeps_its_dimensions(opened: Opener) -> None:
    """Normalise runs ahead: a query, or a flush, may come between a series' id and its first record."""
    store = opened()
    write(store, 0, row(0))
    other = SeriesKey((("room", "north"), ("s", "2")), "m")
    series = store.registry.of(TABLE).id_of(other)
    assert count(store) == 1
    store.flush()

    known = batch_of(store.registry.of(TABLE), PARTITION, [1], [Row(other.dimensions, T0 + 1, (("v", 2.0),))])
    assert known.series.tolist() == [series]
    store.apply(known)
    store.advance(PARTITION, 1)
    with store.snapshot(TABLE.account) as snapshot:
        rows = snapshot.execute(f"SELECT room, s FROM {snapshot.source(TABLE)} ORDER BY s").to_pylist()

    assert rows == [{"room": None, "s": "1"}, {"room": "north", "s": "2"}]


def test_rows_of_a_frame_that_has_not_advanced_are_not_committed_with_those_before_it(opened: Opener) -> None:
    """A frame may be split into several batches, with upkeep between them: its position is not saved before its end."""
    store = opened()
    write(store, 0, row(0))
    index = store.registry.of(TABLE)
    store.apply(batch_of(index, PARTITION, [1, 1], [row(1), row(2)]))
    store.flush()
    table = store.all_tables()[0]

    assert inside(table).magnetic.version.positions == {PARTITION: 0}
    assert [file.rows for file in table.files()] == [1]
    assert store.low_watermark(PARTITION) == 1
    store = opened()  # killed here
    assert count(store) == 1
    for half in ([row(1), row(2)], [row(3)]):
        batch = batch_of(store.registry.of(TABLE), PARTITION, [1] * len(half), half)
        assert store.apply(batch).outcomes.tolist() == [Outcome.NEW] * len(half)
        store.flush()
    store.advance(PARTITION, 1)
    store.flush()
    store = opened()

    assert count(store) == 4
    assert inside(store.all_tables()[0]).magnetic.version.positions == {PARTITION: 1}
    assert sum(file.rows for file in store.all_tables()[0].files()) == 4


def test_the_zone_of_a_series_is_its_last_one_after_a_restart(opened: Opener) -> None:
    store = opened()
    key = SeriesKey(row(0).dimensions, "m")
    for offset, zone in enumerate(("north", "south")):
        store.registry.of(TABLE).id_of(key, zone)
        write(store, offset, row(offset), row(offset, series=f"other {offset}"))
        store.flush()
        store = opened()
        assert store.registry.of(TABLE).zones == [zone, *[None] * (offset + 1)]


def test_zones_come_back_from_the_template_where_the_series_file_is_lost(tmp_path: Path) -> None:
    settings = TableSettings(timedelta(days=9), from_config=True, zone="{room}/{s}")
    for life in range(2):
        store = open_store(tmp_path, memory_limit_bytes=1 << 26, templates={("d", "t0"): settings}, clock_ns=lambda: T0)
        if life == 0:
            write(store, 0, Row((("room", "a"), ("s", "1")), T0, (("v", 1.0),)), row(1, series="2"))
            store.flush()
        else:
            index = store.registry.of(TABLE)
            assert dict(zip((dict(key.dimensions)["s"] for key in index.keys), index.zones, strict=True)) == {
                "1": "a/1",
                "2": None,
            }
        store.close()
        shutil.rmtree(tmp_path / "series", ignore_errors=True)


def test_values_are_counted_in_both_tiers_without_absent_ones(opened: Opener) -> None:
    store = opened()
    write(store, 0, row(0), Row((("s", "1"),), T0 + 1, (("v", 2.0), ("w", True), ("x", "text"))))
    write(store, 1, row(2))
    store.flush()
    table = store.to_read(TABLE)
    table.close_chunk(0)
    table.seal()

    table.count_values()

    size = table.size()
    assert (size.values, size.counted_values) == (5, 5)
    assert size.counted_bytes == sum(file.size_bytes for file in table.files())

    write(store, 2, row(3))
    store.flush()
    table.rewrite(table.files())
    table.count_values()
    assert (table.size().values, table.size().counted_values) == (6, 6)
    assert len(inside(table).counted) == 1
