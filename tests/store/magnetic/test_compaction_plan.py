from collections.abc import Sequence

from store.magnetic.compaction_plan import FANOUT, QUIET_NS, plan, tier
from store.magnetic.parquet import DataFile

DAY_NS = 86_400_000_000_000
NOW_NS = 100 * DAY_NS + DAY_NS // 2


def files(count: int, rows: int = 100, *, day: int = 100) -> list[DataFile]:
    return [DataFile(f"date={day}/{n:03d}", 1000, rows, day * DAY_NS + n, day * DAY_NS + n) for n in range(count)]


def groups(of: Sequence[DataFile], written_ns: int = 0) -> list[int]:
    return [len(group) for group in plan(of, NOW_NS, lambda _: written_ns)]


def test_a_tier_is_merged_when_it_is_full() -> None:
    assert groups(files(FANOUT - 1)) == []
    assert groups(files(FANOUT)) == [FANOUT]
    assert groups(files(FANOUT + 1)) == [FANOUT]


def test_twenty_files_of_a_tier_make_one_of_the_next() -> None:
    assert tier(100 * FANOUT) == tier(100) + 1


def test_files_of_other_dates_and_sizes_are_not_merged_together() -> None:
    assert groups([*files(19), *files(19, day=101)]) == []
    assert groups([*files(19), *files(19, rows=100 * FANOUT)]) == []


def test_a_date_that_is_over_and_quiet_becomes_one_file() -> None:
    over = [*files(3, day=98), *files(2, rows=5_000, day=98)]
    assert groups(over, NOW_NS - QUIET_NS) == [5]
    assert groups(over, NOW_NS - QUIET_NS + 1) == []
    assert groups(over[:1], NOW_NS - QUIET_NS) == []
