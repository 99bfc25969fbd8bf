"""Rule state that is kept and restored: positions, versions, and rules that changed meanwhile."""

from __future__ import annotations

import msgspec
import pytest
from rule_feed import SECOND, START, STREAM, TABLE, Feed, rules_of

from rules import RuleSet, RuleSnapshotError, to_event
from rules.engine import Engine
from rules.saved.snapshot_1 import definition_1
from rules.saved.state import FORMAT_VERSION
from store.record import SeriesRegistry

HOT = "alert: Hot, measure: temperature, range: {max: 32}, for: 2m"
COLD = "alert: Cold, measure: temperature, range: {min: 5}, for: 2m"


def restarted(feed: Feed, rules: RuleSet) -> Feed:
    """A new process with `rules` and the state of `feed`."""
    data = feed.engine.snapshot(TABLE)
    after = Feed(rules)
    after.offset = feed.offset
    after.engine.restore(TABLE, data)
    return after


def as_version_1(data: bytes, rules: RuleSet) -> bytes:
    """The same state as the former program saved it; every bound is a `max`."""
    _, positions, keys, signals, states, *_ = msgspec.msgpack.decode(data)
    phases, facts = {}, {}
    for rule in rules.rules:
        (name, measure, is_measured, _, *texts), _, ((series, phase, onset, *_),), *_ = states[rule.definition]
        phases[definition_1(rule)] = [series, phase, b"\2" * len(phase), onset]
        bounds = rule.levels[0].limits.bounds
        facts[definition_1(rule)] = [name, measure, bounds.min, bounds.max, not is_measured, *texts]
    return msgspec.msgpack.encode([1, positions, keys, signals, phases, facts])


def test_state_of_format_version_1_is_taken_over() -> None:
    """Pending rules stay pending, and alerts whose rules were removed since then resolve."""
    rules = rules_of(HOT, "alert: Fast, measure: temperature, rate_of_change: {max: 1, per: 1s}")
    feed = Feed(rules)
    fired = feed.send(("a", 0, 33), ("a", 1, 40))
    data = as_version_1(feed.engine.snapshot(TABLE), rules)

    after = Feed(rules_of(HOT))
    after.offset = feed.offset
    ended = after.engine.restore(TABLE, data)

    assert fired == [("a", "firing", 1, 7)]
    assert [(alert.rule, alert.reason) for alert in ended] == [("g/Fast", "rule_removed")]
    assert after.send(("a", 120, 34)) == [("a", "firing", 120, 34)]


def test_a_rule_pending_before_a_restart_fires_once_after_it() -> None:
    feed = Feed(rules_of(HOT))
    feed.send(("a", 0, 33))

    after = restarted(feed, rules_of(HOT))

    assert after.send(("a", 119, 33), ("a", 120, 33.5), ("a", 121, 34)) == [("a", "firing", 120, 33.5)]


def test_a_changed_rule_starts_afresh_and_the_others_keep_their_state() -> None:
    feed = Feed(rules_of(HOT, COLD))
    feed.send(("a", 0, 33), ("b", 0, 1))

    after = restarted(feed, rules_of(COLD, HOT.replace("32", "31")))

    assert after.phases() == [("b", "g/Cold", "PENDING")]
    assert after.send(("a", 120, 33), ("b", 120, 1)) == [("b", "firing", 120, 1)]


NOW = (
    "alert: Now, measure: temperature, range: {max: 32}, "
    "labels: {severity: high}, annotations: {s: '{sensor}: {value}'}"
)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (rules_of(NOW.replace("32", "40")), "rule_changed"),
        (rules_of(NOW.replace("temperature", "other")), "rule_changed"),
        (rules_of(NOW + ", where: {sensor: b}"), "rule_changed"),
        (rules_of(HOT), "rule_removed"),
        (RuleSet(), "rule_removed"),
    ],
)
def test_the_alert_of_a_changed_or_removed_rule_resolves_with_that_reason(rules: RuleSet, reason: str) -> None:
    feed = Feed(rules_of(NOW))
    (fired,) = feed.engine.evaluate(feed.batch([("a", 0, 33)]))
    feed.send(("a", 5, 35))

    (ended,) = Feed(rules).engine.restore(TABLE, feed.engine.snapshot(TABLE))

    assert (ended.id, ended.since_ns, ended.bounds) == (fired.id, fired.since_ns, fired.bounds)
    assert (ended.status, ended.reason, ended.value) == ("resolved", reason, 35)
    assert ended.time_ns == (START + 5) * SECOND
    assert (ended.labels, ended.annotations) == ({"severity": "high"}, {"s": "a: 35"})
    assert to_event(ended)["event"]["data"]["reason"] == reason


def test_an_alert_whose_rule_stays_does_not_end() -> None:
    """Nor does one that is only pending, whatever becomes of its rule."""
    feed = Feed(rules_of(NOW, HOT))
    feed.send(("a", 0, 33))
    data = feed.engine.snapshot(TABLE)

    assert Feed(rules_of(NOW + ", for: 0s")).engine.restore(TABLE, data) == []


