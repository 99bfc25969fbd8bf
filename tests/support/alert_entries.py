"""Alerts as the topic [alerts] has them, and plans from YAML."""

from __future__ import annotations

from typing import Any

import yaml

from pipeline.alerting.routing.entry import labels_of
from pipeline.alerting.routing.plan import AlertPlan, plan_of
from pipeline.config import Config


def entry(alert_id: str = "x", status: str = "firing", *, account: str = "default", zone: str | None = "gh/1",
          at: str = "2026-11-23T10:02:05Z", rule: str = "g/TooHot", **labels: str) -> dict[str, Any]:  # fmt: skip
    data = {
        "id": alert_id, "rule": rule, "status": status, "since": "2026-11-23T10:00:00Z", "value": 33.1,
        "measure": "temperature", "dimensions": {"sensor": "s-1"}, "labels": labels,
    }  # fmt: skip
    event = {"type": f"alert.{status}", "timestamp": at, "data": data}
    return {"account": account, "table": "a.b", "zone": zone, "event": event}


def plan(text: str, *receivers: str, **accounts: str) -> AlertPlan:
    """The plan of these sections, with receivers that hear of all accounts, and others of one."""
    names = [{"name": name, "account": accounts.get(name)} for name in (*receivers, *accounts)]
    listed = [{**each, "webhook": {"url": "http://hooks.example/"}} for each in names]
    return plan_of(Config.model_validate({"receivers": listed, **(yaml.safe_load(text) or {})}))


def hearers(of: AlertPlan, alert: dict[str, Any]) -> list[str]:
    """The names of the receivers of an alert."""
    return [target.receiver for target in of.targets(alert["event"]["data"]["id"], labels_of(alert))]
