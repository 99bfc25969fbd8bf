"""The course of the day is learnt by the local clock, also over a day on which clocks change."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from rules.detectors import tail
from rules.detectors.auto import SEASON, Auto
from rules.detectors.files import anomaly_scores
from rules.values.arrays import Float64s
from rules.values.local_time import LocalClock
from store.record import Int64s

HOUR_NS = 3600 * 10**9
BERLIN = ZoneInfo("Europe/Berlin")


def hours_from(begin: str, count: int) -> Int64s:
    first_s = int(datetime.fromisoformat(begin).replace(tzinfo=BERLIN).timestamp())
    return first_s * 10**9 + np.arange(count) * HOUR_NS


def expected(time_zone: str, time_ns: Int64s, values: Float64s) -> Float64s:
    auto, row = Auto(1, time_zone=time_zone, detectors=(SEASON,)), np.array([0])
    steps = zip(time_ns, values, strict=True)
    return np.array([auto.step(row, np.array([time]), np.array([value])).expected[0] for time, value in steps])


@pytest.mark.parametrize("begin", ["2026-03-16T00:00", "2026-10-12T00:00"], ids=["forward", "back"])
@pytest.mark.parametrize(("time_zone", "follows"), [("Europe/Berlin", True), ("UTC", False), ("+01:00", False)])
def test_what_people_do_by_the_clock_is_expected_after_clocks_change(
    monkeypatch: pytest.MonkeyPatch, begin: str, time_zone: str, *, follows: bool
) -> None:
    """Work is from 8 to 18 o'clock; clocks change 13 days after `begin`, and this is the day after."""
    monkeypatch.setattr(tail, "LEARNING", 100)
    time_ns = hours_from(begin, 15 * 24)
    hours = [datetime.fromtimestamp(time // 10**9, BERLIN).hour for time in time_ns.tolist()]
    values = np.where([8 <= hour < 18 for hour in hours], 10.0, 0.0)

    found = expected(time_zone, time_ns, values)[-24:]

    assert (np.abs(found - values[-24:]).max() < 3) == follows


def test_scores_of_a_file_are_by_the_clock_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "LEARNING", 20)
    half_hour, steps = HOUR_NS // 2, np.arange(160)
    time_ns = 1_780_000_000 * 10**9 + steps * half_hour
    values = np.random.default_rng(1).normal(10 * np.sin(steps / 48 * 2 * np.pi))

    found = anomaly_scores(time_ns, values, probation=0, time_zone="+05:30")

    assert np.array_equal(found, anomaly_scores(time_ns + 11 * half_hour, values, probation=0))
    assert not np.array_equal(found, anomaly_scores(time_ns, values, probation=0))
    with pytest.raises(ValueError, match='"Europe/Berln" is not a time zone known here; did you mean Europe/Berlin'):
        anomaly_scores(time_ns, values, time_zone="Europe/Berln")


def test_a_clock_is_set_forward_and_back_at_its_moments() -> None:
    clock = LocalClock("Europe/Berlin")
    moments = ["2026-03-29T00:59:59+00:00", "2026-03-29T01:00:00+00:00", "2026-10-25T00:59:59+00:00"]
    time_ns = np.array([int(datetime.fromisoformat(text).timestamp()) * 10**9 for text in moments])

    assert ((clock.at(time_ns) - time_ns) // HOUR_NS).tolist() == [1, 2, 2]
    assert LocalClock("-03:30").at(time_ns).tolist() == (time_ns - 7 * HOUR_NS // 2).tolist()
