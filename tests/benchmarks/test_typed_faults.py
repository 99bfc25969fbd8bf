"""What is found of labelled faults, and what is a false alert."""

from __future__ import annotations

import numpy as np
import pytest
from typed_faults import Found, found_in

from simulators.labelled_series import DAY, LabelledSeries, SeriesFault


@pytest.fixture
def labelled() -> LabelledSeries:
    """Series 0 has a shift, 1 a spike; 2 and 3 have no fault."""
    faults = [SeriesFault(0, "shift", 3 * DAY, 3 * DAY + 100), SeriesFault(1, "spike", 3 * DAY + 7, 3 * DAY + 8)]
    return LabelledSeries(np.zeros((4 * DAY, 4), np.float32), np.zeros(4, np.intp), faults)


def judged(labelled: LabelledSeries, *alerts: tuple[int, int]) -> Found:
    strength = np.zeros(labelled.values.shape, np.float32)
    for minute, series in alerts:
        strength[minute, series] = 9.0
    return found_in(labelled, strength, 8.0)


def test_an_alert_within_a_fault_finds_it(labelled: LabelledSeries) -> None:
    found = judged(labelled, (3 * DAY + 30, 0), (3 * DAY + 40, 0), (3 * DAY + 9, 1))

    assert found.delays["shift"] == [30]
    assert found.delays["spike"] == [2]  # one that comes a little later still counts
    assert found.missed == {}
    assert found.false_alerts == []


def test_alerts_before_or_after_a_fault_find_nothing(labelled: LabelledSeries) -> None:
    found = judged(labelled, (3 * DAY - 1, 0), (3 * DAY + 100, 0), (3 * DAY + 11, 1))

    assert found.missed == {"shift": 1, "spike": 1}


def test_false_alerts_are_an_hour_apart_and_not_of_the_day_of_learning(labelled: LabelledSeries) -> None:
    found = judged(labelled, (100, 2), (2 * DAY, 2), (2 * DAY + 59, 2), (2 * DAY + 200, 2), (2 * DAY, 3))

    assert found.false_alerts == [(2 * DAY, 2), (2 * DAY + 200, 2), (2 * DAY, 3)]
