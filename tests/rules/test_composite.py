"""`composite`: rules that fire together."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from rule_feed import STREAM, TABLE, Feed, brief, rules_of

from rules import RuleSet
from rules.alerts.transition import Transition
from rules.engine import Engine
from rules.files.composing import with_parts
from rules.files.parse import parse_rules
from store.record import SeriesRegistry

HOT = "alert: Hot, measure: t, range: {max: 30}"
DRY = "alert: Dry, measure: h, range: {min: 40}"
ZONE = "alert: ZoneHot, measure: t, zone: {of: max, over: 10s, max: 50}"
ALLOWED = "only names of rules, and, or, not, and parentheses are possible"
Told = list[tuple[str, str, int, float | None]]


def feed_of(composite: str, *more: str) -> Feed:
    feed = Feed(
        rules_of(HOT, DRY, ZONE, f"alert: Both, composite: {{{composite}}}{', ' if more else ''}{', '.join(more)}")
    )
    feed.zone_of = lambda sensor: sensor[0]  # type: ignore[method-assign]
    feed.tick(0, 0)
    return feed


def of_both(found: list[Transition]) -> Told:
    return brief([one for one in found if one.rule == "g/Both"])


def sent(feed: Feed, second: int, measure: str, *values: tuple[str, float]) -> Told:
    """What the composite rule does, if these sensors send these values in this second."""
    batch = feed.batch([(sensor, second, value) for sensor, value in values], measure)
    return of_both(feed.engine.evaluate(batch))


def ticked(feed: Feed, second: int) -> Told:
    feed.ticks(second)
    return of_both(feed.transitions)


def test_it_fires_while_both_fire_for_the_same_device() -> None:
    feed = feed_of("of: Hot and Dry")

    assert sent(feed, 1, "t", ("a1", 31), ("a2", 20)) == []
    assert sent(feed, 2, "h", ("a1", 50), ("a2", 30)) == [], "not the same device"
    assert sent(feed, 3, "h", ("a1", 30)) == [("a1", "firing", 3, 1.0)]
    assert sent(feed, 4, "t", ("a1", 20)) == [("a1", "resolved", 4, 0.0)]


def test_or_and_not() -> None:
    feed = feed_of("of: (Hot or Dry) and not (Hot and Dry)")

    assert sent(feed, 1, "t", ("a1", 31)) == [("a1", "firing", 1, 1.0)]
    assert sent(feed, 2, "h", ("a1", 30)) == [("a1", "resolved", 2, 0.0)]
    assert sent(feed, 3, "t", ("a1", 20)) == [("a1", "firing", 3, 1.0)]


def test_what_happens_at_one_place_is_taken_together() -> None:
    both = "alert: Both, composite: {of: Hot and not Hotter}"
    feed = Feed(rules_of(HOT, "alert: Hotter, measure: t, range: {max: 40}", both))

    assert sent(feed, 1, "t", ("a1", 50)) == []
    assert sent(feed, 2, "t", ("a1", 35)) == [("a1", "firing", 2, 1.0)]


def test_an_alert_of_a_zone_is_about_its_devices() -> None:
    feed = feed_of("of: Hot and ZoneHot")
    sent(feed, 1, "t", ("a1", 60), ("b1", 31))

    assert ticked(feed, 15) == [("a1", "firing", 15, 1.0)]
    assert sent(feed, 21, "t", ("a2", 20), ("a1", 60)) == []
    assert sent(feed, 25, "t", ("a2", 31)) == [("a2", "firing", 25, 1.0)]


@pytest.mark.parametrize(("second", "expected"), [(29, []), (30, [("zone a", "resolved", 30, 0.0)])])
def test_by_zone_and_within(second: int, expected: Told) -> None:
    feed = feed_of("of: Hot and Dry, by: zone, within: 20s")
    sent(feed, 1, "t", ("a1", 31))
    feed.ticks(10)
    assert sent(feed, 10, "t", ("a1", 20)) == []

    assert sent(feed, 12, "h", ("a2", 30)) == [("zone a", "firing", 12, 1.0)]
    assert sent(feed, 13, "h", ("b2", 30)) == []
    assert ticked(feed, second) == expected


def test_what_was_over_for_longer_does_not_count() -> None:
    feed = feed_of("of: Hot and Dry, within: 20s")
    sent(feed, 1, "t", ("a1", 31))
    sent(feed, 2, "t", ("a1", 20))
    feed.ticks(10)
    feed.tick(1_000, 1_012)  # time in which we did not listen does not count

    assert sent(feed, 1_013, "h", ("a1", 30)) == []


def test_for_and_clear_for_go_on_without_samples() -> None:
    feed = feed_of("of: Hot and Dry", "for: 30s", "clear_for: 10s")
    sent(feed, 1, "t", ("a1", 31))
    assert sent(feed, 2, "h", ("a1", 30)) == []

    assert ticked(feed, 31) == []
    assert ticked(feed, 32) == [("a1", "firing", 32, 1.0)]
    assert sent(feed, 33, "t", ("a1", 20)) == []
    assert ticked(feed, 42) == []
    assert ticked(feed, 43) == [("a1", "resolved", 43, 0.0)]


def test_silence_is_a_rule_too_and_composites_may_be_composed() -> None:
    rules = rules_of(
        "alert: Top, composite: {of: Low and Hot}",
        "alert: Low, composite: {of: Silent or Dry}",
        *(HOT, DRY, "alert: Silent, missing: {after: 1m, share: 100%}"),
    )
    feed = Feed(rules)
    feed.tick(0, 0)
    feed.engine.evaluate(feed.batch([("a1", 1, 31.0), ("b1", 1, 20.0)], "t"))
    feed.ticks(50)
    feed.engine.evaluate(feed.batch([("b1", 50, 20.0)], "t"))

    feed.ticks(60)
    assert feed.transitions == []
    feed.ticks(61)
    assert [one.rule for one in feed.transitions] == ["g/Top", "g/Low", "g/Silent"]


def test_it_survives_a_restart_and_a_change_of_another_rule() -> None:
    feed = feed_of("of: Hot and Dry, within: 10s")
    sent(feed, 1, "t", ("a1", 31), ("a2", 31))
    sent(feed, 2, "h", ("a1", 30))
    rules, data = feed.engine._rules, feed.engine.snapshot(TABLE)
    feed.registry = SeriesRegistry()
    feed.registry.of(TABLE).id_of(feed.key("z9"))
    feed.engine = Engine(rules, feed.registry)
    assert feed.engine.restore(TABLE, data) == []

    assert ticked(feed, 3) == []
    assert sent(feed, 4, "h", ("a2", 30)) == [("a2", "firing", 4, 1.0)]
    assert sent(feed, 5, "t", ("a1", 20)) == []
    assert [one for second in (10, 14, 15) for one in ticked(feed, second)] == [("a1", "resolved", 15, 0.0)]


def test_a_new_composite_rule_knows_what_fires_already() -> None:
    feed = Feed(rules_of(HOT, DRY))
    feed.tick(0, 0)
    sent(feed, 1, "t", ("a1", 31))
    sent(feed, 2, "h", ("a1", 30))

    feed.engine.replace(rules_of(HOT, DRY, "alert: Both, composite: {of: Hot and Dry}"), STREAM, feed.offset)
    feed.offset += 1

    assert ticked(feed, 3) == [("a1", "firing", 3, 1.0)]


def test_it_is_changed_if_one_of_its_rules_is() -> None:
    both = "alert: Both, composite: {of: Hot and Dry}"
    before, same = rules_of(HOT, DRY, both), rules_of(HOT, f"{DRY}, labels: {{a: b}}", both)
    after = rules_of(HOT, "alert: Dry, measure: h, range: {min: 41}", both)

    definitions = [rules.rules[2].definition for rules in (before, same, after)]

    assert definitions[0] == definitions[1] != definitions[2]


def test_how_the_log_is_cut_changes_nothing() -> None:
    rng = random.Random(3)
    rows = [
        (rng.choice(["a1", "a2", "b1"]), n // 2, {"t": rng.choice([20.0, 31, 60]), "h": rng.choice([30.0, 50])})
        for n in range(400)
    ]

    def run(size: int) -> list[tuple[str, Transition]]:
        feed, found = feed_of("of: Hot and (Dry or ZoneHot), within: 3s", "for: 2s"), []
        for second in range(0, 200, 10):
            part = [row for row in rows if second <= row[1] < second + 10]
            for start in range(0, len(part), size):
                chosen = part[start : start + size]
                batch = feed.batch([(sensor, at, values["t"]) for sensor, at, values in chosen], "t")
                humid = feed.batch([(sensor, at, values["h"]) for sensor, at, values in chosen], "h")
                feed.offset -= len(chosen)
                both = replace(batch, measures=batch.measures | humid.measures, types=batch.types | humid.types)
                found += feed.engine.evaluate(both)
            feed.ticks(second + 9)
            found += feed.transitions
        return [one for one in found if one.rule == "g/Both"]

    whole = run(1000)

    assert {str(one.status) for one in whole} == {"firing", "resolved"}
    assert run(3) == whole


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ("of: Hot and Drry", "rule Both names the rule `Drry`, which its group has not; did you mean `Dry`?"),
        ("of: Both or Hot", "rule Both is composed of itself: Both → Both"),
        ("of: not Hot", "`of` of `composite` of rule Both holds while none of its rules fires: 'not Hot'"),
        (
            "of: Hot + Dry",
            f"`of` of `composite` of rule Both has `Hot + Dry`; {ALLOWED}",
        ),
        ("of: Hot and", "`of` of `composite` of rule Both is not a condition: 'Hot and'"),
        (
            "of: ZoneHot or Hot",
            "rule Both may hold without a rule about devices firing: 'ZoneHot or Hot'; `by: zone` is about zones",
        ),
        ("of: Hot}, no_data: {then: alert", "`no_data` of rule Both does not go with `composite`"),
        ("of: Hot}, clear: {max: 1", "`clear` of rule Both does not go with `composite`"),
        (
            "of: Hot}, for: 2 samples, labels: {a: b",
            "`for` of rule Both must be a duration, is a number of samples (2): `composite` has none",
        ),
        (
            "of: Hot}, clear_for: 3 samples, labels: {a: b",
            "`clear_for` of rule Both must be a duration, is a number of samples (3): `composite` has none",
        ),
    ],
)
def test_what_is_wrong_is_told(rules: str, problem: str) -> None:
    bodies = (HOT, DRY, ZONE, f"alert: Both, composite: {{{rules}}}")
    text = "groups: [{name: g, table: a.b, rules: [" + ", ".join(f"{{{body}}}" for body in bodies) + "]}]"

    _, problems = parse_rules(text, "r.yaml")

    assert [found.message for found in problems] == [problem]


def test_a_circle_is_told_where_it_closes() -> None:
    bodies = (
        "alert: A, composite: {of: B and Hot}",
        "alert: B, composite: {of: C or Hot}",
        "alert: C, composite: {of: A or Hot}",
        HOT,
    )
    text = "groups:\n  - name: g\n    table: a.b\n    rules:\n" + "".join(f"      - {{{body}}}\n" for body in bodies)

    rules, (problem,) = parse_rules(text, "r.yaml")

    assert str(problem) == "r.yaml:7: rule C is composed of itself: A → B → C → A"
    assert [rule.alert for rule in rules] == ["Hot"]


def test_a_part_of_the_rules_has_what_it_is_composed_of() -> None:
    rules = rules_of(HOT, DRY, ZONE, "alert: Both, composite: {of: Hot and Dry}").rules

    assert [rule.alert for rule in with_parts(rules, {"g/Both"})] == ["Hot", "Dry", "Both"]
    assert RuleSet(with_parts(rules, {"g/Dry"})).rules == rules[1:2]
