"""What each kind computes: each bound within, exactly at, and beyond; and what must not make it fire."""

from __future__ import annotations

import math
import random
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from rule_feed import SECOND, START, Feed, rules_of

from rules.alerts.transition import Transition
from rules.files.parse import parse_rules
from rules.kinds.arithmetic import parse_arithmetic
from store.record import MeasureType


def send(feed: Feed, sensor: str, seconds: float, **values: float | str | None) -> list[Transition]:
    """What one row of several measures changes."""
    made = feed.batch([(sensor, 0, None)])
    return feed.engine.evaluate(
        replace(
            made,
            time_ns=np.array([round((START + seconds) * SECOND)]),
            arrival_ns=np.array([round((START + seconds) * SECOND)]),
            measures={name: pa.array([value], pa.float64()) for name, value in values.items()},
            types=dict.fromkeys(values, MeasureType.DOUBLE),
        )
    )


OVER = "alert: Fast, measure: temperature, rate_of_change: {max: 2, min: -2, per: 1m, over: 5m%s}"


@pytest.mark.parametrize("method", ["", ", method: end_to_end"])
@pytest.mark.parametrize(("slope", "fires"), [(1.99999, False), (2.00001, True), (-1.99999, False), (-2.00001, True)])
def test_the_rate_over_a_window_of_a_straight_line_is_its_slope(method: str, slope: float, fires: bool) -> None:
    feed = Feed(rules_of(OVER % method))
    steps = [("a", second, second * slope / 60) for second in range(0, 900, 6)]

    fired = feed.send(*steps)

    assert bool(fired) == fires
    assert not fires or fired[0][3] == pytest.approx(slope)


def test_a_rate_over_a_window_is_judged_once_the_window_is_half_full() -> None:
    feed = Feed(rules_of(OVER % ""))

    fired = feed.send(*(("a", second, float(second)) for second in range(0, 400, 6)))

    assert [second for _, _, second, _ in fired] == [150]


@pytest.mark.parametrize("method", ["", ", method: end_to_end"])
def test_a_quantised_sensor_does_not_flood(method: str) -> None:
    """In steps of 0.5 °C each second, its neighbours differ by 30 °C a minute, and the air by 1 °C."""
    rng = random.Random(1)
    neighbours = "alert: Steps, measure: temperature, rate_of_change: {max: 2, min: -2, per: 1m}"
    feed = Feed(rules_of(OVER % method, neighbours))
    rows = [("a", n, round((20 + math.sin(n / 600) * 4 + rng.gauss(0, 0.05)) * 2) / 2) for n in range(1800)]

    fired = [one.rule for one in feed.engine.evaluate(feed.batch(rows)) if str(one.status) == "firing"]

    assert fired.count("g/Steps") > 10
    assert fired.count("g/Fast") == 0


def test_a_gap_longer_than_the_window_empties_it() -> None:
    feed = Feed(rules_of(OVER % ""))
    feed.send(*(("a", second, 20.0) for second in range(0, 300, 6)))

    assert feed.send(*(("a", 900 + second, 90.0) for second in range(0, 300, 6))) == []


@pytest.mark.parametrize(("value", "fires"), [(109, False), (110, False), (111, True), (90, False), (89, True)])
def test_a_rate_may_be_in_percent_of_the_value_before(value: float, fires: bool) -> None:
    rule = "alert: P, measure: temperature, rate_of_change: {max: 10, min: -10, per: 1m, unit: percent}"

    assert bool(Feed(rules_of(rule)).send(("a", 0, 100), ("a", 60, value))) == fires
    assert Feed(rules_of(rule)).send(("a", 0, 0), ("a", 60, value)) == []


FLAT = "alert: Flat, measure: temperature, flatline: {after: 60s%s}"


@pytest.mark.parametrize(("seconds", "fires"), [(59, False), (60, False), (61, True)])
def test_a_signal_is_flat_if_it_stays_the_same_for_longer_than_after(seconds: int, fires: bool) -> None:
    feed = Feed(rules_of(FLAT % ""))
    feed.send(("a", -9, 19), ("a", 0, 20), ("a", 10, 20))

    assert feed.send(("a", seconds, 20)) == ([("a", "firing", seconds, seconds)] if fires else [])
    assert feed.send(("a", 100, 21)) == ([("a", "resolved", 100, 0)] if fires else [])


