"""Rules, alerts and webhooks: each fires once, as late as it has to, and its webhooks come in order."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.fault_kit import HTTP_ERRORS
from tests.support.tour.deployment import Deployment, wait_until_caught_up
from tests.support.tour.devices import Device
from tests.support.tour.witness import BusyWitness
from tests.support.waiting import wait_for

MINUTE_MS = 60_000
LONG = ((0, 20), (MINUTE_MS, 35), (2 * MINUTE_MS - 1, 36), (2 * MINUTE_MS, 37), (3 * MINUTE_MS, 20))
"""(ms after the start, temperature): above 32 from the second on, for a whole minute at the fourth, and resolved."""
BRIEF = ((0, 20), (MINUTE_MS, 35), (2 * MINUTE_MS - 1, 36), (2 * MINUTE_MS, 20))
"""The same, one millisecond too short."""


class Receiver(http.server.ThreadingHTTPServer):
    """A webhook endpoint."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.posted: list[tuple[str, dict[str, Any]]] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.posted.append((self.headers["webhook-id"], body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiving(port: int) -> Iterator[Receiver]:
    """The endpoint is up within the block."""
    with Receiver(port) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


class Alerts(BusyWitness):
    """Sensors that get hot, each in its own time, so that kills meet all states; the endpoint is up only at the end."""

    every_s = 0.3
    ACCOUNT = 1
    NEW_EVERY = 6  # rounds

    def __init__(self, deployment: Deployment, port: int) -> None:
        super().__init__(deployment)
        self._port = port
        self._start_ms = time.time_ns() // 1_000_000 - 30 * MINUTE_MS
        self._round = 0
        self._sent: dict[str, int] = {}  # samples of each sensor

    def begin(self) -> None:
        self._device = Device(self.deployment, self.ACCOUNT, "alerts")
        super().begin()

    def act(self) -> None:
        """Another sensor now and then; the n-th sends a sample every n rounds, so the slow ones outlast many kills."""
        if self._round % self.NEW_EVERY == 0:
            number = len(self._sent)
            self._sent[f"{'long' if number % 3 else 'brief'}-{number}"] = 0
        due = [name for name in self._sent if self._round % (1 + 5 * (_number(name) % 4)) == 0]
        self._publish(due)
        self._round += 1

    def _publish(self, names: list[str]) -> None:
        """The next sample of each of them."""
        left = [name for name in names if self._sent[name] < len(_course(name))]
        messages: list[tuple[str, dict[str, object]]] = []
        for name in left:
            after_ms, temperature = _course(name)[self._sent[name]]
            messages.append((f"climate/{name}", {"ts": self._start_ms + after_ms, "temperature": temperature}))
        self._device.publish(messages)
        for name in left:
            self._sent[name] += 1

    def end(self) -> None:
        super().end()
        for _ in LONG:
            self._publish(list(self._sent))
        self._device.close()

    def check(self) -> None:
        wanted = sorted(name for name in self._sent if name.startswith("long"))
        alerts = wait_for(self._alerts, "alerts are answered")
        fired = sorted(alert["dimensions"]["sensor"] for alert in alerts)
        wrong = sorted((Counter(fired) - Counter(wanted)) + (Counter(wanted) - Counter(fired)))
        assert fired == wanted, f"an alert fired twice, or not, or a millisecond too soon: {wrong[:3]}"
        assert {alert["status"] for alert in alerts} == {"resolved"}, "an alert did not resolve"
        with receiving(self._port) as receiver:
            wait_for(lambda: len(receiver.posted) >= 2 * len(alerts), "both webhooks of each alert arrive")
            wait_until_caught_up(self.deployment)
        _check_posts(receiver.posted, {alert["id"] for alert in alerts})

    def _alerts(self) -> list[dict[str, Any]]:
        try:
            with self.deployment.client(self.ACCOUNT) as client:
                found: list[dict[str, Any]] = client.get("v1", "alerts", parameters=[("limit", "1000")])["alerts"]
        except HTTP_ERRORS:
            return []
        return found


def _check_posts(posted: list[tuple[str, dict[str, Any]]], ids: set[str]) -> None:
    """Each alert is posted as firing, then as resolved, since one moment, and no more often."""
    of: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for webhook_id, body in posted:
        data = body["data"]
        assert webhook_id == f"{data['id']}.{data['status']}", "the id of a webhook is another one"
        of[data["id"]].append((data["status"], data["since"]))
    assert set(of) == ids, "what was posted is not what fired"
    for posts in of.values():
        assert [status for status, _ in posts] == ["firing", "resolved"], "webhooks out of order, or repeated"
        assert len({since for _, since in posts}) == 1, "an alert fired since one moment, and resolved since another"


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])


def _course(name: str) -> tuple[tuple[int, int], ...]:
    return LONG if name.startswith("long") else BRIEF
