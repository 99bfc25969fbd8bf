"""If a host's clock is changed, wrong for a while, or not set yet, no row is lost, and flushes are on time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from store import upkeep
from store.catalog.catalog import TableSettings
from store.host_time import (
    NO_CLOCK_BEFORE_NS,
    SETTLES_AFTER_NS,
    SHORTEST_PAUSE_NS,
    TOLERANCE_NS,
    WRITTEN_NS,
    Settled,
    is_set,
    visible_from_ns,
)
from store.memory.tier import MemoryTier
from store.record import Outcome, TableId
from store.testing import Row, batch_of
from tests.support.lone_store import LoneStore, open_store

T0 = 1_795_000_000_000_000_000
S = 1_000_000_000
HOUR = 3_600 * S
DAY = 24 * HOUR
PARTITION = "0123/readings/0"
TABLE = TableId("farm", "d", "t")


@dataclass
class Host:
    """The host's two clocks."""

    wall_ns: int = T0
    monotonic_ns: int = 50 * S

    def go(self, by_ns: int) -> None:
        self.wall_ns += by_ns
        self.monotonic_ns += by_ns


@pytest.fixture
def host() -> Host:
    return Host()


Opener = Callable[[], LoneStore]


@pytest.fixture
def opened(tmp_path: Path, host: Host) -> Iterator[Opener]:
    stores: list[LoneStore] = []
    settings = TableSettings(timedelta(hours=1), timedelta(days=30), from_config=True)

    def make() -> LoneStore:
        for store in stores:
            store.close()
        stores[:] = [
            open_store(
                tmp_path,
                memory_limit_bytes=1 << 26,
                templates={("d", "t"): settings},
                clock_ns=lambda: host.wall_ns,
                monotonic_ns=lambda: host.monotonic_ns,
            )
        ]
        return stores[0]

    yield make
    for store in stores:
        store.close()


def feed(store: LoneStore, offset: int, time_ns: int) -> None:
    new = Row((("s", "1"),), time_ns, (("v", float(offset)),))
    store.apply(batch_of(store.registry.of(TABLE), PARTITION, [offset], [new]))
    store.advance(PARTITION, offset)


def stamped(
    store: LoneStore, offset: int, *times_ns: int, value: float | None = None, again: bool = False
) -> list[int]:
    """Apply rows whose time is their arrival; returns their outcomes."""
    rows = [Row((("s", "1"),), time_ns, (("v", float(offset) if value is None else value),)) for time_ns in times_ns]
    batch = batch_of(store.registry.of(TABLE), PARTITION, [offset] * len(rows), rows)
    outcomes: list[int] = store.apply(replace(batch, arrival_ns=batch.time_ns, again=again)).outcomes.tolist()
    store.advance(PARTITION, offset)
    return outcomes


def count(store: LoneStore) -> int:
    with store.snapshot(TABLE.account) as snapshot:
        (row,) = snapshot.execute(f"SELECT count(*) AS n FROM {snapshot.source(TABLE)}").to_pylist()
    found: int = row["n"]
    return found


