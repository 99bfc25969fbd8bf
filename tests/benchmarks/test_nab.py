"""The scoring of the Numenta Anomaly Benchmark: what its definition says of simple cases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from nab import PROFILES, Series, detected, load, normalised, position_score, score


@pytest.fixture
def series() -> Series:
    """1000 rows with windows of 100; the first 150 rows are not judged."""
    return Series("a/b.csv", np.arange(1000) * 10**9, np.zeros(1000), [(300, 399), (700, 799)])


def alerts(*rows: int) -> np.ndarray:
    found = np.zeros(1000, bool)
    found[list(rows)] = True
    return found


def test_silence_is_0_and_an_alert_at_the_begin_of_each_window_100(series: Series) -> None:
    for profile in PROFILES.values():
        assert normalised([series], {"a/b.csv": alerts()}, profile) == pytest.approx(0)
        assert normalised([series], {"a/b.csv": alerts(300, 700)}, profile) == pytest.approx(100)


def test_of_a_window_the_earliest_alert_counts(series: Series) -> None:
    early, late, both = (score(series, alerts(*rows), PROFILES["standard"]) for rows in ((310,), (390,), (310, 390)))

    assert late < early == both


def test_a_false_alert_costs_less_soon_after_a_window(series: Series) -> None:
    silent, before, soon, long_after = (
        score(series, alerts(*rows), PROFILES["standard"]) for rows in ((), (200,), (405,), (690,))
    )

    assert before == pytest.approx(silent - 0.11)
    assert silent > soon > before
    assert long_after == pytest.approx(silent + 0.11 * position_score((690 - 399) / 99))


def test_alerts_of_the_probation_do_not_count(series: Series) -> None:
    assert score(series, alerts(10, 149), PROFILES["standard"]) == score(series, alerts(), PROFILES["standard"])


def test_a_folder_is_read_and_its_files_are_scored_together(tmp_path: Path) -> None:
    (tmp_path / "data" / "group").mkdir(parents=True)
    rows = "\n".join(f"2026-01-01 {n // 60:02d}:{n % 60:02d}:00,{n % 7}" for n in range(130))
    (tmp_path / "data/group/one.csv").write_text(f"timestamp,value\n{rows}\n")
    windows = {"group/one.csv": [["2026-01-01 01:40:00", "2026-01-01 02:00:00"]]}
    (tmp_path / "windows.json").write_text(json.dumps(windows))

    (one,) = load(tmp_path)

    assert one.windows == [(100, 120)]
    assert len(detected([one])["group/one.csv"]) == 130
