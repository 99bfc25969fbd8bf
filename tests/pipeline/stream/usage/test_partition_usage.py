"""Usage is counted once, whatever is killed and read again, and adds up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from pipeline.log.query_use import QueryUse, Scan
from pipeline.stream.usage.counts import DAY_NS, Stored, UsagePart, Use, by_account, first_of_month, summed
from pipeline.stream.usage.metering import PartitionUsage
from store.objects.objects import open_objects
from store.record import Int64s, RecordBatch, SeriesIndex, TableId
from store.record_size import SeriesSizes, written_bytes
from store.state.partition_state import PartitionState
from store.testing import Row, batch_of

DAY = 20_000
FARM, ZOO = TableId("farm", "d", "t"), TableId("zoo", "d", "t")
PARTITION = "0123/readings/0"


def state_in(folder: Path, partition: str = PARTITION) -> PartitionState:
    """As another process opens it."""
    return PartitionState(open_objects(str(folder / "state")), partition)


def batch(table: TableId, offsets: Sequence[int], arrival_ns: Int64s | None = None) -> RecordBatch:
    rows = [Row((("sensor", f"s{offset}"),), offset, (("v", float(offset)),)) for offset in offsets]
    arrivals = np.full(len(rows), DAY * DAY_NS, np.int64) if arrival_ns is None else arrival_ns
    return replace(batch_of(SeriesIndex(table), PARTITION, offsets, rows), arrival_ns=arrivals)


def test_a_record_has_the_bytes_of_its_names_and_values() -> None:
    values = (("é", 1.5), ("on", True), ("n", 7), ("text", "grün"))
    rows = [Row((("zone", "ü"),), 1, values, measure_name="climate"), Row((), 2, (("text", ""),), measure_name="m")]
    found = batch_of(SeriesIndex(FARM), PARTITION, [0, 0], rows)

    by_hand = (8 + 4 + 2 + 7) + (2 + 8) + (2 + 1) + (1 + 8) + (4 + 5) + (8 + 1) + (4 + 0)
    assert written_bytes(found, SeriesSizes()) == by_hand


def test_the_measure_of_a_single_measure_record_has_the_measure_name_alone() -> None:
    row = Row((("s", "1"),), 1, (("measure_value::double", 1.5),), measure_name="cpu")

    assert written_bytes(batch_of(SeriesIndex(FARM), PARTITION, [0], [row]), SeriesSizes()) == 8 + 2 + 3 + 8


def test_series_are_measured_anew_for_a_table_that_was_made_again() -> None:
    sizes = SeriesSizes()
    long, short = (batch_of(SeriesIndex(FARM), PARTITION, [0], [Row((("s", name),), 1, ())]) for name in ("long", "s"))

    first = written_bytes(long, sizes)

    assert first - written_bytes(short, sizes) == 3


FRAMES = st.lists(st.sampled_from([FARM, ZOO, None]), min_size=1, max_size=12)


@given(frames=FRAMES, kills=st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=4))
def test_what_is_read_again_after_a_kill_is_not_counted_again(
    tmp_path_factory: pytest.TempPathFactory, frames: list[TableId | None], kills: list[tuple[int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("usage")

    def read(usage: PartitionUsage, first: int, last: int) -> None:
        for offset in range(first, last):
            table = frames[offset]
            word = QueryUse("w", offset + 1, 0, [Scan(DAY, "farm", "d", "t", 1, 100, 1000)])
            usage.count(offset, [batch(table, [offset])] if table else [], [] if table else [(offset, word)])

    whole = PartitionUsage()
    read(whole, 0, len(frames))

    usage = PartitionUsage(state_in(folder))
    usage.begin(0)
    for upto, is_saved in kills:
        read(usage, usage.low_watermark or 0, min(upto, len(frames)))
        if is_saved:
            usage.save()
        usage = PartitionUsage(state_in(folder))
        usage.load()
    read(usage, 0, len(frames))  # another consumer may be further behind

    assert summed([usage.part({})]) == summed([whole.part({})])


def test_a_word_that_is_in_the_log_twice_counts_once() -> None:
    usage = PartitionUsage()
    word = QueryUse("w", 1, 0, [Scan(DAY, "farm", "d", "t", 1, 100, 1000)])

    usage.count(1, [], [(0, word), (1, word)])
    usage.count(2, [], [(2, QueryUse("other", 1, 0, word.scans))])

    ((_, _, use),) = usage.part({}).uses
    assert (use.queries, use.scanned_bytes, use.metered_bytes) == (2, 200, 2000)


def test_a_record_counts_on_the_day_of_its_arrival() -> None:
    usage = PartitionUsage()
    midnight = (DAY + 1) * DAY_NS

    usage.count(2, [batch(FARM, [0, 1, 2], np.array([midnight - 1, midnight, midnight + 1], np.int64))])

    assert [(day, use.records) for day, _, use in sorted(usage.part({}).uses)] == [(DAY, 1), (DAY + 1, 2)]


def test_the_magnetic_tier_counts_while_nothing_runs_and_memory_does_not(tmp_path: Path) -> None:
    noon, hour_ns = DAY * DAY_NS + DAY_NS // 2, 3_600 * 10**9
    usage = PartitionUsage(state_in(tmp_path))
    usage.begin(0)
    usage.sample(noon, {FARM: Stored(10, 100)})
    usage.sample(noon + hour_ns, {FARM: Stored(10, 100)})
    usage.count(0, [])
    usage.save()
    usage.sample(noon + 2 * hour_ns, {FARM: Stored(10, 100)})  # is lost, and counted after the restart

    again = PartitionUsage(state_in(tmp_path))
    again.load()
    again.sample(noon + 13 * hour_ns, {FARM: Stored(10, 100)})

    found = {day: use for day, _, use in again.part({}).uses}
    assert found[DAY].memory_byte_s == 10 * 3600
    assert found[DAY].magnetic_byte_s == 100 * 3600 * 12
    assert found[DAY + 1].magnetic_byte_s == 100 * 3600 * 1


def test_a_clock_that_is_set_back_stores_nothing_for_less_than_no_time() -> None:
    usage = PartitionUsage()
    usage.sample(DAY * DAY_NS, {FARM: Stored(1, 1)})

    usage.sample((DAY - 5) * DAY_NS, {FARM: Stored(1, 1)})

    assert all(use.magnetic_byte_s == 0 for _, _, use in usage.part({}).uses)


def test_days_of_long_ago_are_added_to_the_first_of_their_month() -> None:
    usage = PartitionUsage()
    first = first_of_month(DAY)
    for offset, day in enumerate((first, first + 1, first + 40, first + 100)):
        usage.count(offset, [batch(FARM, [offset], np.array([day * DAY_NS], np.int64))])
    before = by_account(usage.part({}))["farm"][0]

    usage.sample((first + 101) * DAY_NS, {})

    assert [day for day, _, _ in sorted(usage.part({}).uses)] == [first, first + 40, first + 100]
    assert by_account(usage.part({}))["farm"][0] == before
    usage.sample((first + 1000) * DAY_NS, {})
    assert usage.part({}).uses == []


def test_the_counts_of_a_lost_log_go_on_with_the_next_one(tmp_path: Path) -> None:
    lost = PartitionUsage(state_in(tmp_path, "lost/readings/0"))
    lost.begin(7)
    lost.count(7, [batch(FARM, [7])])
    lost.save()

    usage = PartitionUsage(state_in(tmp_path))
    usage.load(state_in(tmp_path, "lost/readings/0"))
    assert usage.low_watermark is None
    usage.begin(0)
    usage.count(0, [batch(FARM, [0])])
    usage.save()
    again = PartitionUsage(state_in(tmp_path))
    again.load(state_in(tmp_path, "lost/readings/0"))

    assert by_account(again.part({}))["farm"][0].records == 2


def test_damaged_usage_is_told_and_begins_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state_in(tmp_path).save("usage", 3, b"\xc1")

    usage = PartitionUsage(state_in(tmp_path))
    usage.load()

    assert usage.low_watermark is None
    assert "usage" in caplog.text


def test_parts_of_partitions_and_workers_are_added_up() -> None:
    parts = [
        UsagePart([(DAY, ("a", "d", "t"), Use(records=1))], [(("a", "d", "t"), Stored(5, 6))]),
        UsagePart([(DAY, ("a", "d", "t"), Use(records=2)), (DAY, ("b", "d", "t"), Use(queries=1))], []),
        UsagePart([], [(("a", "d", "t"), Stored(5, 0))]),
    ]

    found = by_account(summed(parts))

    assert found == {"a": (Use(records=3), Stored(10, 6)), "b": (Use(queries=1), Stored())}