@pytest.mark.parametrize(
    ("value", "fires"), [(20.49, True), (20.5, True), (20.51, False), (19.5, True), (19.49, False)]
)
def test_a_signal_within_epsilon_is_flat(value: float, fires: bool) -> None:
    feed = Feed(rules_of(FLAT % ", epsilon: 0.5"))

    assert bool(feed.send(("a", 0, 20), ("a", 30, value), ("a", 61, 20))) == fires


def test_auto_knows_how_long_each_signal_usually_stays_the_same() -> None:
    """One signal changes each second, the other every minute: the same 40 seconds are odd for the first alone."""
    feed = Feed(rules_of("alert: Flat, measure: temperature, flatline: {after: auto}"))
    for second in range(1500):
        feed.send(("quick", second, float(second)), ("slow", second, float(second // 60)))

    found = [feed.send(("quick", 1500 + n, 1.0), ("slow", 1500 + n, 1.0)) for n in range(40)]

    assert [(sensor, value) for one in found for sensor, _, _, value in one] == [("quick", 11)]


def test_an_expression_is_judged_where_all_of_its_measures_are_of_one_time() -> None:
    feed = Feed(rules_of("alert: E, expression: {of: 'x + 2 * y', max: 10}"))

    assert send(feed, "a", 0, x=100) == []
    assert send(feed, "a", 1, y=1) == []
    assert send(feed, "a", 2, x=8, y=1) == []
    (fired,) = send(feed, "a", 3, x=8.5, y=1)
    assert send(feed, "a", 4, x=1) == []
    (resolved,) = send(feed, "a", 4, y=1)

    assert (fired.value, fired.measure, dict(fired.bounds)) == (10.5, "expression", {"max": 10})
    assert (resolved.value, resolved.time_ns) == (3, (START + 4) * SECOND)


@pytest.mark.parametrize(("seconds", "fires"), [(29, True), (30, True), (31, False)])
def test_a_measure_of_an_expression_may_be_as_old_as_within(seconds: int, fires: bool) -> None:
    feed = Feed(rules_of("alert: E, measure: sum, expression: {of: x + y, max: 10, within: 30s}"))
    send(feed, "a", 0, x=9)

    assert [one.measure for one in send(feed, "a", seconds, y=9)] == (["sum"] if fires else [])


def test_where_an_expression_is_no_number_nothing_is_judged_and_it_is_counted() -> None:
    feed = Feed(rules_of("alert: E, expression: {of: x / y, max: 10}"))

    assert send(feed, "a", 0, x=1, y=0) == send(feed, "a", 1, x=0, y=0) == []
    ((_, _, work, *_),) = feed.engine.work(0)
    assert work.undefined == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x + y * 2 - 1", 10),
        ("-x ** 2 / (y + 1)", -1.8),
        ("x % 2 + +y", 5),
        ("max(x, y) - min(x, y)", 1),
        ("where(x > y, 1, where(x <= 3, 2, 3))", 2),
        ("'soil-moisture' + x", 10),
        ("round(exp(log(x)) + sqrt(y) + abs(-1) + floor(1.5) + ceil(0.5) + log10(10) + sin(0) + cos(0))", 10),
    ],
)
def test_arithmetic_is_what_it_says(text: str, value: float) -> None:
    of = parse_arithmetic(text)

    computed = of.of({"x": np.array([3.0]), "y": np.array([4.0]), "soil-moisture": np.array([7.0])})

    assert computed.tolist() == [pytest.approx(value)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x +", "is not an expression: 'x +'"),
        ("1 + 2", "names no measure"),
        ("squrt(x)", "has the unknown function squrt; did you mean sqrt?"),
        ("sqrt(x, 2)", "gives sqrt 2 arguments; it takes 1"),
        ("x.y", "has `x.y`, which is not arithmetic over measures"),
        ("[x]", "has `[x]`"),
        ("x if y else 1", "has `x if y else 1`"),
        ("x < y < 1", "has `x < y < 1`"),
        ("x and y", "has `x and y`"),
        ("x + True", "has True; only numbers count"),
        ("__import__('os').system('id')", "has `__import__('os').system('id')`"),
        ("x" + "+x" * 500, "has 1001 characters; the longest expression has 1000"),
        ("-" * 60 + "x", "is nested more than 40 deep"),
    ],
)
def test_what_is_not_arithmetic_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_arithmetic(text)


def test_a_rule_of_a_kind_without_a_name_for_its_values_needs_a_measure() -> None:
    text = "groups: [{name: g, table: a.b, rules: [{alert: A, flatline: {after: 1m}}]}]"

    assert [problem.message for problem in parse_rules(text, "x")[1]] == ["rule A lacks `measure`"]
