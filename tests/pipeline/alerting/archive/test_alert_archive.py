from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.delivery import Delivery, DeliveryState
from pipeline.alerting.routing.plan import plan_for

STREAM = "0123456789abcdef/alerts/0"
DAY_NS = 86_400 * 10**9


def event(alert_id: str, status: str = "firing", *, account: str = "default", zone: str | None = "gh/1",
          table: str = "a.b") -> dict[str, Any]:  # fmt: skip
    body = {
        "type": f"alert.{status}",
        "timestamp": "2026-11-23T10:02:05Z",
        "data": {"id": alert_id, "rule": "g/TooHot", "status": status, "since": "2026-11-23T10:00:00Z", "value": 33.1},
    }
    return {"account": account, "table": table, "zone": zone, "event": body}


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[AlertArchive]:
    archive = AlertArchive(tmp_path / "alerts.sqlite")
    yield archive
    archive.close()


def accept(archive: AlertArchive, offset: int, *events: dict[str, Any], now_ns: int = 0,
           receivers: tuple[str, ...] = ("growers",)) -> int:  # fmt: skip
    return archive.accept(STREAM, offset, events, plan_for(*receivers), now_ns=now_ns)


def due(archive: AlertArchive, now_ns: int = 0, receiver: str = "growers") -> list[Delivery]:
    return list(archive.due(now_ns, receiver, 10))


def due_ids(archive: AlertArchive, now_ns: int = 0, receiver: str = "growers") -> list[str]:
    return [delivery.id for delivery in due(archive, now_ns, receiver)]


def test_an_alert_is_kept_and_a_delivery_queued_for_each_receiver(archive: AlertArchive) -> None:
    queued = accept(archive, 0, event("x"), receivers=("growers", "office"))

    (alert,) = archive.list()
    assert (alert.id, alert.status, alert.table, alert.zone, alert.rule) == ("x", "firing", "a.b", "gh/1", "g/TooHot")
    assert queued == 2
    assert due(archive)[0].content["alerts"] == [event("x")]
    assert due_ids(archive, receiver="office") == ["x.firing"]


def test_resolving_changes_the_alert_and_queues_its_own_delivery(archive: AlertArchive) -> None:
    accept(archive, 0, event("x"))
    archive.delivered(due(archive)[0], 1)

    accept(archive, 1, event("x", "resolved"))

    (alert,) = archive.list()
    assert (alert.status, alert.event["type"]) == ("resolved", "alert.resolved")
    assert due_ids(archive) == ["x.resolved"]


def test_what_the_position_covers_is_not_taken_in_again(archive: AlertArchive) -> None:
    accept(archive, 3, event("x"))

    assert accept(archive, 3, event("y")) == 0
    assert [alert.id for alert in archive.list()] == ["x"]
    assert archive.next_offset(STREAM) == 4


def test_events_repeated_at_later_offsets_are_queued_once_and_never_reopen_an_alert(archive: AlertArchive) -> None:
    accept(archive, 0, event("x"), event("x", "resolved"))

    assert accept(archive, 1, event("x")) == 0

    (alert,) = archive.list()
    assert alert.status == "resolved"
    assert len(archive.deliveries()) == 2


def test_a_resolved_alert_waits_until_its_firing_is_settled(archive: AlertArchive) -> None:
    accept(archive, 0, event("x"), event("x", "resolved"), event("y"))
    assert due_ids(archive) == ["x.firing", "y.firing"]
    firing = due(archive)[0]

    archive.failed(firing, 100, "503")
    assert due_ids(archive, 99) == ["y.firing"]
    archive.given_up(firing, 100, "gone")

    assert due_ids(archive, 100) == ["x.resolved", "y.firing"]


@pytest.mark.parametrize(("now_ns", "is_due"), [(99, False), (100, True), (101, True)])
def test_a_failed_delivery_is_due_again_at_its_time(archive: AlertArchive, now_ns: int, is_due: bool) -> None:
    accept(archive, 0, event("x"))
    assert archive.next_due_ns("growers") == 0

    archive.failed(due(archive)[0], 100, "connection refused")

    assert bool(due(archive, now_ns)) is is_due
    assert archive.next_due_ns("growers") == 100
    (delivery,) = archive.deliveries()
    assert (delivery.attempts, delivery.error) == (1, "connection refused")


