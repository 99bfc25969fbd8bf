"""When an alert fires and resolves: each bound within, exactly at, and beyond."""

from __future__ import annotations

import pytest
from rule_feed import SECOND, START, TABLE, Feed, rules_of

from rules.alerts.placeholders import Placeholders
from rules.definition.template import parse_template
from store.record import MeasureType, TableId

HOT = "alert: Hot, measure: temperature, range: {min: 5, max: 32}, clear: {min: 6, max: 30}"
HOT_FOR = HOT + ", for: 2m"
FAST = "alert: Fast, measure: temperature, rate_of_change: {min: -3, max: 2, per: 1m}"


@pytest.mark.parametrize(
    ("value", "fires"), [(31.9, False), (32, False), (32.1, True), (5.1, False), (5, False), (4.9, True)]
)
def test_bounds_are_normal_themselves(value: float, fires: bool) -> None:
    found = Feed(rules_of(HOT)).send(("a", 0, value))

    assert found == ([("a", "firing", 0, value)] if fires else [])


@pytest.mark.parametrize(("seconds", "fires"), [(119, False), (120, True), (121, True)])
def test_for_fires_at_the_first_sample_at_least_that_long_after_the_onset(seconds: int, fires: bool) -> None:
    feed = Feed(rules_of(HOT_FOR))
    feed.send(("a", 0, 33))

    found = feed.send(("a", seconds, 34))

    assert found == ([("a", "firing", seconds, 34)] if fires else [])


@pytest.mark.parametrize(("value", "resolves"), [(31, False), (30, True), (29, True), (6, True), (5.9, False)])
def test_a_firing_alert_resolves_only_inside_clear(value: float, resolves: bool) -> None:
    feed = Feed(rules_of(HOT))
    feed.send(("a", 0, 33))

    found = feed.send(("a", 1, value))

    assert found == ([("a", "resolved", 1, value)] if resolves else [])


@pytest.mark.parametrize(("value", "resolves"), [(32.1, False), (32, True), (31, True)])
def test_without_clear_it_resolves_inside_the_range(value: float, resolves: bool) -> None:
    feed = Feed(rules_of("alert: Hot, measure: temperature, range: {max: 32}"))
    feed.send(("a", 0, 33))

    found = feed.send(("a", 1, value))

    assert found == ([("a", "resolved", 1, value)] if resolves else [])


@pytest.mark.parametrize(
    ("value", "anew"), [(31, True), (32, True), (32.1, False), (5.1, True), (5, True), (4.9, False)]
)
def test_a_pending_signal_back_inside_the_range_starts_anew(value: float, anew: bool) -> None:
    feed = Feed(rules_of(HOT_FOR))
    feed.send(("a", 0, 33))
    feed.send(("a", 60, value))

    found = feed.send(("a", 100, 33), ("a", 200, 33), ("a", 220, 33))

    assert found == [("a", "firing", 220 if anew else 200, 33)]


def test_a_pending_signal_that_swings_from_one_bound_to_the_other_stays_pending() -> None:
    feed = Feed(rules_of(HOT_FOR))

    transitions = feed.engine.evaluate(feed.batch([("a", 0, 33), ("a", 120, 4)]))

    assert [dict(found.bounds) for found in transitions] == [{"min": 5}]


def test_a_resolved_alert_names_the_bound_that_it_fired_for() -> None:
    feed = Feed(rules_of(HOT))

    fired, resolved = feed.engine.evaluate(feed.batch([("a", 0, 4), ("a", 1, 20)]))

    assert fired.bounds == resolved.bounds == {"min": 5}
    assert fired.id == resolved.id
    assert fired.since_ns == resolved.since_ns == fired.time_ns


def test_a_new_onset_is_a_new_alert() -> None:
    feed = Feed(rules_of(HOT))

    transitions = feed.engine.evaluate(feed.batch([("a", 0, 33), ("a", 1, 20), ("a", 2, 33), ("b", 0, 33)]))

    assert len({found.id for found in transitions if found.status == "firing"}) == 3


