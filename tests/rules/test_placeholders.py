"""What placeholders in labels and annotations mean, and which are refused or warned of."""

from __future__ import annotations

import pytest
from rule_feed import START, TABLE, Feed, rules_of

from rules import Seen, warnings_of
from rules.alerts.transition import Transition
from rules.files.parse import parse_rules
from store.record import MeasureType, SeriesKey

BEGIN = -START % 10


def fired(body: str, *rows: tuple[str, int, float]) -> Transition:
    """The first alert of this rule by these rows, and a minute after them."""
    feed = Feed(rules_of(f"alert: A, measure: t, {body}"))
    feed.zone_of = lambda sensor: "north"  # type: ignore[method-assign]
    feed.tick(BEGIN - 1, BEGIN)
    found: list[Transition] = []
    for sensor, at, value in rows:
        found += feed.engine.evaluate(feed.batch([(sensor, BEGIN + at, value)], "t"))
    feed.ticks(BEGIN + 60)
    return [*found, *feed.transitions][0]


@pytest.mark.parametrize(
    ("body", "text", "expected"),
    [
        ("range: {max: 30}", "{value:.1f} > {bound:.0f} in {zone}", "31.2 > 30 in north"),
        ("range: {warning: {max: 30}, critical: {max: 31}}", "{severity} beyond {bound}", "critical beyond 31"),
        ("rate_of_change: {max: 1, per: 1s}", "{rate:.2f} a second", "11.25 a second"),
        ("zone: {of: max, over: 10s, max: 30}", "{value} of {sensors} sensors", "31.25 of 2 sensors"),
        ("count: {over: 10s, max: 1}", "{count} events", "2 events"),
    ],
)
def test_annotations_have_the_numbers_of_their_kind(body: str, text: str, expected: str) -> None:
    alert = fired(f"{body}, annotations: {{summary: '{text}'}}", ("b", 2, 20.0), ("a", 2, 20.0), ("a", 3, 31.25))

    assert alert.annotations == {"summary": expected}


def test_an_odd_sensor_is_told_with_its_peers() -> None:
    text = "{average} not {median:.1f} as {sensors}"
    body = f"peers: {{over: 10s, max: 3, at_least: 3, noise: 1}}, annotations: {{summary: '{text}'}}"

    alert = fired(body, ("a", 2, 31.25), ("b", 2, 20.0), ("c", 3, 20.0))

    assert alert.annotations == {"summary": "31.25 not 20.0 as 3"}


def test_a_composite_rule_names_its_rules() -> None:
    feed = Feed(
        rules_of(
            "alert: Hot, measure: t, range: {max: 30}",
            "alert: Hotter, measure: t, range: {max: 40}",
            "alert: B, composite: {of: Hot or Hotter}, annotations: {summary: 'by {rules}'}",
        )
    )

    *_, found = feed.engine.evaluate(feed.batch([("a", 1, 50.0)], "t"))

    assert found.annotations == {"summary": "by Hot, Hotter"}


def test_labels_have_placeholders_that_stay_the_same() -> None:
    labels = "labels: {where: '{zone_name}/{sensor}', odd: '{{x}}', limit: '{bound}'}"

    alert = fired(f"range: {{max: 30}}, {labels}", ("a", 1, 31.0))

    assert alert.labels == {"where": "north/a", "odd": "{x}", "limit": "30"}


def test_a_dimension_goes_before_what_a_kind_has() -> None:
    rules = rules_of("alert: A, measure: t, rate_of_change: {max: 1, per: 1s}, annotations: {a: '{rate:.0f}'}")
    feed = Feed(rules)
    feed.key = lambda _: SeriesKey((("rate", "dimension"),), "climate")  # type: ignore[method-assign]

    *_, found = feed.engine.evaluate(feed.batch([("a", 1, 0.0), ("a", 2, 9.0)], "t"))

    assert found.annotations == {"a": "dimension"}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (
            "range: {max: 1}, annotations: {a: '{rate:.1f}'}",
            "`a` in `annotations` of rule A has {rate:.1f}; of `range` only {value}, {bound} take a format",
        ),
        ("range: {max: 1}, annotations: {a: '{value:x}'}", "has the placeholder {value:x} at column 1"),
        (
            "range: {max: 1}, labels: {a: 'at {value}'}",
            "`a` in `labels` of rule A has {value}; labels stay the same while an alert fires; annotations may have it",
        ),
        ("range: {max: 1}, labels: {a: 'x}'}", "`a` in `labels` of rule A has a lone }"),
    ],
)
def test_what_is_wrong_is_told(body: str, problem: str) -> None:
    _, (found,) = parse_rules(f"groups: [{{name: g, table: a.b, rules: [{{alert: A, measure: t, {body}}}]}}]", "r.yaml")

    assert problem in found.message


def test_a_placeholder_that_means_nothing_is_warned_of() -> None:
    texts = "labels: {team: a}, annotations: {s: '{sensr} {team} {bound}'}"
    rules = rules_of(f"alert: A, measure: t, range: {{max: 1}}, {texts}")
    seen = Seen(TABLE, {"t": MeasureType.DOUBLE}, frozenset({"climate"}), {"sensor": frozenset({"a"})})

    (warning,) = warnings_of(rules.rules[0], seen)

    assert warning.text == f"s: {{sensr}} is nothing in {TABLE}; did you mean sensor?"
