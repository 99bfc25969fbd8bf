"""The archives of alerts and of dead letters, and what gateways keep of their brokers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from pipeline.alerting.archive.alerts import AlertArchive, retrial, settlement
from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.alerting.archive.delivery import Delivery, DeliveryState
from pipeline.alerting.receivers.signing import headers_of
from pipeline.alerting.routing.plan import plan_for
from pipeline.base.layout import Layout, prepare
from pipeline.gateway.brokers.seen import Seen
from pipeline.log.dead_letter import DeadLetter, Reason
from tests.golden.conftest import FILES, Golden
from tests.golden.sqlite_text import dump, restore

T = 1_795_000_000_123_456_789
PARTITION = "0123456789abcdef/alerts/0"
LETTER = DeadLetter("0123456789abcdef:0:7:1", "farm", "gh/north/s1", b'{"cut', Reason.INVALID_JSON, "at byte 5", T)


def fired() -> dict[str, Any]:
    """The event of an alert, as the log has it."""
    event: dict[str, Any] = json.loads((FILES / "alerts.json").read_bytes())[0]
    return event


@pytest.mark.parametrize("name", ["alerts.sql", "alerts-2.sql", "alerts-3.sql"])
def test_alerts_of_former_formats_are_taken_up_and_sealed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "alerts.sqlite"
    restore(path, (FILES / name).read_bytes())
    for _ in range(2):
        alerts = AlertArchive(path)
        assert [alert.rule for alert in alerts.list()] == ["climate/TooHot"]
        assert {one.receiver: one.content["alerts"] for one in alerts.deliveries()} == {
            "ops": [fired()],
            "farmer": [fired()],
        }
        assert alerts.next_offset(PARTITION) == 5
        alerts.close()


@pytest.mark.parametrize("name", ["alerts-2.sql", "alerts-3.sql"])
def test_who_heard_of_an_alert_by_a_former_version_hears_of_its_end_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / "alerts.sqlite"
    restore(path, (FILES / name).read_bytes())
    archive = AlertArchive(path)
    ended = fired()
    ended["event"]["data"]["status"] = "resolved"

    queued = archive.accept(PARTITION, 5, [ended], plan_for("ops", "farmer", "new"), now_ns=T)

    assert queued == 2
    assert sorted(one.receiver for one in archive.deliveries() if one.id.endswith(".resolved")) == ["farmer", "ops"]
    archive.close()


def test_dead_letters_of_format_1_are_taken_up_and_sealed(tmp_path: Path) -> None:
    path = tmp_path / "dead_letters.sqlite"
    restore(path, (FILES / "dead_letters.sql").read_bytes())
    for _ in range(2):
        letters = DeadLetterArchive(path)
        assert letters.list()[0].letter == LETTER
        letters.close()


def test_the_archive_of_alerts(golden: Golden, tmp_path: Path) -> None:
    """An alert that fired and one that ended; of two receivers one took it, one failed."""
    path = tmp_path / "alerts.sqlite"
    archive = AlertArchive(path)
    archive.accept(PARTITION, 4, [fired()], plan_for("ops", "farmer"), now_ns=T)
    ops, farmer = archive.due(T, "ops", 1)[0], archive.due(T, "farmer", 1)[0]
    archive.delivered(ops, T + 1)
    archive.failed(farmer, T + 2, "503 Service Unavailable")
    archive.close()

    kept = tmp_path / "kept.sqlite"
    restore(kept, golden("alerts-4.sql", dump(path)))
    archive = AlertArchive(kept)
    (alert,) = archive.list()
    deliveries = {delivery.receiver: delivery for delivery in archive.deliveries()}
    assert archive.next_offset(PARTITION) == 5
    assert (alert.account, alert.table, alert.zone, alert.rule, alert.status, alert.event) == (
        *("farm", "agriculture.readings", "north", "climate/TooHot", "firing"),
        fired()["event"],
    )
    assert {name: (one.state, one.attempts, one.error) for name, one in deliveries.items()} == {
        "ops": (DeliveryState.DELIVERED, 1, None),
        "farmer": (DeliveryState.QUEUED, 1, "503 Service Unavailable"),
    }
    archive.close()


def test_what_workers_tell_each_other_of_deliveries_through_the_log(golden: Golden, tmp_path: Path) -> None:
    delivery = Delivery(1, "a.firing", "a", "farm", "ops", {}, DeliveryState.QUEUED, 2, T, T, None, None)
    notes = [settlement(delivery, DeliveryState.GIVEN_UP, T, "410 Gone"), retrial(delivery)]

    read = json.loads(golden("alert-notes.json", json.dumps(notes).encode()))

    archive = AlertArchive(tmp_path / "alerts.sqlite")
    event = fired()
    event["event"]["data"]["id"] = "a"
    archive.accept(PARTITION, 0, [event], plan_for("ops"), now_ns=T)
    archive.accept(PARTITION, 1, read[:1], plan_for(), now_ns=T)
    (given_up,) = archive.deliveries()
    archive.accept(PARTITION, 2, read[1:], plan_for(), now_ns=T)
    (again,) = archive.deliveries()
    archive.close()
    assert (given_up.state, given_up.attempts, given_up.error) == (DeliveryState.GIVEN_UP, 3, "410 Gone")
    assert (again.state, again.attempts) == (DeliveryState.QUEUED, 0)


def test_the_archive_of_dead_letters(golden: Golden, tmp_path: Path) -> None:
    path = tmp_path / "dead_letters.sqlite"
    archive = DeadLetterArchive(path)
    archive.accept(PARTITION, 4, [LETTER])
    archive.mark_replayed([LETTER.id], T + 1)
    archive.close()

    kept = tmp_path / "kept.sqlite"
    restore(kept, golden("dead_letters-2.sql", dump(path)))
    archive = DeadLetterArchive(kept)
    (found,) = archive.list()
    assert (found.letter, found.replayed_ns, archive.next_offset(PARTITION)) == (LETTER, T + 1, 5)
    archive.close()


def test_the_headers_of_a_webhook(golden: Golden) -> None:
    signer = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    golden("webhook-headers.json", json.dumps(headers_of("a.firing", b'{"x":1}', [signer], T), indent=1).encode())


def test_what_was_last_taken_in_of_each_mqtt_topic(golden: Golden, tmp_path: Path) -> None:
    path = tmp_path / "slot-0-x.seen"
    seen = Seen(path)
    seen.note(["gh/north", "gh/é"], [b"1", b"2"])
    seen.save(seen.snapshot())

    path.write_bytes(golden("brokers-2.seen", path.read_bytes()))
    assert_knows(path)
    path.write_bytes((FILES / "brokers.seen").read_bytes())  # of format 1
    assert_knows(path)


def assert_knows(path: Path) -> None:
    again = Seen(path)
    assert (again.has("gh/north", b"1"), again.has("gh/é", b"2"), again.has("gh/é", b"1")) == (True, True, False)


def test_the_data_dir_says_its_format(golden: Golden, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data")
    prepare(layout)

    layout.format.write_bytes(golden("format.json", layout.format.read_bytes()))
    prepare(layout)
