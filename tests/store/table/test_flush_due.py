"""A table is flushed within its limits of time and rows, also if new rows arrive all the time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store import upkeep
from store.catalog.catalog import TableSettings
from store.record import TableId
from store.testing import Row, batch_of
from tests.support.lone_store import LoneStore, open_store

T0 = 1_795_000_000_000_000_000
PARTITION = "0123/readings/0"
TABLE = TableId("farm", "d", "t")


class Clock:
    now_ns = T0

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[LoneStore]:
    templates = {("d", "t"): TableSettings(from_config=True)}
    opened = open_store(tmp_path, memory_limit_bytes=1 << 26, templates=templates, clock_ns=clock, monotonic_ns=clock)
    yield opened
    opened.close()


def feed(store: LoneStore, offset: int, rows: int = 1) -> None:
    new = [Row((("s", "1"),), T0 + offset * 1_000_000 + i, (("v", float(i)),)) for i in range(rows)]
    store.apply(batch_of(store.registry.of(TABLE), PARTITION, [offset] * rows, new))
    store.advance(PARTITION, offset)


def test_a_table_whose_rows_never_pause_is_flushed_in_time(store: LoneStore, clock: Clock) -> None:
    for offset in range(30):
        feed(store, offset)
        store.maintain()
        clock.now_ns += 1_000_000_000

    assert store.low_watermark(PARTITION) > 0
    assert 30 - store.low_watermark(PARTITION) <= 1 + upkeep.FLUSH_AFTER_NS // 1_000_000_000


def test_a_table_whose_rows_never_pause_is_flushed_after_so_many(
    store: LoneStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "FLUSH_ROWS", 1_000)
    for offset in range(30):
        feed(store, offset, rows=100)
        store.maintain()

    assert 30 - store.low_watermark(PARTITION) <= 1 + 1_000 // 100
