import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from store.memory.newness import strictly_later


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=20), st.integers(-1, 4))
def test_a_row_needs_no_look_up_exactly_if_it_is_after_all_its_series_had(
    rows: list[tuple[int, int]], last: int
) -> None:
    series, times = np.array([s for s, _ in rows], np.int32), np.array([t for _, t in rows], np.int64)
    highest = dict.fromkeys(range(4), last)
    expected = []
    for s, t in rows:
        expected.append(t > highest[s])
        highest[s] = max(highest[s], t)

    assert strictly_later(series, times, np.full(4, last, np.int64)).tolist() == expected
