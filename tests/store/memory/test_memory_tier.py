"""Many sealed chunks are merged into one without loss, and a query reads only chunks with its times."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from store.catalog.catalog import TableSettings
from store.memory import tier as memory_tier
from store.memory.room import MemoryRoom
from store.record import TableId
from store.sequence import OFFSET_BITS
from store.table.table import Table
from store.testing import Row, batch_of
from tests.support.lone_store import LoneStore, open_store
from tests.support.tables import inside

PARTITION = "0123/readings/0"
T0 = 1_795_000_000_000_000_000
TABLE = TableId("farm", "d", "t")
ROWS = 20  # per chunk


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoneStore]:
    monkeypatch.setattr(memory_tier, "CHUNK_ROWS", ROWS)
    opened = open_store(
        tmp_path,
        memory_limit_bytes=1 << 28,
        templates={("d", "t"): TableSettings(timedelta(days=9), from_config=True)},
        clock_ns=lambda: T0,
    )
    yield opened
    opened.close()


def fill(store: LoneStore, chunks: int) -> Table:
    """Sealed chunks in order of time, each with one frame; every third has an additional measure."""
    for offset in range(chunks):
        measures = (("v", float(offset)), *([(f"only {offset}", True)] if offset % 3 == 0 else []))
        rows = [Row((("s", str(n)),), T0 + offset * 1_000, measures) for n in range(ROWS)]
        store.apply(batch_of(store.registry.of(TABLE), PARTITION, [offset] * ROWS, rows))
        store.advance(PARTITION, offset)
        table = store.all_tables()[0]
        with inside(table).lock:
            inside(table).memory.insert_head(T0)
    store.flush()
    assert table.seal() == chunks
    return table


def rows_in(store: LoneStore) -> list[dict[str, object]]:
    with store.snapshot(TABLE.account) as snapshot:
        found: list[dict[str, object]] = snapshot.execute(
            f"SELECT * FROM {snapshot.source(TABLE)} ORDER BY time_ns, s"
        ).to_pylist()
    return found


@pytest.mark.parametrize("sort_rows", [0, 1_000_000])
def test_merged_chunks_have_the_rows_of_all(store: LoneStore, monkeypatch: pytest.MonkeyPatch, sort_rows: int) -> None:
    monkeypatch.setattr(memory_tier, "SORT_ROWS", sort_rows)
    monkeypatch.setattr(memory_tier, "_MERGED_CHUNKS", 4)  # fewer to fill than with 8
    table = fill(store, 4 * 4 + 4 + 3)
    before = rows_in(store)

    made = table.merge_chunks(1 << 30)

    assert made == 5 + 1
    assert [chunk.rows // ROWS for chunk in inside(table).memory.chunks] == [16, 4, 1, 1, 1]
    assert rows_in(store) == before
    assert all(
        chunk.created_ns == T0 and chunk.last_sequence == {0: (last << OFFSET_BITS) + ROWS - 1}
        for chunk, last in zip(inside(table).memory.chunks, [15, 19, 20, 21, 22], strict=True)
    )


def test_no_chunk_becomes_larger_than_what_may_be_dropped_at_once(store: LoneStore) -> None:
    table = fill(store, 17)
    most_bytes = sum(chunk.size_bytes for chunk in inside(table).memory.chunks[:8])

    assert table.merge_chunks(most_bytes - 1) == 0
    assert table.merge_chunks(most_bytes) >= 1
    assert max(chunk.rows for chunk in inside(table).memory.chunks) == 8 * ROWS


def test_a_snapshot_reads_on_while_its_chunks_are_merged(store: LoneStore) -> None:
    table = fill(store, 8)
    with store.snapshot(TABLE.account) as snapshot:
        source = snapshot.source(TABLE)
        table.merge_chunks(1 << 30)
        assert snapshot.execute(f"SELECT count(*) AS n FROM {source}")["n"].to_pylist() == [8 * ROWS]
        assert len(inside(table).memory._retired) == 8

    assert inside(table).memory._retired == []


def test_dropping_a_merged_chunk_loses_no_row(store: LoneStore) -> None:
    table = fill(store, 10)
    before = rows_in(store)
    table.merge_chunks(1 << 30)

    assert MemoryRoom(lambda: 1, 0).make([table]) == 1
    assert inside(table).memory.whole_from_ns == T0 + 7_000 + 1
    assert rows_in(store) == before


@pytest.mark.parametrize(("first", "end", "read"), [(0, 10, 10), (3, 5, 2), (9, 10, 1), (10, 12, 0)])
def test_chunks_of_other_times_are_not_in_the_text_of_a_query(
    store: LoneStore, first: int, end: int, read: int
) -> None:
    fill(store, 10)

    with store.snapshot(TABLE.account) as snapshot:
        text = snapshot.source(TABLE, time_from_ns=T0 + first * 1_000, time_to_ns=T0 + end * 1_000)

    assert text.count("main.rows") == read


def test_a_chunk_that_gets_many_columns_at_once_keeps_its_rows_for_whoever_reads_it(store: LoneStore) -> None:
    counts: list[int] = []
    for offset, new in enumerate((1, 8, 9, 300, 2)):
        with store.snapshot(TABLE.account) as snapshot:
            source = None if offset == 0 else snapshot.source(TABLE)
            measures = tuple((f"m{offset}_{number}", 1.0) for number in range(new))
            row = Row((("s", "a"),), T0 + offset, measures)
            store.apply(batch_of(store.registry.of(TABLE), PARTITION, [offset], [row]))
            rows_in(store)  # inserts the head
            if source is not None:
                counts.append(snapshot.execute(f"SELECT count(*) AS n FROM {source}")["n"].to_pylist()[0])
        store.advance(PARTITION, offset)

    assert counts == [1, 2, 3, 4]
    (chunk,) = inside(store.all_tables()[0]).memory.chunks
    assert (chunk.rows, len(chunk.measures)) == (5, 320)
    before = rows_in(store)
    store.flush()
    assert rows_in(store) == before
    assert [sum(value is not None for name, value in row.items() if name[0] == "m") for row in before] == [
        2, 9, 10, 301, 3,
    ]  # fmt: skip  # with the measure name


@pytest.mark.parametrize("has_rows", [False, True])
def test_a_dropped_tier_takes_no_more_rows(store: LoneStore, has_rows: bool) -> None:
    """The table may be closed while a flush waits for the lock."""
    store.catalog.ensure(TABLE)
    memory = inside(store.to_read(TABLE)).memory
    if has_rows:
        store.apply(batch_of(store.registry.of(TABLE), PARTITION, [0], [Row((("s", "a"),), T0, (("v", 1.0),))]))

    memory.drop()
    memory.insert_head(T0)

    assert memory.chunks == []
