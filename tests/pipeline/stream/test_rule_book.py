"""What the worker says and counts of rules that judge nothing."""

from __future__ import annotations

import logging

import pytest
from prometheus_client import REGISTRY

from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.rule_book import Known, RuleBook, count_work
from rules import RuleSet, Seen, Work
from rules.files.parse import parse_rules
from store.record import MeasureType, SeriesIndex, SeriesKey, TableId

TABLE = TableId("default", "farm", "air")
RULES = """
groups:
- name: g
  table: farm.air
  rules: [{alert: Bad, measure: state, range: {max: 1}}]
"""


def test_a_rule_on_a_text_measure_is_told_once_and_is_doubtful(caplog: pytest.LogCaptureFixture) -> None:
    found, problems = parse_rules(RULES, "rules.yaml")
    assert not problems
    book = RuleBook(RuleSet(tuple(found)), OwnedPartitions(1), lambda _: {"farm.air"})
    seen = {TABLE: Seen(TABLE, {"state": MeasureType.VARCHAR}, frozenset({"readings"}), {})}

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            book.log_warnings(seen)

    (told,) = caplog.messages
    assert told.startswith(f"the rule g/Bad (rules.yaml) may never fire: the measure state of {TABLE} is varchar")
    assert REGISTRY.get_sample_value("streamgauge_rules_with_warnings") == 1


def test_warnings_for_an_account_name_its_own_tables() -> None:
    tables: dict[str | None, set[str]] = {None: {"farm.aid", "farm.aim"}, "farm-7": {"farm.aid"}}
    (rule,), _ = parse_rules(RULES, "rules.yaml")
    book = RuleBook(RuleSet(), OwnedPartitions(1), tables.__getitem__)
    texts = [warning.text for account in (None, "farm-7") for warning in book.warnings(rule, account)]

    assert ["farm.aim" in text for text in texts] == [True, False]
    assert "farm.aid" in texts[1]


def test_a_zone_is_seen_also_if_a_series_gets_it_later() -> None:
    index = SeriesIndex(TABLE)
    known = Known(index)
    seen = []
    for zone in (None, "north"):
        index.id_of(SeriesKey((("sensor", "a"),), "readings"), zone)
        known.look()
        seen.append(known.seen({}).has_zones)

    assert seen == [False, True]


def test_what_rules_could_not_judge_is_counted_by_its_reason() -> None:
    def counted() -> tuple[float, ...]:
        name = "streamgauge_rules_unjudged_samples_total"
        reasons = ("not_a_number", "too_wide")
        return tuple(REGISTRY.get_sample_value(name, {"reason": reason}) or 0.0 for reason in reasons)

    before = counted()
    for earlier, now in ((Work(), Work(not_numbers=3)), (Work(not_numbers=3), Work(not_numbers=5, too_wide=1))):
        count_work(earlier, now)
    count_work(Work(not_numbers=5, too_wide=1), Work())  # its table was deleted

    assert tuple(now - then for now, then in zip(counted(), before, strict=True)) == (5, 1)


def test_alerts_that_flap_are_counted_as_they_are_now() -> None:
    count_work(Work(flapping=5), Work(flapping=2))

    assert REGISTRY.get_sample_value("streamgauge_rules_flapping_alerts") == 2


def test_suppressed_alerts_are_counted() -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("streamgauge_rules_suppressed_alerts_total") or 0.0

    before = counted()
    count_work(Work(suppressed=1), Work(suppressed=4))

    assert counted() - before == 3
