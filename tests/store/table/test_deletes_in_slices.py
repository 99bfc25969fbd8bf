"""A DELETE of many files takes several passes of the maintenance, and holds up nothing but its own table's flush."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path

from store.catalog.catalog import TableSettings
from store.names import TableId
from store.testing import Row, batch_of
from tests.support.lone_store import PARTITION, LoneStore, open_store
from tests.support.oracle_rows import DAY_NS, T0, stored_rows

TABLE, OTHER = TableId("a", "d", "t"), TableId("a", "d", "u")
SETTINGS = TableSettings(timedelta(days=90), from_config=True)
DAYS = 8


def write(store: LoneStore, table: TableId, offset: int, rows: list[Row]) -> None:
    store.apply(batch_of(store.registry.of(table), PARTITION, [offset] * len(rows), rows))
    store.advance(PARTITION, offset)


def test_other_tables_are_flushed_while_a_delete_goes_on(tmp_path: Path) -> None:
    """Here each look at the clock takes two seconds, so that a slice is one file."""
    ticks = itertools.count(0, 2_000_000_000)
    templates = {("d", "t"): SETTINGS, ("d", "u"): SETTINGS}
    store = open_store(tmp_path, templates=templates, clock_ns=lambda: T0, monotonic_ns=lambda: next(ticks))
    rows = [Row((("s", s),), T0 - day * DAY_NS, (("v", 1.0),)) for day in range(DAYS) for s in ("1", "2")]
    write(store, TABLE, 0, rows)
    store.commit_all()
    store.log_end[PARTITION] = 2
    outcome = store.delete(TABLE, 1, "DELETE FROM d.t WHERE s = '1'", T0, is_purge=False)
    write(store, OTHER, 2, [Row((("s", "1"),), T0, (("v", 1.0),))])
    write(store, TABLE, 3, [Row((("s", "1"),), T0, (("v", 2.0),))])

    flushed: list[int] = []  # files of the other table, after each pass
    while not outcome.done() and len(flushed) < 10 * DAYS:
        store.maintain()
        flushed.append(len(store.tables.to_write(OTHER).files()))

    assert len(flushed) >= 2 * DAYS - 1  # a file looked at, or rewritten, in each; in one the last and the first
    assert flushed[DAYS] == 1
    assert outcome.result(0).rows == DAYS
    with store.snapshot(TABLE.account) as snapshot:
        left = stored_rows(snapshot, TABLE, None, None)
    assert len(left) == DAYS + 1
    store.close()