def test_the_alerts_of_a_deleted_table_end_even_if_it_is_made_anew_at_once() -> None:
    for is_made_anew in (False, True):
        feed = Feed(rules_of(NOW))
        feed.send(("a", 0, 33))
        feed.registry.drop(TABLE)
        if is_made_anew:
            feed.send(("b", 0, 1))

        gone, ended = feed.engine.forget_deleted()

        assert gone == ([] if is_made_anew else [TABLE])
        assert [(found.dimensions["sensor"], found.reason) for found in ended] == [("a", "table_deleted")]
        assert feed.engine.forget_deleted() == ([], [])


def test_words_about_a_rule_may_change_without_losing_state() -> None:
    feed = Feed(rules_of(HOT))
    feed.send(("a", 0, 33))

    after = restarted(feed, rules_of(HOT + ", labels: {severity: critical}"))

    assert after.phases() == [("a", "g/Hot", "PENDING")]


def test_the_last_offset_of_a_batch_is_covered_once_advance_says_so() -> None:
    """A frame may hold several batches of one table, so its offset is not done with the first of them."""
    feed = Feed(rules_of(HOT))
    feed.send(("a", 0, 1), ("a", 1, 1), ("a", 2, 1))

    before = feed.engine.positions(TABLE)
    feed.engine.advance(STREAM, 2)

    assert before == {STREAM: 1}
    assert feed.engine.positions(TABLE) == {STREAM: 2}


def test_a_position_never_moves_back() -> None:
    feed = Feed(rules_of(HOT))
    feed.send(("a", 0, 1))
    feed.engine.advance(STREAM, 7)

    feed.engine.advance(STREAM, 3)

    assert feed.engine.positions(TABLE) == {STREAM: 7}


@pytest.mark.parametrize(("position", "rows"), [(0, 2), (1, 1), (2, 0)])
def test_rows_that_the_position_covers_are_skipped(position: int, rows: int) -> None:
    feed = Feed(rules_of("alert: Hot, measure: temperature, range: {max: 32}"))
    batch = feed.batch([("a", 0, 33), ("b", 0, 33), ("c", 0, 33)])
    feed.engine.advance(STREAM, position)

    assert len(feed.engine.evaluate(batch)) == rows


def test_another_stream_has_its_own_position() -> None:
    """A log that was replaced starts at offset 0 again, and its rows do not vanish behind the old position."""
    feed = Feed(rules_of("alert: Hot, measure: temperature, range: {max: 32}"))
    feed.engine.advance("fedcba9876543210/readings/0", 1000)

    assert feed.send(("a", 0, 33)) == [("a", "firing", 0, 33)]


def test_a_table_without_rules_has_no_block() -> None:
    feed = Feed(RuleSet())

    assert feed.send(("a", 0, 33)) == []
    assert feed.engine.blocks() == []


def test_state_of_a_table_that_lost_its_rules_is_let_go() -> None:
    feed = Feed(rules_of(HOT))
    feed.send(("a", 0, 33))

    assert restarted(feed, RuleSet()).engine.blocks() == []


def test_forgetting_a_table_lets_go_of_its_state() -> None:
    feed = Feed(rules_of(HOT))
    feed.send(("a", 0, 33))

    feed.registry.drop(TABLE)
    gone, ended = feed.engine.forget_deleted()

    assert (gone, ended) == ([TABLE], [])
    assert feed.engine.blocks() == []
    assert feed.engine.active() == []


def test_state_of_a_newer_version_is_refused() -> None:
    data = msgspec.msgpack.encode([FORMAT_VERSION + 1, "whatever"])

    with pytest.raises(RuleSnapshotError, match=f"version {FORMAT_VERSION + 1}; this program reads {FORMAT_VERSION}"):
        Engine(rules_of(HOT), SeriesRegistry()).restore(TABLE, data)


def test_damaged_state_is_refused_before_any_of_it_is_believed() -> None:
    feed = Feed(rules_of(HOT))
    feed.send(("a", 0, 33))
    whole = msgspec.msgpack.decode(feed.engine.snapshot(TABLE))
    short_signals = [*whole[:3], {"temperature": [b"", b""]}, whole[4]]
    far_series = [*whole[:4], {"x": [None, None, [[b"\xff\xff\xff\x00", b"\1", b"\0" * 8]]]}]
    uneven = [*whole[:4], {"x": [None, None, [[b"", b"\1", b""]]]}]

    for damaged in (short_signals, far_series, uneven, whole[:4], "text"):
        engine = Engine(rules_of(HOT), SeriesRegistry())
        with pytest.raises(RuleSnapshotError):
            engine.restore(TABLE, msgspec.msgpack.encode(damaged))
        assert engine.blocks() == []


def test_state_with_a_bit_changed_in_a_text_is_refused_too() -> None:
    feed = Feed(rules_of(HOT))
    feed.send(("a", 0, 33))
    damaged = feed.engine.snapshot(TABLE).replace(b"temperature", b"\xf4emperature")

    with pytest.raises(RuleSnapshotError, match="are not rule state"):
        Engine(rules_of(HOT), SeriesRegistry()).restore(TABLE, damaged)
