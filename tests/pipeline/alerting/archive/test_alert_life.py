"""Acknowledgements and silences through the log, and the record of all transitions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.history import record_of
from pipeline.alerting.routing.plan import plan_for
from pipeline.alerting.routing.silences import Silence, silence_to_json
from pipeline.base.matchers import parse_matcher
from tests.support.alert_entries import entry
from tests.support.alert_office import Office, S

SEVERE = entry("1", at="2026-11-23T10:03:05Z", severity="critical")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path / "alerts.sqlite", plan_for("a"))
    yield made
    made.archive.close()


def acked(alert_id: str = "1", *, account: str = "default", until_s: int | None = None) -> dict[str, Any]:
    ack = {"id": alert_id, "account": account, "by": "Ada", "why": "on my way", "at_ns": 5 * S}
    return {"acked": {**ack, "until_ns": None if until_s is None else until_s * S}}


def silence(text: str, *, start_s: int = 0, end_s: int | None = 100, account: str = "default") -> dict[str, Any]:
    end_ns = None if end_s is None else end_s * S
    of = Silence("s1", account, (parse_matcher(text),), start_s * S, end_ns, None, "Ada", "repair")
    return {"silence": silence_to_json(of)}


def feedback(verdict: str, *, account: str = "default") -> dict[str, Any]:
    by = {"by": "Ada", "why": "an open door", "at_ns": 9 * S}
    return {"feedback": {"id": "1", "account": account, "verdict": verdict, **by}}


def ended(at_s: int, account: str = "default") -> dict[str, Any]:
    return {"silence_ended": {"id": "s1", "account": account, "at_ns": at_s * S}}


def kinds(archive: AlertArchive, **of: Any) -> list[tuple[str, str, str | None]]:
    return [(one.alert_id, one.kind, one.muted) for one in archive.transitions(**of)]


def test_an_acknowledged_alert_is_not_repeated_and_its_end_is_told(office: Office) -> None:
    office.plan = office.repeating("60s")
    office.append(0, entry("1"))
    office.append(5, acked())
    office.tick(5)
    office.tick(61)
    assert office.told() == [["1.firing"]]
    (alert,) = office.archive.list()
    assert alert.acked is not None
    assert (alert.acked["by"], alert.acked["why"]) == ("Ada", "on my way")

    office.append(62, entry("1", "resolved"))

    assert office.told() == [["1.firing"], ["1.resolved"]]


def test_feedback_is_a_transition_that_is_recorded_and_that_nobody_is_told_of(office: Office) -> None:
    office.append(0, entry("1"))
    office.append(5, entry("1", "resolved"))
    office.append(9, feedback("right", account="farm-7"), feedback("false"))

    cells = {name: value for name, _, value in record_of(office.archive.transitions()[-1]).values}

    assert kinds(office.archive)[2:] == [("1", "feedback", None)]
    assert office.told() == [["1.firing"], ["1.resolved"]]
    assert (cells["verdict"], cells["feedback_by"], cells["feedback_comment"]) == ("false", "Ada", "an open door")
    assert cells["acknowledged_by"] == cells["acknowledged_why"] == ""


@pytest.mark.parametrize(("at_s", "count"), [(119, 1), (120, 2), (121, 2)])
def test_an_acknowledgement_ends_at_its_time(office: Office, at_s: int, count: int) -> None:
    office.plan = office.repeating("60s")
    office.append(0, entry("1"))
    office.append(5, acked(until_s=120))
    office.tick(5)

    office.tick(at_s)

    assert len(office.told()) == count


def test_what_rises_after_it_was_acknowledged_is_told(office: Office) -> None:
    office.append(0, entry("1", severity="warning"))
    office.append(5, acked())

    office.append(6, SEVERE)

    assert office.told() == [["1.firing"], ["1.firing"]]


def test_an_acknowledgement_is_taken_back_and_then_repeats_go_on(office: Office) -> None:
    office.plan = office.repeating("60s")
    office.append(0, entry("1"))
    office.append(5, acked())
    office.tick(61)
    office.append(70, {"unacked": {"id": "1", "account": "default", "by": "Ada", "at_ns": 70 * S}})
    office.tick(71)

    assert office.told() == [["1.firing"], ["1.firing"]]
    assert kinds(office.archive) == [("1", "firing", None), ("1", "acknowledged", None), ("1", "unacknowledged", None)]


def test_nobody_acknowledges_or_silences_for_another_account_nor_what_has_resolved(office: Office) -> None:
    office.append(0, silence("rule=g/TooHot", account="farm-7"), entry("1"))
    office.append(5, acked(account="farm-7"), ended(5))
    assert office.told() == [["1.firing"]]
    office.append(6, entry("1", "resolved"))
    office.append(7, acked())

    assert [one.acked for one in office.archive.list()] == [None]
    assert [one.end_ns for one in office.archive.silences("farm-7", 0)] == [100 * S]


@pytest.mark.parametrize(("at_s", "is_told"), [(99, False), (100, True), (101, True)])
def test_a_silence_hides_what_it_matches_until_its_end(office: Office, at_s: int, is_told: bool) -> None:
    office.append(0, silence('zone_name=~"gh/.*"'))
    office.append(1, entry("1"), entry("2", zone="lab"))

    office.tick(at_s)

    assert office.told() == [["2.firing"], *([["1.firing"]] if is_told else [])]
    assert kinds(office.archive) == [("1", "firing", "silenced"), ("2", "firing", None)]


def test_a_silence_that_is_ended_by_hand_tells_what_still_fires(office: Office) -> None:
    office.append(0, silence("rule=g/TooHot", end_s=None))
    office.append(1, entry("1"), entry("2"))
    office.append(2, entry("2", "resolved"))

    office.append(3, ended(3))
    office.tick(3)

    assert office.told() == [["1.firing"]]
    assert office.archive.silences("default", 4 * S) == []


def test_a_silence_is_there_after_a_restart_and_with_another_owner_of_the_log(office: Office, tmp_path: Path) -> None:
    office.append(0, silence("rule=g/TooHot"))
    office.append(1, entry("1"))
    office.append(150, entry("2"))
    other = Office(tmp_path / "other.sqlite", office.plan)
    other.log = office.log
    for offset in range(len(other.log)):
        other.read(offset, late_s=1000)

    assert other.told() == office.told() == [["2.firing"]]
    assert kinds(other.archive) == kinds(office.archive)
    other.archive.close()


def test_what_is_recorded_in_the_store_is_known_from_the_log_and_kept_until_then(office: Office) -> None:
    office.append(0, entry("1"))
    office.append(1, entry("2"), entry("3"))
    office.append(2, entry("3", "resolved"))
    assert [one.alert_id for one in office.archive.unrecorded(10)] == ["1", "2", "3", "3"]

    office.append(3, {"recorded": {"below": 2}})

    assert [(one.alert_id, one.kind) for one in office.archive.unrecorded(10)] == [("3", "resolved")]
