"""What is remembered of each series."""

import numpy as np
import pytest

from store.memory.newness import NEVER_NS
from store.table.series_state import DEPTH, SeriesState


@pytest.mark.parametrize("count", [1, DEPTH, DEPTH + 1, 3 * DEPTH])
def test_the_last_time_is_the_newest_of_a_batch_in_whichever_order_its_rows_come(count: int) -> None:
    """A batch may have more rows of a series than are remembered, and its newest first."""
    state = SeriesState()
    state.reserve(2)
    backwards = np.arange(count, 0, -1, dtype=np.int64)

    state.remember(np.zeros(count, np.int32), backwards, np.zeros(count, np.uint64))

    assert state.last_ns[:2].tolist() == [count, NEVER_NS]


def test_times_before_those_remembered_are_looked_up() -> None:
    state = SeriesState()
    state.reserve(1)
    count = DEPTH + 5

    state.remember(np.zeros(count, np.int32), np.arange(count, dtype=np.int64), np.zeros(count, np.uint64))

    assert state.known_from_ns[0] == 5
    assert sorted(state.times_ns[0].tolist()) == list(range(5, count))
