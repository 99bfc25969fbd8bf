"""Rules of the kind `missing`: who is silent, from when, and whose silence is only ours."""

from __future__ import annotations

import pytest

from rules.alerts.transition import Reason
from rules.silence.hearing import GAPS_NEEDED
from tests.rules.rule_feed import START, STREAM, Feed, rules_of

MINUTE = "alert: Silent, missing: {after: 60s}"


def feed_of(*bodies: str) -> Feed:
    feed = Feed(rules_of(*bodies))
    feed.tick(0, 0)
    return feed


def each(start: int, end: int) -> range:
    """Every second after `start` up to `end`."""
    return range(start + 1, end + 1)


@pytest.mark.parametrize(
    ("second", "found"), [(59, []), (60, [("s1", "firing", 60, 60)]), (61, [("s1", "firing", 61, 61)])]
)
def test_a_series_is_missing_from_exactly_its_deadline_on(second: int, found: list[object]) -> None:
    feed = feed_of(MINUTE)
    feed.hears(0, "s1")

    assert feed.ticks(second) == found


def test_an_outage_alerts_once_and_ends_with_the_first_reading() -> None:
    feed = feed_of(MINUTE)
    feed.hears(0, "s1")

    alerts = [*feed.ticks(*each(0, 200)), *feed.arrives(200, ("s1", 200, 20.0)), *feed.arrives(201, ("s1", 201, 20.0))]

    assert alerts == [("s1", "firing", 60, 60), ("s1", "resolved", 200, 200)]


def test_firing_and_resolved_have_one_id_and_the_next_outage_another() -> None:
    feed = feed_of(MINUTE)
    feed.hears(0, "s1")
    feed.ticks(*each(0, 60))
    first = feed.transitions
    over = feed.engine.evaluate(feed.batch([("s1", 61, 20.0)]))
    feed.ticks(*each(60, 121))
    second = feed.transitions

    assert [found.id for found in first] == [found.id for found in over]
    assert first[0].since_ns == START * 10**9
    assert len({first[0].id, second[0].id}) == 2


def test_late_and_repeated_readings_end_silence_because_it_is_counted_in_arrivals() -> None:
    feed = feed_of(MINUTE)
    feed.hears(0, "s1")
    feed.ticks(50)
    feed.arrives(50, ("s1", 0, 20.0))

    assert feed.ticks(60, 109) == []
    assert feed.ticks(110) == [("s1", "firing", 110, 60)]
    assert feed.arrives(111, ("s1", -500, 20.0)) == [("s1", "resolved", 111, 61)]


def test_a_replayed_dead_letter_is_not_heard() -> None:
    feed = feed_of(MINUTE)
    feed.hears(0, "s1")
    feed.ticks(50)
    feed.arrives(1, ("s1", 1, 20.0), again=True)

    assert feed.ticks(60) == [("s1", "firing", 60, 60)]


def test_a_message_that_was_appended_again_because_kafka_did_not_answer_is_heard() -> None:
    feed = feed_of(MINUTE)
    feed.hears(0, "s1")
    feed.ticks(50)
    feed.arrives(49, ("s1", 49, 20.0), again=True)

    assert feed.ticks(109) == []


def test_time_in_which_we_did_not_listen_is_nobodys_silence() -> None:
    """The gateway is down from 30 to 1030: the deadline is as much later."""
    feed = feed_of(MINUTE)
    feed.hears(0, "s1")
    feed.ticks(0, 30)
    feed.tick(1030, 1030)

    assert feed.ticks(1059) == []
    assert feed.ticks(1060) == [("s1", "firing", 1060, 1060)]


def test_a_series_that_was_never_heard_is_not_missing() -> None:
    feed = feed_of(MINUTE)
    feed.registry.of(feed.table).id_of(feed.key("s2"), "zone-s2")
    feed.hears(0, "s1")

    assert feed.ticks(0, 60) == [("s1", "firing", 60, 60)]


def test_only_what_where_includes_is_missed() -> None:
    feed = feed_of("alert: Silent, where: {sensor: s1}, missing: {after: 60s}")
    feed.hears(0, "s1", "s2")

    assert feed.ticks(0, 60) == [("s1", "firing", 60, 60)]


def test_a_measure_that_is_missing_though_its_series_sends_others() -> None:
    feed = feed_of("alert: Silent, measure: co2, missing: {after: 60s}")
    feed.engine.evaluate(feed.batch([("s1", 0, 400.0)], "co2"))
    feed.hears(50, "s1")

    assert feed.ticks(60) == [("s1", "firing", 60, 60)]
    assert feed.arrives(61, ("s1", 61, 20.0)) == []


def test_the_usual_interval_is_learnt_for_each() -> None:
    """Three times the usual gap: 30 s for one that sends each 10 s, 180 s for one that sends each minute."""
    feed = feed_of("alert: Silent, missing: {after: auto}")
    upto = 60 * (GAPS_NEEDED + 1)
    for second in range(0, upto + 1, 10):
        feed.arrives(second, ("s1", second, 20.0), *([("s2", second, 20.0)] if second % 60 == 0 else []))
        feed.ticks(second)

    assert feed.ticks(upto + 29) == []
    assert feed.ticks(upto + 30) == [("s1", "firing", upto + 30, 30)]
    assert feed.ticks(*each(upto + 30, upto + 179)) == []
    assert feed.ticks(upto + 180) == [("s2", "firing", upto + 180, 180)]


def test_an_interval_is_not_believed_before_some_were_seen() -> None:
    feed = feed_of("alert: Silent, missing: {after: auto}")
    for second in range(0, 10 * GAPS_NEEDED, 10):
        feed.arrives(second, ("s1", second, 20.0))
        feed.ticks(second)

    assert feed.ticks(10_000) == []


