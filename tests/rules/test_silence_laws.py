"""Laws of silence: batches, restarts and reloads change nothing, and only what we heard nothing of is silent."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_feed import SECOND, START, STREAM, TABLE, Feed, rules_of

from rules.alerts.transition import Status, Transition
from rules.engine import Engine
from rules.rule import RuleSet
from rules.values.listening import Listened
from store.record import MeasureType, RecordBatch, SeriesRegistry
from tests.support.examples import examples

AFTER_S = 20
RULES = (
    f"alert: After, missing: {{after: {AFTER_S}s, until: 60s}}",
    "alert: Auto, missing: {after: auto}",
    'alert: Listed, missing: {after: 30s, expect: [{sensor: "a{1..6}"}], share: 90%}',
    "alert: OfMeasure, measure: x, missing: {after: 25s}",
)
SENSORS = [f"{zone}{number}" for zone in "abc" for number in range(1, 4)]


@dataclass(frozen=True)
class Reading:
    """A message of a sensor that arrived at this second."""

    second: float
    sensor: str


Entry = Reading | Listened


def log_of(seed: int) -> list[Entry]:
    """What is in the log: sensors that fall silent, alone or with their zone or all, and a gateway that is away."""
    rng = random.Random(seed)
    silent_until = dict.fromkeys(SENSORS, 0.0)
    entries: list[Entry] = []
    listened, second = 0, 0
    while second < 160:
        second += 1
        if rng.random() < 0.02:  # the gateway is away; some of the sensors fall silent meanwhile
            second += rng.choice([2, 15, 40, 200])
            listened = second
        for sensor in SENSORS:
            if rng.random() < 0.008:
                silent_until[sensor] = second + rng.choice([5, 19, 20, 21, 60, 400])
            if second >= silent_until[sensor] and (second + len(entries)) % rng.choice([1, 4, 4]) == 0:
                entries.append(Reading(second - 0.5, sensor))
        if rng.random() < 0.01:
            zones, upto = rng.choice(["a", "b", "abc"]), second + rng.choice([30, 90])
            silent_until |= {sensor: upto for sensor in SENSORS if sensor[0] in zones}
        entries.append(Listened("g", (START + listened) * SECOND, (START + second) * SECOND))
        listened = second
    return entries


class Process:
    """An engine and the position up to which it has taken the log."""

    def __init__(self, rules: RuleSet, order: Sequence[str]) -> None:
        self.rules = rules
        self.registry = SeriesRegistry()
        index = self.registry.of(TABLE)
        self.ids = {sensor: index.id_of(Feed.key(sensor), sensor[0]) for sensor in order}
        self.engine = Engine(rules, self.registry)

    def take(self, entries: Sequence[tuple[int, Entry]]) -> list[Transition]:
        """Successive entries with their offsets: readings in one batch, each tick by itself."""
        found: list[Transition] = []
        readings: list[tuple[int, Reading]] = []
        for offset, entry in entries:
            if isinstance(entry, Reading):
                readings.append((offset, entry))
                continue
            found += self._evaluate(readings)
            readings = []
            found += self.engine.tick(STREAM, offset, entry)
            self.engine.advance(STREAM, offset)
        return found + self._evaluate(readings)

    def _evaluate(self, readings: Sequence[tuple[int, Reading]]) -> list[Transition]:
        if not readings:
            return []
        arrival_ns = np.array([int((START + reading.second) * SECOND) for _, reading in readings], np.int64)
        count = len(readings)
        batch = RecordBatch(
            self.registry.of(TABLE),
            STREAM,
            np.array([self.ids[reading.sensor] for _, reading in readings], np.int32),
            arrival_ns,
            np.ones(count, np.int64),
            np.array([offset for offset, _ in readings], np.int64),
            arrival_ns,
            {"x": pa.array([float(offset % 3) if offset % 3 else None for offset, _ in readings], pa.float64())},
            {"x": MeasureType.DOUBLE},
        )
        found = self.engine.evaluate(batch)
        self.engine.advance(STREAM, readings[-1][0])
        return found

    def restarted(self, order: Sequence[str]) -> Process:
        """Another process, which takes up what this one saved."""
        after = Process(self.rules, order)
        after.engine.begin(self.rules, self.engine.clock.copy())
        if TABLE in self.engine.blocks():
            assert after.engine.restore(TABLE, self.engine.snapshot(TABLE)) == []
        return after


def whole(rules: RuleSet, entries: Sequence[Entry]) -> list[Transition]:
    """What comes of the log, entry by entry."""
    process = Process(rules, SENSORS)
    return [found for numbered in enumerate(entries) for found in process.take([numbered])]


def ordered(transitions: Sequence[Transition]) -> list[Transition]:
    """Several of one tick are in no order that matters."""
    return sorted(transitions, key=lambda one: (one.time_ns, one.id, one.status))


def test_these_logs_have_alerts_of_every_sort() -> None:
    """Or the laws would say nothing."""
    found = [one for seed in range(6) for one in whole(rules_of(*RULES), log_of(seed))]

    assert {str(one.rule) for one in found} == {"g/After", "g/Auto", "g/Listed", "g/OfMeasure"}
    assert {str(one.status) for one in found} == {"firing", "resolved"}
    assert {"zone_name" in one.dimensions for one in found} == {True, False}
    assert any(one.dimensions == {} for one in found), "all zones"
    assert any(one.dimensions == {"sensor": "a5"} for one in found), "one that was expected"
    assert {str(one.reason) for one in found} == {"None", "silence_final"}


@examples(5)
@given(
    seed=st.integers(0, 2**32),
    cuts=st.lists(st.tuples(st.integers(1, 300), st.booleans(), st.booleans()), min_size=1, max_size=6),
)
def test_batches_restarts_and_reloads_change_nothing(seed: int, cuts: list[tuple[int, bool, bool]]) -> None:
    rules, entries = rules_of(*RULES), log_of(seed)
    other = rules_of(*RULES, "alert: More, measure: x, range: {max: 1000}")
    process = Process(rules, SENSORS)
    found: list[Transition] = []
    start = 0
    while start < len(entries):
        size, restarts, reloads = cuts[start % len(cuts)]
        found += process.take(list(enumerate(entries))[start : start + size])
        start += size
        if restarts:
            process = process.restarted(random.Random(start).sample(SENSORS, len(SENSORS)))
        if reloads:
            for set_of_rules in (other, rules):
                assert process.engine.replace(set_of_rules, STREAM, 1 << 40) == ([], [])

    assert ordered(found) == ordered(whole(rules, entries))


@examples(5)
@given(seed=st.integers(0, 2**32))
def test_each_outage_that_was_not_ours_alerts_exactly_once(seed: int) -> None:
    """Against a count of the seconds that we listened, for each sensor alone."""
    entries = log_of(seed)
    rules = rules_of(f"alert: A, missing: {{after: {AFTER_S}s}}")
    of_sensors: dict[str, list[Transition]] = {sensor: [] for sensor in SENSORS}
    for sensor in SENSORS:
        own = [entry for entry in entries if isinstance(entry, Listened) or entry.sensor == sensor]
        of_sensors[sensor] = whole(rules, own)

        heard_s: float | None = None
        listened, last, expected, is_silent = 0.0, None, [], False
        for entry in own:
            if isinstance(entry, Reading):
                pending = 0.0 if last is None else max(0.0, entry.second - last)
                if is_silent:
                    expected.append("resolved")
                heard_s, is_silent = listened + pending, False
                continue
            begin, end = ((at - START * SECOND) / SECOND for at in (entry.from_ns, entry.to_ns))
            listened += 0.0 if last is None else end - begin  # the clock begins at the end of the first tick
            last = end
            if heard_s is not None and not is_silent and listened >= heard_s + AFTER_S:
                expected.append("firing")
                is_silent = True

        assert [str(one.status) for one in of_sensors[sensor]] == expected
        ids = [one.id for one in of_sensors[sensor] if one.status is Status.FIRING]
        assert len(set(ids)) == len(ids)


def test_a_rule_that_is_changed_alerts_again_under_another_id() -> None:
    """What was heard is kept; the alert of the rule before ends."""
    feed = Feed(rules_of("alert: A, missing: {after: 60s}"))
    feed.tick(0, 0)
    feed.hears(0, "s1")
    feed.ticks(100)
    (fired,) = feed.transitions

    ended, gone = feed.engine.replace(rules_of("alert: A, missing: {after: 90s}"), STREAM, feed.offset)
    feed.offset += 1
    feed.ticks(101)
    (again,) = feed.transitions

    assert [(one.id, one.status, str(one.reason)) for one in ended] == [(fired.id, "resolved", "rule_changed")]
    assert (gone, again.status, again.bounds) == ([], "firing", {"max": 90})
    assert again.id != fired.id


def test_an_alert_of_a_zone_ends_with_its_rule() -> None:
    feed = Feed(rules_of("alert: A, missing: {after: 60s}"))
    feed.zone_of = lambda sensor: sensor[0]  # type: ignore[method-assign]
    feed.tick(0, 0)
    feed.hears(0, "a1", "a2", "b1")
    feed.hears(50, "b1")
    feed.ticks(60)
    (fired,) = feed.transitions

    ended, gone = feed.engine.replace(RuleSet(), STREAM, feed.offset)

    (one,) = ended
    assert gone == [TABLE]
    assert (one.id, one.zone, one.dimensions, one.bounds) == (fired.id, "a", {"zone_name": "a"}, {"max": 60})
    assert str(one.reason) == "rule_removed"


@pytest.mark.parametrize("share", ["0", "101%", "x", "-1"])
def test_a_share_that_is_none_is_refused(share: str) -> None:
    with pytest.raises(AssertionError):
        rules_of(f"alert: A, missing: {{after: 1m, share: {share}}}")


def test_labels_and_annotations_do_not_change_what_is_kept() -> None:
    rules = rules_of("alert: A, missing: {after: 1m}").rules[0]

    assert replace(rules, labels={"a": "b"}).definition == rules.definition
