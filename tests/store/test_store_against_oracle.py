"""After any sequence of writes, repeats, flushes, merges, evictions, losses and replays, the rows are the oracle's."""

import itertools
import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from store import layout
from store.catalog.catalog import TableSettings
from store.record import Outcome, TableId
from store.table import room
from store.table.vacuum import KEEP_NS
from store.testing import Oracle, Row, batch_of
from tests.support.examples import examples
from tests.support.lone_store import LoneStore, forget_series, open_store
from tests.support.oracle_rows import DAY_NS, T0, WRITES, plain, stored_rows
from tests.support.tables import evict_sealed, inside, remember_little, save_pending_rows

TABLE = TableId("farm", "d", "t")
PARTITION = "0123/readings/0"
RETENTION = timedelta(days=3)

_others = st.sampled_from(
    [
        (name,)
        for name in (
            "flush",
            "compact",
            "clean",
            "evict",
            "later",
            "retain",
            "vacuum",
            "restart",
            "maintain",
            "pending_rows",
        )
    ]
    + [("restart_without_series",), ("restart_torn",), ("restart_empty_commit",)]
)

_tiering = st.sampled_from(
    [
        (name,)
        for name in ("flush", "flush_and_evict", "compact", "compact_some", "clean", "merge_chunks", "merge_chunks")
    ]
)


class Bench:
    """A store, with its log and the oracle."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_ns = T0
        self.log: list[tuple[list[Row], bool]] = []
        self.oracle = Oracle()
        self.store = self._open()

    def _open(self) -> LoneStore:
        store = open_store(
            self.folder,
            memory_limit_bytes=1 << 26,
            templates={("d", "t"): TableSettings(RETENTION, timedelta(0), from_config=True)},
            clock_ns=lambda: self.now_ns,
        )
        table = store.tables.to_write(TABLE)
        assert table is not None
        remember_little(table)  # so that look-ups are needed
        return store

    @property
    def table(self) -> Any:
        return self.store.tables.to_write(TABLE)

    def write(self, rows: list[Row], by_version: bool) -> None:
        rows = rows if by_version else [Row(r.dimensions, r.time_ns, r.values, 1, r.measure_name) for r in rows]
        self.log.append((rows, by_version))
        expected = [self.oracle.apply(row, by_version=by_version) for row in rows]
        outcomes = self._apply(len(self.log) - 1)
        visible_from = self.now_ns - RETENTION // timedelta(microseconds=1) * 1000

        for row, found, outcome in zip(rows, outcomes, expected, strict=True):
            assert found == outcome or row.time_ns < visible_from, (row, Outcome(found), outcome)

    def _apply(self, offset: int) -> list[int]:
        rows, by_version = self.log[offset]
        half = len(rows) // 2
        outcomes: list[int] = []
        for part in (rows[:half], rows[half:]):  # a frame may be split into several batches
            if part:
                batch = batch_of(
                    self.store.registry.of(TABLE), PARTITION, [offset] * len(part), part, by_version=by_version
                )
                outcomes += self.store.apply(batch).outcomes.tolist()
        self.store.advance(PARTITION, offset)
        return outcomes

    def restart(self, damage: Callable[[], None] | None = None) -> None:
        self.store.close()
        if damage:
            damage()
        self.store = self._open()
        self._replay(self.store.replay_from(PARTITION) or 0)

    def _replay(self, start: int) -> None:
        """As the worker does: one batch for many frames."""
        for by_version, frames in itertools.groupby(range(start, len(self.log)), lambda offset: self.log[offset][1]):
            rows = [(offset, row) for offset in frames for row in self.log[offset][0]]
            batch = batch_of(
                self.store.registry.of(TABLE),
                PARTITION,
                [offset for offset, _ in rows],
                [row for _, row in rows],
                by_version=by_version,
            )
            self.store.apply(batch)
            self.store.advance(PARTITION, rows[-1][0])

    def restart_without_series(self) -> None:
        self.restart(lambda: forget_series(self.folder))

    def restart_torn(self) -> None:
        self._crash_in_commit(b'{"add":{"path":"date=2026-01-01/x.parq')

    def restart_empty_commit(self) -> None:
        self._crash_in_commit(b"")

    def _crash_in_commit(self, data: bytes) -> None:
        """The next commit was being written when the power failed."""
        commits = sorted((inside(self.table).magnetic.folder / layout.DELTA_LOG).glob("*.json"))
        if commits:
            following = commits[-1].with_name(f"{int(commits[-1].stem) + 1:020d}.json")
            self.restart(lambda: following.write_bytes(data) and None)

    def flush(self) -> None:
        self.store.flush()

    def pending_rows(self) -> None:
        save_pending_rows(self.store)
        self.store._upkeep.save_positions()

    def maintain(self) -> None:
        self.now_ns += 30_000_000_000
        self.store.maintain()

    def compact(self) -> None:
        files = self.table.files()
        for date in sorted({file.date for file in files}):
            self.table.rewrite([file for file in files if file.date == date])

    def compact_some(self) -> None:
        files = [file for file in self.table.files() if file.date == "2026-11-18"]
        if len(files) > 1:
            self.table.rewrite(files[: len(files) // 2 + 1][-2:])

    def flush_and_evict(self) -> None:
        self.flush()
        self.evict()

    def clean(self) -> None:
        files = self.table.files_to_clean()
        if files:
            self.table.rewrite(files)

    def evict(self) -> None:
        inside(self.table).memory.insert_head(self.now_ns)
        inside(self.table).memory.close_chunk()
        self.table.seal()
        evict_sealed([self.table])

    def merge_chunks(self) -> None:
        self.flush()
        inside(self.table).memory.close_chunk()
        self.table.seal()
        sealed = [chunk for chunk in inside(self.table).memory.chunks if chunk.sealed]
        if len(sealed) > 1:
            room._replace(inside(self.table), sealed)

    def later(self) -> None:
        self.now_ns += DAY_NS

    def retain(self) -> None:
        self.table.retain(self.store.catalog.table(TABLE).settings, self.now_ns)

    def vacuum(self) -> None:
        self.table.vacuum(self.now_ns)
        self.table.vacuum(self.now_ns + KEEP_NS)

    def check(self) -> None:
        visible_from = self.now_ns - RETENTION // timedelta(microseconds=1) * 1000
        for from_ns, to_ns in ((None, None), (T0 + 1, T0 + 1_001), (T0 - DAY_NS, T0 + 3)):
            least = max(visible_from, from_ns) if from_ns is not None else visible_from
            assert self.found(from_ns, to_ns) == plain(self.oracle.visible(least, to_ns))

    def found(self, from_ns: int | None, to_ns: int | None) -> list[str]:
        with self.store.snapshot(TABLE.account) as snapshot:
            return stored_rows(snapshot, TABLE, from_ns, to_ns)


@pytest.mark.timeout(300)
@examples(40)
@given(st.lists(st.one_of(WRITES, _others, _tiering), min_size=1, max_size=14))
def test_any_interleaving_gives_the_oracles_rows(operations: list[tuple[Any, ...]]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="streamgauge-store-"))
    bench = Bench(folder)
    try:
        for name, *arguments in operations:
            getattr(bench, name)(*arguments)
            bench.check()
    finally:
        bench.store.close()
        shutil.rmtree(folder)
