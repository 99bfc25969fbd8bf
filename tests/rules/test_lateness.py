"""`lateness`: any order of samples within it is judged as their order in time, with the same alerts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_feed import SECOND, START, STREAM, TABLE, Feed, rules_of

from rules.alerts.transition import Transition
from rules.engine import Engine
from rules.evaluation.lateness import MOST_HELD
from rules.files.parse import parse_rules
from rules.rule import RuleSet
from rules.values.listening import Listened
from store.record import MeasureType, RecordBatch, SeriesRegistry
from tests.support.examples import examples

LATENESS_S = 30
HOT = "alert: A, measure: temperature, range: {max: 30}"
BODIES = {
    "range": "measure: x, range: {warning: {max: 1, for: 20s}, critical: {max: 2, clear_for: 3 samples}}",
    "rate_of_change": "measure: x, rate_of_change: {max: 0.4, per: 1s}",
    "rate_of_change over": "measure: x, rate_of_change: {max: 0.05, per: 1s, over: 60s}",
    "flatline": "measure: y, flatline: {after: 15s, epsilon: 1}",
    "expression": "expression: {of: 'x - y', max: 2, within: 10s}",
    "zone": "measure: x, zone: {of: average, over: 20s, max: 0.5}",
    "peers": "measure: x, peers: {over: 20s, min: -1, max: 1, at_least: 3, noise: 0.5}",
    "count": "measure: x, count: {over: 40s, by: region, of: {min: 2}, max: 3}",
}
Row = tuple[str, int, dict[str, float | None]]
"""Sensor, seconds after START, values."""


def rows_of(rng: random.Random, *, apart: int = 0) -> list[Row]:
    """Samples of sensors in two zones, in order of time, so many seconds apart; no two of a sensor at one time."""
    return [
        (sensor, second + place * apart, {name: rng.choice([None, *map(float, range(-3, 4))]) for name in "xy"})
        for second in range(0, 400, 4)
        for place, sensor in enumerate(("a1", "a2", "a3", "b1"))
        if rng.random() < 0.8
    ]


def shuffled(rows: Sequence[Row], rng: random.Random) -> list[tuple[int, Row]]:
    """The same with times of arrival, each within the lateness after its time; some come twice."""
    arriving = [(row[1] + rng.randint(0, LATENESS_S - 1), row) for row in rows]
    arriving += [(at + rng.randint(0, 9), row) for at, row in arriving if rng.random() < 0.1]
    return sorted(arriving, key=lambda item: (item[0], rng.random()))


def run(rules: RuleSet, arriving: Sequence[tuple[int, Row]], rng: random.Random | None = None) -> list[Transition]:
    """What comes of these rows, until the last windows have closed. With `rng` in random batches, with restarts."""
    registry = SeriesRegistry()
    engine, found, offset = Engine(rules, registry), [], 0
    for second in range(0, 600, 10):
        part = [item for item in arriving if second - 10 < item[0] <= second]
        start = 0
        while start < len(part):
            size = len(part) if rng is None else rng.randint(1, 40)
            found += engine.evaluate(batch_of(registry, part[start : start + size], offset + start))
            start += size
        offset += len(part)
        engine.advance(STREAM, offset - 1)
        if rng is not None and engine.blocks() and rng.random() < 0.2:
            data, registry = engine.snapshot(TABLE), SeriesRegistry()
            for sensor in (
                "b1",
                "a3",
                "a2",
                "a1",
            ):  # ids differ from process to process; zones are known from the store
                registry.of(TABLE).id_of(Feed.key(sensor), f"zone-{sensor[0]}")
            clock, engine = engine.clock, Engine(rules, registry)
            engine.begin(rules, clock)
            assert engine.restore(TABLE, data) == []
        found += engine.tick(STREAM, offset, Listened("g", at(second - 10), at(second)))
        offset += 1
    return found


def at(second: int) -> int:
    return (START + second) * SECOND


def batch_of(registry: SeriesRegistry, part: Sequence[tuple[int, Row]], offset: int) -> RecordBatch:
    index = registry.of(TABLE)
    series = [index.id_of(Feed.key(sensor), f"zone-{sensor[0]}") for _, (sensor, *_) in part]
    return RecordBatch(
        *(index, STREAM, np.array(series, np.int32)),
        np.array([at(second) for _, (_, second, _) in part], np.int64),
        np.ones(len(part), np.int64),
        np.arange(offset, offset + len(part), dtype=np.int64),
        np.array([at(second) for second, _ in part], np.int64),
        {name: pa.array([values[name] for *_, (*_, values) in part], pa.float64()) for name in "xy"},
        dict.fromkeys("xy", MeasureType.DOUBLE),
    )


def ordered(found: Sequence[Transition]) -> list[Transition]:
    return sorted(found, key=lambda one: (one.time_ns, one.id, one.status))


@pytest.mark.parametrize("kind", BODIES)
@examples(3)
@given(seed=st.integers(0, 2**32))
def test_any_order_within_lateness_gives_the_same_alerts(kind: str, seed: int) -> None:
    rules = rules_of(f"alert: A, {BODIES[kind]}, lateness: {LATENESS_S}s")
    rng = random.Random(seed)
    rows = rows_of(rng)

    found = run(rules, shuffled(rows, rng), rng)

    assert ordered(found) == ordered(run(rules, [(row[1], row) for row in rows]))


def test_there_are_counts_that_fire_and_resolve() -> None:
    """At ticks, which later than without it."""
    rows = [(row[1], row) for row in rows_of(random.Random(1))]

    found = run(rules_of(f"alert: A, {BODIES['count']}, lateness: 30s"), rows)

    assert {str(one.status) for one in found} == {"firing", "resolved"}


@pytest.mark.parametrize("kind", [kind for kind in BODIES if kind != "count"])
def test_the_alerts_are_those_of_rows_in_order_without_it(kind: str) -> None:
    """And there are some of each kind, or the law above would say nothing."""
    rows = [(row[1], row) for row in rows_of(random.Random(1), apart=1)]
    end = (500, ("b1", 600, {"x": None, "y": None}))

    late, usual = (run(rules_of(f"alert: A, {BODIES[kind]}{more}"), [*rows, end]) for more in (", lateness: 30s", ""))

    assert {str(one.status) for one in late} == {"firing", "resolved"}
    size = min(len(late), len(usual))
    assert ordered(late)[:size] == ordered(usual)[:size]


def feed_of(*bodies: str) -> Feed:
    feed = Feed(rules_of(*(bodies or (f"{HOT}, lateness: 30s",))))
    feed.tick(0, 0)
    return feed


@pytest.mark.parametrize(("second", "expected"), [(29, []), (30, []), (31, [("s1", "firing", 0, 31.0)])])
def test_a_sample_waits_for_a_later_one_of_its_series(second: int, expected: list[object]) -> None:
    feed = feed_of()
    feed.arrives(0, ("s1", 0, 31.0))

    assert feed.arrives(1, ("s2", 1_000, 20.0)) == [], "another series"
    assert feed.arrives(second, ("s1", second, 20.0)) == expected


@pytest.mark.parametrize(("second", "expected"), [(29, []), (30, [("s1", "firing", 0, 31.0)])])
def test_or_until_nothing_has_come_for_so_long(second: int, expected: list[object]) -> None:
    feed = feed_of()
    feed.arrives(0, ("s1", 0, 31.0))

    assert feed.ticks(second) == expected


def test_time_in_which_we_did_not_listen_does_not_count() -> None:
    feed = feed_of()
    feed.arrives(0, ("s1", 0, 31.0))

    assert feed.tick(1_000, 1_029) == []
    assert feed.tick(1_029, 1_030) == [("s1", "firing", 0, 31.0)]


def test_a_sample_in_between_is_judged_in_its_place() -> None:
    feed = feed_of("alert: A, measure: temperature, range: {max: 30}, for: 20s, lateness: 30s")
    feed.arrives(0, ("s1", 0, 31.0))
    feed.arrives(25, ("s1", 25, 31.0), ("s1", 10, 20.0))

    assert feed.ticks(60) == [], "it was normal at 10"


@pytest.mark.parametrize(("second", "judged"), [(69, False), (70, True), (71, True)])
def test_what_is_later_than_that_is_not_judged_and_counted(second: int, judged: bool) -> None:
    feed = feed_of()
    feed.arrives(100, ("s1", 100, 20.0), ("s1", second, 99.0))
    ((_, _, work, _, _),) = feed.engine.work(0)

    assert (feed.ticks(200) != []) == judged
    assert work.late == (0 if judged else 1)


def test_of_two_values_at_one_time_the_last_one_counts() -> None:
    feed = feed_of()
    feed.arrives(0, ("s1", 0, 31.0))
    feed.arrives(1, ("s1", 0, 33.0))

    assert feed.ticks(60) == [("s1", "firing", 0, 33.0)]


def test_whole_numbers_stay_whole() -> None:
    feed = feed_of()
    feed.engine.evaluate(feed.batch([("s1", 0, 31)], kind=MeasureType.BIGINT))
    feed.ticks(30)

    assert [repr(one.value) for one in feed.transitions] == ["31"]


def test_one_clock_that_is_ahead_makes_nothing_late() -> None:
    feed = feed_of()
    feed.arrives(0, ("s1", 100_000, 20.0))
    feed.arrives(5, ("s1", 5, 31.0))

    assert ("s1", "firing", 5, 31.0) in feed.ticks(60)


def test_readings_that_wait_are_heard() -> None:
    """Absence begins when nothing comes, not when the last sample is judged."""
    feed = feed_of(f"{HOT}, lateness: 30s, no_data: {{then: alert, after: 1m}}")
    feed.arrives(0, ("s1", 0, 20.0))

    assert [status for _, status, _, _ in feed.ticks(60)] == ["firing"]


def test_no_more_than_so_many_rows_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_HELD == 1_000_000
    monkeypatch.setattr("rules.evaluation.lateness.MOST_HELD", 2)
    feed = feed_of()
    feed.arrives(0, *((sensor, 0, 31.0) for sensor in ("s1", "s2", "s3")))

    assert len(feed.ticks(1)) == 3
    assert feed.arrives(2, ("s1", -1, 99.0)) == []
    assert feed.ticks(60) == []


def test_a_rule_with_it_is_another_and_others_are_told_at_once() -> None:
    feed = feed_of(f"{HOT}, lateness: 30s", HOT.replace("A", "B"))

    assert feed.arrives(0, ("s1", 0, 31.0)) == [("s1", "firing", 0, 31.0)]
    assert feed.ticks(30) == [("s1", "firing", 0, 31.0)]
    first, second = (replace(rule, alert="A") for rule in feed.engine._rules.rules)
    assert first.definition != second.definition


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("range: {max: 1}, lateness: 11m", "`lateness` of rule A may be at most 10m, is 11m"),
        ("missing: {after: 1m}, lateness: 1m", "`lateness` of rule A does not go with `missing`"),
    ],
)
def test_what_is_wrong_is_told(body: str, problem: str) -> None:
    _, problems = parse_rules(f"groups: [{{name: g, table: a.b, rules: [{{alert: A, measure: t, {body}}}]}}]", "r.yaml")

    assert [found.message for found in problems] == [problem]
