"""Counters as how fast they grow: resets, gaps and first values have no rate."""

from __future__ import annotations

import numpy as np
import pytest

from rules.detectors import tail
from rules.detectors.counters import rates_of
from rules.detectors.files import ALERT, anomaly_scores

SECOND_NS = 10**9


def test_a_rate_is_of_the_row_before_of_the_same_series_that_has_a_value() -> None:
    #           series:   0    1     0     0       0    1    0    0
    values = np.array([2.0, 70.0, 6.0, np.nan, 12.0, 71.0, 1.0, 1.0])
    of = np.array([0, 1, 0, 0, 0, 1, 0, 0])
    time_ns = np.array([0, 0, 2, 3, 4, 4, 5, 5]) * SECOND_NS

    found = rates_of(time_ns, values, of)

    nan = np.nan  # of first rows, of one without a value, after a reset, and where no time has passed
    assert np.array_equal(found, [nan, nan, 2.0, nan, 3.0, 0.25, nan, nan], equal_nan=True)
    assert len(rates_of(time_ns[:0], values[:0], of[:0])) == 0


def test_a_reset_is_no_anomaly_of_a_counter_and_a_burst_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "LEARNING", 50)
    steps = 100 + np.random.default_rng(1).normal(size=130)
    steps[110] += 30
    values = steps.cumsum()
    values[90:] -= values[90] - 3  # it begins anew
    time_ns = np.arange(130) * 60 * SECOND_NS

    found = anomaly_scores(time_ns, values, probation=0, counter=True)

    assert np.flatnonzero(found >= ALERT).tolist() == [110]
    assert anomaly_scores(time_ns, values, probation=0)[90] >= ALERT, "which a level that falls is"
