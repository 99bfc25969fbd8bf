"""Why an alert fired, from rows of its time."""

from __future__ import annotations

import pyarrow as pa
import pytest
from rule_feed import SECOND, START, TABLE, rules_of

from rules.alerts.transition import Transition
from rules.replaying.backtest import Backtest, Layout
from rules.replaying.explaining import Explanation, Told, explain, needed_rules, span_ns, where_of
from rules.rule import RuleSet

LAYOUT = Layout("time", ("sensor",), ("t",), "zone_name")


def rows_of(*rows: tuple[str, int, float]) -> pa.Table:
    return pa.table(
        {
            "time": pa.array([(START + second) * SECOND for _, second, _ in rows], pa.timestamp("ns")),
            "sensor": [sensor for sensor, *_ in rows],
            "zone_name": ["z" for _ in rows],
            "t": [value for *_, value in rows],
        }
    )


def explained(rules: RuleSet, rows: pa.Table, name: str = "g/A") -> tuple[Transition, Explanation]:
    """The last alert that the rows give, and its explanation."""
    run = Backtest(rules, TABLE, LAYOUT)
    run.feed(rows)
    fired = [found.fired for found in run.alerts.values() if found.fired.rule == name][-1]
    told = Told(fired.id, fired.zone, fired.dimensions, fired.since_ns, fired.time_ns)
    return fired, explain(needed_rules(rules, name), name, TABLE, LAYOUT, rows, told)


def test_the_values_and_the_phases_that_they_lead_to() -> None:
    rules = rules_of("alert: A, measure: t, range: {max: 30}, for: 20s")
    rows = rows_of(("a", 0, 20.0), ("b", 5, 99.0), ("a", 10, 31.0), ("a", 20, 32.0), ("a", 30, 33.5))

    fired, found = explained(rules, rows.take([4, 0, 3, 2, 1]))

    assert [(one.value, one.phase) for one in found.values] == [
        (20.0, "ok"), (31.0, "pending"), (32.0, "pending"), (33.5, "firing"),
    ]  # fmt: skip
    assert (found.reproduced, found.events, found.values[0].bounds) == (True, [fired], {"max": 30.0})
    assert [step.split(": ", 1)[1] for step in found.steps()] == [
        "31 is above max 30: pending",
        "33.5 is above max 30: firing",
        "g/A firing",
    ]


def test_the_sensors_of_a_zone_in_the_window_that_decided() -> None:
    rules = rules_of("alert: A, measure: t, zone: {of: average, over: 10s, max: 30}")
    begin = -START % 10
    rows = rows_of(
        *(("a", begin + 1, 40.0), ("b", begin + 2, 30.0), ("a", begin + 3, 50.0), ("b", begin + 11, 0.0)),
        ("a", begin + 40, 0.0),
    )

    fired, found = explained(rules, rows)

    assert (fired.value, found.reproduced) == (40.0, True)
    assert sorted((one["dimensions"]["sensor"], one["average"], one["samples"]) for one in found.peers) == [
        ("a", 45.0, 2), ("b", 30.0, 1),
    ]  # fmt: skip


def test_what_the_rules_of_a_composite_one_did() -> None:
    rules = rules_of(
        "alert: Hot, measure: t, range: {max: 30}",
        "alert: Hotter, measure: t, range: {max: 40}",
        "alert: A, composite: {of: Hot and Hotter}",
        "alert: Other, measure: t, range: {max: 0}",
    )

    _, found = explained(rules, rows_of(("a", 0, 20.0), ("a", 10, 31.0), ("a", 20, 41.0)))

    assert [one.rule for one in found.others] == ["g/Hot", "g/Hotter"]
    assert [(one.value, one.phase) for one in found.values] == [(0.0, "ok"), (1.0, "firing"), (1.0, "firing")]


def test_rows_that_give_no_alert_say_so() -> None:
    rules = rules_of("alert: A, measure: t, range: {max: 30}")

    found = explain(rules, "g/A", TABLE, LAYOUT, rows_of(("a", 0, 20.0)), Told("x", None, {"sensor": "a"}, 0, 0))

    assert (found.reproduced, found.events, [one.phase for one in found.values]) == (False, [], ["ok"])


@pytest.mark.parametrize(
    ("body", "minutes"),
    [
        ("range: {max: 1}, for: 20m", 30),
        ("rate_of_change: {max: 1, per: 1m, over: 10m}", 40),
        ("flatline: {after: 1h}", 190),
    ],
)
def test_how_long_before_the_onset_is_read(body: str, minutes: int) -> None:
    assert span_ns(rules_of(f"alert: A, measure: t, {body}")) == minutes * 60 * SECOND


def test_of_a_zone_all_rows_are_read_and_of_a_sensor_its_own() -> None:
    hot, odd = rules_of(
        "alert: A, measure: t, range: {max: 1}", "alert: B, measure: t, peers: {over: 1m, max: 3}"
    ).rules
    told = Told("x", "z", {"sensor": "a"}, 0, 0)

    assert where_of(hot, told) == {"sensor": "a"}
    assert where_of(odd, told) == {"zone_name": "z"}
