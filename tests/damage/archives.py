"""The archives of alerts, with the queue of deliveries, and of dead letters."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.dead_letters import DeadLetterArchive
from pipeline.alerting.archive.delivery import DeliveryState
from pipeline.alerting.archive.starting import start_offset
from pipeline.alerting.routing.plan import plan_for
from pipeline.log.dead_letter import DeadLetter, Reason

LOG = "0123456789abcdef"
LETTERS = 120
ALERTS = 80
KEPT_FROM = 41  # the log has the messages from this offset on: all that came after the older state
RECEIVERS = ("growers", "office")


def letter(number: int) -> DeadLetter:
    """The dead letter at this offset."""
    payload = random.Random(number).randbytes(40 + number * 9)
    return DeadLetter(f"id:{number}", "farm", f"gh/{number % 7}", payload, Reason.NO_ROUTE, "no table", 1 + number)


def _left(folder: Path, running: Path) -> Mapping[str, Path]:
    running.rename(folder / "stopped")
    return {name: folder / name for name in ("older", "killed", "stopped")}


class DeadLetters:
    """See `Subject`. What is above the archive's position comes again from the log."""

    name = f"{LOG}/dead_letters/0"
    kinds: Mapping[str, str] = {
        "`dead_letters.sqlite`": "dead_letters.sqlite",
        "its WAL (dead letters)": "dead_letters.sqlite-wal",
    }

    def make(self, folder: Path) -> Mapping[str, Path]:
        """Half of it is in the file, the rest in the WAL."""
        running = folder / "running"
        with closing(self._opened(running)) as archive:
            for number in range(LETTERS):
                archive.accept(self.name, number, [letter(number)])
                if number == KEPT_FROM - 1:
                    shutil.copytree(running, folder / "older")
                    archive._file._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            archive.mark_replayed([letter(3).id], 77)
            shutil.copytree(running, folder / "killed")
        return _left(folder, running)

    def is_whole(self, folder: Path) -> bool:
        """What is there was written."""
        with closing(self._opened(folder)) as archive:
            for number in range(start_offset(archive, self.name, KEPT_FROM) or KEPT_FROM, LETTERS):
                archive.accept(self.name, number, [letter(number)])
            kept = archive.list(limit=1_000)
            archive.accept(self.name, 9_999, [letter(9_999)])
        with closing(self._opened(folder)) as archive:
            again = {one.letter.id for one in archive.list(limit=1_000)}
        assert [one for one in kept if one.letter != letter(int(one.letter.id[3:]))] == []
        assert {one.letter.id for one in kept if one.replayed_ns == 77} <= {"id:3"}
        assert again == {one.letter.id for one in kept} | {"id:9999"}
        return len(kept) == LETTERS

    def _opened(self, folder: Path) -> DeadLetterArchive:
        return DeadLetterArchive(folder / "dead_letters.sqlite")


class Alerts:
    """See `Subject`. Alerts fire and are resolved; every third delivery was made."""

    name = f"{LOG}/alerts/0"
    kinds: Mapping[str, str] = {
        "`alerts.sqlite`, with deliveries": "alerts.sqlite",
        "its WAL (alerts)": "alerts.sqlite-wal",
    }

    def make(self, folder: Path) -> Mapping[str, Path]:
        """Half of it is in the file, the rest in the WAL."""
        running = folder / "running"
        with closing(self._opened(running)) as archive:
            for number in range(ALERTS):
                self._accept(archive, number)
                if number == KEPT_FROM - 1:
                    shutil.copytree(running, folder / "older")
                    archive._file._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            for delivery in archive.due(ALERTS, RECEIVERS[0], 1_000)[::3]:
                archive.delivered(delivery, 99)
            shutil.copytree(running, folder / "killed")
        return _left(folder, running)

    def is_whole(self, folder: Path) -> bool:
        """Alerts and deliveries are as they were queued, also after the log has repeated what is above the position."""
        with closing(self._opened(folder)) as archive:
            for number in range(start_offset(archive, self.name, KEPT_FROM) or KEPT_FROM, ALERTS):
                self._accept(archive, number)
            found = self._content(archive)
        with closing(self._opened(folder)) as archive:
            assert self._content(archive) == found
        expected = dict(self._expected())
        assert {key: value for key, value in found.items() if expected.get(key) != value} == {}
        return found.keys() == expected.keys()

    def _accept(self, archive: AlertArchive, offset: int) -> None:
        archive.accept(self.name, offset, [_event(offset)], plan_for(*RECEIVERS), now_ns=offset)

    def _content(self, archive: AlertArchive) -> dict[tuple[str, ...], object]:
        alerts: dict[tuple[str, ...], object] = {
            ("alert", one.id): (one.status, one.event) for one in archive.list(limit=1_000)
        }
        queue = archive.deliveries(limit=10_000)
        assert {one.state for one in queue} <= {DeliveryState.QUEUED, DeliveryState.DELIVERED}
        return {**alerts, **{("delivery", one.id, one.receiver): one.alert_id for one in queue}}

    def _expected(self) -> Iterator[tuple[tuple[str, ...], object]]:
        for number in range(ALERTS):
            event = _event(number)["event"]
            of = event["data"]
            yield ("alert", of["id"]), (of["status"], event)  # the last one stays
            for receiver in RECEIVERS:
                yield ("delivery", f"{of['id']}.{of['status']}", receiver), of["id"]

    def _opened(self, folder: Path) -> AlertArchive:
        return AlertArchive(folder / "alerts.sqlite")


def _event(offset: int) -> dict[str, Any]:
    status = "resolved" if offset % 2 else "firing"
    data = {
        "id": f"alert-{offset // 2}",
        "rule": "g/TooHot",
        "status": status,
        "since": "2026-11-23T10:00:00Z",
        "annotations": {"summary": random.Random(offset).randbytes(200).hex()},
    }
    event = {"type": f"alert.{status}", "timestamp": "2026-11-23T10:02:00Z", "data": data}
    return {"account": "farm", "table": "a.b", "zone": None, "event": event}
