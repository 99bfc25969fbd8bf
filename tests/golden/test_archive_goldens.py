"""The archives of alerts and of dead letters, and what gateways keep of their brokers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

from pipeline.alerting.archive.alerts import AlertArchive, retrial, settlement
from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.alerting.archive.delivery import Delivery, DeliveryState
from pipeline.alerting.webhooks.request import headers_of
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


def test_archives_of_format_1_are_taken_up_and_sealed(tmp_path: Path) -> None:
    for _ in range(2):
        for name in ("alerts.sql", "dead_letters.sql"):
            if not (path := tmp_path / f"{name}ite").exists():
                restore(path, (FILES / name).read_bytes())
        alerts, letters = AlertArchive(tmp_path / "alerts.sqlite"), DeadLetterArchive(tmp_path / "dead_letters.sqlite")
        assert [alert.rule for alert in alerts.list()] == ["climate/TooHot"]
        assert {delivery.receiver for delivery in alerts.deliveries()} == {"ops", "farmer"}
        assert alerts.next_offset(PARTITION) == 5
        assert letters.list()[0].letter == LETTER
        alerts.close()
        letters.close()


def test_the_archive_of_alerts(golden: Golden, tmp_path: Path) -> None:
    """An alert that fired and one that ended; of two receivers one took it, one failed."""
    path = tmp_path / "alerts.sqlite"
    archive = AlertArchive(path)
    archive.accept(PARTITION, 4, [fired()], ["ops", "farmer"], now_ns=T)
    ops, farmer = archive.due(T, "ops", 1)[0], archive.due(T, "farmer", 1)[0]
    archive.delivered(ops, T + 1)
    archive.failed(farmer, T + 2, "503 Service Unavailable")
    archive.close()

    kept = tmp_path / "kept.sqlite"
    restore(kept, golden("alerts-2.sql", dump(path)))
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
    delivery = Delivery(1, "a.firing", "a", "farm", "ops", b"{}", DeliveryState.QUEUED, 2, T, T, None, None)
    notes = [settlement(delivery, DeliveryState.GIVEN_UP, T, "410 Gone"), retrial(delivery)]

    read = json.loads(golden("alert-notes.json", json.dumps(notes).encode()))

    archive = AlertArchive(tmp_path / "alerts.sqlite")
    event = fired()
    event["event"]["data"]["id"] = "a"
    archive.accept(PARTITION, 0, [event], ["ops"], now_ns=T)
    archive.accept(PARTITION, 1, read[:1], [], now_ns=T)
    (given_up,) = archive.deliveries()
    archive.accept(PARTITION, 2, read[1:], [], now_ns=T)
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
    delivery = Delivery(1, "a.firing", "a", "farm", "ops", b'{"x":1}', DeliveryState.QUEUED, 0, T, T, None, None)
    signer = Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    golden("webhook-headers.json", json.dumps(headers_of(delivery, signer, T), indent=1).encode())


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
