"""What is unlike the others is named, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.console.outliers import FEWEST, Outliers, outliers


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([21.0, 21.4, 20.8, 41.5, 21.1, 2.0], Outliers(21.05, [3, 5])),
        ([20, 20, 20, 20, 30], Outliers(20, [4])),  # most are the same: the mean deviation is the unit
        ([20, 20, 20, 20, 20], Outliers(20, ())),
        ([20, 20, 20, 90], Outliers(20, ())),  # too few to be "the others"
        ([1, 2, 3, 4, 5, 6], Outliers(3.5, [])),
    ],
)
def test_values_far_from_the_median_are_found_the_farthest_first(values: list[float], expected: Outliers) -> None:
    assert outliers(values) == expected


@given(st.lists(st.integers(-1000, 1000), min_size=FEWEST, max_size=30), st.integers(-50, 50), st.integers(1, 9))
def test_another_unit_or_zero_finds_the_same(values: list[int], offset: int, factor: int) -> None:
    moved = outliers([value * factor + offset for value in values])

    assert set(moved.places) == set(outliers(values).places)
    assert len(moved.places) < len(values) / 2
