"""Rules, alerts and webhooks across SIGKILLs: fired once, in order, under ids that stay."""

import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from tests.support.fault_kit import caught_up, config, device, hasty, publish
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

RULE = """
groups:
  - name: faults
    table: faults.table_00
    rules: [{alert: Hot, measure: temperature, range: {max: 32}, for: 1m}]
"""
MINUTE_MS = 60_000


class Receiver(http.server.ThreadingHTTPServer):
    """A webhook endpoint."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.posted: list[tuple[str, dict[str, Any]]] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.posted.append((self.headers["webhook-id"], body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """A port that is kept from others; nothing listens there but within `receiving`."""
    with socket.socket() as owner:
        owner.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the endpoint does, which may share it then
        owner.bind(("127.0.0.1", 0))
        yield owner.getsockname()[1]


@contextmanager
def receiving(port: int) -> Iterator[Receiver]:
    with Receiver(port) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


def sample(client: mqtt.Client, ts_ms: int, temperature: float) -> None:
    publish(client, {"ts": ts_ms, "temperature": temperature})


def saved_to(product: Product) -> int:
    """How many frames the saved state of the rules covers; each sample is one frame."""
    low_watermarks = product.data_dir.glob("magnetic/_streamgauge/state/*/readings/0/rules/floor/*")
    return max((int(low_watermark.name) for low_watermark in low_watermarks), default=0)


def alerts(product: Product) -> list[dict[str, Any]]:
    with product.client() as client:
        found: list[dict[str, Any]] = client.get("v1", "alerts")["alerts"]
    return found


def test_a_rule_pending_at_a_kill_fires_once_and_its_webhooks_arrive_in_order(tmp_path: Path, port: int) -> None:
    """The endpoint is down from before the firing until after the kills; firing and resolved come then, in order."""
    (tmp_path / "rules.yaml").write_text(RULE)
    webhook = {"url": f"http://127.0.0.1:{port}/hook", "allow_private": True}
    settings = config(rules=["rules.yaml"], receivers=[{"name": "growers", "webhook": webhook}])
    start_ms = time.time_ns() // 1_000_000 - 30 * MINUTE_MS
    with hasty(tmp_path), Product(tmp_path, settings) as product, device(product) as client:
        sample(client, start_ms, 20)
        sample(client, start_ms + MINUTE_MS, 35)  # pending from here
        wait_for(lambda: saved_to(product) >= 2, "the state with the onset is saved, and the log not needed for it")
        product.kill("worker")
        sample(client, start_ms + 2 * MINUTE_MS - 1, 36)  # not yet
        product.kill("worker")
        wait_for(lambda: caught_up(product), "all is seen")
        assert alerts(product) == []
        sample(client, start_ms + 2 * MINUTE_MS, 37)
        (firing,) = wait_for(lambda: alerts(product), "the alert fires")
        product.kill("worker")
        sample(client, start_ms + 3 * MINUTE_MS, 20)
        product.kill("worker")
        wait_for(product.is_answering, "the product answers")
        (resolved,) = wait_for(
            lambda: [alert for alert in alerts(product) if alert["status"] == "resolved"], "the alert resolves"
        )

        with receiving(port) as receiver:
            wait_for(lambda: len(receiver.posted) >= 2, "both webhooks arrive", timeout_s=60)
            sample(client, start_ms + 4 * MINUTE_MS, 20)
            wait_for(lambda: caught_up(product), "all is seen")

    assert firing["id"] == resolved["id"]
    posted = list(dict.fromkeys(webhook_id for webhook_id, _ in receiver.posted))
    assert posted == [f"{firing['id']}.firing", f"{firing['id']}.resolved"]
    assert [body["data"]["status"] for _, body in receiver.posted] == ["firing", "resolved"]
    assert receiver.posted[0][1]["data"]["since"] == receiver.posted[1][1]["data"]["since"]