def test_what_is_expected_and_never_heard_is_missing() -> None:
    feed = feed_of('alert: Silent, missing: {after: 60s, expect: [{sensor: "s{1..3}"}]}')
    feed.hears(0, "s1")
    feed.hears(50, "s1", "s2")

    assert feed.ticks(59) == []
    assert feed.ticks(60) == [("s3", "firing", 60, 60)]
    assert feed.arrives(70, ("s3", 70, 20.0)) == [("s3", "resolved", 70, 70)]


def test_silence_is_final_after_its_time() -> None:
    feed = feed_of("alert: Silent, missing: {after: 60s, until: 10m}")
    feed.hears(0, "s1")
    feed.ticks(*each(0, 599))
    ended = feed.ticks(600)
    reason = [found.reason for found in feed.transitions]
    feed.hears(700, "s1")

    assert (ended, reason) == ([("s1", "resolved", 600, 600)], [Reason.SILENCE_FINAL])
    assert feed.ticks(*each(700, 760)) == [("s1", "firing", 760, 60)]


def test_a_forgotten_device_is_missed_again_only_once_it_is_heard() -> None:
    feed = feed_of(MINUTE)
    feed.hears(0, "s1", "s2")
    feed.hears(50, "s2")
    feed.ticks(60)
    feed.offset += 1
    ended = feed.engine.forget(STREAM, feed.offset, feed.table, {"sensor": "s1"}, (START + 61) * 10**9)

    assert [(one.status, one.reason) for one in ended] == [("resolved", Reason.FORGOTTEN)]
    assert feed.hears(100, "s2") == []
    assert feed.ticks(121) == []
    assert feed.hears(130, "s1", "s2") == []
    assert feed.hears(180, "s2") == []
    assert feed.ticks(190) == [("s1", "firing", 190, 60)]


class Zones(Feed):
    """A feed whose sensors are in the zone that their first letter names."""

    @staticmethod
    def zone_of(sensor: str) -> str:
        return sensor[0]


def zones(*bodies: str) -> Zones:
    feed = Zones(rules_of(*(bodies or (MINUTE,))))
    feed.tick(0, 0)
    return feed


A = [f"a{number}" for number in range(10)]
B = [f"b{number}" for number in range(10)]
C = [f"c{number}" for number in range(10)]


def test_a_zone_that_falls_silent_is_one_alert() -> None:
    """Its sensors were heard at different times before, so that their deadlines are not the same."""
    feed = zones()
    feed.hears(0, *A, *B, *C)
    for second, sensor in enumerate(A):
        feed.hears(second, sensor)
    alerts = []
    for second in each(9, 69):
        alerts += feed.hears(second, *B, *C)

    assert alerts == [("zone a", "firing", 65, 60)], "the sixth of ten is due at 65"


def test_a_zone_that_is_heard_again_resolves_and_what_is_still_silent_has_its_time_again() -> None:
    feed = zones()
    feed.hears(0, *A, *B, *C)
    feed.hears(50, *B, *C)
    fired = feed.ticks(60)
    feed.hears(70, *A[:4], *B, *C)
    still = feed.ticks(70)
    feed.hears(71, A[4])
    over = feed.ticks(71)
    feed.hears(120, *A[:5], *B, *C)

    assert (fired, still, over) == ([("zone a", "firing", 60, 60)], [], [("zone a", "resolved", 71, 71)])
    assert feed.ticks(130) == []
    assert sorted(feed.ticks(131)) == [(sensor, "firing", 131, 131) for sensor in A[5:]]


def test_a_few_sensors_of_a_zone_are_told_each() -> None:
    feed = zones()
    feed.hears(0, *A, *B)
    feed.hears(50, *A[5:], *B)

    assert sorted(feed.ticks(60)) == [(sensor, "firing", 60, 60) for sensor in A[:5]]


def test_a_sensor_that_falls_silent_while_its_zone_is_quiet_waits_until_that_is_decided() -> None:
    """The others are silent for half of their time; then they are heard, and it was alone."""
    feed = zones()
    feed.hears(0, "a0", *B, *C)
    feed.hears(20, *A[1:], *B, *C)
    waits = feed.ticks(60)
    feed.hears(65, *A[1:], *B, *C)

    assert (waits, feed.ticks(65)) == ([], [("a0", "firing", 65, 65)])


def test_all_zones_together_are_one_alert() -> None:
    feed = zones()
    feed.hears(0, *A, *B, *C)
    feed.hears(3, *B)

    alerts = feed.ticks(*each(3, 200))

    assert alerts == [("zone None", "firing", 60, 60)]


def test_the_share_of_a_zone_is_as_the_rule_says() -> None:
    feed = zones("alert: Silent, missing: {after: 60s, share: 100%}")
    feed.hears(0, *A, *B, *C)
    feed.hears(20, A[0])
    feed.hears(50, *B, *C)

    assert feed.ticks(60) == [], "the one that is quiet may still fall silent"
    feed.hears(70, *B, *C)
    assert feed.ticks(*each(70, 80)) == [("zone a", "firing", 80, 60)]


def test_a_zone_alert_counts_who_is_silent() -> None:
    feed = zones('alert: Silent, missing: {after: 60s}, annotations: {a: "{silent} of {sensors} in {zone_name}"}')
    feed.hears(0, *A, *B)
    feed.hears(50, *A[8:], *B)
    feed.ticks(60)
    (fired,) = feed.transitions

    assert fired.annotations == {"a": "8 of 10 in a"}
    assert (fired.dimensions, fired.zone, fired.bounds) == ({"zone_name": "a"}, "a", {"max": 60})