@pytest.mark.parametrize("seconds", [-1, 0])
def test_a_sample_not_later_than_the_newest_is_not_evaluated(seconds: int) -> None:
    feed = Feed(rules_of(HOT))
    feed.send(("a", 0, 20))

    assert feed.send(("a", seconds, 99)) == []
    assert feed.send(("a", 1, 33), ("a", 1, 20), ("a", 0, 20)) == [("a", "firing", 1, 33)]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_value_that_is_none_is_no_sample(value: float | None) -> None:
    feed = Feed(rules_of(HOT))

    assert feed.send(("a", 5, value), ("a", 0, 33)) == [("a", "firing", 0, 33)]


@pytest.mark.parametrize(
    ("change", "fires"), [(1.9, False), (2, False), (2.1, True), (-2.9, False), (-3, False), (-3.1, True)]
)
def test_a_rate_is_bounded_on_both_sides_in_units_per_per(change: float, fires: bool) -> None:
    feed = Feed(rules_of(FAST))
    feed.send(("a", 0, 0))

    found = feed.send(("a", 120, 2 * change))

    assert found == ([("a", "firing", 120, pytest.approx(change))] if fires else [])


@pytest.mark.parametrize(("gap", "judged"), [(599, True), (600, True), (601, False)])
def test_a_rate_over_more_than_ten_times_per_is_ignored(gap: int, judged: bool) -> None:
    feed = Feed(rules_of(FAST))
    feed.send(("a", 0, 0))

    assert bool(feed.send(("a", gap, 1000))) == judged
    assert feed.send(("a", gap + 60, 1000)) == ([("a", "resolved", gap + 60, 0)] if judged else [])


def test_a_rate_beyond_all_numbers_is_the_largest_there_is() -> None:
    feed = Feed(rules_of(FAST))
    feed.send(("a", 0, -1e308))

    ((_, _, _, rate),) = feed.send(("a", 1, 1e308))

    assert rate == pytest.approx(1.7976931348623157e308)


def test_a_silent_signal_keeps_its_state() -> None:
    feed = Feed(rules_of(HOT))
    feed.send(("a", 0, 33))

    feed.send(*(("b", seconds, 20) for seconds in range(1, 1000)))

    assert feed.phases() == [("a", "g/Hot", "FIRING")]


def test_where_chooses_series_by_dimension_and_account() -> None:
    rules = rules_of(HOT + ", where: {region: [a, b], sensor: [a1, c1], account: farm-7}")
    rows = [(sensor, 0, 33) for sensor in ("a1", "a2", "b1", "c1")]

    mine = Feed(rules, TableId("farm-7", "agriculture", "readings")).send(*rows)
    others = Feed(rules, TableId("farm-8", "agriculture", "readings")).send(*rows)

    assert [sensor for sensor, *_ in mine] == ["a1"]
    assert others == []


def test_a_dimension_that_a_series_lacks_matches_nothing() -> None:
    feed = Feed(rules_of(HOT + ", where: {floor: ground}"))

    assert feed.send(("a", 0, 33)) == []


def test_transitions_come_in_log_order_and_at_one_row_in_the_order_of_the_rules() -> None:
    feed = Feed(
        rules_of("alert: B, measure: temperature, range: {max: 1}", "alert: A, measure: temperature, range: {max: 0}")
    )

    transitions = feed.engine.evaluate(feed.batch([("b", 0, 2), ("a", 0, 1), ("a", 1, 2)]))

    assert [(found.dimensions["sensor"], found.rule) for found in transitions] == [
        ("b", "g/B"),
        ("b", "g/A"),
        ("a", "g/A"),
        ("a", "g/B"),
    ]


