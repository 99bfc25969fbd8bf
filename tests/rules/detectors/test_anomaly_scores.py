"""Scores of whole tables: one for each row, of nothing but the rows before it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from rules.detectors.files import ALERT, FEWER, REFRACTORY, anomaly_scores, scores_of
from rules.values.arrays import Float64s

DOCS = Path(__file__).parents[3] / "docs" / "detectors.md"
MINUTE_NS = 60 * 10**9


def minutes(count: int) -> np.ndarray:
    return np.arange(count) * MINUTE_NS


def noise(count: int, seed: int = 1) -> Float64s:
    return 20 + np.random.default_rng(seed).normal(size=count)


def test_what_stands_out_is_an_alert_and_peace_is_none() -> None:
    values = noise(600)
    values[450] += 12

    scores = anomaly_scores(minutes(600), values)

    assert np.flatnonzero(scores >= ALERT).tolist() == [450]
    assert ((scores >= 0) & (scores < 1)).all()


def test_rows_to_come_change_no_score() -> None:
    values = noise(500)
    other = np.concatenate([values[:400], noise(300, 2) * 5])

    assert np.array_equal(
        anomaly_scores(minutes(500), values, probation=50)[:400],
        anomaly_scores(minutes(700), other, probation=50)[:400],
    )


def test_series_in_one_table_are_scored_as_in_tables_of_their_own() -> None:
    series = np.tile([2, 0, 1], 300)
    times, values = np.repeat(minutes(300), 3), noise(900)

    together = anomaly_scores(times, values, series=series)

    for one in range(3):
        alone = anomaly_scores(times[series == one], values[series == one])
        assert np.array_equal(together[series == one], alone)


def test_one_anomaly_is_one_alert() -> None:
    """Until the refractory rows are over, or p is a million times smaller."""
    strength = np.full(2 * REFRACTORY, 9.0)
    strength[40] = 9.0 + FEWER + 1

    scores = scores_of(strength, np.zeros(600, np.intp), np.arange(600), np.arange(600) >= 10)

    assert np.flatnonzero(scores >= ALERT).tolist() == [10, 40, 341]


def test_a_sensor_that_leaves_its_peers_is_seen_in_a_swing_of_all() -> None:
    rng = np.random.default_rng(4)
    weather = rng.normal(size=500).cumsum()
    values = weather[:, None] + rng.normal(0, 0.1, (500, 6))
    values[400:, 2] += 1.5
    series, zone = np.tile(np.arange(6), 500), np.zeros(3000, np.intp)
    times = np.repeat(minutes(500), 6)

    alone = anomaly_scores(times, values.ravel(), series=series).reshape(500, 6)
    beside = anomaly_scores(times, values.ravel(), series=series, peers=zone).reshape(500, 6)

    assert not (alone[400:420, 2] >= ALERT).any()
    assert (beside[400:405, 2] >= ALERT).any()
    assert (np.delete(beside, 2, axis=1) >= ALERT).sum() < 5


def test_an_empty_value_is_no_anomaly_by_itself() -> None:
    values = noise(300)
    values[250] = np.nan

    scores = anomaly_scores(minutes(300), values)

    assert 0 < scores[250] < ALERT
    assert not np.isnan(scores).any()


@pytest.mark.parametrize(("probation", "silent"), [(0.5, 200), (260, 260), (0, 0)])
def test_the_first_rows_score_nothing(probation: float, silent: int) -> None:
    scores = anomaly_scores(minutes(400), noise(400), probation=probation)

    assert not scores[:silent].any()
    assert scores[max(silent, 210) :].any()


@pytest.mark.parametrize("count", [0, 1])
def test_a_table_of_hardly_any_rows_is_scored(count: int) -> None:
    assert anomaly_scores(minutes(count), noise(count)).tolist() == [0.0] * count


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match="must have one length"):
        anomaly_scores(minutes(3), noise(2))
    with pytest.raises(ValueError, match="probation must be at least 0, is -1"):
        anomaly_scores(minutes(2), noise(2), probation=-1)


def test_the_example_of_the_page_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = re.findall(r"```(?:python|text)\n(.*?)```", DOCS.read_text(), re.DOTALL)[:2]

    exec(compile(code, "detectors.md", "exec"), {})  # the page's own

    assert capsys.readouterr().out == printed
