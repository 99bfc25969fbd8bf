"""What the series of a group have in common."""

from __future__ import annotations

import numpy as np

from rules.detectors.peers import ALONE, Peers
from rules.detectors.state import State
from rules.values.arrays import Float64s, Indices


def beside_peers(values: Float64s, group: Indices) -> Float64s:
    """The distances that are judged, shape (steps, series)."""
    count = values.shape[1]
    peers, state, rows, found = Peers(), State(Peers.fields), np.arange(count), []
    state.grow(count)
    for value in values:
        kept = state.take(rows)
        common = peers.common(kept, value, group)
        state.put(rows, kept)
        found.append(value - common)
    return np.array(found)


def test_the_first_values_have_the_median_of_those_there_are() -> None:
    values = np.array([[1.0, 5.0, 3.0, np.nan, 9.0, 7.0, 100.0]])
    group = np.array([4, 4, 4, 4, 4, 1, ALONE])

    assert np.array_equal(beside_peers(values, group), [[-3, 1, -1, np.nan, 5, np.nan, 100]], equal_nan=True)


def test_a_sensor_that_fails_does_not_move_its_peers() -> None:
    """Though it is the middle one, and the others are far apart."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(900, 1)).cumsum(0) + 10.0 * np.arange(7) + rng.normal(0, 0.1, (900, 7))
    values[700:, 3] += 50

    found = beside_peers(values, np.zeros(7, np.intp))
    moved = found[700:].mean(0) - found[500:700].mean(0)

    assert moved[3] > 49
    assert np.abs(np.delete(moved, 3)).max() < 0.1


def test_peers_that_come_and_go_move_nobody() -> None:
    rng = np.random.default_rng(2)
    values = 10.0 * np.arange(8) + rng.normal(0, 0.1, (1200, 8))
    values[600:, :2] = np.nan
    values[:500, 7] = np.nan

    found = beside_peers(values, np.zeros(8, np.intp))

    assert np.ptp([found[begin : begin + 100, 2:7].mean() for begin in range(100, 1200, 100)]) < 0.2
    assert np.isnan(found[600:, :2]).all()


def test_a_series_without_a_group_is_judged_as_it_is() -> None:
    values = np.random.default_rng(3).normal(size=(50, 5))

    assert np.array_equal(beside_peers(values, np.array([0, 0, 0, 0, ALONE]))[:, 4], values[:, 4])
