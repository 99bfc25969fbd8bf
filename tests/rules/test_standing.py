"""A series is learnt, then judged by some detectors, then by all; and suppressed while it is unusual."""

from __future__ import annotations

import numpy as np
from rule_feed import TABLE, rules_of
from test_detector_kind import BODY, SENSORS, batch, values

from rules.engine import Engine
from rules.kinds.detector import DetectorJudge
from rules.kinds.feedback import STEP, Mark
from rules.kinds.standing import Stage, Standing, ZoneStanding
from rules.values.arrays import Float64s
from store.record import SeriesRegistry


def standings(of: Float64s, *upto: int) -> list[tuple[ZoneStanding, Standing]]:
    """What is told after so many steps each; with one alert called false before the first of them."""
    registry = SeriesRegistry()
    engine, first, found = Engine(rules_of(f"alert: A, {BODY}"), registry), 0, []
    for end in upto:
        engine.evaluate(batch(registry, first, of[first:end]))
        engine.mark("other", 0, TABLE, Mark("g/A", "zone-s", "a", is_false=True))
        ((_, watch),) = engine.watches()
        assert isinstance(watch.judge, DetectorJudge)
        standing = watch.judge.standing()
        (zone,) = standing.by_zone()
        found.append((zone, standing))
        first = end
    return found


def test_a_series_becomes_provisional_and_is_suppressed_while_it_is_unusual() -> None:
    of = values()
    of[230:, 2] += 9  # a new level

    (learning, _), (provisional, before), (unusual, after) = standings(of, 100, 228, 242)

    assert learning.stages == {Stage.LEARNING: SENSORS, Stage.PROVISIONAL: 0, Stage.LIVE: 0}
    assert provisional.stages == {Stage.LEARNING: 0, Stage.PROVISIONAL: SENSORS, Stage.LIVE: 0}
    assert (provisional.suppressed, unusual.suppressed) == (0, 1)
    assert (provisional.false, provisional.right, round(provisional.bound, 2)) == (1, 0, round(7.936 + STEP, 2))
    (series,) = (one for one in after.by_series("zone-s", SENSORS) if one.suppressed)
    assert (series.series, series.zone, "spike" in series.suppressed) == (2, "zone-s", True)
    assert {"noise", "drift"} < set(series.learning)
    assert [one.series for one in before.by_series("zone-s", 2)] == [0, 1]
    assert list(before.by_series("elsewhere", 9)) == []


def test_a_series_that_all_detectors_judge_is_live_and_the_bound_is_that_of_its_zone() -> None:
    learning = np.array([[False, True, True], [False, False, True]])
    suppressed = np.array([[False, False, False], [True, False, False]])
    standing = Standing(
        *(np.array([4, 7, 9]), ("a", "b", "empty"), np.array([0, 1, 1]), (6.5, 6.2, 6.2), {"a": (1, 0)}),
        *(("spike", "drift"), learning, suppressed),
    )

    assert list(standing.by_zone()) == [
        ZoneStanding("a", {Stage.LEARNING: 0, Stage.PROVISIONAL: 0, Stage.LIVE: 1}, 1, 6.5, 1, 0),
        ZoneStanding("b", {Stage.LEARNING: 1, Stage.PROVISIONAL: 1, Stage.LIVE: 0}, 0, 6.2, 0, 0),
    ]
    assert [(one.series, one.stage, one.learning, one.suppressed) for one in standing.by_series(None, 2)] == [
        (4, Stage.LIVE, (), ("drift",)),
        (7, Stage.PROVISIONAL, ("spike",), ()),
    ]