def work_for(store: LoneStore, host: Host, span_ns: int) -> None:
    """Run upkeep for this long, every ten minutes."""
    for _ in range(span_ns // (600 * S) + 1):
        store.maintain()
        host.go(600 * S)


def test_rows_with_the_time_of_their_arrival_are_new_without_a_look_up_after_a_step_back(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    stamped(store, 0, T0, T0 + S)

    def look_up(*_: object) -> None:
        raise AssertionError("something was looked up")

    monkeypatch.setattr(MemoryTier, "find", look_up)

    outcomes = [stamped(store, 1 + n, T0 - HOUR + n * S + 1, T0 - HOUR + n * S + 2) for n in range(20)]
    assert outcomes == [[Outcome.NEW] * 2] * 20
    assert count(store) == 42


def test_what_is_put_through_again_comes_with_its_first_stamp_and_is_no_second_row(opened: Opener) -> None:
    store = opened()
    stamped(store, 0, T0, T0 + S, value=20.0)

    outcomes = stamped(store, 1, T0, T0 + 1, value=20.0, again=True)

    assert outcomes == [Outcome.SAME, Outcome.NEW]
    assert count(store) == 3


@pytest.mark.parametrize("by_ns", [-DAY, DAY, -T0 + 40 * S])
def test_rows_are_flushed_in_time_however_the_clock_is_set(opened: Opener, host: Host, by_ns: int) -> None:
    store = opened()
    store.maintain()
    feed(store, 0, T0)
    host.wall_ns += by_ns
    store.maintain()
    assert store.low_watermark(PARTITION) == 0

    host.go(upkeep.FLUSH_AFTER_NS)
    store.maintain()

    assert store.low_watermark(PARTITION) == 1


def test_a_clock_that_is_a_year_ahead_for_hours_deletes_nothing(opened: Opener, host: Host) -> None:
    store = opened()
    feed(store, 0, T0)
    work_for(store, host, 2 * HOUR)
    host.wall_ns += 370 * DAY
    feed(store, 1, host.wall_ns)
    work_for(store, host, 5 * HOUR)
    assert not store.is_clock_believed

    host.wall_ns -= 370 * DAY
    work_for(store, host, 2 * HOUR)

    assert count(store) == 2
    assert count(opened()) == 2


def test_a_clock_that_was_right_after_all_deletes_what_is_old(opened: Opener, host: Host) -> None:
    store = opened()
    feed(store, 0, T0)
    work_for(store, host, 2 * HOUR)
    host.wall_ns += 370 * DAY
    work_for(store, host, SETTLES_AFTER_NS + 2 * HOUR)

    assert store.all_tables()[0].files() == ()


@pytest.mark.parametrize(("pause_ns", "is_believed"), [(SHORTEST_PAUSE_NS, True), (40 * DAY, False)])
def test_a_store_that_starts_judges_the_clock_by_its_newest_row(
    opened: Opener, host: Host, pause_ns: int, *, is_believed: bool
) -> None:
    store = opened()
    feed(store, 0, T0)
    store.flush()
    host.wall_ns, host.monotonic_ns = T0 + pause_ns, 0

    store = opened()
    store.maintain()

    assert store.is_clock_believed is is_believed
    assert len(store.all_tables()[0].files()) == 1


def test_rows_of_a_host_without_a_clock_are_seen_and_kept_once_it_knows_the_time(opened: Opener, host: Host) -> None:
    host.wall_ns = 40 * S
    store = opened()
    feed(store, 0, 40 * S)
    work_for(store, host, HOUR)
    host.wall_ns = T0
    feed(store, 1, T0)
    assert count(store) == 2

    work_for(store, host, SETTLES_AFTER_NS + 2 * HOUR)

    assert count(store) == 2
    assert count(opened()) == 2


@pytest.mark.parametrize(("by_ns", "deletes_by"), [(TOLERANCE_NS, TOLERANCE_NS), (TOLERANCE_NS + 1, 0), (-DAY, -DAY)])
def test_only_a_leap_ahead_has_to_settle(by_ns: int, deletes_by: int) -> None:
    settled = Settled(None)
    settled.now_ns(T0, 0)

    assert settled.now_ns(T0 + by_ns, 0) == T0 + deletes_by
    assert settled.is_waiting is (deletes_by == 0)


@pytest.mark.parametrize(("after_ns", "is_believed"), [(SETTLES_AFTER_NS - 1, False), (SETTLES_AFTER_NS, True)])
def test_a_leap_is_believed_when_it_has_stood_for_hours(after_ns: int, *, is_believed: bool) -> None:
    settled = Settled(None)
    settled.now_ns(T0, 0)
    settled.now_ns(T0 + DAY, 0)

    assert settled.now_ns(T0 + DAY + after_ns, after_ns) == T0 + after_ns + is_believed * DAY


def test_another_leap_restarts_the_wait() -> None:
    settled = Settled(None)
    settled.now_ns(T0, 0)
    settled.now_ns(T0 + DAY, 0)
    settled.now_ns(T0 + 2 * DAY, SETTLES_AFTER_NS - 1)

    assert settled.now_ns(T0 + 2 * DAY, SETTLES_AFTER_NS) == T0 + SETTLES_AFTER_NS


@pytest.mark.parametrize(("wall_ns", "set_"), [(WRITTEN_NS - 1, False), (WRITTEN_NS, True), (0, False)])
def test_a_clock_is_set_that_does_not_stand_before_this_was_written(wall_ns: int, *, set_: bool) -> None:
    assert is_set(wall_ns) is set_


@pytest.mark.parametrize(
    ("earliest_ns", "from_ns"), [(NO_CLOCK_BEFORE_NS - 1, NO_CLOCK_BEFORE_NS - 1), (NO_CLOCK_BEFORE_NS, T0 - DAY)]
)
def test_rows_beyond_retention_are_invisible_unless_the_table_has_rows_without_a_clock(
    earliest_ns: int, from_ns: int
) -> None:
    assert visible_from_ns(earliest_ns, DAY, T0) == from_ns