def test_a_settled_delivery_is_not_due_and_stays_settled(archive: AlertArchive) -> None:
    accept(archive, 0, event("x"))
    delivery = due(archive)[0]
    archive.delivered(delivery, 5)

    archive.failed(delivery, 6, "late answer")

    (settled,) = archive.deliveries(state=DeliveryState.DELIVERED)
    assert (settled.settled_ns, settled.attempts, settled.error) == (5, 1, None)
    assert due(archive, 10) == []
    assert archive.next_due_ns("growers") is None


def test_the_queue_is_there_after_a_restart(tmp_path: Path) -> None:
    first = AlertArchive(tmp_path / "a.sqlite")
    accept(first, 0, event("x"))
    first.close()

    second = AlertArchive(tmp_path / "a.sqlite")

    assert due_ids(second) == ["x.firing"]
    second.close()


def test_alerts_are_filtered_and_paged_newest_first(archive: AlertArchive) -> None:
    accept(
        archive,
        0,
        event("1"),
        event("2", account="farm-7"),
        event("3", zone=None),
        event("4", table="c.d"),
        event("1", "resolved"),
    )

    def ids(**filters: Any) -> list[str]:
        return [alert.id for alert in archive.list(**filters)]

    assert ids(account="farm-7") == ["2"]
    assert ids(zone="gh/1", account="default") == ["4", "1"]
    assert ids(table="c.d") == ["4"]
    assert ids(status="resolved") == ["1"]
    assert ids(limit=2) == ["4", "3"]
    assert ids(limit=2, before_seq=archive.list(limit=2)[-1].seq) == ["2", "1"]


def test_old_resolved_alerts_go_and_firing_ones_stay(archive: AlertArchive) -> None:
    now_ns = 21_000 * DAY_NS
    accept(archive, 0, event("old"), event("old", "resolved"), event("firing"), now_ns=now_ns - 30 * DAY_NS - 1)
    accept(archive, 1, event("new"), event("new", "resolved"), now_ns=now_ns - 30 * DAY_NS)

    archive.retain(now_ns)

    assert [alert.id for alert in archive.list()] == ["new", "firing"]
    assert {delivery.alert_id for delivery in archive.deliveries()} == {"new"}


MINUTE_NS = 60 * 10**9
NOW_NS = 21_000 * DAY_NS


@pytest.mark.parametrize("set_by_ns", [-400 * DAY_NS, -20_999 * DAY_NS, 400 * DAY_NS])
def test_what_waits_neither_waits_longer_nor_is_old_because_the_clock_was_set_meanwhile(
    archive: AlertArchive, set_by_ns: int
) -> None:
    accept(archive, 0, event("new"), event("failed"), now_ns=NOW_NS)
    archive.failed(due(archive, NOW_NS)[1], NOW_NS + MINUTE_NS, "HTTP 500")
    now_ns = NOW_NS + set_by_ns

    archive.take_up(now_ns, longest_wait_ns=10 * MINUTE_NS, longest_age_ns=DAY_NS)

    new, failed = sorted(archive.deliveries(), key=lambda delivery: delivery.seq)
    assert new.next_attempt_ns <= now_ns
    assert failed.next_attempt_ns <= now_ns + 10 * MINUTE_NS
    assert all(now_ns - DAY_NS <= delivery.queued_ns <= now_ns for delivery in (new, failed))


def test_what_is_of_a_time_when_the_clock_was_not_set_is_kept_and_dated_once_it_is(archive: AlertArchive) -> None:
    accept(archive, 0, event("old"), event("old", "resolved"), now_ns=40)
    archive.retain(NOW_NS)
    assert len(archive.list()) == 1
    assert len(archive.deliveries()) == 2

    archive.take_up(NOW_NS, longest_wait_ns=0, longest_age_ns=DAY_NS)

    assert [alert.updated_ns for alert in archive.list()] == [NOW_NS]
    archive.retain(NOW_NS + 31 * DAY_NS)
    assert archive.list() == []
