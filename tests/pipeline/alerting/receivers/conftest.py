from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from loopback_endpoint import Endpoint

from pipeline.alerting.archive.alerts import AlertArchive, retrial
from pipeline.alerting.archive.delivery import Delivery
from pipeline.alerting.receivers import Sender
from pipeline.alerting.routing.plan import plan_for
from pipeline.config import Receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STREAM = "0123456789abcdef/alerts/0"


class Clock:
    """Time that stands still until it is moved; it starts at the real time, which verifiers of signatures compare."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def forward(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1_000_000_000)


class Office:
    """An archive, and senders over it to loopback endpoints."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.path = folder / "alerts.sqlite"
        self.clock = clock
        self.archive = AlertArchive(self.path)
        self.senders: list[Sender] = []
        self.offset = 0

    async def send_to(self, endpoints: dict[str, Endpoint | str], **options: Any) -> Sender:
        """A running sender to these receivers; a text is a URL, for which private addresses are not allowed."""
        receivers = [
            Receiver.model_validate(
                {
                    "name": name,
                    "webhook": {
                        "url": to if isinstance(to, str) else f"http://127.0.0.1:{to.port}/hook?key=x",
                        "secret": SECRET,
                        "allow_private": not isinstance(to, str),
                    }
                    | options.pop("webhook", {}),
                }
            )
            for name, to in endpoints.items()
        ]
        clocks = {"clock_ns": self.clock, "wall_ns": self.clock}
        sender = Sender(receivers, self.archive, rng=random.Random(1), **clocks, **options)
        self.senders.append(sender)
        await sender.start()
        return sender

    def queue(self, sender: Sender, *alerts: str) -> None:
        """Queue events: `a1.firing`, `a1.resolved` and so on."""
        events = [event(*alert.split(".")) for alert in alerts]
        self.archive.accept(STREAM, self.offset, events, plan_for(*sender.receivers), now_ns=self.clock())
        self.offset += 1
        sender.wake()

    def retry(self, sender: Sender) -> None:
        """Ask for another try of all that failed, through the log."""
        wishes = [retrial(delivery) for delivery in self.archive.failed_deliveries(account="default")]
        self.archive.accept(STREAM, self.offset, wishes, plan_for(*sender.receivers), now_ns=self.clock())
        self.offset += 1
        sender.wake()

    def deliveries(self, receiver: str | None = None) -> dict[str, Delivery]:
        return {delivery.id: delivery for delivery in self.archive.deliveries(receiver=receiver)}

    def states(self, receiver: str | None = None) -> dict[str, str]:
        return {name: str(delivery.state) for name, delivery in self.deliveries(receiver).items()}


def event(alert: str, status: str) -> dict[str, Any]:
    data = {"id": alert, "rule": "g/Hot", "status": status, "since": "2026-11-23T10:00:00Z", "note": "°"}
    body = {"type": f"alert.{status}", "timestamp": "2026-11-23T10:00:00Z", "data": data}
    return {"account": "default", "table": "agriculture.readings", "zone": None, "event": body}


@pytest.fixture
def alert_event() -> Callable[[str, str], dict[str, Any]]:
    """Makes the event of an alert (id, status) as the log has it."""
    return event


@pytest.fixture
def clock() -> Clock:
    return Clock(time.time_ns())


@pytest.fixture
async def office(tmp_path: Path, clock: Clock) -> AsyncIterator[Office]:
    made = Office(tmp_path, clock)
    yield made
    for sender in made.senders:
        await sender.stop()
    made.archive.close()