def test_a_bigint_is_reported_exactly() -> None:
    feed = Feed(rules_of("alert: Many, measure: count, range: {max: 10}"))

    (fired,) = feed.engine.evaluate(feed.batch([("a", 0, 2**53 + 1)], "count", MeasureType.BIGINT))

    assert isinstance(fired.value, int)
    assert fired.value == 2**53 + 1


@pytest.mark.parametrize("kind", [MeasureType.BOOLEAN, MeasureType.VARCHAR])
def test_a_measure_that_is_no_number_is_never_judged(kind: MeasureType) -> None:
    feed = Feed(rules_of(HOT))
    value = {MeasureType.BOOLEAN: True, MeasureType.VARCHAR: "33"}[kind]

    for seconds in range(3):
        assert feed.engine.evaluate(feed.batch([("a", seconds, value)], kind=kind)) == []


def test_a_single_measure_record_is_watched_under_its_measure_name() -> None:
    feed = Feed(
        rules_of("alert: Hot, measure: climate, range: {max: 32}", "alert: Other, measure: other, range: {max: 0}")
    )

    found = feed.engine.evaluate(feed.batch([("a", 0, 33)], "measure_value::double"))

    assert [(transition.rule, transition.value) for transition in found] == [("g/Hot", 33)]


def test_a_table_made_anew_starts_without_state() -> None:
    feed = Feed(rules_of(HOT))
    feed.send(("a", 10, 33))
    feed.registry.drop(feed.table)

    assert feed.send(("b", 0, 20), ("a", 0, 34)) == [("a", "firing", 0, 34)]
    assert feed.phases() == [("a", "g/Hot", "FIRING")]


def test_a_table_made_anew_does_not_forget_how_far_the_log_was_read() -> None:
    feed = Feed(rules_of(HOT))
    old = feed.batch([("a", 0, 33), ("a", 1, 33)])
    feed.engine.evaluate(old)
    feed.registry.drop(feed.table)

    feed.offset = 0
    again = feed.batch([("a", 0, 33)])

    assert feed.engine.evaluate(again) == []


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{sensor}: {value} °C", "s-1: 33.1 °C"),
        ("{value:.3f}|{ sensor }|{absent}|{{x}}", "33.100|s-1||{x}"),
        ("", ""),
    ],
)
def test_templates_are_filled_in_and_unknown_names_are_nothing(template: str, text: str) -> None:
    assert parse_template(template).render({"sensor": "s-1", "value": 33.1}) == text


@pytest.mark.parametrize(("value", "text"), [(2.0000000000000004, "2"), (33, "33"), (2**53 + 1, "9007199254740993")])
def test_numbers_in_annotations_are_as_exact_as_they_mean(value: float, text: str) -> None:
    assert parse_template("{value}").render({"value": value}) == text


@pytest.mark.parametrize("template", ["{", "a}", "{}", "{ }", "{a{b}}", "{value:>9}", "{value:.999999999f}"])
def test_a_template_with_bad_syntax_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="column"):
        parse_template(template)


def test_zone_in_a_template_is_the_dimension_and_else_the_zones_name() -> None:
    names = {"zone": "north", "sensor": "s-1"}
    rule = rules_of(HOT + ', annotations: {summary: "{zone} {zone_name}"}').rules[0]

    texts = Placeholders(rule, TABLE, "gh-7/north", names, 1.0, {}, {})
    with_dimension, label_too = texts.annotations(rule.labels), texts.annotations({"zone": "label"})
    without = Placeholders(rule, TABLE, "gh-7/north", {"sensor": "s-1"}, 1.0, {}, {}).annotations(rule.labels)

    assert label_too == with_dimension
    assert with_dimension == {"summary": "north gh-7/north"}
    assert without == {"summary": "gh-7/north gh-7/north"}


MINUTE = 60
AHEAD = 14 * MINUTE
"""Within `limits.future`, so it is stored and judged."""


