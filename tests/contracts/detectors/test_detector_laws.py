"""Laws of every detector, of the tails of their scores, and of all together."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from rules.detectors import auto as auto_module
from rules.detectors import tail as tail_module
from rules.detectors.auto import DETECTORS, Auto
from rules.detectors.detector import COUNT, Detector, Step
from rules.detectors.state import State
from rules.detectors.tail import Tail
from rules.values.arrays import Float64s

MINUTE_NS = 60 * 10**9
START_NS = 1_780_000_000 * 10**9
BY_NAME = {detector.name: detector for detector in DETECTORS}
MOST_BYTES = 512
WARM = 360  # steps: `drift` has its first scores after 300


def signals(steps: int, seed: int = 1) -> Float64s:
    """One column a series: noise, a day, a walk, steps of a coarse sensor, a constant."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(steps, 5))
    day = 10 * np.sin(np.arange(steps) * 2 * np.pi / 96)
    columns = (noise[:, 0], day + noise[:, 1], noise[:, 2].cumsum(), np.round(noise[:, 3]), np.full(steps, 7.0))
    return np.stack(columns, axis=1)


def scores_of(detector: Detector, values: Float64s, state: State | None = None, first: int = 0) -> Iterator[Float64s]:
    """The scores of values, shape (steps, series), on the state that is given."""
    count = values.shape[1]
    rows, state = np.arange(count), State(detector.fields) if state is None else state
    state.grow(count)
    for number, value in enumerate(values, first):
        step = Step(np.full(count, START_NS + number * 15 * MINUTE_NS), value, value)
        kept = state.take(rows)
        scores = detector.score(kept, step)
        detector.learn(kept, step, np.ones(count))
        state.put(rows, kept)
        yield scores


def all_scores(detector: Detector, values: Float64s) -> Float64s:
    return np.array([*scores_of(detector, values)])


@cache
def usual_scores(name: str) -> Float64s:
    """The scores of the signals by the detector with this name, which many laws compare others with."""
    return all_scores(BY_NAME[name], signals(WARM))


@pytest.fixture(params=BY_NAME)
def detector(request: pytest.FixtureRequest) -> Detector:
    return BY_NAME[request.param]


def test_scores_are_numbers_from_0_once_it_is_warm(detector: Detector) -> None:
    scores = usual_scores(detector.name)

    assert (np.nan_to_num(scores) >= 0).all()
    assert np.isfinite(scores[250:]).any(axis=0).all()  # of every series, the constant one too
    assert not np.isinf(scores).any()


def test_each_series_is_judged_as_if_it_were_alone(detector: Detector) -> None:
    """However many are judged in one step, and in whichever order."""
    values, together = signals(190), usual_scores(detector.name)[:190]

    for order in ([3, 0, 4, 2, 1], [1]):
        assert np.array_equal(all_scores(detector, values[:, order]), together[:, order], equal_nan=True)


def test_a_score_knows_neither_its_own_value_nor_later_ones(detector: Detector) -> None:
    changed = signals(200)
    changed[190:] = -5.0

    found = all_scores(detector, changed)[:190]

    assert np.array_equal(found, usual_scores(detector.name)[:190], equal_nan=True)


def test_scoring_changes_nothing(detector: Detector) -> None:
    state, values = State(detector.fields), signals(100)
    for _ in scores_of(detector, values, state):
        pass
    kept = state.take(np.arange(5))
    before = {name: array.copy() for name, array in kept.items()}

    detector.score(kept, Step(np.full(5, START_NS), values[3], values[3]))

    assert all(np.array_equal(kept[name], before[name], equal_nan=True) for name in before)


def test_a_restored_state_goes_on_exactly(detector: Detector) -> None:
    """Also into other places of a state."""
    values = signals(220)
    state = State(detector.fields)
    for _ in scores_of(detector, values[:200], state):
        pass
    saved = state.snapshot(np.arange(5))
    restored = State(detector.fields)
    restored.grow(9)
    restored.restore(saved, np.array([8, 1, 4, 0, 2]))
    moved = State(detector.fields)
    moved.grow(5)
    moved.restore(restored.snapshot(np.array([8, 1, 4, 0, 2])), np.arange(5))

    expected = np.array([*scores_of(detector, values[200:], state, 200)])

    assert np.array_equal(np.array([*scores_of(detector, values[200:], moved, 200)]), expected, equal_nan=True)


def test_scores_know_no_unit(detector: Detector) -> None:
    """Up to the resolution of what is kept; a mirrored signal has the same scores."""
    values, usual = signals(320)[:, :4], usual_scores(detector.name)[:320, :4]

    others = all_scores(detector, np.hstack([values * 1024, values + 4096, -values, values * 2.0**-10]))

    assert np.allclose(np.hstack([usual] * 4), others, rtol=0.02, atol=1e-3, equal_nan=True)


def test_what_is_kept_does_not_grow(detector: Detector) -> None:
    state = State(detector.fields)
    for _ in scores_of(detector, signals(50), state):
        pass
    before = len(state.snapshot(np.arange(5)))
    for _ in scores_of(detector, signals(100), state):
        pass

    assert {len(data) for data in state.snapshot(np.arange(5)).values()} <= {
        5 * field.size_bytes for field in detector.fields
    }
    assert len(state.snapshot(np.arange(5))) == before
    assert COUNT in detector.fields


