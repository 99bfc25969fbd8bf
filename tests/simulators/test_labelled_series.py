"""The series that detectors are judged by: what is labelled is wrong, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.labelled_series import DAY, KINDS, LabelledSeries, labelled_series


@pytest.fixture(scope="module")
def made() -> LabelledSeries:
    return labelled_series(sensors=7, places=1, days=5, seed=3)


def test_half_of_the_series_have_one_fault_of_each_kind_in_turn(made: LabelledSeries) -> None:
    series = [fault.series for fault in made.faults]

    assert made.values.shape == (5 * DAY, 28)
    assert len(set(series)) == len(series) == 14
    assert sorted(fault.kind for fault in made.faults) == sorted([*KINDS, *KINDS])
    assert all(3.5 * DAY <= fault.begin < fault.end <= 5 * DAY for fault in made.faults)


def test_values_are_missing_and_stuck_where_it_is_said(made: LabelledSeries) -> None:
    expected = np.zeros(made.values.shape, bool)
    for fault in made.faults:
        part = made.values[fault.begin : fault.end, fault.series]
        expected[fault.begin : fault.end, fault.series] = fault.kind == "missing"
        assert (np.ptp(part) == 0) == (fault.kind in {"stuck", "spike"} or len(part) == 1) or fault.kind == "missing"

    assert np.array_equal(np.isnan(made.values), expected)


def test_the_same_seed_makes_the_same_series(made: LabelledSeries) -> None:
    again = labelled_series(sensors=7, places=1, days=5, seed=3)

    assert np.array_equal(again.values, made.values, equal_nan=True)
    assert again.faults == made.faults


def test_too_few_days_are_refused() -> None:
    with pytest.raises(ValueError, match="days must be at least 5, is 4"):
        labelled_series(sensors=1, places=1, days=4, seed=1)
