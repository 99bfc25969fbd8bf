"""Which series a rule is about: by texts, by regular expressions, by zone."""

from __future__ import annotations

import pytest

from rules import Seen, warnings_of
from rules.definition.selection import Pattern
from rules.files.parse import parse_rules
from store.record import MeasureType, TableId
from tests.rules.rule_feed import TABLE, Feed, rules_of

HOT = "alert: Hot, measure: temperature, range: {max: 32}, where: "


def fired(where: str, *sensors: str) -> list[str]:
    return [sensor for sensor, *_ in Feed(rules_of(HOT + where)).send(*((sensor, 0, 33) for sensor in sensors))]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("{sensor: {regex: 's-1.*'}}", ["s-1", "s-10"]),
        ("{sensor: {regex: 's-1'}}", ["s-1"]),
        ("{sensor: {regex: '1|2'}}", []),
        ("{sensor: {regex: 's-1|t-2'}}", ["s-1", "t-2"]),
        ("{sensor: {regex: '.*'}, region: t}", ["t-2"]),
        ("{floor: {regex: '.*'}}", []),
        ("{zone_name: zone-s-1}", ["s-1"]),
        ("{zone_name: {regex: 'zone-s.*'}, sensor: [s-10, t-2]}", ["s-10"]),
    ],
)
def test_where_chooses_by_whole_values(where: str, found: list[str]) -> None:
    assert fired(where, "s-1", "s-10", "t-2") == found


def test_a_series_that_moves_to_another_zone_is_decided_again() -> None:
    feed = Feed(rules_of(HOT + "{zone_name: {regex: 'zone-a|new'}}"))
    feed.send(("a", 0, 33), ("b", 0, 33))
    index = feed.registry.of(TABLE)
    batch = feed.batch([("a", 1, 20), ("b", 1, 33)])
    index.id_of(feed.key("b"), "new")

    assert [one.dimensions["sensor"] for one in feed.engine.evaluate(batch)] == ["a", "b"]


def test_an_expression_for_the_account_admits_accounts() -> None:
    rules = rules_of(HOT + "{account: {regex: 'farm-[0-9]+'}}")

    assert len(rules.of(TableId("farm-7", "agriculture", "readings"))) == 1
    assert rules.of(TableId("other", "agriculture", "readings")) == ()


def test_time_is_linear_in_the_text_whatever_the_expression() -> None:
    """With an engine that goes back this would not end."""
    assert "a" * 5000 not in Pattern("(a*)*b")


@pytest.mark.parametrize("text", ["a)|(?:b", "(a", "a)"])
def test_brackets_close_what_the_expression_itself_opens(text: str) -> None:
    with pytest.raises(ValueError, match=r"(unexpected|missing) \)"):
        Pattern(text)


def test_what_re2_does_not_have_is_refused() -> None:
    rule = "{alert: A, measure: t, range: {max: 1}, where: {s: {regex: '(?=a)'}}}"

    (problem,) = parse_rules(f"groups: [{{name: g, table: a.b, rules: [{rule}]}}]", "x")[1]

    assert problem.message.startswith(
        '`regex` of `s` in `where` of rule A: "(?=a)" is not a regular expression of RE2: '
    )


def test_an_expression_that_no_value_matches_is_told() -> None:
    (rule,) = rules_of(HOT + "{sensor: {regex: 's-9.*'}, zone_name: anything}").rules
    seen = Seen(TABLE, {"temperature": MeasureType.DOUBLE}, frozenset({"climate"}), {"sensor": frozenset({"s-1"})})

    assert [warning.text for warning in warnings_of(rule, seen)] == [f"where: no sensor in {TABLE} matches s-9.*"]


def test_the_definition_knows_an_expression_from_a_value() -> None:
    (one,) = rules_of(HOT + "{s: {regex: 'a'}}").rules
    (other,) = rules_of(HOT + "{s: a}").rules
    (same,) = rules_of(HOT + "{s: {regex: a}}").rules

    assert one.definition == same.definition != other.definition
