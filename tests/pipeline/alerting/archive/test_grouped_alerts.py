"""Groups of alerts in the archive: told when they are due, once, and the same from any reading of the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.alerting.routing.plan import plan_for
from tests.support.alert_entries import entry, plan
from tests.support.alert_office import Office, S

GROUPED = "routes: [{receiver: a, group_by: [zone_name], group_wait: 30s, group_interval: 5m, repeat_interval: 4h}]"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path / "alerts.sqlite", plan(GROUPED, "a"))
    yield made
    made.archive.close()


def test_alerts_of_a_group_are_told_together_after_the_wait_and_ends_after_the_interval(office: Office) -> None:
    office.append(0, entry("1"))
    office.append(20, entry("2"), entry("3", zone="other"))
    office.tick(29)
    assert office.told() == []
    office.tick(30)
    assert office.told() == [["1.firing", "2.firing"]]
    office.tick(50)
    assert office.told()[1:] == [["3.firing"]]

    office.append(60, entry("1", "resolved"))
    office.tick(329)
    office.tick(330)

    assert office.told()[2:] == [["1.resolved", "2.firing"]]


def test_what_still_fires_is_told_again_and_a_group_that_is_done_begins_anew(office: Office) -> None:
    office.append(0, entry("1"))
    office.tick(30)
    office.tick(4 * 3600 + 29)
    office.tick(4 * 3600 + 30)
    assert office.told() == [["1.firing"], ["1.firing"]]

    office.append(20_000, entry("1", "resolved"))
    assert office.told()[2:] == [["1.resolved"]]
    office.append(20_001, entry("2"))
    office.tick(20_030)
    office.tick(20_031)

    assert office.told()[3:] == [["2.firing"]]
    assert [one.id.rpartition(".")[2] for one in office.archive.deliveries()] == ["4", "3", "2", "1"]


def test_another_archive_makes_the_same_deliveries_of_the_same_log_and_tells_nothing_again(
    office: Office, tmp_path: Path
) -> None:
    """As after a take-over: at whatever time, and with events that a kill had repeated."""
    office.append(0, entry("1"), entry("4", zone="other"))
    office.append(5, entry("1"))
    office.tick(31)
    office.log.append(office.log[-1])
    office.read(len(office.log) - 1)
    office.append(40, entry("1", "resolved"), entry("2"))
    office.tick(331)
    other = Office(tmp_path / "other.sqlite", office.plan)
    other.log = office.log
    for offset in range(len(other.log)):
        other.read(offset, late_s=100_000 - other.log[offset][0])

    assert other.told() == office.told()
    assert [one.id for one in other.archive.deliveries()] == [one.id for one in office.archive.deliveries()]
    assert other.archive.groups_due(other.plan, now_ns=100_001 * S, wall_ns=100_001 * S) == []
    other.archive.close()


def test_what_is_decided_stays_decided_when_the_process_ends_before_it_is_read(office: Office) -> None:
    office.append(0, entry("1"))
    decided = office.archive.groups_due(office.plan, now_ns=30 * S, wall_ns=30 * S)
    again = office.archive.groups_due(office.plan, now_ns=31 * S, wall_ns=31 * S)

    office.append(31, *decided)
    office.append(32, *again)

    assert office.told() == [["1.firing"]]


def test_an_alert_whose_severity_rises_is_told_anew_and_a_repeat_of_its_beginning_changes_nothing(
    office: Office,
) -> None:
    office.plan = plan_for("a")
    office.append(0, entry("1", severity="warning"))
    office.append(1, entry("1", at="2026-11-23T10:03:05Z", severity="critical"))
    office.append(2, entry("1", severity="warning"), entry("1", at="2026-11-23T10:03:05Z", severity="critical"))

    (alert,) = office.archive.list()
    assert alert.event["data"]["labels"] == {"severity": "critical"}
    assert [one.id for one in office.archive.deliveries()] == ["1.firing.2", "1.firing"]


def test_an_alert_that_rose_is_told_to_who_hears_of_it_now_and_its_end_to_all(office: Office) -> None:
    office.plan = plan("routes: [{receiver: boss, matchers: [severity=critical]}, {receiver: a}]", "a", "boss")
    office.append(0, entry("1", severity="warning"))
    office.append(1, entry("1", at="2026-11-23T10:03:05Z", severity="critical"))
    office.append(2, entry("1", "resolved", severity="critical"))

    assert office.told("boss") == [["1.firing"], ["1.resolved"]]
    assert office.told("a") == [["1.firing"], ["1.firing"], ["1.resolved"]]


INHIBITED = "inhibitions: [{source: [rule=g/ZoneDown], target: [rule=g/TooHot], equal: [zone_name]}]"


def test_an_alert_is_not_told_while_another_inhibits_it_and_is_when_that_ends(office: Office) -> None:
    office.plan = plan(INHIBITED, "a")
    office.append(0, entry("z", rule="g/ZoneDown"))
    office.append(1, entry("1"), entry("2", zone="other"))
    assert office.told() == [["z.firing"], ["2.firing"]]

    office.append(2, entry("z", "resolved", rule="g/ZoneDown"))
    office.tick(3)

    assert office.told()[2:] == [["z.resolved"], ["1.firing"]]


def test_a_silence_of_the_configuration_hides_what_it_matches_until_it_ends(office: Office) -> None:
    silence = "matchers: [rule=g/TooHot], by: me, why: repair, to: 1970-01-01T00:01:40Z"
    office.plan = plan(f"silences: [{{{silence}}}]", "a")
    office.append(0, entry("1"), entry("2", rule="g/Frost"))
    office.tick(99)
    assert office.told() == [["2.firing"]]

    office.tick(100)

    assert office.told() == [["2.firing"], ["1.firing"]]
    assert [alert.id for alert in office.archive.list()] == ["2", "1"]


def test_a_plan_that_is_replaced_keeps_who_heard_of_what_and_looks_at_what_was_muted(office: Office) -> None:
    office.plan = plan("silences: [{matchers: [rule=g/TooHot], by: me, why: repair}]", "a", "b")
    office.append(0, entry("1"), entry("2", rule="g/Frost"))
    assert office.told() == [["2.firing"]]

    office.plan = plan("routes: [{receiver: b}]", "a", "b")
    office.archive.plan_changed(office.plan, 1 * S)
    office.tick(1)
    office.append(2, entry("2", "resolved", rule="g/Frost"))

    assert office.told() == [["2.firing"], ["1.firing"], ["2.resolved"]]