def test_counts_stop_at_the_largest_that_is_kept(detector: Detector) -> None:
    """A series that is years old is judged as before."""
    state, values = State(detector.fields), signals(40)
    state.grow(5)
    kept = state.take(np.arange(5))
    kept["count"][:] = 65_535
    state.put(np.arange(5), kept)

    for _ in scores_of(detector, values, state):
        pass

    assert (state.take(np.arange(5))["count"] == 65_535).all()


def test_all_together_keep_512_bytes_of_a_series() -> None:
    assert Auto().series_bytes <= MOST_BYTES


def judged(values: Float64s, auto: Auto | None = None, first: int = 0) -> Float64s:
    """Log p of values, shape (steps, series)."""
    count = values.shape[1]
    auto = Auto(count) if auto is None else auto
    times = (np.full(count, START_NS + number * MINUTE_NS) for number in range(first, first + len(values)))
    return np.array([auto.step(np.arange(count), time, value).log_p for time, value in zip(times, values, strict=True)])


@pytest.fixture
def _learns_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """P-values come after 20 values, which is enough where only their equality matters."""
    monkeypatch.setattr(tail_module, "LEARNING", 20)
    monkeypatch.setattr(tail_module, "EVENTS", 1)


@pytest.mark.usefixtures("_learns_soon")
def test_an_ensemble_judges_each_series_alone_and_goes_on_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """And however many are judged together."""
    values = signals(80)
    values[np.random.default_rng(3).random(values.shape) < 0.05] = np.nan
    whole = judged(values)
    assert whole.any(axis=0)[:4].all()

    before, after = Auto(5), Auto(5)
    begun = judged(values[:55], before)
    after.restore(before.snapshot(np.arange(5)), np.arange(5))

    assert np.array_equal(np.concatenate([begun, judged(values[55:], after, 55)]), whole)

    monkeypatch.setattr(auto_module, "TOGETHER", 2)
    order = np.array([2, 0, 4])

    assert np.array_equal(judged(values[:, order]), whole[:, order])


@pytest.mark.usefixtures("_learns_soon")
def test_peers_permute_with_their_series_and_go_on_after_a_restart() -> None:
    rng = np.random.default_rng(7)
    values = rng.normal(size=(80, 8)) + 10 * rng.normal(size=(80, 1)) + np.arange(8)
    group, order = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([7, 2, 0, 5, 3, 1, 4, 6])
    whole, permuted = Auto(8), Auto(8)

    for number, value in enumerate(values):
        times = np.full(8, START_NS + number * MINUTE_NS)
        if number == 60:
            saved = whole.snapshot(np.arange(8))
            whole = Auto(8)
            whole.restore(saved, np.arange(8))
        found = whole.step(np.arange(8), times, value, group).log_p

        assert np.array_equal(permuted.step(np.arange(8), times, value[order], group[order]).log_p, found[order])

    assert found.any()


@pytest.mark.usefixtures("_learns_soon")
@pytest.mark.parametrize(
    "values",
    [np.full((60, 2), [5.0, 1e12]), np.full((60, 1), np.nan), np.zeros((1, 1)), np.zeros((0, 1))],
    ids=["constant and huge", "absent", "one value", "no value"],
)
def test_odd_series_do_no_harm(values: Float64s) -> None:
    found = judged(values)

    assert np.isfinite(found).all()
    assert (found > -8).all()


def test_of_a_peaceful_signal_few_p_values_are_small() -> None:
    """A p-value below q comes about q times as often as there are values; each detector has one."""
    values = np.random.default_rng(5).normal(size=(400, 160))

    found = judged(values)[300:]

    assert (found < np.log(1e-2)).mean() < 0.08
    assert (found < np.log(1e-3)).mean() < 0.008
    assert not (found < np.log(1e-6)).any()


@pytest.mark.parametrize("resolution", [0.7, 1.3, 2.0])
def test_a_coarse_sensor_makes_no_score_impossible(resolution: float) -> None:
    """Its scores are few different ones; one that is a step larger than most is rare, and not more."""
    noise = np.random.default_rng(6).normal(size=(3000, 30))
    tail = Tail(BY_NAME["spike"].habits)
    state, found = State(tail.fields), []
    state.grow(30)
    kept = state.take(np.arange(30))
    for scores in np.abs(np.round(noise / resolution) * resolution):
        found.append(tail.log_p(kept, scores))
        tail.learn(kept, scores, np.ones(30))

    assert (np.array(found) < np.log(1e-3)).mean() < 0.005
    assert not (np.array(found) < np.log(1e-6)).any()


def test_the_score_at_a_p_value_has_that_p_value() -> None:
    tail = Tail(BY_NAME["spike"].habits)
    state = State(tail.fields)
    state.grow(3)
    kept = state.take(np.arange(3))
    kept["seen"][:] = 1000
    kept["excess"][:] = [0.15, 0.3, 0.9]

    assert np.allclose(tail.log_p(kept, tail.score_at(kept, -14.0)), -14.0)