def test_one_reading_ahead_of_its_time_does_not_blind_a_signal() -> None:
    feed = Feed(rules_of("alert: Hot, measure: temperature, range: {max: 32}"))
    feed.arrives(0, ("a", AHEAD, 20))

    found = feed.arrives(5, ("a", 5, 33))

    assert found == [("a", "firing", 5, 33)]


@pytest.mark.parametrize("lead", [0, 9, 10, 11, 2 * MINUTE])
def test_a_clock_that_is_corrected_to_somewhat_ahead_is_believed_too(lead: int) -> None:
    feed = Feed(rules_of("alert: Hot, measure: temperature, range: {max: 32}"))
    feed.arrives(0, ("a", AHEAD, 20))

    assert feed.arrives(5, ("a", 5 + lead, 33)) == [("a", "firing", 5 + lead, 33)]
    assert feed.arrives(10, ("a", 10 + lead, 20)) == [("a", "resolved", 10 + lead, 20)]


@pytest.mark.parametrize(("seconds", "judged"), [(9, False), (10, False), (11, True)])
def test_clocks_of_host_and_device_may_differ_by_ten_seconds(seconds: int, judged: bool) -> None:
    """Nearer than that an earlier time is late, as in any disorder on the way."""
    feed = Feed(rules_of("alert: Hot, measure: temperature, range: {max: 32}"))
    feed.arrives(0, ("a", seconds, 20))

    assert bool(feed.arrives(0, ("a", -1, 33))) is judged


def test_a_host_clock_that_is_set_back_does_not_blind_a_signal() -> None:
    feed = Feed(rules_of(HOT_FOR))
    feed.arrives(3600, ("a", 3600, 33))

    found = [feed.arrives(seconds, ("a", seconds, 34)) for seconds in (5, 124, 125)]

    assert found == [[], [], [("a", "firing", 125, 34)]]


def test_a_signal_that_starts_anew_has_no_onset_and_no_rate_from_before() -> None:
    feed = Feed(rules_of(HOT_FOR, FAST))
    feed.arrives(0, ("a", AHEAD, 50))

    feed.arrives(5, ("a", 5, 33))

    assert feed.phases() == [("a", "g/Hot", "PENDING")]
    assert [alert.since_ns for alert in feed.engine.active()] == [(START + 5) * SECOND]


def test_an_alert_that_fires_is_judged_by_the_sample_after_one_ahead() -> None:
    feed = Feed(rules_of(HOT))
    feed.arrives(0, ("a", AHEAD, 33))

    assert feed.arrives(5, ("a", 5, 33)) == []
    assert feed.arrives(10, ("a", 10, 20)) == [("a", "resolved", 10, 20)]


def test_what_is_sent_again_around_a_reading_ahead_changes_nothing() -> None:
    feed = Feed(rules_of(HOT))
    sent = [(0, ("a", 0, 20)), (5, ("a", AHEAD, 33)), (10, ("a", 10, 34)), (15, ("a", 15, 20))]
    for arrival, row in sent:
        feed.arrives(arrival, row)

    assert [feed.arrives(20 + arrival, row) for arrival, row in sent] == [[], [], [], []]


def test_a_device_that_is_always_ahead_is_judged_in_the_order_of_its_own_times() -> None:
    feed = Feed(rules_of(HOT))
    feed.arrives(0, ("a", AHEAD, 20))
    feed.arrives(10, ("a", AHEAD + 10, 20))

    assert feed.arrives(20, ("a", AHEAD + 5, 33)) == []
    assert feed.arrives(20, ("a", AHEAD + 11, 33)) == [("a", "firing", AHEAD + 11, 33)]


def test_a_dead_letter_put_through_again_does_not_start_a_signal_anew() -> None:
    feed = Feed(rules_of(HOT))
    feed.arrives(3600, ("a", 3600, 20))

    assert feed.arrives(0, ("a", 0, 33), again=True) == []
    assert feed.arrives(0, ("b", 0, 33), again=True) == [("b", "firing", 0, 33)]
