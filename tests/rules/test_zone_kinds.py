"""Kinds whose alerts are about a zone or a group: each bound within, exactly at, and beyond."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from rule_feed import SECOND, START, STREAM, TABLE, Feed, brief, rules_of

from rules.alerts.transition import Transition
from rules.engine import Engine
from store.record import MeasureType, RecordBatch, SeriesKey, SeriesRegistry

BEGIN = -(-START // 60) * 60 - START  # of a minute
Row = tuple[str, str, float, float]
"""Zone, sensor, seconds after BEGIN, value."""


class Zones:
    """An engine with one rule over sensors of zones; each row arrives when it is measured, `late` seconds later."""

    def __init__(self, body: str) -> None:
        self.registry = SeriesRegistry()
        self.engine = Engine(rules_of(f"alert: Z, measure: t, {body}"), self.registry)
        self.offset = 0

    def send(self, rows: Sequence[Row], late: float = 0) -> list[Transition]:
        index = self.registry.of(TABLE)
        time_ns = np.array([round((START + BEGIN + second) * SECOND) for _, _, second, _ in rows], np.int64)
        offset = np.arange(self.offset, self.offset + len(rows))
        self.offset += len(rows)
        batch = RecordBatch(
            index,
            STREAM,
            np.array([index.id_of(SeriesKey((("sensor", sensor),), ""), zone) for zone, sensor, *_ in rows], np.int32),
            time_ns,
            np.ones(len(rows), np.int64),
            offset,
            time_ns + round(late * SECOND),
            {"t": pa.array([value for *_, value in rows], pa.float64())},
            {"t": MeasureType.DOUBLE},
        )
        return self.engine.evaluate(batch)


def told(transitions: Sequence[Transition]) -> list[tuple[str | None, str, float, float | None]]:
    """(zone, status, seconds after BEGIN, value)."""
    return [
        (
            one.zone,
            str(one.status),
            one.time_ns / SECOND - START - BEGIN,
            None if one.value is None else round(one.value, 6),
        )
        for one in transitions
    ]


AVERAGE = "zone: {of: average, over: 1m, max: 30}"


@pytest.mark.parametrize(("value", "fires"), [(31.9, False), (32, False), (32.1, True)])
def test_the_average_of_a_zone_is_that_of_all_its_samples(value: float, fires: bool) -> None:
    """A sensor that says more counts more, as in averages; the other zone is judged by itself."""
    zones = Zones(AVERAGE)
    rows = [("n", "a", 0, value), ("n", "a", 30, value), ("n", "b", 40, 26), ("s", "c", 59, 99)]

    found = zones.send([*rows, ("n", "a", 70, 20)])

    assert told(found) == ([("n", "firing", 60, round((2 * value + 26) / 3, 6))] if fires else [])
    assert [(one.dimensions, one.since_ns) for one in found] == [
        ({"zone_name": "n"}, (START + BEGIN + 60) * SECOND) for _ in found
    ]


@pytest.mark.parametrize(("second", "closes"), [(69.9, False), (70, True), (70.1, True)])
def test_a_window_closes_with_a_sample_ten_seconds_after_its_end(second: float, closes: bool) -> None:
    """Until then samples of it are counted, though others are of the next window already."""
    zones = Zones(AVERAGE)
    before = zones.send([("n", "a", 0, 20), ("n", "a", 65, 20), ("n", "b", 59, 80)])

    assert told(before) == []
    assert told(zones.send([("n", "a", second, 20)])) == ([("n", "firing", 60, 50)] if closes else [])


def test_what_is_later_than_its_window_is_left_out() -> None:
    zones = Zones(AVERAGE)

    found = zones.send([("n", "a", 0, 20), ("n", "a", 70, 20), ("n", "b", 59, 990), ("n", "a", 130, 20)])

    assert told(found) == []


def test_a_sample_ahead_of_its_time_closes_no_window() -> None:
    zones = Zones(AVERAGE)
    zones.send([("n", "a", 0, 20)])
    zones.send([("n", "b", 900, 20)], late=-890)

    assert told(zones.send([("n", "a", 30, 50), ("n", "a", 70, 50)])) == [("n", "firing", 60, 35)]


def test_windows_of_a_clock_that_was_set_back_are_dropped() -> None:
    zones = Zones(AVERAGE)
    zones.send([("n", "a", 7200, 20)])

    assert told(zones.send([("n", "a", 0, 50), ("n", "b", 70, 50)])) == [("n", "firing", 60, 50)]


@pytest.mark.parametrize(
    ("of", "value"),
    [("min", 10), ("max", 40), ("count", 3), ("share, beyond: {max: 25}", round(2 / 3, 6)), ("average", 25)],
)
def test_each_aggregate_of_a_zone(of: str, value: float) -> None:
    zones = Zones(f"zone: {{of: {of}, over: 1m, min: 1000}}")
    rows = [("n", "a", 0, 10), ("n", "a", 5, 20), ("n", "b", 6, 30), ("n", "c", 8, 40), ("n", "a", 70, 0)]

    assert told(zones.send(rows)) == [("n", "firing", 60, value)]


def test_a_zone_that_comes_back_within_its_bounds_resolves() -> None:
    zones = Zones(AVERAGE)

    found = zones.send([("n", "a", 0, 40), ("n", "a", 70, 30), ("n", "a", 130, 30), ("n", "a", 500, 1)])

    assert told(found) == [("n", "firing", 60, 40), ("n", "resolved", 120, 30)]
    assert found[0].id == found[1].id


PEERS = "peers: {over: 1m, min: -6, max: 6, noise: 0.1}"


def minute(zones: Zones, number: int, *values: float) -> list[tuple[str, str, float]]:
    """Who fires or resolves by one minute of a zone whose sensors have these values: (subject, status, value)."""
    rows = [("n", f"s{place}", 60 * number + place, value) for place, value in enumerate(values)]
    found = zones.send([*rows, ("n", "s0", 60 * number + 59, values[0])])
    found += zones.send([("n", "s0", 60 * number + 70, values[0])])
    return [(next(iter(one.dimensions.values())), str(one.status), round(one.value or 0, 3)) for one in found]


@pytest.mark.parametrize(("odd", "fires"), [(20.59, False), (20.61, True), (19.41, False), (19.39, True)])
def test_a_sensor_is_odd_if_it_is_far_from_the_median_of_its_zone(odd: float, fires: bool) -> None:
    """The others are all the same, so their spread is the noise that there always is."""
    found = minute(Zones(PEERS), 0, 20, 20, 20, 20, 20, 20, 20, 20.01, 20.01)
    odd_found = minute(Zones(PEERS), 0, 20, 20, 20, 20.0001, 20.0001, 20.0001, odd)

    assert found == []
    assert [subject for subject, *_ in odd_found] == (["s6"] if fires else [])


def test_the_spread_of_the_zone_is_the_unit() -> None:
    """1.4826 times the median of the distances 2 1 0 1 2 10."""
    zones = Zones("peers: {over: 1m, min: -5, max: 5}")

    (found,) = minute(zones, 0, 18, 19, 20, 21, 22, 20, 30)

    assert found == ("s6", "firing", round(10 / 1.4826, 3))


def test_a_zone_that_moves_as_a_whole_is_one_alert_of_the_zone() -> None:
    rows = [
        ("n", f"s{place}", 60 * number + 10 + place, level + value)
        for number, level in enumerate([20, 20, 25, 25, 25])
        for place, value in enumerate([0, 0.1, -0.1, 0, 0.1])
    ]

    found = Zones(PEERS).send(rows)

    assert [(one.dimensions, *status) for one, (_, *status, _) in zip(found, told(found), strict=True)] == [
        ({"zone_name": "n"}, "firing", 180),
        ({"zone_name": "n"}, "resolved", 240),
    ]


@pytest.mark.parametrize(("sensors", "fires"), [(4, False), (5, True), (6, True)])
def test_a_zone_with_few_sensors_is_not_judged(sensors: int, fires: bool) -> None:
    assert bool(minute(Zones(PEERS), 0, *([20] * (sensors - 1)), 90)) == fires


COUNT = "count: {over: 1m, by: sensor, of: {min: 1}, max: 4}"


@pytest.mark.parametrize(("last", "fires"), [(59, True), (60, False), (61, False)])
def test_events_are_counted_in_the_window_that_ends_with_the_newest(last: float, fires: bool) -> None:
    """Which is open at its beginning: what was a whole window ago does not count."""
    zones = Zones(COUNT)

    found = zones.send([("n", "a", second, 1) for second in (0, 1, 2, 3)] + [("n", "a", last, 1), ("n", "b", last, 1)])

    assert told(found) == ([(None, "firing", last, 5)] if fires else [])


def test_samples_that_are_no_events_only_let_time_pass() -> None:
    zones = Zones(COUNT)
    zones.send([("n", "a", second, 1) for second in range(5)])

    assert told(zones.send([("n", "a", 30, 0), ("n", "a", 60, 0)])) == [(None, "resolved", 60, 4)]


def test_without_by_all_series_are_one_group() -> None:
    zones = Zones("count: {over: 1m, max: 4}")

    found = zones.send([("n", f"s{place}", place, 0) for place in range(5)])

    assert [(one.dimensions, one.value) for one in found] == [({}, 5)]


def test_a_sample_that_closes_two_windows_tells_of_both() -> None:
    feed = Feed(rules_of("alert: A, measure: t, zone: {of: max, over: 10s, max: 30}"))
    feed.zone_of = lambda sensor: "z"  # type: ignore[method-assign]
    begin = -START % 10
    feed.engine.evaluate(feed.batch([("a", begin + 1, 40.0), ("b", begin + 11, 20.0)], "t"))

    found = feed.engine.evaluate(feed.batch([("a", begin + 40, 20.0)], "t"))

    assert brief(found) == [("zone z", "firing", begin + 10, 40.0), ("zone z", "resolved", begin + 20, 20.0)]
