"""`max_alerts`: what fires beyond the cap of a rule is counted in one alert."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from rule_feed import START, STREAM, TABLE, Feed, rules_of

from rules.alerts.transition import Transition
from rules.engine import Engine
from rules.files.parse import parse_rules
from rules.rule import RuleSet
from store.record import SeriesRegistry

HOT = "alert: A, measure: t, range: {warning: {max: 30}, critical: {max: 40}}"
MINUTE = 60 - START % 60
"""The first second after START at which a minute begins."""


def feed_of(cap: str = "2/m") -> Feed:
    feed = Feed(rules_of(f"{HOT}, max_alerts: {cap}"))
    feed.tick(MINUTE - 1, MINUTE)
    return feed


def sent(feed: Feed, second: int, value: float, *sensors: str) -> list[Transition]:
    """What is told of this value of these sensors, in this second of a minute."""
    rows = [(sensor, MINUTE + second, value) for sensor in sensors]
    return feed.engine.evaluate(feed.batch(rows, "t"))


def told(found: Sequence[Transition]) -> list[tuple[str, str, float | None]]:
    return [(one.dimensions.get("sensor", "rule"), str(one.status), one.value) for one in found]


def ticked(feed: Feed, second: int) -> list[tuple[str, str, float | None]]:
    feed.ticks(MINUTE + second)
    return told(feed.transitions)


def test_as_many_as_the_cap_are_told() -> None:
    assert told(sent(feed_of(), 1, 31.0, "a", "b")) == [("a", "firing", 31.0), ("b", "firing", 31.0)]


def test_what_is_beyond_is_counted_in_one_alert_of_the_rule() -> None:
    feed = feed_of()

    *_, flood = found = sent(feed, 1, 31.0, "a", "b", "c", "d")

    assert told(found) == [("a", "firing", 31.0), ("b", "firing", 31.0), ("rule", "firing", 1)]
    assert (flood.reason, flood.dimensions, flood.zone, flood.labels) == (
        "flooding",
        {},
        None,
        {"severity": "critical"},
    )
    assert flood.annotations == {"summary": "g/A has fired more alerts than its max_alerts (2): 1 suppressed"}
    assert ticked(feed, 59) == []
    assert ticked(feed, 60) == [("rule", "firing", 2)], "told again, once it has grown"
    assert ticked(feed, 119) == []
    assert ticked(feed, 120) == [("rule", "resolved", 2)]
    assert ticked(feed, 200) == []


def test_each_minute_has_the_whole_cap() -> None:
    feed = feed_of()
    sent(feed, 1, 31.0, "a", "b")

    assert told(sent(feed, 60, 31.0, "c", "d", "e"))[:2] == [("c", "firing", 31.0), ("d", "firing", 31.0)]


def test_nothing_is_told_of_a_suppressed_alert_until_it_fires_again() -> None:
    feed = feed_of("1/m")
    sent(feed, 1, 31.0, "a", "b")

    assert told(sent(feed, 2, 41.0, "a", "b")) == [("a", "firing", 41.0)], "critical"
    assert told(sent(feed, 61, 20.0, "a", "b")) == [("a", "resolved", 20.0)]
    assert told(sent(feed, 62, 31.0, "b")) == [("b", "firing", 31.0)]


def test_a_flood_that_goes_on_is_one_alert() -> None:
    feed = feed_of("1/m")
    (_, first), again = sent(feed, 1, 31.0, "a", "b"), sent(feed, 61, 31.0, "c", "d")

    assert told(again) == [("c", "firing", 31.0)]
    assert ticked(feed, 120) == [("rule", "firing", 2)]
    assert ticked(feed, 180) == [("rule", "resolved", 2)]
    assert feed.transitions[0].id == first.id


def test_silence_floods_too() -> None:
    feed = Feed(rules_of("alert: A, missing: {after: 1m}, max_alerts: 1/m"))
    feed.tick(MINUTE - 1, MINUTE)
    sent(feed, 0, 20.0, "a", "b")
    ticked(feed, 50)
    sent(feed, 50, 20.0, "c", "d", "e")

    assert [status for _, status, _ in ticked(feed, 60)] == ["firing", "firing"]
    assert feed.transitions[1].reason == "flooding"


def test_how_the_log_is_cut_and_restarts_change_nothing() -> None:
    rng = random.Random(5)
    rows = [(rng.choice("abcdefgh"), second // 3, rng.choice([20.0, 31.0, 41.0])) for second in range(600)]

    def run(size: int, restarts: bool) -> list[Transition]:
        feed, found = feed_of("3/m"), []
        for second in range(0, 200, 10):
            part = [row for row in rows if second <= row[1] < second + 10]
            for start in range(0, len(part), size):
                batch = [(sensor, MINUTE + at, value) for sensor, at, value in part[start : start + size]]
                found += feed.engine.evaluate(feed.batch(batch, "t"))
            feed.ticks(MINUTE + second + 9)
            found += feed.transitions
            if restarts:
                data, feed.registry = feed.engine.snapshot(TABLE), SeriesRegistry()
                feed.engine = Engine(rules_of(f"{HOT}, max_alerts: 3/m"), feed.registry)
                assert feed.engine.restore(TABLE, data) == []
        return found

    whole = run(1000, restarts=False)

    assert {one.reason for one in whole} == {None, "flooding"}
    assert run(7, restarts=True) == whole


def test_when_the_rule_is_removed_the_flood_ends_and_what_was_suppressed_stays_so() -> None:
    feed = feed_of("1/m")
    first, flood = sent(feed, 1, 31.0, "a", "b")

    ended, _ = feed.engine.replace(RuleSet(), STREAM, 1 << 40)

    assert {one.id for one in ended} == {first.id, flood.id}
    assert {one.reason for one in ended} == {"rule_removed"}


@pytest.mark.parametrize("cap", ["100", "0/m", "5/s", "-1/m", "1.5/m"])
def test_what_is_no_cap_is_refused(cap: str) -> None:
    text = f"groups: [{{name: g, table: a.b, rules: [{{{HOT}, max_alerts: {cap}}}]}}]"

    _, (problem,) = parse_rules(text, "r.yaml")

    told = f"must be a number a minute or an hour, as 100/m or 1000/h, is {cap!r}"
    assert problem.message == f"`max_alerts` of rule A {told}"


def test_which_alerts_are_suppressed_does_not_depend_on_the_ids_of_series() -> None:
    """They differ from process to process, and a replay suppresses the same."""
    found = []
    for order in (("s1", "s2", "s3", "s4"), ("s4", "s2", "s1", "s3")):
        feed = Feed(rules_of("alert: A, missing: {after: 20s}, max_alerts: 1/m"))
        for sensor in order:
            feed.registry.of(TABLE).id_of(feed.key(sensor), feed.zone_of(sensor))
        feed.tick(0, 0)
        feed.hears(0, "s1", "s2", "s3", "s4")
        feed.hears(15, "s3", "s4")
        found.append(feed.ticks(20))

    assert len(found[0]) == 2
    assert found[0] == found[1]
