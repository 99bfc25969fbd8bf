"""An alert that is none, to try a receiver with. Pure."""

from __future__ import annotations

from pipeline.alerting.archive.delivery import Delivery, DeliveryState
from store.names import DEFAULT_ACCOUNT
from store.values.times import rfc3339

RULE = "streamgauge/Test"


def sample(receiver: str, account: str | None, status: str, now_ns: int) -> Delivery:
    """A delivery that tells `receiver` of a sample that fires, or of its end. Its id is of the second."""
    moment = rfc3339(now_ns, 0)
    alert_id = f"test-{now_ns // 1_000_000_000}"
    data = {
        "id": alert_id,
        "rule": RULE,
        "status": status,
        "since": moment,
        "value": 42.0,
        "bounds": {"max": 40.0},
        "measure": "temperature",
        "dimensions": {"sensor": "test"},
        "labels": {"severity": "info"},
        "annotations": {"summary": "this is a test of this receiver, and no alert"},
    }
    of = account or DEFAULT_ACCOUNT
    entry = {
        "account": of,
        "table": "streamgauge.test",
        "zone": "test",
        "event": {"type": f"alert.{status}", "timestamp": moment, "data": data},
    }
    content = {"labels": None, "number": 1, "is_repeat": False, "alerts": [entry]}
    queued = DeliveryState.QUEUED
    return Delivery(0, f"{alert_id}.{status}", alert_id, of, receiver, content, queued, 0, now_ns, now_ns, None, None)
