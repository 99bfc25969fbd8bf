"""Windows end by time as well as by a later reading: a zone or group that falls silent is decided."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from rule_feed import START, TABLE, Feed, rules_of

from rules.alerts.transition import Transition
from rules.engine import Engine
from rules.kinds.windows import Groups
from store.record import SeriesRegistry

BEGIN = -START % 10
"""A second at which a window of ten begins."""
Told = list[tuple[str, str, int, float]]


def feed_of(kind: str) -> Feed:
    feed = Feed(rules_of(f"alert: A, measure: temperature, {kind}"))
    feed.zone_of = lambda sensor: sensor[0]  # type: ignore[method-assign]
    feed.tick(BEGIN - 1, BEGIN)
    return feed


def at(second: int, feed: Feed, *rows: tuple[str, float], late: int = 0) -> Told:
    """What comes of these readings, which arrive so late, and of a tick before."""
    feed.ticks(BEGIN + second + late)
    return feed.arrives(BEGIN + second + late, *((sensor, BEGIN + second, value) for sensor, value in rows))


@pytest.mark.parametrize(("second", "expected"), [(14, []), (15, [("zone a", "firing", BEGIN + 10, 40.0)])])
def test_a_window_closes_when_its_zone_falls_silent(second: int, expected: Told) -> None:
    feed = feed_of("zone: {of: average, over: 10s, max: 30}")
    at(1, feed, ("a1", 50.0), ("a2", 30.0))

    assert feed.ticks(BEGIN + second) == expected
    assert feed.ticks(BEGIN + 100) == ([] if expected else [("zone a", "firing", BEGIN + 10, 40.0)]), "once"


def test_clocks_that_are_behind_have_as_much_time() -> None:
    feed = feed_of("zone: {of: max, over: 10s, max: 30}")
    at(1, feed, ("a1", 20.0), late=60)

    assert feed.ticks(BEGIN + 70) == []
    assert at(9, feed, ("a1", 50.0), late=62) == []
    assert feed.ticks(BEGIN + 75) == []
    assert feed.ticks(BEGIN + 77) == [("zone a", "firing", BEGIN + 10, 50.0)]


def test_a_zone_that_sends_nothing_counts_none_and_has_no_average() -> None:
    feed, of_average = (
        feed_of("zone: {of: count, over: 10s, min: 1}"),
        feed_of("zone: {of: average, over: 10s, min: 1}"),
    )
    for one in (feed, of_average):
        at(1, one, ("a1", 50.0), ("a2", 30.0))

    assert feed.ticks(BEGIN + 24) == []
    assert feed.ticks(BEGIN + 100) == [("zone a", "firing", BEGIN + 20, 0.0)]
    assert at(101, feed, ("a1", 50.0)) == []
    assert feed.ticks(BEGIN + 115) == [("zone a", "resolved", BEGIN + 110, 1.0)]
    assert of_average.ticks(BEGIN + 115) == []


def test_while_we_do_not_listen_no_window_closes() -> None:
    feed = feed_of("zone: {of: max, over: 10s, max: 30}")
    at(1, feed, ("a1", 50.0))

    assert feed.tick(BEGIN + 500, BEGIN + 512) == []
    assert feed.tick(BEGIN + 512, BEGIN + 515) == [("zone a", "firing", BEGIN + 10, 50.0)]


def test_what_comes_for_a_window_that_a_tick_closed_is_left_out() -> None:
    feed = feed_of("zone: {of: max, over: 10s, max: 30}")
    at(1, feed, ("a1", 20.0))
    feed.ticks(BEGIN + 20)

    assert at(2, feed, ("a2", 99.0), late=20) == []
    assert at(31, feed, ("a1", 20.0)) == []
    assert feed.ticks(BEGIN + 60) == []


def test_both_open_windows_close() -> None:
    feed = feed_of("zone: {of: max, over: 10s, max: 30}")
    at(1, feed, ("a1", 50.0))
    at(11, feed, ("a2", 20.0))

    assert feed.ticks(BEGIN + 60) == [("zone a", "firing", BEGIN + 10, 50.0), ("zone a", "resolved", BEGIN + 20, 20.0)]


def test_odd_sensors_of_a_silent_zone_are_found() -> None:
    feed = feed_of("peers: {over: 10s, max: 3, at_least: 3, noise: 1}")
    at(1, feed, ("a1", 20.0), ("a2", 20.0), ("a3", 30.0))

    assert feed.ticks(BEGIN + 15) == [("a3", "firing", BEGIN + 10, 10.0)]


@pytest.mark.parametrize(("second", "expected"), [(10, []), (11, [("zone None", "resolved", BEGIN + 11, 1.0)])])
def test_events_leave_the_window_as_time_goes_on(second: int, expected: Told) -> None:
    feed = feed_of("count: {over: 10s, by: region, max: 1}")
    at(1, feed, ("a1", 1.0))
    assert at(2, feed, ("a2", 1.0)) == [("zone None", "firing", BEGIN + 2, 2.0)]

    assert feed.ticks(BEGIN + second) == expected


@pytest.mark.parametrize("ticks", [(11, 12, 29), (12, 29), (29,), ()])
def test_a_drop_is_at_its_own_time_whenever_it_is_noticed(ticks: tuple[int, ...]) -> None:
    feed = feed_of("count: {over: 10s, min: 1}")
    at(1, feed, ("a1", 1.0))

    found = [one for second in ticks for one in feed.ticks(BEGIN + second)]
    found += feed.arrives(BEGIN + 30, ("a1", BEGIN + 30, 1.0))

    assert found == [("zone None", "firing", BEGIN + 11, 0.0), ("zone None", "resolved", BEGIN + 30, 1.0)]


@pytest.mark.parametrize("until", [12, 20])
def test_a_tick_is_no_sample_of_a_group(until: int) -> None:
    feed = Feed(rules_of("alert: A, measure: temperature, count: {over: 10s, min: 2}, for: 3 samples"))
    feed.tick(BEGIN - 1, BEGIN)
    at(1, feed, ("a1", 1.0))

    assert feed.ticks(*range(BEGIN + 2, BEGIN + until)) == []
    assert at(until, feed, ("a1", 1.0)) == [("zone None", "firing", BEGIN + until, 1.0)]


def test_too_few_events_are_noticed_and_held_for_a_time() -> None:
    feed = Feed(rules_of("alert: A, measure: temperature, count: {over: 10s, min: 1}, for: 5s"))
    feed.tick(BEGIN - 1, BEGIN)
    at(1, feed, ("a1", 1.0))

    found = [feed.ticks(BEGIN + second) for second in (10, 11, 15, 16, 17)]

    assert found == [[], [], [], [("zone None", "firing", BEGIN + 16, 0.0)], []]
    assert at(18, feed, ("a1", 1.0)) == [("zone None", "resolved", BEGIN + 18, 1.0)]


@pytest.mark.parametrize(
    "kind",
    [
        "zone: {of: max, over: 10s, max: 2}",
        "zone: {of: count, over: 10s, min: 2}",
        "peers: {over: 10s, min: -1, max: 1, at_least: 3, noise: 0.5}",
        "count: {over: 20s, by: region, of: {min: 2}, max: 3}",
    ],
)
def test_how_the_log_is_cut_and_restarts_change_nothing(kind: str) -> None:
    rng = random.Random(4)
    sensors = ("a1", "a2", "a3", "b1", "b2", "b3")
    rows = [
        (s, n, float(rng.randint(-3, 3))) for n in range(300) for s in sensors if rng.random() < 0.1 and n % 60 < 35
    ]

    def run(size: int, restarts: bool) -> list[Transition]:
        feed, found = feed_of(kind), []
        for second in range(0, 300, 5):
            part = [row for row in rows if second <= row[1] < second + 5]
            for start in range(0, len(part), size):
                found += feed.engine.evaluate(feed.batch([(s, BEGIN + n, v) for s, n, v in part[start : start + size]]))
            feed.ticks(BEGIN + second + 5)
            found += feed.transitions
            if restarts and feed.engine.blocks():
                data, feed.registry = feed.engine.snapshot(TABLE), SeriesRegistry()
                for sensor in reversed(sensors):
                    feed.registry.of(TABLE).id_of(feed.key(sensor), feed.zone_of(sensor))
                feed.engine = Engine(feed.engine._rules, feed.registry)
                assert feed.engine.restore(TABLE, data) == []
        return found

    whole = run(1000, restarts=False)

    assert {str(one.status) for one in whole} == {"firing", "resolved"}
    assert ordered(run(3, restarts=True)) == ordered(whole)


def ordered(found: Sequence[Transition]) -> list[Transition]:
    return sorted(found, key=lambda one: (one.time_ns, one.id, one.status))


def test_groups_have_the_places_of_each_number_and_of_none() -> None:
    groups = Groups(np.array([2, -1, 0, 2, 0]))

    assert [groups.of(number).tolist() for number in range(4)] == [[2, 4], [], [0, 3], []]
    assert Groups(np.empty(0, np.intp)).of(0).tolist() == []
