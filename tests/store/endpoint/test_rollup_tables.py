"""Rollup tables have what a statement over all rows says: whatever came late, was changed, or ended the worker."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from timestream_service import ACCOUNT, Clock, DirectWriter, Service

from store.catalog.catalog import TableSettings
from store.catalog.rollup_table import RollupTable
from store.endpoint import Endpoint, WriteRecord
from store.endpoint.errors import Validation
from store.endpoint.observing import NotObserved
from store.endpoint.rollups import maker, statement
from store.endpoint.rollups.maker import SETTLED_NS
from store.endpoint.rollups.statement import MOST_BINS, due_ranges
from store.reading import changes
from store.reading.averages import Average, zone_averages
from store.reading.bins import Bins
from store.reading.changes import MOST_COMMITS
from store.reading.rollup_tables import fits
from store.record import Applied, MeasureType, TableId
from store.testing import LocalExecutor
from tests.support.lone_store import PARTITION, LoneStore, open_store

MINUTE_NS, HOUR_NS = 60_000_000_000, 3_600_000_000_000
BIN_NS = 10 * MINUTE_NS
TABLE, ROLLED = TableId(ACCOUNT, "farm", "readings"), TableId(ACCOUNT, "farm", "readings_10m")
ROLLUP = RollupTable(
    ("farm", "readings"), ("farm", "readings_10m"), BIN_NS, ("avg", "count", "sum", "min", "max"), 90 * 24 * HOUR_NS
)
SETTINGS = TableSettings(from_config=True, zone="{zone}")
COMPARED = """SELECT zone_name, sensor, measure_name, {time}, {count}, {sum}, {min}, {max} FROM farm.{table}
WHERE time < from_nanoseconds({end}) {grouped} ORDER BY 1, 2, 3, 4"""


class Life:
    """A service with a rollup table, whose rows come in at random."""

    def __init__(self, folder: Path, rng: random.Random, settings: TableSettings = SETTINGS) -> None:
        self.folder, self.rng, self.clock, self.settings = folder, rng, Clock(), settings
        self.number = 0
        self.versions: dict[tuple[str, int], int] = {}
        self.open()

    def open(self) -> None:
        templates = {ROLLUP.source: self.settings, ROLLUP.target: SETTINGS}
        self.store: LoneStore = open_store(self.folder, templates=templates, clock_ns=self.clock)
        self.writer = DirectWriter(self.store, self.clock, [b""] * self.number)
        self.executor = LocalExecutor(self.store.whole.readable)
        self.endpoint = Endpoint(self.store, self.writer, self.executor, clock_ns=self.clock, rollups=[ROLLUP])

    def close(self) -> None:
        self.number = len(self.writer.payloads)
        self.store.close()
        self.executor.close()

    def write(self, count: int) -> None:
        """Rows of the last minutes; one in five is late by hours, or a new version of one that is there."""
        records = []
        for _ in range(count):
            sensor = self.rng.choice("abcd")
            back_ns = 3 * HOUR_NS if self.rng.random() < 0.2 else 5 * MINUTE_NS
            time_ns = self.clock.now_ns - self.rng.randrange(back_ns)
            if self.versions and self.rng.random() < 0.2:
                sensor, time_ns = self.rng.choice(list(self.versions))
            version = self.versions[sensor, time_ns] = self.versions.get((sensor, time_ns), 0) + 1
            dimensions = (("sensor", sensor), ("zone", "ab" if sensor in "ab" else "cd"))
            value = float(self.rng.randrange(1000))
            values = (("temperature", MeasureType.DOUBLE, value), ("count of", MeasureType.BIGINT, int(value) - 500))
            kept = values[: self.rng.choice((1, 2, 2))]
            records.append(WriteRecord(dimensions, "m", time_ns, version, kept, dict(dimensions)["zone"]))
        self.store.whole.catalog.ensure(TABLE)
        asyncio.run(self.writer.write(TABLE, records))

    def delete(self, chosen: str) -> None:
        """Delete rows, as a client does."""
        offset = len(self.writer.payloads)
        self.writer.payloads.append(b"")
        self.store.log_end[PARTITION] = offset + 1
        outcome = self.store.delete(
            TABLE, offset, f"DELETE FROM farm.readings WHERE {chosen}", self.clock.now_ns, is_purge=False
        )
        self.store.advance(PARTITION, offset)
        while not outcome.done():
            self.store.maintain()

    def make(self) -> None:
        asyncio.run(self.endpoint.rollup_maker().make_due())

    def rows(self, sql: str) -> list[list[Any]]:
        service = Service(self.store, self.clock, self.writer, self.endpoint)
        answer = service.ok("Query", QueryString=sql)
        return [[value.get("ScalarValue") for value in row["Data"]] for row in answer["Rows"]]

    def differences(self, measure: str) -> list[list[Any]]:
        """What the rollup table has of bins that are made, without what all rows say, and the other way round."""
        end_ns = (self.clock.now_ns - SETTLED_NS) // BIN_NS * BIN_NS
        made = {call: f'"{measure}_{call}"' for call in ("count", "sum", "min", "max")}
        asked = {call: f'{call}("{measure}")' for call in made}
        have = self.rows(
            COMPARED.format(table="readings_10m", time="time", end=end_ns, grouped=f"AND {made['count']} > 0", **made)
        )
        want = self.rows(
            COMPARED.format(
                table="readings",
                time="bin(time, 10m)",
                end=end_ns,
                grouped=f"GROUP BY 1, 2, 3, 4 HAVING {asked['count']} > 0",
                **asked,
            )
        )
        assert want
        return [row for row in have if row not in want] + [row for row in want if row not in have]


@pytest.fixture(params=[(1, MOST_COMMITS), (2, 1)], ids=["by commits", "often all anew"])
def life(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Life]:
    """How far the table is made is saved after each few bins."""
    seed, commits = request.param
    monkeypatch.setattr(maker, "SAVE_EVERY_NS", 0)
    monkeypatch.setattr(statement, "MOST_BINS", 4)
    monkeypatch.setattr(changes, "MOST_COMMITS", commits)
    made = Life(tmp_path / "store", random.Random(seed))
    yield made
    made.close()


class Told(NotObserved):
    """What was told of rollup tables."""

    def __init__(self) -> None:
        self.made: list[tuple[str, int]] = []
        self.behind: list[tuple[str, float]] = []

    def rollup_made(self, table: str, took_s: float, records: int) -> None:
        assert took_s > 0
        self.made.append((table, records))

    def rollup_behind(self, table: str, seconds: float) -> None:
        self.behind.append((table, seconds))


class Stop(BaseException):
    """The process is killed."""


def killing(life: Life, after: int) -> Any:
    """A write that ends the process after some that are stored."""
    plain, left = life.writer.write, [after]

    async def write(table: TableId, records: Sequence[WriteRecord]) -> Applied:
        applied = await plain(table, records)
        left[0] -= 1
        if left[0] < 0:
            raise Stop
        return applied

    return write


def test_bins_are_those_of_all_rows(life: Life) -> None:
    for step in range(6):
        life.write(30)
        if life.rng.random() < 0.7:
            life.store.flush()
        life.clock.now_ns += 7 * MINUTE_NS
        if step == 3:
            life.store.flush()
            life.close()
            life.open()
        if step % 3 == 2:  # killed while bins are made, or before that is saved
            life.writer.write = killing(life, life.rng.randrange(6))  # type: ignore[method-assign]
            try:
                life.make()
            except Stop:
                life.clock.now_ns += 1
            del life.writer.write  # type: ignore[method-assign]
        elif life.rng.random() < 0.5:
            life.make()
    life.store.flush()
    life.make()

    assert life.differences("temperature") == []
    assert life.differences("count of") == []


def test_what_was_deleted_counts_no_more(tmp_path: Path) -> None:
    life = Life(tmp_path / "store", random.Random(6))
    life.write(200)
    life.store.flush()
    life.clock.now_ns += BIN_NS + SETTLED_NS
    life.make()
    before = life.rows("SELECT count(*) FROM farm.readings_10m WHERE temperature_count > 0")

    for chosen in ("sensor = 'a'", "sensor = 'b' AND minute(time) < 20"):
        life.delete(chosen)
        life.make()
        assert life.differences("temperature") == []
    after = life.rows("SELECT count(*) FROM farm.readings_10m WHERE temperature_count > 0")
    zeros = life.rows("SELECT count(*) FROM farm.readings_10m WHERE temperature_count = 0 AND temperature_avg IS NULL")
    life.close()

    assert int(after[0][0]) + int(zeros[0][0]) == int(before[0][0])
    assert zeros != [["0"]]


def test_what_did_not_change_is_not_made_again(tmp_path: Path) -> None:
    life = Life(tmp_path / "store", random.Random(4))
    life.write(50)
    life.store.flush()
    life.make()
    written = len(life.writer.payloads)
    life.store.flush()
    life.make()
    again = len(life.writer.payloads)
    life.close()

    assert (written > 1, again) == (True, written)


def averages_of(
    life: Life, from_ns: int, to_ns: int, rollups: Sequence[RollupTable]
) -> dict[tuple[str, str], list[Average]]:
    index = life.store.registry.of(TABLE)
    zones = {zone: [series for series, of in enumerate(index.zones) if of == zone] for zone in ("ab", "cd")}
    with life.store.snapshot(ACCOUNT) as snapshot:
        found = zone_averages(
            snapshot,
            index,
            zones,
            ["temperature", "count of"],
            from_ns=from_ns,
            to_ns=to_ns,
            bins=Bins(3 * BIN_NS),
            rollups=rollups,
            now_ns=life.clock.now_ns,
        )
        return dict(found)


def test_averages_of_what_has_expired_are_read_of_it(tmp_path: Path) -> None:
    short = TableSettings(timedelta(hours=1), timedelta(hours=4), from_config=True, zone="{zone}")
    life = Life(tmp_path / "store", random.Random(5), short)
    life.write(200)
    life.store.flush()
    life.clock.now_ns += BIN_NS + SETTLED_NS
    life.make()
    begin_ns = (life.clock.now_ns - 4 * HOUR_NS) // (3 * BIN_NS) * 3 * BIN_NS
    whole = averages_of(life, begin_ns, life.clock.now_ns, ())

    counts = []
    for hours in (0, 1, 2, 3, 6):
        life.clock.now_ns += hours * HOUR_NS
        assert averages_of(life, begin_ns, life.clock.now_ns, [ROLLUP]) == whole
        alone = averages_of(life, begin_ns, life.clock.now_ns, ())
        counts.append(sum(average.count for of in alone.values() for average in of))
        life.store.maintain()
    life.close()

    assert counts == sorted(counts, reverse=True)
    assert (counts[0] > counts[2], counts[-1]) == (True, 0)


def test_how_far_a_rollup_table_is_behind_is_told(tmp_path: Path) -> None:
    life, told = Life(tmp_path / "store", random.Random(8)), Told()
    life.write(50)
    life.store.flush()
    life.clock.now_ns += BIN_NS + SETTLED_NS
    maker = replace(life.endpoint.rollup_maker(), observer=told)

    asyncio.run(maker.make_due())
    asyncio.run(maker.make_due())
    made = life.rows("SELECT count(*) FROM farm.readings_10m")
    life.close()

    behind = [seconds for _, seconds in told.behind]
    assert behind[0] >= BIN_NS / 1e9
    assert behind[1:] == [0.0, 0.0]
    assert told.made == [("farm.readings_10m", int(made[0][0]))]


def test_the_server_alone_writes_a_rollup_table(tmp_path: Path) -> None:
    """What a client would write would be replaced by what is made, or stand in its way."""
    life = Life(tmp_path / "store", random.Random(7))
    service = Service(life.store, life.clock, life.writer, life.endpoint)
    table = {"DatabaseName": "farm", "TableName": "readings_10m"}

    refused = service.error("WriteRecords", **table, Records=[{"MeasureName": "m"}])[2]
    with pytest.raises(Validation) as of_import:
        asyncio.run(life.endpoint.import_rows(ROLLED, b"", create=True))
    life.close()

    assert refused == str(of_import.value)
    assert refused.startswith("The table farm.readings_10m is a rollup table, which the server makes of farm.readings")


def test_a_rollup_table_serves_bins_of_its_own_only() -> None:
    for width_ns, aggregates, is_fitting in (
        (3 * BIN_NS, ROLLUP.aggregates, True),
        (BIN_NS, ROLLUP.aggregates, True),
        (BIN_NS // 2, ROLLUP.aggregates, False),
        (5 * BIN_NS // 2, ROLLUP.aggregates, False),
        (BIN_NS, ("avg", "count"), False),
    ):
        assert fits(replace(ROLLUP, aggregates=aggregates), Bins(width_ns), 0, HOUR_NS) is is_fitting


@pytest.mark.parametrize(
    ("slots", "made_to", "due"),
    [
        (None, 0, [(2, 8)]),
        ([], 8, []),
        ([], 6, [(6, 8)]),
        ([1, 3, 4, 9], 8, [(3, 5)]),
        ([3, 5], 6, [(3, 4), (5, 8)]),
        ([3, 7], 6, [(3, 4), (6, 8)]),
    ],
)
def test_due_are_bins_that_are_over_and_those_that_have_changed(
    slots: list[int] | None, made_to: int, due: list[tuple[int, int]]
) -> None:
    given = None if slots is None else np.array(slots, np.int64)

    found = due_ranges(given, made_to * BIN_NS, 2 * BIN_NS, BIN_NS, 8 * BIN_NS, BIN_NS)

    assert [(first // BIN_NS, end // BIN_NS) for first, end in found] == due


def test_a_statement_is_for_so_many_bins() -> None:
    found = due_ranges(None, 0, 0, 0, 60 * BIN_NS, BIN_NS)

    assert [(end - first) // BIN_NS for first, end in found] == [MOST_BINS, MOST_BINS, 60 - 2 * MOST_BINS]
