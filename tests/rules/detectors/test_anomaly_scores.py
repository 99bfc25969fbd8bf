"""Scores of whole tables: one for each row, of nothing but the rows before it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from rules.detectors import tail
from rules.detectors.files import ALERT, FEWER, REFRACTORY, anomaly_scores, scores_of
from rules.values.arrays import Float64s

DOCS = Path(__file__).parents[3] / "docs" / "detectors.md"
MINUTE_NS = 60 * 10**9


def minutes(count: int) -> np.ndarray:
    return np.arange(count) * MINUTE_NS


def noise(count: int, seed: int = 1) -> Float64s:
    return 20 + np.random.default_rng(seed).normal(size=count)


@pytest.fixture
def _learns_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """P-values come after 20 values, which is enough where only their equality, or that there is one, matters."""
    monkeypatch.setattr(tail, "LEARNING", 20)
    monkeypatch.setattr(tail, "EVENTS", 1)


def test_what_stands_out_is_an_alert_and_neither_peace_nor_an_empty_value_is() -> None:
    values = np.stack([noise(280), noise(280, 2), noise(280, 3)], axis=1)
    values[250, 0] += 12
    values[250, 1] = np.nan

    found = anomaly_scores(np.repeat(minutes(280), 3), values.ravel(), series=np.tile(np.arange(3), 280))

    scores = found.reshape(280, 3)
    assert np.argwhere(scores >= ALERT).tolist() == [[250, 0]]
    assert 0 < scores[250, 1] < ALERT
    assert ((scores >= 0) & (scores < 1)).all()


@pytest.mark.usefixtures("_learns_soon")
def test_rows_to_come_change_no_score() -> None:
    values = noise(60)
    other = np.concatenate([values[:50], noise(40, 2) * 5])

    found = anomaly_scores(minutes(60), values, probation=30)[:50]

    assert found.any()
    assert np.array_equal(found, anomaly_scores(minutes(90), other, probation=30)[:50])


@pytest.mark.usefixtures("_learns_soon")
def test_series_in_one_table_are_scored_as_in_tables_of_their_own() -> None:
    series = np.tile([2, 0, 1], 40)
    times, values = np.repeat(minutes(40), 3), noise(120)

    together = anomaly_scores(times, values, series=series)

    assert together[-3:].all()
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
    weather = rng.normal(size=240).cumsum()
    values = weather[:, None] + rng.normal(0, 0.1, (240, 6))
    values[220:, 2] += 1.5
    series, zone = np.tile(np.arange(6), 240), np.zeros(1440, np.intp)
    times = np.repeat(minutes(240), 6)

    alone = anomaly_scores(times, values.ravel(), series=series).reshape(240, 6)
    beside = anomaly_scores(times, values.ravel(), series=series, peers=zone).reshape(240, 6)

    assert not (alone[220:, 2] >= ALERT).any()
    assert (beside[220:225, 2] >= ALERT).any()
    assert (np.delete(beside, 2, axis=1) >= ALERT).sum() < 5


@pytest.mark.usefixtures("_learns_soon")
@pytest.mark.parametrize(("probation", "silent"), [(0.75, 36), (40, 40), (0, 0)])
def test_the_first_rows_score_nothing(probation: float, silent: int) -> None:
    scores = anomaly_scores(minutes(48), noise(48), probation=probation)

    assert not scores[:silent].any()
    assert scores[max(silent, 34) :].all()


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
